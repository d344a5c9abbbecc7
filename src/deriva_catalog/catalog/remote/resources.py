"""Addresses of model elements as targets of requests.

Source: ERMrest, "Transport" (the URL space) and "The model: operations".
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from ...interface import Address
from ...model.elements import Model
from ...model.lookup import find_foreign_key, require_table, table_at
from ...path.ast import TableName
from ...path.printer import print_table

__all__ = ["element_target", "encoded", "named", "table_target"]


def encoded(name: str) -> str:
    """A name as a token of a URL."""
    return quote(name, safe="")


def named(table: TableName) -> str:
    """The name of a table in a path."""
    require_table(table)
    return print_table(table)


def table_target(schema: str, table: str) -> str:
    """The target of a table, after the catalog's."""
    return f"schema/{encoded(schema)}/table/{encoded(table)}"


def element_target(address: Address, model: Model) -> str:
    """The target of an element, after the catalog's; the catalog's own is empty.

    `model` is asked what a foreign key refers to when the address does not say.

    Raises:
        NotFound, UnknownName, Conflict: a foreign key that the address only half names.
    """
    if address.schema is None:
        return ""
    if address.table is None:
        return f"schema/{encoded(address.schema)}"
    table = table_target(address.schema, address.table)
    if address.column is not None:
        return f"{table}/column/{encoded(address.column)}"
    if address.key is not None:
        return f"{table}/key/{_list(address.key)}"
    if address.foreign_key is not None:
        return f"{table}/foreignkey/{_foreign_key(address, model)}"
    return table


def _list(names: Iterable[str]) -> str:
    return ",".join(map(encoded, names))


def _foreign_key(address: Address, model: Model) -> str:
    columns = address.foreign_key or ()
    if address.referenced is not None:
        schema, table, referenced = address.referenced
    else:
        home = table_at(model, str(address.schema), str(address.table))
        found = find_foreign_key(home, columns)
        columns, referenced = found.columns, found.referenced_columns
        schema, table = found.referenced_schema, found.referenced_table
    target = f"{encoded(schema)}:{encoded(table)}"
    return f"{_list(columns)}/reference/{target}/{_list(referenced)}"

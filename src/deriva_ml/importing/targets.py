"""The table that an import goes to, when there is one already, and how it keeps values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deriva_catalog.model.elements import Column, Table
from deriva_catalog.model.typenames import Family, family
from deriva_catalog.model.values import encoder

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML

__all__ = ["compared_as_text", "existing_table", "kept", "text_columns"]

Kept = Mapping[str, Callable[[Any], Any]]
"""For each column, what makes of a value the one that the table keeps."""
_NESTED = (Family.JSON, Family.ARRAY)


def existing_table(ml: DerivaML, name: str, schema: str | None = None) -> Table | None:
    """The table of that name, with or without its schema before a colon; None if there is none.

    Raises:
        DerivaMLValidationError: Several schemas have one.
    """
    given, _, bare = name.rpartition(":")
    wanted = schema or given
    if not any(t.name == bare and wanted in ("", t.schema) for t in ml.model.tables()):
        return None
    return ml.model.name_to_table(f"{wanted}:{bare}" if wanted else bare)


def text_columns(table: Table | None) -> frozenset[str]:
    """The columns that keep any text as it is spelled."""
    columns = () if table is None else table.columns
    return frozenset(c.name for c in columns if family(c.type) is Family.TEXT)


def kept(table: Table, columns: Iterable[str]) -> Kept:
    """How a table keeps the values of columns, in a form that can be compared and hashed.

    The functions raise what the catalog raises for a value that is none of the column.
    """
    return {name: _kept(table.by_name[name]) for name in columns}


def _kept(column: Column) -> Callable[[Any], Any]:
    if family(column.type) in _NESTED:
        return lambda value: None if value is None else json.dumps(value, sort_keys=True)
    return encoder(column.type, column.name)


def compared_as_text(column: Column) -> bool:
    """Whether a value of the column can be asked for by a text that spells it."""
    return family(column.type) not in _NESTED

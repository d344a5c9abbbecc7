"""Finding elements of a model by name, with the errors that the protocol asks for.

Source: ERMrest, "Which status for what is missing".
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Protocol

from ..errors import BadRequest, Conflict, NotFound, UnknownName
from .address import Address, require_address
from .elements import Column, ForeignKey, Key, Model, Schema, Table

__all__ = [
    "Element",
    "TableReference",
    "column_of",
    "find_column",
    "find_element",
    "find_foreign_key",
    "find_foreign_key_by_name",
    "find_key",
    "find_schema",
    "find_table",
    "foreign_keys_between",
    "near_misses",
    "table_at",
]

Element = Model | Schema | Table | Column | Key | ForeignKey


class TableReference(Protocol):
    """A table's name, perhaps without its schema."""

    @property
    def name(self) -> str:
        """The name of the table."""
        ...

    @property
    def schema(self) -> str | None:
        """The name of its schema; None when it was not given."""
        ...


def near_misses(name: str, known: Iterable[str]) -> str:
    """A hint with the names closest to `name`; empty when none is close."""
    choices = list(known)
    near = difflib.get_close_matches(name, choices, n=3)
    if not near:
        folded = name.casefold()
        near = [choice for choice in choices if choice.casefold() == folded][:3]
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else ""


# --- as data paths name things -----------------------------------------------------------


def find_table(model: Model, reference: TableReference) -> Table:
    """The table that a data path names; without a schema its name must be unique.

    Raises:
        UnknownName: there is no such table.
        Conflict: several schemas have a table of that name.
    """
    require_table(reference)
    name = reference.name
    if reference.schema is not None:
        return table_at(model, reference.schema, name)
    found = [schema.tables[name] for schema in model.schemas.values() if name in schema.tables]
    if len(found) == 1:
        return found[0]
    if found:
        schemas = sorted(table.schema for table in found)
        raise Conflict(
            f"Table {name!r} exists in several schemas: {', '.join(map(repr, schemas[:10]))}.",
            hint=f"Write one of them before it, as in {schemas[0]}:{name}.",
            table=name,
        )
    known = {table for schema in model.schemas.values() for table in schema.tables}
    raise UnknownName(f"There is no table {name!r}.", hint=near_misses(name, known), table=name)


def require_table(given: object) -> None:
    """Raise `BadRequest` if something does not name a table."""
    if not hasattr(given, "schema") or not hasattr(given, "name"):
        shown = repr(given)[:80] if isinstance(given, str | tuple) else type(given).__name__
        raise BadRequest(
            f"The name of a table is expected, not {shown}.",
            hint="Write TableName('Image', 'lab'): the table, then its schema.",
        )


def table_at(model: Model, schema: str, table: str) -> Table:
    """The table `table` of the schema `schema`.

    Raises:
        UnknownName: there is no such schema, or it has no such table.
    """
    found = model.schemas.get(schema)
    if found is None:
        hint = near_misses(schema, model.schemas)
        raise UnknownName(f"There is no schema {schema!r}.", hint=hint, schema=schema)
    if table not in found.tables:
        hint = near_misses(table, found.tables)
        raise UnknownName(f"Schema {schema!r} has no table {table!r}.", hint=hint, table=table)
    return found.tables[table]


def column_of(table: Table, name: str) -> Column:
    """The column of `table` called `name`.

    Raises:
        UnknownName: there is none.
    """
    found = table.by_name.get(name)
    if found is None:
        hint = near_misses(name, table.by_name)
        raise UnknownName(
            f"Table {table.qualified!r} has no column {name!r}.", hint=hint, column=name
        )
    return found


def foreign_keys_between(one: Table, other: Table) -> list[tuple[Table, ForeignKey, Table]]:
    """Every foreign key between two tables as (referring table, foreign key, referenced table).

    Those from `one` to `other` come first; a table that refers to itself has each once.
    """
    there = [
        (one, fkey, other)
        for fkey in one.foreign_keys
        if (fkey.referenced_schema, fkey.referenced_table) == (other.schema, other.name)
    ]
    if (one.schema, one.name) == (other.schema, other.name):
        return there
    back = [
        (other, fkey, one)
        for fkey in other.foreign_keys
        if (fkey.referenced_schema, fkey.referenced_table) == (one.schema, one.name)
    ]
    return there + back


def find_foreign_key_by_name(model: Model, schema: str, name: str) -> tuple[Table, ForeignKey]:
    """The foreign key whose constraint is called [schema, name], and its referring table.

    Raises:
        UnknownName: there is none.
    """
    known: list[str] = []
    found = model.schemas.get(schema)
    for table in found.tables.values() if found else ():
        for fkey in table.foreign_keys:
            if fkey.name == name:
                return table, fkey
            known.append(fkey.name)
    raise UnknownName(
        f"There is no foreign key {[schema, name]!r}.", hint=near_misses(name, known), name=name
    )


# --- as model resources name things ------------------------------------------------------


def find_schema(model: Model, name: str) -> Schema:
    """The schema that an address ends with.

    Raises:
        NotFound: there is none.
    """
    found = model.schemas.get(name)
    if found is None:
        hint = near_misses(name, model.schemas)
        raise NotFound(f"There is no schema {name!r}.", hint=hint, schema=name)
    return found


def find_column(table: Table, name: str) -> Column:
    """The column that an address ends with.

    Raises:
        NotFound: there is none.
    """
    try:
        return column_of(table, name)
    except UnknownName as error:
        raise NotFound(error.message, hint=error.hint, column=name) from None


def find_key(table: Table, columns: Iterable[str]) -> Key:
    """The key over exactly these columns, in any order.

    Raises:
        UnknownName: a column does not exist.
        NotFound: the columns are no key.
    """
    wanted = [column_of(table, name).name for name in columns]
    for key in table.keys:
        if set(key.columns) == set(wanted):
            return key
    raise NotFound(f"Table {table.qualified!r} has no key over {wanted!r}.", table=table.qualified)


def find_foreign_key(
    table: Table,
    columns: Iterable[str],
    referenced: tuple[str, str, tuple[str, ...]] | None = None,
) -> ForeignKey:
    """The foreign key of `table` over `columns`, to `referenced` when that is given.

    Raises:
        UnknownName: a column does not exist.
        NotFound: there is no such foreign key.
        Conflict: several foreign keys have these columns and `referenced` is not given.
    """
    wanted = [column_of(table, name).name for name in columns]
    found = [fkey for fkey in table.foreign_keys if set(fkey.columns) == set(wanted)]
    if referenced is not None:
        schema, name, targets = referenced
        mapping = set(zip(wanted, targets, strict=False))
        found = [
            fkey
            for fkey in found
            if (fkey.referenced_schema, fkey.referenced_table) == (schema, name)
            and len(targets) == len(wanted)
            and set(fkey.mapping.items()) == mapping
        ]
    if len(found) > 1:
        targets_known = ", ".join(f"{f.referenced_schema}:{f.referenced_table}" for f in found)
        raise Conflict(
            f"Table {table.qualified!r} has several foreign keys over {wanted!r}.",
            hint=f"Say which one by what it refers to: {targets_known}.",
        )
    if not found:
        raise NotFound(f"Table {table.qualified!r} has no foreign key over {wanted!r}.")
    return found[0]


def find_element(model: Model, address: Address, *, inside: bool = False) -> Element:
    """The element at an address.

    Args:
        model: Where it is looked for.
        address: Which element.
        inside: Whether something inside it is meant, such as its comment or its list of
            columns: then a schema or table is only on the way to that.

    Raises:
        NotFound: the element that the address ends with does not exist.
        UnknownName: something on the way to it does not exist.
        Conflict: several foreign keys have the columns of the address.
    """
    require_address(address)
    if address.schema is None:
        return model
    if address.table is None:
        return _schema_at(model, address.schema) if inside else find_schema(model, address.schema)
    deeper = (address.column, address.key, address.foreign_key) != (None, None, None)
    try:
        table = table_at(model, address.schema, address.table)
    except UnknownName as error:
        if deeper or inside or address.schema not in model.schemas:
            raise
        raise NotFound(error.message, hint=error.hint, **error.facts) from None
    if address.column is not None:
        return find_column(table, address.column)
    if address.key is not None:
        return find_key(table, address.key)
    if address.foreign_key is not None:
        if address.referenced is not None:
            _check_reference(model, table, address.foreign_key, address.referenced)
        return find_foreign_key(table, address.foreign_key, address.referenced)
    return table


def _schema_at(model: Model, name: str) -> Schema:
    try:
        return find_schema(model, name)
    except NotFound as error:
        raise UnknownName(error.message, hint=error.hint, **error.facts) from None


def _check_reference(
    model: Model,
    table: Table,
    columns: tuple[str, ...],
    referenced: tuple[str, str, tuple[str, ...]],
) -> None:
    """Check what a foreign key's address leads through: a left side, a table and a key.

    Raises:
        UnknownName: there is no foreign key over the columns, no such referenced table, or
            it has not these columns.
        NotFound: the referenced columns are no key.
    """
    wanted = {column_of(table, name).name for name in columns}
    if not any(set(fkey.columns) == wanted for fkey in table.foreign_keys):
        raise UnknownName(
            f"Table {table.qualified!r} has no foreign key over {list(columns)!r}.",
            table=table.qualified,
        )
    schema, name, targets = referenced
    find_key(table_at(model, schema, name), targets)

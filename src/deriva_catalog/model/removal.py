"""Removing elements of the model.

Source: ERMrest, "The model: operations", delete.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import Conflict
from .address import Address
from .alteration import refuse_builtin
from .changes import (
    ColumnDropped,
    Draft,
    ForeignKeyDropped,
    KeyDropped,
    ModelChange,
    Structural,
    TableDropped,
)
from .elements import Column, ForeignKey, Key, Model, Schema, Table
from .lookup import find_element, table_at

__all__ = ["drop"]


def drop(model: Model, address: Address, *, version: int) -> ModelChange:
    """Remove an element; ACL bindings that used it go with it.

    Raises:
        NotFound, UnknownName: the element, or something on the way to it, does not exist.
        Conflict: it is still needed: a schema with tables, a table or key that is referred
            to, a system column, the key on RID, a built-in table.
    """
    element = find_element(model, address)
    draft = Draft(model)
    if isinstance(element, Model):
        raise Conflict("A catalog is not removed through its model.")
    if isinstance(element, Schema):
        structure = _drop_schema(draft, element)
    elif isinstance(element, Table):
        structure = _drop_table(model, draft, element)
    else:
        table = table_at(model, str(address.schema), str(address.table))
        if isinstance(element, Column):
            structure = _drop_column(model, draft, table, element)
        elif isinstance(element, Key):
            structure = _drop_key(model, draft, table, element)
        else:
            structure = _drop_foreign_key(draft, table, element)
    return ModelChange(draft.finish(version), structure)


def _drop_schema(draft: Draft, schema: Schema) -> tuple[Structural, ...]:
    if schema.tables:
        names = ", ".join(map(repr, sorted(schema.tables)[:10]))
        raise Conflict(
            f"Schema {schema.name!r} still has {len(schema.tables)} tables: {names}.",
            hint="Drop or move them first.",
        )
    del draft.schemas[schema.name]
    return ()


def _drop_table(model: Model, draft: Draft, table: Table) -> tuple[Structural, ...]:
    refuse_builtin(table, "dropped")
    inbound = model.inbound.get((table.schema, table.name), ())
    others = [f"{other.qualified} ({fkey.name})" for other, fkey in inbound if other is not table]
    if others:
        raise Conflict(
            f"Table {table.qualified!r} is referred to by {', '.join(others[:10])}.",
            hint="Drop those foreign keys first.",
        )
    del draft.tables_of(table.schema)[table.name]
    gone = tuple(ForeignKeyDropped(table, fkey) for fkey in table.foreign_keys)
    return (*gone, TableDropped(table))


def _referring(model: Model, table: Table, key: Key) -> list[tuple[Table, ForeignKey]]:
    """The foreign keys that refer to `key`, with their tables."""
    return [
        (other, fkey)
        for other, fkey in model.inbound.get((table.schema, table.name), ())
        if set(fkey.referenced_columns) == set(key.columns)
    ]


def _drop_column(
    model: Model, draft: Draft, table: Table, column: Column
) -> tuple[Structural, ...]:
    if column.is_system:
        raise Conflict(
            f"Column {column.name!r} of table {table.qualified!r} is a system column and cannot "
            "be dropped."
        )
    refuse_builtin(table, f"without its column {column.name!r}")
    keys = [key for key in table.keys if column.name in key.columns]
    fkeys = {fkey.rid: fkey for fkey in table.foreign_keys if column.name in fkey.columns}
    for key in keys:
        for other, fkey in _referring(model, table, key):
            if other is not table:
                raise Conflict(
                    f"Column {column.name!r} of table {table.qualified!r} is in the key "
                    f"{key.name!r}, which {other.qualified!r} refers to ({fkey.name}).",
                    hint="Drop that foreign key first.",
                )
            fkeys[fkey.rid] = fkey
    draft.put(
        replace(
            table,
            columns=tuple(c for c in table.columns if c is not column),
            keys=tuple(key for key in table.keys if key not in keys),
            foreign_keys=tuple(f for f in table.foreign_keys if f.rid not in fkeys),
        )
    )
    return (
        *(ForeignKeyDropped(table, fkey) for fkey in fkeys.values()),
        *(KeyDropped(table, key) for key in keys),
        ColumnDropped(table, column),
    )


def _drop_key(model: Model, draft: Draft, table: Table, key: Key) -> tuple[Structural, ...]:
    if key.columns == ("RID",):
        raise Conflict(f"The key on RID of table {table.qualified!r} cannot be dropped.")
    refuse_builtin(table, f"without its key {key.name!r}")
    for other, fkey in _referring(model, table, key):
        raise Conflict(
            f"The key {key.name!r} of table {table.qualified!r} is referred to by "
            f"{other.qualified!r} ({fkey.name}).",
            hint="Drop that foreign key first.",
        )
    draft.put(replace(table, keys=tuple(k for k in table.keys if k is not key)))
    return (KeyDropped(table, key),)


def _drop_foreign_key(draft: Draft, table: Table, fkey: ForeignKey) -> tuple[Structural, ...]:
    draft.put(replace(table, foreign_keys=tuple(f for f in table.foreign_keys if f is not fkey)))
    return (ForeignKeyDropped(table, fkey),)

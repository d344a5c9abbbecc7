"""The part of a model that a client may know of.

Source: ERMrest, "Access control: static ACLs" (effects); "The model: documents".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from ..model.bindings import with_connected_bindings
from ..model.elements import Column, ForeignKey, Model, Schema, Table

__all__ = ["visible_model"]

_Tables = dict[tuple[str, str], Table]


class Deciding(Protocol):
    """The decisions that visibility follows from; see `Decisions`."""

    @property
    def model(self) -> Model:
        """The whole model."""
        ...

    def schema(self, schema: Schema, right: str) -> bool:
        """Whether the client has a right on a schema."""
        ...

    def table(self, table: Table, right: str) -> bool | None:
        """Whether the client has a right on a table."""
        ...

    def column(self, table: Table, column: Column, right: str) -> bool | None:
        """Whether the client has a right on a column."""
        ...

    def foreign_key(self, table: Table, fkey: ForeignKey, right: str) -> bool | None:
        """Whether the client has a right on a foreign key."""
        ...

    def owns_schema(self, schema: Schema) -> bool:
        """Whether the client owns a schema."""
        ...

    def owns_table(self, table: Table) -> bool:
        """Whether the client owns a table."""
        ...


def visible_model(decisions: Deciding) -> Model:
    """The model as the client may know it; see `Decisions.visible`.

    The client is none that owns the catalog. Parts that are wholly visible are shared with
    the whole model.
    """
    model = decisions.model
    schemas = {n: s for n, s in model.schemas.items() if decisions.schema(s, "enumerate")}
    tables = {
        (table.schema, table.name): _with_columns(decisions, table)
        for schema in schemas.values()
        for table in schema.tables.values()
        if decisions.table(table, "enumerate")
    }
    tables = {
        place: _with_foreign_keys(decisions, table, tables) for place, table in tables.items()
    }
    shown = {name: _with_tables(decisions, schema, tables) for name, schema in schemas.items()}
    return with_connected_bindings(replace(model, schemas=shown, acls={}))


def _with_columns(decisions: Deciding, table: Table) -> Table:
    """A table without hidden columns and the keys over them; unless owned, without ACLs."""
    if decisions.owns_table(table):
        return table
    columns = tuple(
        _without_policy(column)
        for column in table.columns
        if decisions.column(table, column, "enumerate")
    )
    names = {column.name for column in columns}
    keys = tuple(key for key in table.keys if names.issuperset(key.columns))
    shown = replace(table, keys=keys) if len(keys) < len(table.keys) else table
    if len(columns) < len(table.columns) or any(
        a is not b for a, b in zip(columns, table.columns, strict=True)
    ):
        shown = replace(shown, columns=columns)
    return replace(shown, acls={}, acl_bindings={}) if table.acls or table.acl_bindings else shown


def _without_policy(column: Column) -> Column:
    if column.acls or column.acl_bindings:
        return replace(column, acls={}, acl_bindings={})
    return column


def _with_foreign_keys(decisions: Deciding, table: Table, tables: _Tables) -> Table:
    """A table without foreign keys that have a hidden column or target."""
    owned = decisions.owns_table(table)
    shown = []
    for fkey in table.foreign_keys:
        target = tables.get((fkey.referenced_schema, fkey.referenced_table))
        if (
            target is not None
            and table.by_name.keys() >= set(fkey.columns)
            and target.by_name.keys() >= set(fkey.referenced_columns)
            and decisions.foreign_key(table, fkey, "enumerate")
        ):
            bare = owned or not (fkey.acls or fkey.acl_bindings)
            shown.append(fkey if bare else replace(fkey, acls={}, acl_bindings={}))
    if len(shown) == len(table.foreign_keys) and all(
        a is b for a, b in zip(shown, table.foreign_keys, strict=True)
    ):
        return table
    return replace(table, foreign_keys=tuple(shown))


def _with_tables(decisions: Deciding, schema: Schema, tables: _Tables) -> Schema:
    shown = {
        name: tables[schema.name, name] for name in schema.tables if (schema.name, name) in tables
    }
    owned = decisions.owns_schema(schema)
    if len(shown) == len(schema.tables) and all(shown[n] is t for n, t in schema.tables.items()):
        return schema if owned or not schema.acls else replace(schema, acls={})
    return replace(schema, tables=shown, acls=schema.acls if owned else {})

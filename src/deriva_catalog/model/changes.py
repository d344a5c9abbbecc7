"""What a change of the model is made of: the new model, and what the database must do.

The functions that change a model (`creation`, `alteration`, `removal`) are pure: they check
everything against the model, and return a `ModelChange`. Physical names follow RIDs, so
renames, comments, annotations and ACLs need nothing of the database and appear in no
structural change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..errors import Conflict
from .address import Address
from .bindings import settle_bindings
from .elements import Column, ForeignKey, Key, Model, Schema, Table

__all__ = [
    "ColumnAdded",
    "ColumnDropped",
    "ColumnRetyped",
    "Draft",
    "ForeignKeyAdded",
    "ForeignKeyAltered",
    "ForeignKeyDropped",
    "KeyAdded",
    "KeyDropped",
    "ModelChange",
    "NextRid",
    "NullabilityChanged",
    "Structural",
    "TableCreated",
    "TableDropped",
    "constraint_names",
]

NextRid = Callable[[], str]


@dataclass(frozen=True, slots=True)
class TableCreated:
    """A new table with its columns and keys; each foreign key has its own change."""

    table: Table


@dataclass(frozen=True, slots=True)
class TableDropped:
    """A table that is gone, as it was."""

    table: Table


@dataclass(frozen=True, slots=True)
class ColumnAdded:
    """A new column of `table` (as it is afterwards); existing rows get its default."""

    table: Table
    column: Column


@dataclass(frozen=True, slots=True)
class ColumnDropped:
    """A column that is gone from `table` (as it was before)."""

    table: Table
    column: Column


@dataclass(frozen=True, slots=True)
class ColumnRetyped:
    """A column whose values are to be converted into the new physical column of `new`."""

    table: Table
    old: Column
    new: Column


@dataclass(frozen=True, slots=True)
class NullabilityChanged:
    """A column of `table` that may now be NULL, or not any more; see `column.nullok`."""

    table: Table
    column: Column


@dataclass(frozen=True, slots=True)
class KeyAdded:
    """A new key of `table` (as it is afterwards), to be checked over existing rows."""

    table: Table
    key: Key


@dataclass(frozen=True, slots=True)
class KeyDropped:
    """A key that is gone from `table` (as it was before)."""

    table: Table
    key: Key


@dataclass(frozen=True, slots=True)
class ForeignKeyAdded:
    """A new foreign key of `table` (as it is afterwards), to be checked over existing rows."""

    table: Table
    foreign_key: ForeignKey


@dataclass(frozen=True, slots=True)
class ForeignKeyDropped:
    """A foreign key that is gone from `table` (as it was before)."""

    table: Table
    foreign_key: ForeignKey


@dataclass(frozen=True, slots=True)
class ForeignKeyAltered:
    """A foreign key of `table` (as it is afterwards) with new referential actions."""

    table: Table
    foreign_key: ForeignKey


Structural = (
    TableCreated
    | TableDropped
    | ColumnAdded
    | ColumnDropped
    | ColumnRetyped
    | NullabilityChanged
    | KeyAdded
    | KeyDropped
    | ForeignKeyAdded
    | ForeignKeyDropped
    | ForeignKeyAltered
)


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A changed model.

    Attributes:
        model: The model afterwards.
        structure: What the database must do, in order.
        elements: Where the created or changed elements are afterwards, in the order of the
            request; empty after a removal.
    """

    model: Model
    structure: tuple[Structural, ...] = ()
    elements: tuple[Address, ...] = ()


def constraint_names(table: Table) -> set[str]:
    """The names of the keys and foreign keys of a table."""
    return {key.name for key in table.keys} | {fkey.name for fkey in table.foreign_keys}


class Draft:
    """A model while it is being changed: tables are replaced whole, schema by schema."""

    def __init__(self, model: Model) -> None:
        self._base = model
        self.schemas: dict[str, Schema] = dict(model.schemas)
        self._tables: dict[str, dict[str, Table]] = {}

    def tables_of(self, schema: str) -> dict[str, Table]:
        """The tables of a schema by name; the caller may change this dictionary."""
        if schema not in self._tables:
            self._tables[schema] = dict(self.schemas[schema].tables)
        return self._tables[schema]

    def table(self, schema: str, name: str) -> Table | None:
        """The table as it is now, if it exists."""
        if schema not in self.schemas:
            return None
        return self._tables.get(schema, self.schemas[schema].tables).get(name)

    def put(self, table: Table) -> Table:
        """Add or replace a table."""
        self.tables_of(table.schema)[table.name] = table
        return table

    def tables(self) -> Iterator[Table]:
        """Every table as it is now."""
        for schema in list(self.schemas):
            yield from list(self.tables_of(schema).values())

    def constraint_names(self, schema: str) -> set[str]:
        """The names of all keys and foreign keys of a schema."""
        tables = self._tables.get(schema, self.schemas[schema].tables).values()
        return set[str]().union(*map(constraint_names, tables))

    def rename_table(self, old: Table, schema: str, name: str) -> None:
        """Give a table another name or schema; whatever refers to it follows."""
        clash = self.constraint_names(schema) & constraint_names(old)
        if schema != old.schema and clash:
            raise Conflict(
                f"Schema {schema!r} has constraints called {sorted(clash)[:10]!r} already.",
                hint=f"Rename those of {old.qualified!r} before moving it.",
            )
        del self.tables_of(old.schema)[old.name]
        self.put(replace(old, schema=schema, name=name))
        self.redirect((old.schema, old.name), (schema, name))

    def redirect(self, old: tuple[str, str], new: tuple[str, str]) -> None:
        """Make all foreign keys that refer to the table `old` refer to `new`."""
        for table in self.tables():
            moved = tuple(
                replace(fkey, referenced_schema=new[0], referenced_table=new[1])
                if (fkey.referenced_schema, fkey.referenced_table) == old
                else fkey
                for fkey in table.foreign_keys
            )
            if moved != table.foreign_keys:
                self.put(replace(table, foreign_keys=moved))

    def finish(self, version: int) -> Model:
        """The changed model; ACL bindings follow what they use, or go with it."""
        schemas = {
            name: replace(schema, tables=self._tables[name]) if name in self._tables else schema
            for name, schema in self.schemas.items()
        }
        return settle_bindings(self._base, replace(self._base, version=version, schemas=schemas))

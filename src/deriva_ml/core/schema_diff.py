"""What is different between two schemas of a catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from deriva_catalog.model.elements import ForeignKey, Model, Table

__all__ = ["SchemaDiff", "compare_schemas"]


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """What the later schema has and the earlier one had not, and the other way round.

    Tables are named ``schema:Table``, columns ``schema:Table.Column``, foreign keys
    ``schema:Table(columns) -> schema:Table(columns)``. What belongs to a table that was added
    or removed as a whole is not named again.

    Attributes:
        added_schemas: Schemas that are new.
        removed_schemas: Schemas that are gone.
        added_tables: Tables that are new.
        removed_tables: Tables that are gone.
        added_columns: Columns that are new.
        removed_columns: Columns that are gone.
        column_type_changes: Column, type before and type now.
        added_fkeys: Foreign keys that are new.
        removed_fkeys: Foreign keys that are gone.
    """

    added_schemas: tuple[str, ...] = ()
    removed_schemas: tuple[str, ...] = ()
    added_tables: tuple[str, ...] = ()
    removed_tables: tuple[str, ...] = ()
    added_columns: tuple[str, ...] = ()
    removed_columns: tuple[str, ...] = ()
    column_type_changes: tuple[tuple[str, str, str], ...] = ()
    added_fkeys: tuple[str, ...] = ()
    removed_fkeys: tuple[str, ...] = ()

    def is_empty(self) -> bool:
        """Whether nothing is different."""
        return not any(getattr(self, f.name) for f in fields(self))

    def render(self) -> str:
        """The differences as lines: ``+`` for what is new, ``-`` for what is gone."""
        lines = [
            f"{sign} {kind} {name}"
            for kind, added, removed in (
                ("schema", self.added_schemas, self.removed_schemas),
                ("table", self.added_tables, self.removed_tables),
                ("column", self.added_columns, self.removed_columns),
                ("foreign key", self.added_fkeys, self.removed_fkeys),
            )
            for sign, names in (("+", added), ("-", removed))
            for name in names
        ]
        lines += [f"~ column {name}: {old} -> {new}" for name, old, new in self.column_type_changes]
        return "\n".join(lines) or "No differences."

    def __str__(self) -> str:
        return self.render()


def compare_schemas(before: Model, now: Model) -> SchemaDiff:
    """What is different now."""
    old, new = dict(_tables(before)), dict(_tables(now))
    both = sorted(old.keys() & new.keys())
    columns = [_added_and_removed(_columns(old[t]), _columns(new[t])) for t in both]
    fkeys = [_added_and_removed(_fkeys(old[t]), _fkeys(new[t])) for t in both]
    schemas = _added_and_removed(before.schemas, now.schemas)
    tables = _added_and_removed(old, new)
    return SchemaDiff(
        *schemas,
        *tables,
        added_columns=tuple(name for added, _ in columns for name in added),
        removed_columns=tuple(name for _, removed in columns for name in removed),
        column_type_changes=tuple(c for t in both for c in _retyped(old[t], new[t])),
        added_fkeys=tuple(name for added, _ in fkeys for name in added),
        removed_fkeys=tuple(name for _, removed in fkeys for name in removed),
    )


def _added_and_removed(
    before: Mapping[str, object], now: Mapping[str, object]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    added, removed = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
    return tuple(added), tuple(removed)


def _tables(model: Model) -> Iterator[tuple[str, Table]]:
    for schema in model.schemas.values():
        yield from ((table.qualified, table) for table in schema.tables.values())


def _columns(table: Table) -> dict[str, str]:
    return {f"{table.qualified}.{c.name}": c.type.typename for c in table.columns}


def _retyped(old: Table, new: Table) -> Iterator[tuple[str, str, str]]:
    before, now = _columns(old), _columns(new)
    for name in sorted(before.keys() & now.keys()):
        if before[name] != now[name]:
            yield name, before[name], now[name]


def _fkeys(table: Table) -> dict[str, ForeignKey]:
    return {
        f"{table.qualified}({', '.join(f.columns)}) -> {f.referenced_schema}:"
        f"{f.referenced_table}({', '.join(f.referenced_columns)})": f
        for f in table.foreign_keys
    }

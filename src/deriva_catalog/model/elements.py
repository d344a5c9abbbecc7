"""The model of a catalog as immutable values: schemas, tables, columns, keys, foreign keys.

A model is never changed in place. A change builds a new `Model` whose `version` is the
snapshot time of the change, so that "is what I hold still current?" is one integer
comparison. Mappings inside are to be treated as read-only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Annotations = Mapping[str, Any]
Acls = Mapping[str, tuple[str, ...]]
AclBindings = Mapping[str, Any]

SYSTEM_COLUMNS = ("RID", "RCT", "RMT", "RCB", "RMB")


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column type: its ERMrest name and, for domains and arrays, what it is built on.

    Source: ERMrest, column types (`typename`, `is_domain`, `is_array`, `base_type`).
    """

    typename: str
    base: ColumnType | None = None
    is_array: bool = False

    @property
    def is_domain(self) -> bool:
        """Whether this is a domain (a named, constrained form of its base type)."""
        return self.base is not None and not self.is_array

    @property
    def storage(self) -> str:
        """The name of the base type that decides storage and comparison, such as ``text``."""
        if self.is_array or self.base is None:
            return self.typename
        return self.base.storage

    def __repr__(self) -> str:
        return f"<type {self.typename}>"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `generation` grows when its physical column is replaced (a change of type)."""

    rid: str
    name: str
    type: ColumnType
    nullok: bool = True
    default: Any = None
    comment: str | None = None
    annotations: Annotations = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)
    acl_bindings: AclBindings = field(default_factory=dict)
    generation: int = 0

    @property
    def is_system(self) -> bool:
        """Whether the catalog itself maintains this column."""
        return self.name in SYSTEM_COLUMNS

    @property
    def physical(self) -> str:
        """The column's name in the database: stable under renames, new for each generation."""
        rid = self.rid.replace("-", "")
        return f"c{rid}" if self.generation == 0 else f"c{rid}_{self.generation}"

    def __repr__(self) -> str:
        return f"<column {self.name} ({self.type.typename})>"


@dataclass(frozen=True, slots=True)
class Key:
    """A uniqueness constraint over `columns` (column names of its table, in declared order)."""

    rid: str
    name: str
    columns: tuple[str, ...]
    comment: str | None = None
    annotations: Annotations = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference from `columns` to `referenced_columns`; position defines the mapping."""

    rid: str
    name: str
    columns: tuple[str, ...]
    referenced_schema: str
    referenced_table: str
    referenced_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    comment: str | None = None
    annotations: Annotations = field(default_factory=dict)
    acls: Acls = field(default_factory=lambda: {"insert": ("*",), "update": ("*",)})
    acl_bindings: AclBindings = field(default_factory=dict)

    @property
    def mapping(self) -> dict[str, str]:
        """Referring column name to referenced column name."""
        return dict(zip(self.columns, self.referenced_columns, strict=True))


@dataclass(frozen=True)
class Table:
    """A table with its columns in order, its keys and its foreign keys."""

    rid: str
    schema: str
    name: str
    columns: tuple[Column, ...]
    keys: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comment: str | None = None
    annotations: Annotations = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)
    acl_bindings: AclBindings = field(default_factory=dict)
    kind: str = "table"

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name."""
        return {c.name: c for c in self.columns}

    @property
    def qualified(self) -> str:
        """``schema:table``, for messages."""
        return f"{self.schema}:{self.name}"

    def __str__(self) -> str:
        """Return ``schema:table``."""
        return self.qualified

    def __repr__(self) -> str:
        """Return what a prompt shows: names, not the whole document."""
        return f"<table {self.qualified}: {', '.join(c.name for c in self.columns)}>"


@dataclass(frozen=True)
class Schema:
    """A named set of tables."""

    rid: str
    name: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    comment: str | None = None
    annotations: Annotations = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<schema {self.name}: {', '.join(sorted(self.tables))}>"


@dataclass(frozen=True)
class Model:
    """Everything that a catalog knows about its structure at one moment.

    `version` is the snapshot time (microseconds since 1970) of the change that made it.
    """

    version: int
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    annotations: Annotations = field(default_factory=dict)
    acls: Acls = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<model of {', '.join(sorted(self.schemas))}>"

    def tables(self) -> Iterator[Table]:
        """Every table, schemas in name order, tables in name order."""
        for schema in sorted(self.schemas):
            tables = self.schemas[schema].tables
            for name in sorted(tables):
                yield tables[name]

    @cached_property
    def inbound(self) -> dict[tuple[str, str], tuple[tuple[Table, ForeignKey], ...]]:
        """Foreign keys by the (schema, table) they refer to, with their referring table."""
        found: dict[tuple[str, str], list[tuple[Table, ForeignKey]]] = {}
        for table in self.tables():
            for fkey in table.foreign_keys:
                target = (fkey.referenced_schema, fkey.referenced_table)
                found.setdefault(target, []).append((table, fkey))
        return {k: tuple(v) for k, v in found.items()}

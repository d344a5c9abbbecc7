"""The statements that create tables and indexes, as text.

They are always the same, or so regular that writing them takes a tenth of the time that composing
them of SQLAlchemy's objects does. Making a catalog, or a schema with many tables, is little else.
All names in them are physical ones or those of the catalog's own tables, which need no escapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ..model.elements import ColumnType, Table
from .layout import VERSION_END, VERSION_START, StorageType, history_name, live_name

__all__ = ["Index", "composed", "create_index", "create_tables"]


_COMPOSED: dict[tuple[sa.MetaData, str], Sequence[str]] = {}
"""What was composed before: there are few descriptions, which are constants, and two dialects."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index that a table should have: physical names only."""

    table: str
    columns: tuple[str, ...]
    unique: bool


def composed(metadata: sa.MetaData, dialect: sa.Dialect) -> Sequence[str]:
    """The statements that create all tables and indexes of a description in an empty database."""
    found = _COMPOSED.get((metadata, dialect.name))
    if found is None:
        found = _COMPOSED[metadata, dialect.name] = _compose(metadata, dialect)
    return found


def _compose(metadata: sa.MetaData, dialect: sa.Dialect) -> Sequence[str]:
    elements: list[sa.schema.ExecutableDDLElement] = []
    for table in metadata.sorted_tables:
        elements.append(sa.schema.CreateTable(table))
        ordered = sorted(table.indexes, key=lambda index: str(index.name))
        elements.extend(sa.schema.CreateIndex(index) for index in ordered)
    return tuple(str(element.compile(dialect=dialect)).strip() for element in elements)


def create_tables(tables: Iterable[Table], storage: StorageType, dialect: sa.Dialect) -> list[str]:
    """The statements that create the physical tables of tables of the model."""
    kinds: dict[ColumnType, str] = {}

    def kind_of(column_type: ColumnType) -> str:
        if column_type not in kinds:
            kinds[column_type] = storage(column_type).compile(dialect)
        return kinds[column_type]

    statements = []
    for table in tables:
        own = [f'"{c.physical}" {kind_of(c.type)}' for c in table.columns]
        for name, hidden in (
            (live_name(table), (VERSION_START,)),
            (history_name(table), (VERSION_START, VERSION_END)),
        ):
            columns = ", ".join([*own, *(f'"{h}" BIGINT NOT NULL' for h in hidden)])
            statements.append(f'CREATE TABLE "{name}" ({columns})')
    return statements


def create_index(name: str, index: Index) -> str:
    """The statement that creates an index; nothing happens where it is there."""
    columns = ", ".join(f'"{column}"' for column in index.columns)
    unique = "UNIQUE " if index.unique else ""
    return f'CREATE {unique}INDEX IF NOT EXISTS "{name}" ON "{index.table}" ({columns})'

"""Copying a whole database of a catalog into an empty one, perhaps of another kind.

Everything is copied as it is stored: rows, closed versions, models, snapshots, sequences and the
further tables beside them. So the copy has the same history, and the same row identifiers follow.
Rows are passed on in batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ..errors import Corrupted
from ..model.elements import ColumnType, Model, Table
from ..model.types import Family, family
from .dialect import Stored
from .layout import VERSION_END, VERSION_START, history_name, live_name
from .storage import Storage
from .store import Store, stored_model
from .tables import METADATA as ENGINE
from .tables import MODEL

__all__ = ["copy_database"]

Progress = Callable[[int], object]
_AT_ONCE = 5_000
_Convert = Callable[[Any], Any]


def copy_database(
    source: Store, target: Storage, beside: Sequence[sa.MetaData], progress: Progress | None = None
) -> None:
    """Copy everything of one moment into an empty database, in one transaction.

    Args:
        source: What is copied; others may go on writing.
        target: An empty database.
        beside: Descriptions of further tables that belong to the catalog.
        progress: Called with the number of rows after each batch.

    Raises:
        Corrupted: the source holds something that its models do not describe.
        Unavailable: the target cannot be written, or is full.
    """
    tell = progress or (lambda _rows: None)
    with source.reading() as moment, target.writing() as connection:
        for metadata in (ENGINE, *beside):
            metadata.create_all(connection)
            for table in metadata.sorted_tables:
                _copy_internal(moment.connection, connection, target, table)
        types = _column_types(moment.connection)
        for name, columns in _physical_tables(moment.connection, moment.model).items():
            found = [_column(name, column, types, target) for column in columns]
            table = sa.Table(name, sa.MetaData(), *(column for column, _ in found))
            connection.execute(sa.schema.CreateTable(table))
            converts = [convert for _, convert in found]
            for rows in _batches(moment.connection, table, converts):
                target.load(connection, table, rows)
                tell(len(rows))
            _copy_indexes(moment.connection, connection, name, columns)
            target.filled(connection, table)


def _copy_internal(
    source: sa.Connection, target: sa.Connection, storage: Storage, table: sa.Table
) -> None:
    """Rows of a table that SQLAlchemy describes; its types convert what is not the same."""
    if not sa.inspect(source).has_table(table.name):  # younger than the catalog
        return
    streamed = source.execution_options(stream_results=True, yield_per=_AT_ONCE)
    for rows in streamed.execute(sa.select(table)).mappings().partitions():
        target.execute(sa.insert(table), [dict(row) for row in rows])
    storage.filled(target, table)


def _physical_tables(connection: sa.Connection, model: Model) -> dict[str, list[str]]:
    """The tables of rows, and the names of their columns in order.

    History tables outlive the tables that they belong to, and keep columns that were dropped.
    """
    inspector = sa.inspect(connection)
    live = {live_name(table) for table in model.tables()}
    past = [name for name in inspector.get_table_names() if name.startswith("h")]
    return {
        name: [str(column["name"]) for column in inspector.get_columns(name)]
        for name in (*sorted(live), *sorted(past))
    }


def _column_types(connection: sa.Connection) -> dict[tuple[str, str], ColumnType]:
    """The types of all columns there ever were, by physical table and column."""
    found: dict[tuple[str, str], ColumnType] = {}
    times = connection.execute(sa.select(MODEL.c.time)).scalars().all()
    for time in times:
        for table in stored_model(connection, time).tables():
            found |= _types_of(table)
    return found


def _types_of(table: Table) -> dict[tuple[str, str], ColumnType]:
    names = live_name(table), history_name(table)
    return {(name, c.physical): c.type for name in names for c in table.columns}


def _column(
    table: str, name: str, types: dict[tuple[str, str], ColumnType], target: Storage
) -> tuple[sa.Column[Any], _Convert | None]:
    if name in (VERSION_START, VERSION_END):
        return sa.Column(name, sa.BigInteger, nullable=False), None
    column_type = types.get((table, name))
    if column_type is None:
        raise Corrupted(f"No model of the catalog describes column {name!r} of table {table!r}.")
    return sa.Column(name, target.storage_type(column_type)), _conversion(column_type)


def _conversion(column_type: ColumnType) -> _Convert | None:
    """What makes stored values those that every database takes; None for nothing to do."""
    match family(column_type):
        case Family.BOOLEAN:
            return lambda value: None if value is None else bool(value)
        case Family.FLOAT:
            return _float
        case _:
            return None


def _float(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _batches(
    connection: sa.Connection, table: sa.Table, converts: Sequence[_Convert | None]
) -> Iterator[list[tuple[Any, ...]]]:
    raw = sa.table(table.name, *(sa.column(c.name, Stored()) for c in table.c))
    streamed = connection.execution_options(stream_results=True, yield_per=_AT_ONCE)
    for rows in streamed.execute(sa.select(*raw.c)).partitions():
        if not any(converts):
            yield [tuple(row) for row in rows]
            continue
        columns = [
            values if convert is None else [convert(value) for value in values]
            for values, convert in zip(zip(*rows, strict=True), converts, strict=True)
        ]
        yield list(zip(*columns, strict=True))


def _copy_indexes(
    source: sa.Connection, target: sa.Connection, table: str, columns: Sequence[str]
) -> None:
    described = sa.Table(table, sa.MetaData(), *(sa.Column(name) for name in columns))
    for found in sa.inspect(source).get_indexes(table):
        names = [described.c[str(name)] for name in found["column_names"]]
        index = sa.Index(str(found["name"]), *names, unique=bool(found["unique"]))
        target.execute(sa.schema.CreateIndex(index))

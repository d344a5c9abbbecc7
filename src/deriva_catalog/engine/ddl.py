"""Carrying out a change of the model in the database.

Physical names follow RIDs, so most changes touch nothing here. Uniqueness is kept by unique
indexes; foreign keys and NOT NULL are checked by the statements of `writes`, so adding or
removing a constraint never rewrites a table. The indexes of a table are a function of its
description: a change creates and drops the difference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from ..errors import CatalogError, Conflict, NotNullViolation
from ..model import changes
from ..model.elements import Column, Model, Table
from ..model.types import encoder, is_serial
from . import history
from .defining import Index, create_index, create_tables
from .layout import VERSION_END, history_name, key_index_name, live_name
from .references import check_all_rows
from .relation import START, captures_history
from .rids import take_numbers
from .rows import decoder, serial_sequence
from .transaction import Writing
from .uniqueness import duplicate_key

WITHOUT_INDEX = (("RCB",), ("RMB",))
"""Foreign keys without an index: nearly every table has these two, to the users.

The few users of a catalog have many rows each, so that looking at every row (9 ms for 100,000)
is bearable, while all writing would have to keep two more indexes.
"""


def apply_change(writing: Writing, change: changes.ModelChange) -> None:
    """Make the database fit the changed model, and adopt the model.

    Raises:
        Conflict: existing rows contradict the change.
    """
    before, after = _by_rid(writing.model), _by_rid(change.model)
    touched = [rid for rid in {**before, **after} if before.get(rid) is not after.get(rid)]
    for rid in touched:
        _drop_indexes(writing, before.get(rid), after.get(rid))
        _follow_capture(writing, before.get(rid), after.get(rid))
    created = [s.table for s in change.structure if isinstance(s, changes.TableCreated)]
    _create_tables(writing, created, after)
    for step in change.structure:
        _STEPS[type(step)](writing, step)
    for rid in touched:
        if rid in before and rid in after:
            _create_indexes(writing, before[rid], after[rid])
    writing.adopt(change.model)
    empty = {table.rid for table in created}
    for step in change.structure:
        if isinstance(step, changes.ForeignKeyAdded) and step.table.rid not in empty:
            check_all_rows(writing, step.table, step.foreign_key)


def _by_rid(model: Model) -> dict[str, Table]:
    return {table.rid: table for table in model.tables()}


def _follow_capture(writing: Writing, before: Table | None, after: Table | None) -> None:
    """Begin new versions where the capture of history was switched.

    Off: what was is closed first. On: history begins with the rows of this moment.
    """
    if before is None or after is None:
        return
    if captures_history(before) != captures_history(after):
        history.close_all(writing, before)


# --- indexes -----------------------------------------------------------------------------


def indexes(table: Table) -> dict[str, Index]:
    """The indexes that a table should have, by name."""
    live, closed = live_name(table), history_name(table)
    physical = {column.name: column.physical for column in table.columns}
    wanted = {f"{closed}_e": Index(closed, (VERSION_END,), unique=False)}
    prefixes: set[tuple[str, ...]] = set()
    for key in table.keys:
        columns = tuple(physical[name] for name in key.columns)
        prefixes |= {columns[:n] for n in range(1, len(columns) + 1)}
        wanted[key_index_name(key)] = Index(live, columns, unique=True)
        wanted[index_name(closed, columns)] = Index(closed, (*columns, VERSION_END), unique=False)
    for fkey in table.foreign_keys:
        if fkey.columns in WITHOUT_INDEX:
            continue
        columns = tuple(physical[name] for name in fkey.columns)
        wanted[index_name(closed, columns)] = Index(closed, (*columns, VERSION_END), unique=False)
        if columns not in prefixes:  # a key's index serves otherwise
            wanted[index_name(live, columns)] = Index(live, columns, unique=False)
    return wanted


def index_name(table: str, columns: tuple[str, ...]) -> str:
    """The name of an index that is not a key's; all names are physical ones."""
    return f"i{table}_{hashlib.sha256(','.join(columns).encode()).hexdigest()[:16]}"


def drop_index(connection: sa.Connection, name: str) -> None:
    """Drop an index if it is there."""
    quoted = connection.dialect.identifier_preparer.quote(name)
    connection.exec_driver_sql(f"DROP INDEX IF EXISTS {quoted}")


def _drop_indexes(writing: Writing, before: Table | None, after: Table | None) -> None:
    if before is None or after is None:  # a dropped table takes its indexes along
        return
    kept = indexes(after)
    closed = history_name(before)
    for name, index in indexes(before).items():
        # History keeps its indexes: what was indexed then is asked for by then's paths.
        if kept.get(name) != index and index.table != closed:
            drop_index(writing.connection, name)


def _create_indexes(writing: Writing, before: Table, after: Table) -> None:
    present = indexes(before)
    for name, index in indexes(after).items():
        if present.get(name) == index:
            continue
        try:
            # An error must leave it possible to look for the cause.
            with writing.connection.begin_nested():
                writing.connection.exec_driver_sql(create_index(name, index))
        except sa.exc.IntegrityError as error:
            raise duplicate_key(writing, after, index.columns) from error


# --- structure ---------------------------------------------------------------------------


def _create_tables(writing: Writing, created: Sequence[Table], after: Mapping[str, Table]) -> None:
    """Create tables with their indexes, which nothing can contradict: there are no rows."""
    storage, connection = writing.storage, writing.connection
    statements = create_tables(created, storage.storage_type, connection.dialect)
    for table in created:
        wanted = indexes(after[table.rid])
        statements += [create_index(name, index) for name, index in wanted.items()]
    storage.define(connection, statements)


def _drop_table(writing: Writing, step: changes.TableDropped) -> None:
    history.close(writing, step.table, sa.true())
    live = writing.tables.live(step.table)
    writing.run(sa.schema.DropTable(live))


def _add_physical(writing: Writing, table: Table, column: Column) -> None:
    prepare = writing.connection.dialect.identifier_preparer.quote
    kind = writing.storage.storage_type(column.type).compile(writing.connection.dialect)
    for name in (live_name(table), history_name(table)):
        text = f"ALTER TABLE {prepare(name)} ADD COLUMN {prepare(column.physical)} {kind}"
        writing.connection.exec_driver_sql(text)


def _drop_physical(writing: Writing, table: Table, column: Column) -> None:
    prepare = writing.connection.dialect.identifier_preparer.quote
    text = f"ALTER TABLE {prepare(live_name(table))} DROP COLUMN {prepare(column.physical)}"
    writing.connection.exec_driver_sql(text)


def _is_empty(writing: Writing, table: Table) -> bool:
    live = writing.tables.live(table)
    return writing.run(sa.select(sa.literal(1)).select_from(live).limit(1)).first() is None


def _add_column(writing: Writing, step: changes.ColumnAdded) -> None:
    table, column = step.table, step.column
    _add_physical(writing, table, column)
    if _is_empty(writing, table):
        return
    if is_serial(column.type):
        _fill_serial(writing, table, column)
    elif column.default is not None:
        value = encoder(column.type, column.name)(column.default)
        _fill(writing, table, column, writing.storage.constant(value, column.type))
    elif not column.nullok:
        raise NotNullViolation(
            f'column "{column.name}" of relation "{table.name}" contains null values',
            hint="Give the column a default, or allow NULL until all rows have a value.",
            table=table.qualified,
            column=column.name,
        )


def _fill(writing: Writing, table: Table, column: Column, value: sa.ColumnElement[Any]) -> None:
    """Give all rows a value in a new column: an update of those rows."""
    history.close(writing, table, sa.true())
    live = writing.tables.live(table)
    values = {live.c[column.name]: value, live.c[START]: writing.time}
    if not column.is_system:
        values |= {live.c.RMT: writing.stamp, live.c.RMB: writing.client}
    writing.run(sa.update(live).values(values))


def _fill_serial(writing: Writing, table: Table, column: Column) -> None:
    live = writing.tables.live(table)
    order = writing.storage.insertion_order(live)
    rids = writing.run(sa.select(live.c.RID).order_by(order)).scalars().all()
    first = take_numbers(writing.connection, serial_sequence(column), len(rids))
    _set_values(
        writing, table, column, list(zip(rids, range(first, first + len(rids)), strict=True))
    )
    _fill(writing, table, column, live.c[column.name])


def _set_values(
    writing: Writing, table: Table, column: Column, values: list[tuple[str, Any]]
) -> None:
    live = writing.tables.live(table)
    kind = writing.storage.storage_type(column.type)
    with writing.temporary(sa.Column("r", sa.Text, primary_key=True), sa.Column("v", kind)) as new:
        writing.load(new, values)
        writing.run(
            sa.update(live).where(new.c.r == live.c.RID).values({live.c[column.name]: new.c.v})
        )


def _drop_column(writing: Writing, step: changes.ColumnDropped) -> None:
    history.close_all(writing, step.table)
    _drop_physical(writing, step.table, step.column)


def _retype_column(writing: Writing, step: changes.ColumnRetyped) -> None:
    table, old, new = step.table, step.old, step.new
    as_old = replace(table, columns=tuple(old if c.rid == new.rid else c for c in table.columns))
    as_new = replace(table, columns=tuple(new if c.rid == new.rid else c for c in table.columns))
    history.close_all(writing, as_old)
    _add_physical(writing, as_new, new)
    live = writing.tables.live(as_old)
    source = live.c[old.name]
    rows = writing.run(sa.select(live.c.RID, source).where(source.is_not(None))).all()
    decode, encode = decoder(old.type), encoder(new.type, new.name)
    try:
        values = [(row[0], encode(decode(row[1]))) for row in rows]
    except CatalogError as error:
        raise Conflict(
            f"Column {new.name!r} of table {table.qualified!r} cannot change its type from "
            f"{old.type.typename} to {new.type.typename}: {error}",
            table=table.qualified,
            column=new.name,
        ) from error
    _set_values(writing, as_new, new, values)
    _drop_physical(writing, as_old, old)


def _change_nullability(writing: Writing, step: changes.NullabilityChanged) -> None:
    if step.column.nullok:
        return
    live = writing.tables.live(step.table)
    empty = sa.select(live.c.RID).where(live.c[step.column.name].is_(None)).limit(1)
    found = writing.run(empty).scalar()
    if found is not None:
        raise NotNullViolation(
            f'column "{step.column.name}" of relation "{step.table.name}" contains null values '
            f"(row {found}).",
            table=step.table.qualified,
            column=step.column.name,
            rid=found,
        )


def _nothing(writing: Writing, step: changes.Structural) -> None:
    """Tables are there; indexes follow from the description, and actions are in the model."""


_STEPS: Mapping[type[Any], Callable[[Writing, Any], None]] = {
    changes.TableCreated: _nothing,
    changes.TableDropped: _drop_table,
    changes.ColumnAdded: _add_column,
    changes.ColumnDropped: _drop_column,
    changes.ColumnRetyped: _retype_column,
    changes.NullabilityChanged: _change_nullability,
    changes.KeyAdded: _nothing,
    changes.KeyDropped: _nothing,
    changes.ForeignKeyAdded: _nothing,
    changes.ForeignKeyDropped: _nothing,
    changes.ForeignKeyAltered: _nothing,
}

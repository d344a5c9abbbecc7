"""Unique keys: what to say when a row repeats one.

Uniqueness itself is kept by unique indexes. When one refuses a row, these functions find the
key and the values, so that the message is the same whatever database is underneath.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..errors import BadRequest, CatalogError, UniqueViolation
from ..model.elements import Key, Table
from .layout import key_index_name, live_name
from .storage import RowRefused
from .transaction import Writing


def show(values: Sequence[Any]) -> str:
    """Values as they stand in messages."""
    return ", ".join("null" if value is None else str(value) for value in values)


def unique_violation(
    table: Table, key: Key, values: Sequence[Any], *, given: bool
) -> UniqueViolation:
    """The error for a row that repeats a key of an existing row.

    `given` says whether all of the values come from the request.
    """
    return UniqueViolation(
        "Input data violates model. ERROR:  duplicate key value violates unique constraint "
        f'"{key.name}"\nDETAIL:  Key ({", ".join(key.columns)})=({show(values)}) already exists.',
        table=table.qualified,
        key=key.name,
        values=tuple(values),
        given=given,
    )


def refused_key(writing: Writing, table: Table, error: sa.exc.IntegrityError) -> Key | None:
    """The key of `table` whose index refused a row; None when it was another table's."""
    collision = writing.storage.collision(error)
    if collision is None or collision.table != live_name(table):
        return None
    if collision.index:
        return next((key for key in table.keys if key_index_name(key) == collision.index), None)
    names = {column.physical: column.name for column in table.columns}
    columns = tuple(names[physical] for physical in collision.columns)
    return next((key for key in table.keys if key.columns == columns), None)


def refused_insertion(
    writing: Writing, table: Table, columns: Mapping[str, Sequence[Any]], refused: RowRefused
) -> CatalogError:
    """The error for a batch that a unique index refused.

    A repetition within the batch is the caller's contradiction (400); one of an existing row
    is a conflict with the catalog (409).
    """
    key = refused_key(writing, table, refused.error)
    if key is None:
        return writing.storage.translate(refused.error)
    live = writing.tables.live(table)
    row = writing.storage.first_refused(writing.connection, live, key.columns, columns, refused)
    values = [columns[name][row] for name in key.columns]
    if any(
        all(columns[name][n] == value for name, value in zip(key.columns, values, strict=True))
        for n in range(row)
    ):
        return repeated_input(table, key.columns, values)
    return unique_violation(table, key, values, given=True)


def repeated_input(table: Table, columns: Sequence[str], values: Sequence[Any]) -> BadRequest:
    """The error for input rows that contradict each other."""
    return BadRequest(
        f"Two input rows for table {table.qualified!r} have the same key "
        f"({', '.join(columns)})=({show(values)}).",
        hint="Send each row once.",
        table=table.qualified,
        key=tuple(columns),
    )


def refuse_repetition(table: Table, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> None:
    """Raise when input rows repeat the values of some columns; rows with NULLs never do.

    Raises:
        BadRequest: two rows are equal in all of the columns.
    """
    seen: set[Any] = set()
    for values in zip(*columns, strict=True):
        if None in values:
            continue
        if values in seen:
            raise repeated_input(table, names, values)
        seen.add(values)


def refused_update(
    writing: Writing,
    table: Table,
    changed: sa.Table,
    new: Sequence[str],
    error: sa.exc.IntegrityError,
) -> CatalogError:
    """The error for an update that a unique index refused.

    `changed` holds the rows that were to be changed, by ``r`` (their RID), with the new values
    of the columns `new` in ``v0``, ``v1``, and so on.
    """
    key = refused_key(writing, table, error)
    if key is None:
        return writing.storage.translate(error)
    live = writing.tables.live(table)
    other = live.alias("other")
    after = {
        name: changed.c[f"v{list(new).index(name)}"] if name in new else live.c[name]
        for name in key.columns
    }
    moved = (
        sa.select(*(after[name] for name in key.columns))
        .select_from(live.join(changed, changed.c.r == live.c.RID))
        .join(other, sa.and_(*(other.c[name] == after[name] for name in key.columns)))
        .where(other.c.RID.not_in(sa.select(changed.c.r)))
        .limit(1)
    )
    found = writing.run(moved).first()
    if found is None:  # the new rows collide with each other
        values = (
            sa.select(*(after[name] for name in key.columns))
            .select_from(live.join(changed, changed.c.r == live.c.RID))
            .group_by(*(after[name] for name in key.columns))
            .having(sa.func.count() > 1)
            .limit(1)
        )
        found = writing.run(values).first()
    given = set(key.columns) <= set(new)
    return unique_violation(table, key, tuple(found) if found is not None else (), given=given)


def duplicate_key(writing: Writing, table: Table, physical: Sequence[str]) -> UniqueViolation:
    """The error for a new key that existing rows contradict."""
    names = {column.physical: column.name for column in table.columns}
    columns = tuple(names[name] for name in physical)
    key = next(key for key in table.keys if key.columns == columns)
    live = writing.tables.live(table)
    found = writing.run(
        sa.select(*(live.c[name] for name in columns))
        .where(*(live.c[name].is_not(None) for name in columns))
        .group_by(*(live.c[name] for name in columns))
        .having(sa.func.count() > 1)
        .limit(1)
    ).first()
    values = tuple(found) if found is not None else ()
    return UniqueViolation(
        f'could not create unique index "{key.name}"\n'
        f"DETAIL:  Key ({', '.join(columns)})=({show(values)}) is duplicated.",
        table=table.qualified,
        key=key.name,
    )

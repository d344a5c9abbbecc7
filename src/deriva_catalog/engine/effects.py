"""Changing and removing live rows, with everything that foreign keys make of it.

A task removes or changes a set of rows of one table, given by a temporary table of their RIDs
(``r``) and, for a change, the new values (``v0``, ``v1`` ...). Before it touches anything, it
works out which rows refer to what will be gone; those become further tasks, as the foreign
key's actions say. Tasks are queued, not nested: a chain of references may have any length.
Every row that a task touches is a new version of that row, with a new RMT.

Source: ERMrest, "Referential actions and system columns".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import NotNullViolation
from ..model.elements import ForeignKey, Table
from . import history, references
from .relation import START
from .rows import cached_encoder
from .transaction import Writing
from .uniqueness import refused_update


@dataclass(frozen=True, slots=True)
class Removal:
    """Remove the rows of `table` whose RIDs are in `rows`."""

    table: Table
    rows: sa.Table


@dataclass(frozen=True, slots=True)
class Change:
    """Set `columns` of the rows of `table` in `rows` to the values there."""

    table: Table
    rows: sa.Table
    columns: tuple[str, ...]


Task = Removal | Change


def open_rows(writing: Writing, table: Table, columns: tuple[str, ...] = ()) -> sa.Table:
    """A temporary table for the rows of a task."""
    live = writing.tables.live(table)
    return writing.open_temporary(
        sa.Column("r", sa.Text, primary_key=True),
        *(sa.Column(f"v{n}", live.c[name].type) for n, name in enumerate(columns)),
    )


def perform(writing: Writing, first: Task) -> int:
    """Do a task and what follows from it; returns how many rows it touched itself.

    The temporary tables of all tasks are dropped.
    """
    queue: deque[Task] = deque([first])
    touched = -1
    while queue:
        task = queue.popleft()
        follow, count = (
            _remove(writing, task) if isinstance(task, Removal) else _change(writing, task)
        )
        queue.extend(follow)
        writing.drop_temporary(task.rows)
        if touched < 0:
            touched = count
    return touched


# --- removal -----------------------------------------------------------------------------


def _remove(writing: Writing, task: Removal) -> tuple[list[Task], int]:
    live = writing.tables.live(task.table)
    doomed = live.c.RID.in_(sa.select(task.rows.c.r))
    follow: list[Task] = []
    for referrer, fkey in writing.model.inbound.get((task.table.schema, task.table.name), ()):
        follow += _after_removal(writing, task, referrer, fkey)
    history.close(writing, task.table, doomed)
    count = writing.run(sa.delete(live).where(doomed)).rowcount
    if count:
        writing.touch(task.table)
    return follow, count


def _after_removal(
    writing: Writing, task: Removal, referrer: Table, fkey: ForeignKey
) -> list[Task]:
    child = writing.tables.live(referrer).alias("child")
    parent = writing.tables.live(task.table)
    joined = task.rows.join(parent, task.rows.c.r == parent.c.RID).join(
        child, _matches(fkey, child, {name: parent.c[name] for name in fkey.mapping.values()})
    )
    if fkey.on_delete in ("NO ACTION", "RESTRICT"):
        _refuse_or_remember(writing, referrer, fkey, fkey.on_delete, child, joined)
        return []
    columns = () if fkey.on_delete == "CASCADE" else fkey.columns
    values = [] if fkey.on_delete == "CASCADE" else _fixed(writing, referrer, fkey, fkey.on_delete)
    chosen = sa.select(child.c.RID, *values).select_from(joined).distinct()
    return _followed(writing, referrer, columns, chosen)


def _matches(
    fkey: ForeignKey, child: sa.FromClause, parent: Mapping[str, sa.ColumnElement[Any]]
) -> sa.ColumnElement[bool]:
    return sa.and_(*(child.c[here] == parent[there] for here, there in fkey.mapping.items()))


def _refuse_or_remember(
    writing: Writing,
    referrer: Table,
    fkey: ForeignKey,
    action: str,
    child: sa.FromClause,
    joined: sa.FromClause,
) -> None:
    columns = [child.c[name] for name in fkey.columns]
    query = sa.select(*columns).select_from(joined).distinct()
    if action == "RESTRICT":
        found = writing.run(query.limit(1)).first()
        if found is not None:
            raise references.still_referenced(referrer, fkey, tuple(found))
    else:
        values = [tuple(row) for row in writing.run(query)]
        references.remember_orphans(writing, referrer, fkey, values)


def _fixed(
    writing: Writing, referrer: Table, fkey: ForeignKey, action: str
) -> list[sa.ColumnElement[Any]]:
    """What SET NULL or SET DEFAULT puts into each column."""
    columns = [referrer.by_name[name] for name in fkey.columns]
    values = [
        None if action == "SET NULL" else cached_encoder(c.type, c.name)(c.default) for c in columns
    ]
    constant = writing.storage.constant
    return [constant(value, c.type) for value, c in zip(values, columns, strict=True)]


def _followed(
    writing: Writing, referrer: Table, columns: tuple[str, ...], chosen: sa.Select[*tuple[Any, ...]]
) -> list[Task]:
    rows = open_rows(writing, referrer, columns)
    count = writing.run(sa.insert(rows).from_select(list(rows.c), chosen)).rowcount
    if count == 0:
        writing.drop_temporary(rows)
        return []
    return [Change(referrer, rows, columns) if columns else Removal(referrer, rows)]


# --- change ------------------------------------------------------------------------------


def _change(writing: Writing, task: Change) -> tuple[list[Task], int]:
    table, rows = task.table, task.rows
    live = writing.tables.live(table)
    touched = live.c.RID.in_(sa.select(rows.c.r))
    _refuse_nulls(writing, task)
    watched = [
        (referrer, fkey)
        for referrer, fkey in writing.model.inbound.get((table.schema, table.name), ())
        if set(fkey.referenced_columns) & set(task.columns)
    ]
    names = tuple(dict.fromkeys(n for _, fkey in watched for n in fkey.referenced_columns))
    before = open_rows(writing, table, names) if watched else None
    if before is not None:
        old = sa.select(live.c.RID, *(live.c[name] for name in names)).where(touched)
        writing.run(sa.insert(before).from_select(list(before.c), old))
    history.close(writing, table, touched)
    count = _set(writing, task)
    changed = set(task.columns)
    outbound = [fkey for fkey in table.foreign_keys if changed & set(fkey.columns)]
    references.check_rows(writing, table, outbound, touched)
    follow: list[Task] = []
    if before is not None:
        for referrer, fkey in watched:
            follow += _after_change(writing, task, referrer, fkey, names, before)
        writing.drop_temporary(before)
    return follow, count


def _set(writing: Writing, task: Change) -> int:
    live, rows = writing.tables.live(task.table), task.rows
    values: dict[Any, Any] = {live.c[name]: rows.c[f"v{n}"] for n, name in enumerate(task.columns)}
    values |= {live.c.RMT: writing.stamp, live.c.RMB: writing.client, live.c[START]: writing.time}
    try:
        with writing.connection.begin_nested():
            done = writing.run(sa.update(live).where(rows.c.r == live.c.RID).values(values))
        count = done.rowcount
    except sa.exc.IntegrityError:
        # A database checks keys row by row; rows that exchange their keys need to go first.
        count = _set_again(writing, task, values)
    if count:
        writing.touch(task.table)
    return count


def _set_again(writing: Writing, task: Change, values: Mapping[Any, Any]) -> int:
    live, rows = writing.tables.live(task.table), task.rows
    new = {column.name: sa.literal(value) for column, value in values.items() if _plain(value)}
    new |= {column.name: value for column, value in values.items() if not _plain(value)}
    merged = sa.select(*(new.get(column.name, column) for column in live.c)).join(
        rows, rows.c.r == live.c.RID
    )
    columns = [sa.Column(column.name, column.type) for column in live.c]
    try:
        with writing.connection.begin_nested(), writing.temporary(*columns) as held:
            count = writing.run(sa.insert(held).from_select(list(held.c), merged)).rowcount
            writing.run(sa.delete(live).where(live.c.RID.in_(sa.select(rows.c.r))))
            writing.run(sa.insert(live).from_select(list(live.c), sa.select(*held.c)))
    except sa.exc.IntegrityError as error:
        raise refused_update(writing, task.table, rows, task.columns, error) from error
    return count


def _plain(value: object) -> bool:
    return not isinstance(value, sa.ColumnElement)


def _refuse_nulls(writing: Writing, task: Change) -> None:
    for n, name in enumerate(task.columns):
        if task.table.by_name[name].nullok:
            continue
        empty = sa.select(task.rows.c.r).where(task.rows.c[f"v{n}"].is_(None)).limit(1)
        rid = writing.run(empty).scalar()
        if rid is not None:
            raise NotNullViolation(
                f'Input data violates model. ERROR:  null value in column "{name}" of relation '
                f'"{task.table.name}" violates not-null constraint',
                table=task.table.qualified,
                column=name,
                rid=rid,
            )


def _after_change(
    writing: Writing,
    task: Change,
    referrer: Table,
    fkey: ForeignKey,
    names: tuple[str, ...],
    before: sa.Table,
) -> list[Task]:
    child = writing.tables.live(referrer).alias("child")
    parent = writing.tables.live(task.table)
    old = {name: before.c[f"v{names.index(name)}"] for name in fkey.referenced_columns}
    differs = sa.or_(*(parent.c[name].is_distinct_from(value) for name, value in old.items()))
    joined = before.join(parent, sa.and_(before.c.r == parent.c.RID, differs)).join(
        child, _matches(fkey, child, old)
    )
    if fkey.on_update in ("NO ACTION", "RESTRICT"):
        _refuse_or_remember(writing, referrer, fkey, fkey.on_update, child, joined)
        return []
    if fkey.on_update == "CASCADE":
        values: list[sa.ColumnElement[Any]] = [parent.c[n] for n in fkey.referenced_columns]
    else:
        values = _fixed(writing, referrer, fkey, fkey.on_update)
    chosen = sa.select(child.c.RID, *values).select_from(joined).distinct()
    return _followed(writing, referrer, fkey.columns, chosen)

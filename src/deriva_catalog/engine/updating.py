"""Changing rows that exist: update, upsert, clear; and deleting rows.

Source: ERMrest, "Writing".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from ..errors import BadRequest, Conflict, Forbidden
from ..model.elements import SYSTEM_COLUMNS, Column, Table
from ..model.lookup import column_of
from .effects import Change, Removal, open_rows, perform
from .inserting import Rows, insert
from .options import Options
from .policy import Guard, Seen
from .rows import chosen_rows, decoded_column, encoded_members, json_rows, refuse_nulls
from .transaction import Writing
from .uniqueness import repeated_input

Chosen: TypeAlias = "sa.Select[*tuple[Any, ...]]"
"""A query with one column, of RIDs."""

Named = str | tuple[str, str]
"""A column, or a column and the member of the input rows that holds its value."""

Pairs = Sequence[tuple[str, str]]
"""Columns, each with the member of the input rows that holds its value."""


def update(
    writing: Writing,
    table: Table,
    rows: Rows,
    keys: Pairs,
    targets: Pairs,
    *,
    guard: Guard | None = None,
) -> list[dict[str, Any]]:
    """Set the targets of the rows that match on the keys; NULL keys match NULL.

    A client for whom `guard` watches matches what it can read: its keys are compared with the
    cells as it sees them.

    Returns the key and target members of the input rows that matched something.

    Raises:
        BadRequest: no key is named, or two rows have the same keys.
        NotAuthenticated, Forbidden: a target is a system column, or may not be set.
        Conflict: the new values contradict the model or other rows.
    """
    key_columns = _named(table, keys, guard)
    target_columns = _targets(table, targets, guard)
    if guard is not None:
        guard.allow_update(table, [c.name for c in key_columns], [c.name for c in target_columns])
    if not rows:
        return []
    given = [*zip(keys, key_columns, strict=True), *zip(targets, target_columns, strict=True)]
    columns = [encoded_members(rows, c, member) for (_, member), c in given]
    _refuse_equal_keys(table, key_columns, columns[: len(keys)])
    for column, values in zip(target_columns, columns[len(keys) :], strict=True):
        refuse_nulls(table, column, values)
    applied = _apply(writing, table, key_columns, target_columns, columns, guard)
    shown: dict[str, Sequence[Any]] = {}
    for ((_, member), column), values in zip(given, columns, strict=True):
        shown[member] = decoded_column(column, [values[n] for n in applied])
    return json_rows(shown)


def _named(table: Table, pairs: Pairs, guard: Guard | None) -> list[Column]:
    if not pairs:
        raise BadRequest(f"An update of table {table.qualified!r} needs key and target columns.")
    known = table if guard is None else guard.visible(table)
    return [table.by_name[column_of(known, name).name] for name, _ in pairs]


def _targets(table: Table, pairs: Pairs, guard: Guard | None) -> list[Column]:
    columns = _named(table, pairs, guard)
    for column in columns:
        if column.is_system:
            raise Forbidden(
                f"Column {column.name!r} of table {table.qualified!r} is kept by the catalog.",
                hint="Leave it out of the targets of the update.",
            )
    if len({column.name for column in columns}) != len(columns):
        raise BadRequest(f"An update of table {table.qualified!r} names a target twice.")
    return columns


def _refuse_equal_keys(table: Table, keys: list[Column], columns: Sequence[Sequence[Any]]) -> None:
    seen: set[Any] = set()
    for values in zip(*columns, strict=True):
        if values in seen:
            raise repeated_input(table, [column.name for column in keys], values)
        seen.add(values)


def _apply(
    writing: Writing,
    table: Table,
    keys: list[Column],
    targets: list[Column],
    columns: Sequence[Sequence[Any]],
    guard: Guard | None,
) -> list[int]:
    """Match the batch, change the rows, and return the positions of the rows that matched."""
    names = tuple(column.name for column in targets)
    seen = Seen.of(writing.tables.live(table)) if guard is None else guard.seen(table)
    if [column.name for column in keys] == ["RID"] and seen.shows_rids:
        return _apply_by_rid(writing, table, names, columns, guard)
    storage = writing.storage.storage_type
    batch_columns = [
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(f"k{i}", storage(c.type)) for i, c in enumerate(keys)),
        *(sa.Column(f"v{i}", storage(c.type)) for i, c in enumerate(targets)),
    ]
    rows = open_rows(writing, table, names)
    with writing.temporary(*batch_columns) as batch:
        writing.load(batch, zip(range(len(columns[0])), *columns, strict=True))
        match = sa.and_(
            *(_same(seen.columns[c.name], batch.c[f"k{i}"], c) for i, c in enumerate(keys))
        )
        values = [batch.c[f"v{i}"] for i in range(len(targets))]
        matched = sa.select(seen.rid, *values).select_from(batch.join(seen.rows, match))
        found = sa.select(sa.literal(1)).select_from(seen.rows).where(match)
        numbers = sa.select(batch.c.n).where(sa.exists(found.correlate(batch)))
        if guard is not None:
            matched, numbers = guard.bound(matched), guard.bound(numbers)
        writing.run(sa.insert(rows).from_select(list(rows.c), matched))
        applied = list(writing.run(numbers.order_by(batch.c.n)).scalars())
    if guard is not None:
        guard.check_update(table, rows, names)
    perform(writing, Change(table, rows, names))
    return applied


def _apply_by_rid(
    writing: Writing,
    table: Table,
    names: tuple[str, ...],
    columns: Sequence[Sequence[Any]],
    guard: Guard | None,
) -> list[int]:
    live = writing.tables.live(table)
    rows = open_rows(writing, table, names)
    known = (row for row in zip(*columns, strict=True) if row[0] is not None)  # no RID is NULL
    writing.load(rows, known)
    if guard is not None:
        guard.keep_seen(table, rows)
        guard.check_update(table, rows, names)
    there = sa.select(live.c.RID).where(live.c.RID.in_(sa.select(rows.c.r)))
    found = set(writing.run(there).scalars())
    perform(writing, Change(table, rows, names))
    return [n for n, rid in enumerate(columns[0]) if rid in found]


def _same(
    left: sa.ColumnElement[Any], right: sa.ColumnElement[Any], column: Column
) -> sa.ColumnElement[bool]:
    return left.is_not_distinct_from(right) if column.nullok else left == right


# --- upsert ------------------------------------------------------------------------------


def upsert(
    writing: Writing, table: Table, rows: Rows, *, guard: Guard | None = None
) -> list[dict[str, Any]]:
    """Insert rows, or replace those that match on all non-system key columns.

    For a client, whom `guard` watches, columns that it does not know stay as they are in rows
    that are replaced, and have their defaults in others.

    Returns one row for each input row, in input order: the non-system columns of replaced
    rows, all columns of inserted ones.

    Raises:
        BadRequest: the table has no key of its own, or two rows have the same keys.
        NotAuthenticated, Forbidden: the client may not insert, update or replace the rows.
    """
    known = table if guard is None else guard.visible(table)
    own = [table.by_name[c.name] for c in known.columns if not c.is_system]
    in_key = {
        n for key in known.keys if not set(key.columns) <= set(SYSTEM_COLUMNS) for n in key.columns
    }
    keys = [c for c in own if c.name in in_key]
    if not keys:
        raise BadRequest(
            f"Table {table.qualified!r} has no key but its system columns to match rows on.",
            hint="Use update with the key RID, or insert.",
        )
    others = [c for c in own if c.name not in in_key] or keys[:1]
    if guard is not None:
        guard.allow_insertion(table, Options())
        guard.allow_update(table, [c.name for c in keys], [c.name for c in others])
    if not rows:
        return []
    columns = {c.name: encoded_members(rows, c, c.name) for c in own}
    _refuse_equal_keys(table, keys, [columns[c.name] for c in keys])
    for column in own:
        refuse_nulls(table, column, columns[column.name])
    chosen = [columns[c.name] for c in (*keys, *others)]
    replaced = set(_apply(writing, table, keys, others, chosen, guard))
    shown = json_rows({c.name: decoded_column(c, columns[c.name]) for c in own})
    fresh = chosen_rows(rows, [n for n in range(len(rows)) if n not in replaced])
    inserted = iter(insert(writing, table, fresh, Options(), guard=guard))
    return [shown[n] if n in replaced else next(inserted) for n in range(len(rows))]


# --- by path -----------------------------------------------------------------------------


def delete(writing: Writing, table: Table, chosen: Chosen, *, guard: Guard | None = None) -> int:
    """Delete the rows whose RIDs a query selects; returns how many.

    Raises:
        NotAuthenticated, Forbidden: the client, whom `guard` watches, may not delete one of them.
    """
    if guard is not None:
        guard.require(table, "delete")
    rows = open_rows(writing, table)
    _choose(writing, rows, chosen, guard)
    if guard is not None:
        guard.check_deletion(table, rows)
    return perform(writing, Removal(table, rows))


def _choose(writing: Writing, rows: sa.Table, chosen: Chosen, guard: Guard | None) -> None:
    rids = (chosen if guard is None else guard.bound(chosen)).subquery().c[0]
    writing.run(sa.insert(rows).from_select(["r"], sa.select(rids).distinct()))


def clear(
    writing: Writing,
    table: Table,
    chosen: Chosen,
    names: Sequence[str],
    *,
    guard: Guard | None = None,
) -> int:
    """Set columns of the rows whose RIDs a query selects to NULL; returns how many rows.

    Raises:
        NotAuthenticated, Forbidden: a column is a system column, or the client, whom `guard`
            watches, may not clear it in one of the rows.
        Conflict: a column is part of a key, or must have a value.
    """
    columns = _targets(table, as_pairs(list(dict.fromkeys(names))), guard)
    cleared = tuple(column.name for column in columns)
    if guard is not None:
        guard.allow_update(table, (), cleared)
    for column in columns:
        keys = [key for key in table.keys if column.name in key.columns]
        if keys:
            known = table if guard is None else guard.visible(table)
            shown = "".join(f" {key.name!r}" for key in keys[:1] if key in known.keys)
            raise Conflict(
                f"Column {column.name!r} of table {table.qualified!r} belongs to the key{shown} "
                "and cannot be cleared."
            )
    rows = open_rows(writing, table, cleared)
    _choose(writing, rows, chosen, guard)
    if guard is not None:
        guard.check_update(table, rows, cleared, clears=True)
    return perform(writing, Change(table, rows, cleared))


def as_pairs(names: Sequence[Named]) -> list[tuple[str, str]]:
    """Columns, each with the member that holds its value: one of its own name, or as given."""
    return [(name, name) if isinstance(name, str) else name for name in names]


def targets_of(table: Table, rows: Sequence[Mapping[str, Any]], keys: Sequence[Named]) -> list[str]:
    """The columns that an update without targets means: all that any row has, but the keys.

    Raises:
        BadRequest: there are none.
    """
    used = {name for pair in as_pairs(keys) for name in pair}
    given = {name for row in rows for name in row}
    names = [
        c.name for c in table.columns if c.name in given and c.name not in used and not c.is_system
    ]
    if rows and not names:
        raise BadRequest(
            f"The rows for an update of table {table.qualified!r} have no column to set.",
            hint=f"Its columns are {[c.name for c in table.columns if not c.is_system][:10]!r}.",
        )
    return names

"""Inserting rows.

Source: ERMrest, "POST entity" and "RID leases".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..errors import BadRequest, Forbidden
from ..model.elements import SYSTEM_COLUMNS, Column, Table
from ..model.lookup import column_of
from ..model.types import is_serial
from . import leases, references
from .options import Options
from .policy import Guard
from .relation import START
from .rids import push_rids, take_numbers, take_rids
from .rows import (
    cached_encoder,
    decoded_column,
    encoded_members,
    json_rows,
    refuse_nulls,
    serial_sequence,
)
from .storage import RowRefused
from .textrows import TextRows
from .transaction import Writing
from .uniqueness import refuse_repetition, refused_insertion

_MAY_BE_GIVEN = ("RID", "RCT", "RCB")
_MAY_BE_RECORDED = (*_MAY_BE_GIVEN, "RMT", "RMB")
_TEMPLATE_NAMES = ("URI", "uri", "ID", "id")
_TEMPLATE_TYPES = ("ermrest_uri", "ermrest_curie")

Rows = Sequence[Mapping[str, Any]]
Columns = dict[str, Sequence[Any]]


def insert(
    writing: Writing,
    table: Table,
    rows: Rows,
    options: Options,
    *,
    returning: bool = True,
    guard: Guard | None = None,
) -> list[dict[str, Any]]:
    """Insert rows and return those inserted, in input order, with all columns.

    Args:
        writing: The transaction.
        table: The table.
        rows: The rows.
        options: See `Options`.
        returning: Whether the rows are wanted.
        guard: Watches over a client, who is told the columns that it knows; None: the catalog
            itself inserts, or somebody whom nothing restricts.

    Raises:
        NotAuthenticated, Forbidden: the client may not insert the rows.
        BadRequest: rows are malformed or repeat each other's keys.
        Conflict: a row contradicts the model or existing rows.
    """
    if guard is not None:
        options = guard.allow_insertion(table, options)
    _check_options(table, options)
    if not rows:
        return []
    columns = _columns(writing, table, rows, options)
    if guard is not None:
        guard.check_given_rids(table, columns["RID"], options)
        guard.check_new_references(table, options, columns)
    live = writing.tables.live(table)
    new = _put(writing, table, live, columns, len(rows), options)
    if options.on_conflict == "skip" and not _any(writing, live, new):
        return []
    recorded = None if writing.changed else writing.recorded
    writing.touch(table)
    references.check_inserted(writing, table, columns, new, recorded)
    if "RID" in options.nondefaults:
        push_rids(writing.connection, columns["RID"])
        leases.consume(writing, table, columns["RID"])
    if not returning:
        return []
    if options.on_conflict is not None:
        columns = _kept(writing, table, columns, new)
    told = table.columns if guard is None else guard.told(table)
    return json_rows({c.name: decoded_column(c, columns[c.name]) for c in told})


def _check_options(table: Table, options: Options) -> None:
    for name in (*options.defaults, *options.nondefaults):
        column_of(table, name)
    free = _MAY_BE_RECORDED if options.recorded else _MAY_BE_GIVEN
    for name in options.nondefaults:
        if name in SYSTEM_COLUMNS and name not in free:
            raise Forbidden(
                f"Column {name!r} of table {table.qualified!r} is kept by the catalog.",
                hint=f"Only {', '.join(free)} can be given.",
            )


# --- values ------------------------------------------------------------------------------


def _columns(writing: Writing, table: Table, rows: Rows, options: Options) -> Columns:
    """The stored values of a batch, by column name, without the hidden column."""
    for kind in () if isinstance(rows, TextRows) else set(map(type, rows)):
        if not issubclass(kind, Mapping):
            raise BadRequest(
                f"A row is an object of column names to values, not a {kind.__name__}."
            )
    columns: Columns = {}
    for column in table.columns:
        columns[column.name] = _values(writing, table, column, rows, options)
    for column in table.columns:
        if column.name in _TEMPLATE_NAMES and column.type.typename in _TEMPLATE_TYPES:
            columns[column.name] = _with_rids(columns[column.name], columns["RID"])
        if not column.is_system or column.name in options.nondefaults:
            refuse_nulls(table, column, columns[column.name])
    return columns


def _values(
    writing: Writing, table: Table, column: Column, rows: Rows, options: Options
) -> Sequence[Any]:
    count = len(rows)
    if column.is_system and column.name not in options.nondefaults:
        if column.name == "RID":
            return take_rids(writing.connection, count)
        return [writing.stamp if column.name in ("RCT", "RMT") else writing.client] * count
    if column.name not in options.defaults:
        values = encoded_members(rows, column, column.name)
        return _past(writing, values) if column.name == "RMT" else values
    if is_serial(column.type):
        first = take_numbers(writing.connection, serial_sequence(column), count)
        return range(first, first + count)
    value = column.default
    if value is None and column.type.is_array and not column.nullok:
        value = ()
    return [cached_encoder(column.type, column.name)(value)] * count


def _past(writing: Writing, values: Sequence[Any]) -> Sequence[Any]:
    """Times of modification as given, none later than now: the next change must be later."""
    now = writing.stamp
    return [min(value, now) if value is not None else None for value in values]


def _with_rids(values: Sequence[Any], rids: Sequence[str]) -> list[Any]:
    return [
        value.replace("{RID}", rid) if isinstance(value, str) else value
        for value, rid in zip(values, rids, strict=True)
    ]


# --- statements --------------------------------------------------------------------------


def _put(
    writing: Writing,
    table: Table,
    live: sa.Table,
    columns: Columns,
    count: int,
    options: Options,
) -> sa.ColumnElement[bool]:
    """Insert a batch; returns what tells its rows from the others of the table."""
    skip = options.on_conflict == "skip"
    if skip:
        for key in table.keys:
            refuse_repetition(table, key.columns, [columns[name] for name in key.columns])
    stored = {**columns, START: [writing.time] * count}
    try:
        return writing.storage.insert_batch(writing.connection, live, stored, skip=skip)
    except RowRefused as refused:
        raise refused_insertion(writing, table, columns, refused) from refused.error


def _any(writing: Writing, live: sa.Table, rows: sa.ColumnElement[bool]) -> bool:
    found = sa.select(sa.literal(1)).select_from(live).where(rows).limit(1)
    return writing.run(found).first() is not None


def _kept(writing: Writing, table: Table, columns: Columns, new: sa.ColumnElement[bool]) -> Columns:
    """The values of the rows that were not skipped."""
    live = writing.tables.live(table)
    kept = set(writing.run(sa.select(live.c.RID).where(new)).scalars())
    chosen = [n for n, rid in enumerate(columns["RID"]) if rid in kept]
    if len(chosen) == len(columns["RID"]):
        return columns
    return {name: [values[n] for n in chosen] for name, values in columns.items()}


# --- leases ------------------------------------------------------------------------------


def lease_rids(
    writing: Writing, tokens: Sequence[str], guard: Guard | None = None
) -> dict[str, str]:
    """A RID for each token of this client.

    A token keeps its RID for good: also after a row with that RID was inserted and the lease
    with it consumed, in whichever transaction, so that a caller who lost the answer can find out
    what became of it (`leases.looked_up`).
    """
    table = leases.lease_table(writing.model)
    if guard is not None:
        guard.require(table, "insert")
    found = leases.given_to(writing, tokens)
    missing = [token for token in dict.fromkeys(tokens) if token not in found]
    if missing:
        rows = insert(writing, table, [{"ID": token} for token in missing], Options())
        found |= {row["ID"]: row["RID"] for row in rows}
    return {token: found[token] for token in tokens}

"""Taking values of one column out of history.

Only versions of rows that lived entirely inside the range lose their value: what a snapshot
outside of it shows stays as it is, and so do the live rows.

Source: ERMrest, "History control".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .. import rid as rids
from ..access import Client
from ..errors import CatalogError, Conflict, NotFound
from ..model.elements import Column, Table
from . import amendments
from .amending import known_range
from .layout import VERSION_END, VERSION_START, history_name
from .rows import cached_encoder
from .store import Store
from .transaction import Writing
from .truncation import controlling, models_since

_KEPT = ("RID", "RMT", "RMB")
"""Without these a version of a row could not be told from others, nor who made it."""


@dataclass(frozen=True, slots=True)
class Where:
    """Only versions whose column `rid` has a value, in JSON form, are redacted."""

    rid: str
    value: Any


@dataclass(frozen=True, slots=True)
class PastColumn:
    """A column in history: its table, and what it was for each type it had, by physical name."""

    table: Table
    generations: Mapping[str, Column]


def redact(
    store: Store,
    actor: Client | None,
    bounds: tuple[int, int],
    rid: str,
    where: Where | None = None,
) -> int:
    """Set a column to NULL in versions of a range; returns the new amendment version.

    Args:
        store: The catalog's database.
        actor: Who asks.
        bounds: The first time, and the time before which the range ends.
        rid: The column's; it may have been renamed, retyped or dropped since.
        where: Which of the versions; None for all.

    Raises:
        NotFound: no snapshot of the range has such a column.
        Conflict: the column cannot be redacted, the other one is in another table, or the value
            is none of its type.
        BadRequest: the value is none of the type of a numeric column.
    """
    with controlling(store, actor, "redacted") as writing:
        known = known_range(store, writing.connection, *bounds)
        past = find_column(writing.connection, known.begin, known.end, rid)
        names = {column.name for column in past.generations.values()}
        if names & set(_KEPT):
            raise Conflict(
                f"Column {min(names)!r} cannot be redacted: history needs it.",
                hint=f"The columns {', '.join(_KEPT)} stay as they are.",
            )
        chosen = [sa.column(VERSION_START) >= known.begin, sa.column(VERSION_END) <= known.end]
        if where is not None:
            chosen.append(_matching(writing, past, where, known.begin, known.end))
        table = sa.table(history_name(past.table), *map(sa.column, past.generations))
        nulls = dict.fromkeys(past.generations, sa.null())
        writing.run(sa.update(table).where(*chosen).values(nulls))
        return amendments.record(writing, known.begin, known.end)


def find_column(connection: sa.Connection, begin: int, end: int, rid: str) -> PastColumn:
    """A column in the models of a range, by its RID, which need not be in canonical form.

    Raises:
        NotFound: none of them has it.
    """
    wanted = rids.spellings(rid)
    table: Table | None = None
    generations: dict[str, Column] = {}
    for _, model in models_since(connection, begin, end):
        for candidate in model.tables():
            for column in candidate.columns:
                if column.rid in wanted:
                    table, generations[column.physical] = candidate, column
    if table is None:
        raise NotFound(f"No snapshot of that time has a column with the RID {rid!r}.", rid=rid)
    return PastColumn(table, generations)


def _matching(
    writing: Writing, past: PastColumn, where: Where, begin: int, end: int
) -> sa.ColumnElement[bool]:
    other = find_column(writing.connection, begin, end, where.rid)
    if other.table.rid != past.table.rid:
        raise Conflict(
            f"The column {where.rid!r} is of table {other.table.qualified!r}, and the redacted "
            f"one of {past.table.qualified!r}.",
            hint="Choose versions by a column of the same table.",
        )
    kind = writing.storage.storage_type
    columns = {
        name: sa.column(name, kind(column.type)) for name, column in other.generations.items()
    }
    if where.value is None:
        return sa.and_(*(column.is_(None) for column in columns.values()))
    given = _encoded(other, where.value)
    return sa.or_(*(columns[name] == value for name, value in given.items()))


def _encoded(other: PastColumn, value: Any) -> dict[str, Any]:
    """The stored form of the value in each type that the column had and that has such a value."""
    found: dict[str, Any] = {}
    refused: CatalogError | None = None
    for name, column in other.generations.items():
        try:
            found[name] = cached_encoder(column.type, column.name)(value)
        except CatalogError as error:
            refused = error
    if not found and refused is not None:
        raise refused
    return found

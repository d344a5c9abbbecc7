"""How far back history reaches, and forgetting what is older.

Source: ERMrest, "History control".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from .. import snaptime
from ..access import Client
from ..errors import Conflict, NotFound
from ..model.elements import Model, Table
from . import amendments
from .history import LEASES
from .layout import history_name
from .relation import END
from .store import Store, stored_model
from .tables import COMMIT, META, MODEL
from .transaction import Writing


@dataclass(frozen=True, slots=True)
class Extent:
    """The first and the last known time of a range, and its newest amendment version."""

    first: int
    last: int
    amended: int | None


def history_extent(store: Store, since: int | None, until: int | None) -> Extent:
    """What is known of history between two times; None stands for no bound.

    Raises:
        Conflict: `since` is after `until`, or nothing is known of the time between them.
    """
    if since is not None and until is not None and since > until:
        raise Conflict(
            f"The range begins at {snaptime.encode(since)}, after its end "
            f"{snaptime.encode(until)}.",
            hint="Exchange the two.",
        )
    latest = store.latest()
    with store.reading() as moment:
        horizon = store.horizon(moment.connection)
        recorded = moment.connection.execute(amendments.RECORDED).scalar()
    first = horizon if since is None else max(since, horizon)
    last = latest if until is None else min(until, latest)
    if first > last:
        raise Conflict(
            "Nothing is known of that time.",
            hint=f"History reaches from {snaptime.encode(horizon)} to {snaptime.encode(latest)}.",
        )
    amended = amendments.newest_within(amendments.read(recorded), first, last + 1)
    return Extent(first, last, amended)


@contextmanager
def controlling(store: Store, actor: Client | None, act: str) -> Iterator[Writing]:
    """A transaction of its own for what changes history and is itself no part of it.

    Raises:
        Conflict: this thread has a transaction open.
    """
    if store.current is not None:
        raise Conflict(
            f"History cannot be {act} inside a transaction.",
            hint="Commit the transaction first.",
        )
    with store.writing(actor) as writing:
        yield writing


def truncate_history(store: Store, until: int, actor: Client | None = None) -> int:
    """Forget everything before a time; live rows stay as they are, and so do leases.

    The catalog as it was at `until` can still be read: the latest snapshot not after it
    becomes the first one, and is returned.

    Raises:
        NotFound: there is nothing to forget.
        Conflict: a transaction is open in this thread.
    """
    with controlling(store, actor, "truncated") as writing:
        connection = writing.connection
        horizon = connection.execute(
            sa.select(sa.func.max(COMMIT.c.time)).where(COMMIT.c.time <= until)
        ).scalar()
        if horizon is None or horizon <= store.horizon(connection):
            raise NotFound("There is no history to forget before that time.")
        kept = list(models_since(connection, horizon))
        known = tables_by_rid(model for _, model in kept)
        for table in known.values():
            if (table.schema, table.name) == LEASES:  # a token keeps its RID for good
                continue
            past = writing.tables.history(table)
            writing.run(sa.delete(past).where(past.c[END] <= horizon))
        _drop_forgotten(writing, set(map(history_name, known.values())))
        writing.run(sa.delete(MODEL).where(MODEL.c.time < kept[0][0]))
        writing.run(sa.delete(COMMIT).where(COMMIT.c.time < horizon))
        writing.run(sa.delete(META).where(META.c.name == "horizon"))
        writing.run(sa.insert(META).values(name="horizon", value=str(horizon)))
        amendments.forget(writing, horizon)
    return int(horizon)


def models_since(
    connection: sa.Connection, begin: int, end: int | None = None
) -> Iterator[tuple[int, Model]]:
    """The stored models in force at any time from `begin` on, before `end`: each with its time."""
    first = sa.select(sa.func.max(MODEL.c.time)).where(MODEL.c.time <= begin).scalar_subquery()
    chosen = sa.select(MODEL.c.time).where(MODEL.c.time >= sa.func.coalesce(first, begin))
    if end is not None:
        chosen = chosen.where(MODEL.c.time < end)
    for time in connection.execute(chosen.order_by(MODEL.c.time)).scalars().all():
        yield int(time), stored_model(connection, time)


def tables_by_rid(models: Iterator[Model]) -> dict[str, Table]:
    """The latest description of each table that any of the models has, by RID."""
    return {table.rid: table for model in models for table in model.tables()}


def _drop_forgotten(writing: Writing, kept: set[str]) -> None:
    for name in sa.inspect(writing.connection).get_table_names():
        if name.startswith("h") and name not in kept:
            writing.run(sa.schema.DropTable(sa.Table(name, sa.MetaData())))

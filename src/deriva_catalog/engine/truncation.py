"""How far back history reaches, and forgetting what is older.

Source: ERMrest, "History control".
"""

from __future__ import annotations

import sqlalchemy as sa

from ..errors import Conflict, NotFound
from ..model.elements import Table
from .history import LEASES
from .layout import history_name
from .relation import END
from .store import Store
from .tables import COMMIT, META, MODEL
from .transaction import Writing


def history_range(store: Store) -> tuple[int, int]:
    """The first snapshot that can be read and the latest one, in microseconds since 1970."""
    with store.reading() as moment:
        first = store.horizon(moment.connection)
    return first, store.latest()


def truncate_history(store: Store, until: int) -> int:
    """Forget everything before a time; live rows stay as they are, and so do leases.

    The catalog as it was at `until` can still be read: the latest snapshot not after it
    becomes the first one, and is returned.

    Raises:
        NotFound: there is nothing to forget.
        Conflict: a transaction is open in this thread.
    """
    if store.current is not None:
        raise Conflict(
            "History cannot be truncated inside a transaction.",
            hint="Commit the transaction first.",
        )
    with store.writing() as writing:
        connection = writing.connection
        horizon = connection.execute(
            sa.select(sa.func.max(COMMIT.c.time)).where(COMMIT.c.time <= until)
        ).scalar()
        if horizon is None or horizon <= store.horizon(connection):
            raise NotFound("There is no history to forget before that time.")
        oldest = store.model_at(connection, horizon).version
        known = _tables_since(store, writing, oldest)
        for table in known.values():
            if (table.schema, table.name) == LEASES:  # a token keeps its RID for good
                continue
            past = writing.tables.history(table)
            writing.run(sa.delete(past).where(past.c[END] <= horizon))
        _drop_forgotten(writing, set(map(history_name, known.values())))
        writing.run(sa.delete(MODEL).where(MODEL.c.time < oldest))
        writing.run(sa.delete(COMMIT).where(COMMIT.c.time < horizon))
        writing.run(sa.delete(META).where(META.c.name == "horizon"))
        writing.run(sa.insert(META).values(name="horizon", value=str(horizon)))
    return int(horizon)


def _tables_since(store: Store, writing: Writing, oldest: int) -> dict[str, Table]:
    """A description of each table that any model from `oldest` on has, by RID."""
    times = writing.run(sa.select(MODEL.c.time).where(MODEL.c.time >= oldest)).scalars().all()
    known: dict[str, Table] = {}
    for time in times:
        known |= {t.rid: t for t in store.model_at(writing.connection, time).tables()}
    return known


def _drop_forgotten(writing: Writing, kept: set[str]) -> None:
    for name in sa.inspect(writing.connection).get_table_names():
        if name.startswith("h") and name not in kept:
            writing.run(sa.schema.DropTable(sa.Table(name, sa.MetaData())))

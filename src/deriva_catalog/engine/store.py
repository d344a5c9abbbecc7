"""A catalog's database: transactions, the clock of its snapshots, and the current model.

Reading takes place inside a transaction that sees one moment, with the model of that moment.
Writing is one transaction at a time. Its time is decided when it begins, after it has the
lock: ``max(clock, last snapshot + 1)``; every row that it touches carries that time, and when it
commits, the time is a snapshot. A transaction that changed nothing leaves no snapshot.

A transaction belongs to the thread that opened it. A use inside another joins it: what is
read there sees what was written, and an error undoes the inner part and no more, so that the
caller may catch it and go on. What other writers see is all or nothing.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from .. import snaptime
from ..access import Client
from ..errors import Conflict, Corrupted, SnapshotUnavailable
from ..model.documents import load_stored, stored_document
from ..model.elements import Model, Table
from . import amendments
from .moments import Moment, Reading
from .references import settle
from .relation import AT, SameObject, Tables, with_history_only
from .storage import Storage
from .tables import COMMIT, FORMAT, META, MODEL, create_internal
from .texts import Text, constant_text, run_constant
from .transaction import Writing

_ModelKey = tuple[int, int | None, bool]
"""A model's time, its amendment version, and whether tables without history are left out."""
_MODELS_KEPT = 64
_NEWEST_MODEL = sa.select(sa.func.max(MODEL.c.time))
_NOW = sa.select(
    _NEWEST_MODEL.scalar_subquery(), sa.select(sa.func.max(COMMIT.c.time)).scalar_subquery()
)
"""The times of the latest change of the model, and of anything."""
_RECORDS = {"public:ERMrest_Client", "public:ERMrest_Group"}
"""Tables whose rows tell who writes."""

_COMMITTED = sa.insert(COMMIT).values(time=sa.bindparam("time", None, sa.BigInteger))
_NEW_MODEL = sa.insert(MODEL).values(
    time=sa.bindparam("time", None, sa.BigInteger),
    document=sa.bindparam("document", None, sa.LargeBinary),
)
_STORED_MODEL = sa.select(MODEL.c.document).where(MODEL.c.time == sa.bindparam("time"))
_FACT = sa.select(META.c.value).where(META.c.name == sa.bindparam("name"))
_KEPT_SINCE = sa.func.coalesce(
    sa.select(sa.cast(META.c.value, sa.BigInteger))
    .where(META.c.name == "horizon")
    .scalar_subquery(),
    sa.select(sa.func.min(COMMIT.c.time)).scalar_subquery(),
    0,
)
_HORIZON = sa.select(_KEPT_SINCE)
_SNAPSHOT = sa.select(
    _KEPT_SINCE,
    _NEWEST_MODEL.where(MODEL.c.time <= sa.bindparam("at")).scalar_subquery(),
    amendments.RECORDED.scalar_subquery(),
)
"""The oldest time that can be read, the time of the model at ``at``, and the amendments."""
_LAST = sa.select(
    sa.func.coalesce(sa.select(sa.func.max(COMMIT.c.time)).scalar_subquery(), 0),
    sa.func.coalesce(_NEWEST_MODEL.scalar_subquery(), 0),
)
"""The time of the latest snapshot, and that of the newest model.

A model may be newer: one that goes on after the end of an amendment of the latest snapshot.
"""


class Store:
    """The database of one catalog, shared by the threads of a process.

    `read_budget_s` is how many seconds a read may take (`QueryTimeout`); None for any time.
    """

    def __init__(self, storage: Storage, client: str | None) -> None:
        self.storage = storage
        self.client = client
        self._owner = Client(client)
        self.tables = Tables(
            storage.storage_type,
            interval_outside=storage.interval_outside,
            of_temporary=storage.of_temporary,
        )
        self.read_budget_s: float | None = None
        self._models: dict[_ModelKey, Model] = {}
        self._models_lock = threading.Lock()
        self._local = threading.local()
        self._recorded: tuple[int, Client] | None = None
        self._last_read: Moment | None = None
        self._begun_hooks: list[Callable[[Writing], None]] = []

    # --- life ------------------------------------------------------------------------

    def initialise(self) -> None:
        """Create the internal tables in an empty database."""
        with self.storage.writing() as connection:
            create_internal(self.storage, connection)

    def check_format(self) -> int:
        """Return the format of the database; refuse one that this release cannot read.

        Raises:
            Corrupted: the database is no catalog, or a newer release wrote it.
        """
        with self.storage.reading() as connection:
            if not sa.inspect(connection).has_table(META.name):
                raise Corrupted(
                    "The database is no catalog: it has no table '_meta'.",
                    hint="Check the path, or create a catalog there.",
                )
            found = self.fact(connection, "format")
        if found is None or not found.isdecimal() or int(found) > FORMAT:
            raise Corrupted(
                f"The catalog was written by a newer version: its format is {found}, and this "
                f"version reads formats up to {FORMAT}.",
                hint="Upgrade this package.",
            )
        return int(found)

    def fact(self, connection: sa.Connection, name: str) -> str | None:
        """The value of one fact about the catalog."""
        found = run_constant(connection, _FACT, {"name": name}).scalar()
        return None if found is None else str(found)

    def at_begin(self, prepare: Callable[[Writing], None]) -> None:
        """Have `prepare` called with each transaction when it begins.

        What it writes is kept if the transaction commits, and alone makes no snapshot.
        """
        self._begun_hooks.append(prepare)

    def close(self) -> None:
        """Release all connections."""
        self.storage.close()

    # --- models ----------------------------------------------------------------------

    def model_now(self, connection: sa.Connection) -> Model:
        """The current model. One tiny query if it is known."""
        return self._model_of(connection, run_constant(connection, _NEWEST_MODEL).scalar())

    def _model_of(
        self, connection: sa.Connection, time: int | None, amended: int | None = None
    ) -> Model:
        """The model that a change at that time made, as amended."""
        if time is None:
            return Model(version=0)
        known = self._models.get((time, amended, False))
        if known is None:
            known = stored_model(connection, time)
            self._keep((time, amended, False), known)
        return known

    def _past_model(
        self, connection: sa.Connection, time: int | None, amended: int | None
    ) -> Model:
        """The model of a time as a snapshot shows it."""
        if time is None:
            return Model(version=0)
        known = self._models.get((time, amended, True))
        if known is None:
            known = with_history_only(self._model_of(connection, time, amended))
            self._keep((time, amended, True), known)
        return known

    def _keep(self, key: _ModelKey, model: Model) -> None:
        with self._models_lock:
            while len(self._models) >= _MODELS_KEPT:
                del self._models[next(iter(self._models))]
            self._models[key] = model

    # --- reading ---------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """The live catalog at one moment; inside a transaction, with what it has written."""
        writing = self.current
        if writing is not None:
            with self.storage.bounded(writing.connection, self.read_budget_s):
                yield self._live(writing.connection, writing.model)
            return
        with self.storage.reading(self.read_budget_s) as connection:
            time, latest = self._now(connection)
            model = self._model_of(connection, time)
            if self.storage.answers:
                self._note(model, time)
            yield self._live(connection, model, latest or 0)

    def _now(self, connection: sa.Connection) -> tuple[int | None, int | None]:
        """The times of the current model and of the latest snapshot."""
        row = run_constant(connection, _NOW).one()
        return row[0], row[1]

    def _live(self, connection: sa.Connection, model: Model, latest: int | None = None) -> Reading:
        texts, live, history = self.storage.text_values, self.tables.live, self.tables.history
        expressions = self.storage.expressions
        return Reading(
            model, live, texts, expressions, history, latest=latest, connection=connection
        )

    # --- reading by one message ------------------------------------------------------

    def _note(self, model: Model, time: int | None) -> None:
        """Note what a transaction found, for those who read without one."""
        last = self._last_read
        if last is None or last.model is not model:
            texts, live, history = self.storage.text_values, self.tables.live, self.tables.history
            expressions = self.storage.expressions
            self._last_read = Moment(model, live, texts, expressions, history, model_time=time)

    def last_read(self) -> Moment | None:
        """The live catalog as it was when it was last read, without asking.

        None inside a transaction, and where a transaction of its own costs a read nothing.
        """
        return self._last_read if self.current is None else None

    def answer(
        self, moment: Moment, text: Text, values: Mapping[str, Any]
    ) -> tuple[int, list[str]] | None:
        """The latest snapshot, and the texts that a statement selects, by one message.

        None if the model is not that of `moment` any more, or if it must be asked in a transaction
        what is wrong.

        Raises:
            QueryTimeout: it took too long.
        """
        now = constant_text(_NOW, self.storage.dialect)
        found = self.storage.answer(now, text, values, self.read_budget_s)
        if found is None:
            return None
        (time, latest), texts = found
        return (latest or 0, texts) if time == moment.model_time else None

    @contextmanager
    def reading_at(self, at: int) -> Iterator[Reading]:
        """The catalog as it was at a snapshot.

        Raises:
            SnapshotUnavailable: history was truncated beyond it in the meantime.
        """
        with self.reading() as live:
            horizon, time, recorded = run_constant(live.connection, _SNAPSHOT, {"at": at}).one()
            if at < horizon:
                raise unavailable(snaptime.encode(at))
            amended = amendments.amended_at(amendments.read(recorded), at)
            model = self._past_model(live.connection, time, amended)
            current = {table.rid: table for table in live.model.tables()}
            made: dict[str, sa.FromClause] = {}

            def relation(table: Table) -> sa.FromClause:
                if table.rid not in made:
                    made[table.rid] = self.tables.as_of(table, current)
                return made[table.rid]

            source = (AT, amended, SameObject(live.model))
            yield replace(
                live,
                model=model,
                relation=relation,
                at=at,
                amended=amended,
                source=source,
                parameters={AT: at},
                rids=partial(self.tables.as_of, current=current, only_rid=True),
            )

    def horizon(self, connection: sa.Connection) -> int:
        """The oldest snapshot that can be read."""
        return int(run_constant(connection, _HORIZON).scalar_one())

    def latest(self) -> int:
        """The time of the latest snapshot."""
        writing = self.current
        if writing is not None and writing.changed:
            return writing.time
        with self.reading() as live:
            return _latest(live.connection) if live.latest is None else live.latest

    def resolve(self, requested: int, shown: str) -> int:
        """The snapshot that is served for a requested time: the latest one not after it.

        Raises:
            SnapshotUnavailable: it lies before the first snapshot that is kept.
        """
        with self.reading() as live:
            found = live.connection.execute(
                sa.select(sa.func.max(COMMIT.c.time)).where(COMMIT.c.time <= requested)
            ).scalar()
            if found is None or found < self.horizon(live.connection):
                raise unavailable(shown)
            return int(found)

    # --- writing ---------------------------------------------------------------------

    @property
    def current(self) -> Writing | None:
        """The transaction that this thread has open."""
        writing: Writing | None = getattr(self._local, "writing", None)
        if writing is not None and self._local.pid != os.getpid():
            return None  # a fork inside a transaction: it belongs to the parent
        return writing

    @contextmanager
    def writing(self, actor: Client | None = None, *, alone: bool = False) -> Iterator[Writing]:
        """A writing transaction, or a part of the one that this thread has open.

        Args:
            actor: Who writes; default: the store's own client. A part belongs to the actor of
                the whole.
            alone: Whether an error in a part of it will leave it, too: that spares a savepoint
                for each part.
        """
        outer = self.current
        if outer is not None:
            with outer.step():
                yield outer
            return
        with self.storage.writing() as connection:
            writing = self._begun(connection, self._owner if actor is None else actor)
            writing.alone = alone
            self._local.writing, self._local.pid = writing, os.getpid()
            before = writing.model
            try:
                for prepare in self._begun_hooks:
                    prepare(writing)
                writing.changed = False
                writing.touched.clear()
                yield writing
                if writing.broken:
                    raise Conflict(
                        "A part of the transaction failed, and what follows depends on it.",
                        hint="Let the error end the transaction.",
                    )
                settle(writing)
                writing.end()
                if writing.changed:
                    self._record(writing, before)
            finally:
                self._local.writing = None
        if writing.model is not before:
            self._keep((writing.time, None, False), writing.model)
        if writing.changed:
            stands = writing.recorded and writing.model is before
            found = stands and not writing.touched & _RECORDS
            self._recorded = (writing.time, writing.actor) if found else None

    def _begun(self, connection: sa.Connection, actor: Client) -> Writing:
        latest, newest = run_constant(connection, _LAST).one()
        return Writing(
            connection=connection,
            storage=self.storage,
            tables=self.tables,
            time=max(snaptime.now(), latest + 1, newest + 1),
            actor=actor,
            model=self._model_of(connection, newest or None),
            # Nothing was committed since this client's record was last found.
            recorded=actor.id if self._recorded == (latest, actor) else None,
        )

    def _record(self, writing: Writing, before: Model) -> None:
        if writing.model is not before:
            packed = packed_model(writing.model)
            values = {"time": writing.time, "document": packed}
            run_constant(writing.connection, _NEW_MODEL, values)
        self.storage.conclude(
            writing.connection,
            constant_text(_COMMITTED, writing.connection.dialect),
            {"time": writing.time},
        )


def unavailable(shown: str) -> SnapshotUnavailable:
    """The error for a snapshot older than what is kept."""
    return SnapshotUnavailable(
        f'Requested catalog revision "{shown}" is prior to any known revision.',
        hint="history_range() tells what is kept; write a snapshot ('361-EZ4W-0YX4') or a time "
        "('2026-11-20T21:08:50+00:00').",
        snaptime=shown,
    )


def _latest(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.max(COMMIT.c.time))).scalar() or 0)


def stored_model(connection: sa.Connection, time: int) -> Model:
    """The model that is stored under a time, read anew: it may have been amended.

    Raises:
        Corrupted: it is damaged.
    """
    blob = run_constant(connection, _STORED_MODEL, {"time": time}).scalar_one()
    return _unpacked(blob)


def packed_model(model: Model) -> bytes:
    """A model as it is stored."""
    document = json.dumps(stored_document(model), ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(document.encode(), 6)


def _unpacked(blob: bytes) -> Model:
    try:
        document = json.loads(zlib.decompress(blob))
    except (zlib.error, ValueError) as error:
        raise Corrupted(f"A stored model is damaged: {error}.") from error
    return load_stored(document)

"""The task queue in one SQLite file, the usual kind.

A rollback journal, because a write-ahead log needs memory that all processes share, and workers of
a cluster sit on several hosts. Each commit is synced. Nothing keeps the connection open while user
code runs: `close` lets go of it and the next call opens it again, so a process that user code forks
has no part in it.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from flexlock.errors import QueueError
from flexlock.run.owner import Owner
from flexlock.tasks.encoding import decode, encode
from flexlock.tasks.identity import canonical_json
from flexlock.tasks.model import TaskState
from flexlock.tasks.queue.records import Claim, Outcome, Settlement, TaskRow, WorkerRow

__all__ = ["SqliteQueue"]

_Result = TypeVar("_Result")

_BUSY_TIMEOUT_S = 30.0
_PATIENCE_S = 90.0
_APPLICATION_ID = 0x666C6B71
_LAYOUT = 1

_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_LAYOUT};
CREATE TABLE tasks (
  id TEXT PRIMARY KEY, position INTEGER NOT NULL, rank REAL NOT NULL, name TEXT NOT NULL,
  "values" TEXT NOT NULL, directory TEXT NOT NULL, state TEXT NOT NULL,
  attempt INTEGER NOT NULL, tries INTEGER NOT NULL, plan TEXT,
  owner TEXT, claimed REAL, lease_until REAL,
  run TEXT, reason TEXT, error TEXT, started REAL, ended REAL, wall_s REAL, peak_bytes INTEGER,
  result TEXT, data TEXT, stamp INTEGER NOT NULL
);
CREATE INDEX tasks_state ON tasks (state, rank);
CREATE INDEX tasks_stamp ON tasks (stamp);
CREATE TABLE workers (
  name TEXT PRIMARY KEY, backend TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
  started TEXT NOT NULL, boot TEXT NOT NULL, job TEXT, lease_until REAL NOT NULL, ended REAL,
  error TEXT
);
CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL);
"""

_TASK_COLUMNS = (
    'id, position, name, "values", directory, state, attempt, tries, plan, owner, claimed,'
    " lease_until, run, reason, error, started, ended, wall_s, peak_bytes, result, data"
)
_OUTCOME = (
    "reason = ?, run = ?, started = ?, ended = ?, wall_s = ?, peak_bytes = ?, error = ?,"
    " result = ?, data = ?"
)
_NEXT_STAMP = "(SELECT coalesce(max(stamp), 0) + 1 FROM tasks)"


class SqliteQueue:
    """A `TaskQueue` in a SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open the queue at `path`, or make an empty one.

        Raises:
            QueueError: The file is no queue, is damaged (``facts["corrupt"]``), or was made by a
                newer version.
        """
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._seen = 0
        self._call(lambda connection: None)

    def read_note(self, name: str) -> str | None:
        """Return a note, or None."""
        query = "SELECT text FROM notes WHERE name = ?"
        row = self._call(lambda db: db.execute(query, (name,)).fetchone())
        return None if row is None else str(row[0])

    def write_note(self, name: str, text: str | None) -> None:
        """Keep a note under a name; None removes it."""

        def write(db: sqlite3.Connection) -> None:
            if text is None:
                db.execute("DELETE FROM notes WHERE name = ?", (name,))
            else:
                db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, text))

        self._write(write)

    def add(self, rows: Sequence[TaskRow]) -> None:
        """Add tasks as they are given. Those whose id is known already stay as they are."""

        def write(db: sqlite3.Connection) -> None:
            last, stamp = db.execute(
                "SELECT coalesce(max(position) + 1, 0), coalesce(max(stamp), 0) + 1 FROM tasks"
            ).fetchone()
            columns = f"{_TASK_COLUMNS}, rank, stamp"
            marks = ", ".join("?" * (columns.count(",") + 1))
            db.executemany(
                f"INSERT OR IGNORE INTO tasks ({columns}) VALUES ({marks})",
                ((*_task_cells(row, last + i), last + i, stamp) for i, row in enumerate(rows)),
            )

        self._write(write)

    def rows(self, state: TaskState | None = None) -> list[TaskRow]:
        """Return all tasks, or those in one state, in the order in which they were added."""
        query = (
            f"SELECT {_TASK_COLUMNS} FROM tasks WHERE state = coalesce(?, state) ORDER BY position"
        )
        found = self._call(lambda db: db.execute(query, (state,)).fetchall())
        return [_task_row(cells) for cells in found]

    def changes(self) -> list[TaskRow]:
        """Return the tasks that changed since the last call on this object; first, all."""
        query = f"SELECT {_TASK_COLUMNS}, stamp FROM tasks WHERE stamp > ? ORDER BY stamp, position"
        found = self._call(lambda db: db.execute(query, (self._seen,)).fetchall())
        if found:
            self._seen = found[-1][-1]
        return [_task_row(cells[:-1]) for cells in found]

    def exchange(
        self,
        worker: str,
        plan: str,
        outcomes: Sequence[Outcome] = (),
        *,
        limit: int = 0,
        lease_s: float,
    ) -> list[Claim]:
        """Hand in outcomes and take up to `limit` pending tasks of a plan, in their order.

        Nothing is taken while the note ``stop`` exists. The worker's lease is renewed.
        """

        def write(db: sqlite3.Connection) -> list[Claim]:
            for outcome in outcomes:
                _end(db, outcome, worker, outcome.attempt, outcome.state)
            _extend(db, worker, lease_s)
            stopped = db.execute("SELECT 1 FROM notes WHERE name = 'stop'").fetchone()
            if limit <= 0 or stopped:
                return []
            found = db.execute(
                'SELECT id, position, name, "values", directory, attempt + 1, tries + 1'
                " FROM tasks WHERE state = 'pending' AND plan = ? ORDER BY rank LIMIT ?",
                (plan, limit),
            ).fetchall()
            now = time.time()
            db.executemany(
                "UPDATE tasks SET state = 'running', attempt = attempt + 1, tries = tries + 1,"
                f" owner = ?, claimed = ?, lease_until = ?, stamp = {_NEXT_STAMP} WHERE id = ?",
                [(worker, now, now + lease_s, cells[0]) for cells in found],
            )
            return [_claim(cells) for cells in found]

        return self._write(write)

    def release(self, worker: str, ids: Collection[str]) -> None:
        """Give back tasks that the worker took and did not start; the attempt is not counted."""
        query = f"{_UNCLAIM} WHERE id = ? AND owner = ? AND state = 'running'"
        self._write(lambda db: db.executemany(query, [(task, worker) for task in ids]))

    def renew(self, worker: str, lease_s: float) -> None:
        """Extend the worker's lease, and with it that of its tasks."""
        self._write(lambda db: _extend(db, worker, lease_s))

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        """Decide about tasks of workers that are gone; return the ids for which it counted."""

        def write(db: sqlite3.Connection) -> list[str]:
            return [one.id for one in settlements if _settle(db, one)]

        return self._write(write) if settlements else []

    def reset(self, ids: Collection[str], plan: str, *, shuffle: bool = False) -> None:
        """Make tasks pending again, under a plan, with all their tries before them.

        Tasks that run now, or are pending, keep their state. `shuffle` has the pending ones taken
        in random order.
        """
        rank = random.random if shuffle else None

        def write(db: sqlite3.Connection) -> None:
            db.executemany(
                "UPDATE tasks SET state = 'pending', plan = ?, tries = 0,"
                f" rank = coalesce(?, position), stamp = {_NEXT_STAMP}"
                " WHERE id = ? AND state <> 'running'",
                [(plan, rank and rank(), task) for task in ids],
            )

        self._write(write)

    def begin_worker(self, worker: WorkerRow) -> None:
        """Write down a worker; one of the same name is replaced."""
        process = worker.process
        cells = (
            *(worker.name, worker.backend, process.host, process.pid, process.started),
            *(process.boot, worker.job, worker.lease_until, worker.ended, worker.error),
        )
        marks = ", ".join("?" * len(cells))
        query = f"INSERT OR REPLACE INTO workers VALUES ({marks})"
        self._write(lambda db: db.execute(query, cells))

    def end_worker(self, name: str, error: str | None = None) -> None:
        """Note that a worker has ended, and what kept it from working."""
        query = "UPDATE workers SET ended = ?, error = ? WHERE name = ?"
        self._write(lambda db: db.execute(query, (time.time(), error, name)))

    def workers(self) -> list[WorkerRow]:
        """Return all workers, those that ended too."""
        query = "SELECT * FROM workers ORDER BY name"
        return [_worker(cells) for cells in self._call(lambda db: db.execute(query).fetchall())]

    def close(self, *, last: bool = False) -> None:
        """Let go of the file; the next call opens it again. At the `last` time, tidy up."""
        if self._connection is not None:
            if last:
                with suppress(sqlite3.Error):  # somebody else is at work: then it stays
                    self._connection.execute("PRAGMA journal_mode = DELETE")
            self._connection.close()
            self._connection = None

    def _write(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        def transaction(connection: sqlite3.Connection) -> _Result:
            with _immediate(connection):
                return work(connection)

        return self._call(transaction)

    def _call(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                if self._connection is None:
                    self._connection = _open(self.path)
                return work(self._connection)
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > give_up:
                    self.close()
                    raise _queue_error(self.path, error) from error
                time.sleep(random.uniform(0.01, 0.2))
            except sqlite3.DatabaseError as error:
                self.close()
                raise _queue_error(self.path, error) from error


_UNCLAIM = (
    "UPDATE tasks SET state = 'pending', attempt = attempt - 1, tries = tries - 1,"
    f" stamp = {_NEXT_STAMP}"
)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = FULL")
        if _layout(connection, path) is None:
            _create(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection, path: Path) -> None:
    with _immediate(connection):
        if _layout(connection, path) is None:  # another process may have been first
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)


def _layout(connection: sqlite3.Connection, path: Path) -> int | None:
    """Return the layout of the queue in a file; None when the file is empty."""
    # Tables first: another process may make the queue between these lines, all of it at once.
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables:
        return None
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID:
        message = f"{str(path)!r} is a database, but no task queue of this program."
        raise QueueError(message, hint="Move it away, or use another save_dir.", path=path)
    if layout > _LAYOUT:
        message = f"The task queue {str(path)!r} was made by a newer version (layout {layout})."
        raise QueueError(message, hint="Upgrade this package.", path=path)
    return int(layout)


@contextmanager
def _immediate(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_busy(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _queue_error(path: Path, error: sqlite3.Error) -> QueueError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    corrupt = code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or "no such" in str(error)
    if corrupt:
        hint = "Repeating the command that made the tasks rebuilds it from their directories."
    elif _is_busy(error):
        hint = "Another process holds it; if its file system cannot lock, use --queue files."
    else:
        hint = "Check that its directory is writable and not full."
    message = f"The task queue {str(path)!r} cannot be used: {error}."
    return QueueError(message, hint=hint, path=path, corrupt=corrupt)


def _end(
    db: sqlite3.Connection, outcome: Outcome, owner: str, attempt: int, state: str
) -> sqlite3.Cursor:
    cells = _outcome_cells(outcome)
    return db.execute(
        f"UPDATE tasks SET state = ?, {_OUTCOME}, stamp = {_NEXT_STAMP}"
        " WHERE id = ? AND owner = ? AND attempt = ? AND state = 'running'",
        (state, *cells, outcome.id, owner, attempt),
    )


def _settle(db: sqlite3.Connection, one: Settlement) -> bool:
    if one.outcome is not None:
        state = "pending" if one.again else one.outcome.state
        return _end(db, one.outcome, one.owner, one.attempt, state).rowcount > 0
    query = f"{_UNCLAIM} WHERE id = ? AND owner = ? AND attempt = ? AND state = 'running'"
    return db.execute(query, (one.id, one.owner, one.attempt)).rowcount > 0


def _extend(db: sqlite3.Connection, worker: str, lease_s: float) -> None:
    until = time.time() + lease_s
    db.execute("UPDATE workers SET lease_until = ? WHERE name = ?", (until, worker))
    db.execute(
        "UPDATE tasks SET lease_until = ? WHERE state = 'running' AND owner = ?", (until, worker)
    )


def _worker(cells: Sequence[Any]) -> WorkerRow:
    name, backend, host, pid, started, boot, *rest = cells
    return WorkerRow(name, backend, Owner(pid, started, host, boot), *rest)


def _claim(cells: Sequence[Any]) -> Claim:
    task, position, name, values, *rest = cells
    return Claim(task, position, name, decode(values), *rest)


def _outcome_cells(outcome: Outcome) -> tuple[Any, ...]:
    return (
        outcome.reason,
        outcome.run,
        outcome.started,
        outcome.ended,
        outcome.wall_s,
        outcome.peak_bytes,
        outcome.error,
        None if outcome.result is None else canonical_json(outcome.result),
        canonical_json(outcome.data) if outcome.data else None,
    )


def _task_cells(row: TaskRow, position: int) -> Iterable[Any]:
    outcome = row.outcome or Outcome(row.id, row.attempt, row.state, "")
    reason, run, started, ended, wall_s, peak, error, result, data = _outcome_cells(outcome)
    values = encode(dict(row.values))
    return (
        *(row.id, position, row.name, values, row.directory, row.state, row.attempt, row.tries),
        *(row.plan, row.owner, row.claimed, row.lease_until),
        *(run, reason or None, error, started, ended, wall_s, peak, result, data),
    )


def _task_row(cells: Sequence[Any]) -> TaskRow:
    task, position, name, values, directory, state, attempt, tries, plan = cells[:9]
    owner, claimed, lease_until, *rest = cells[9:]
    outcome = _outcome(task, attempt, state, rest) if rest[1] is not None else None
    return TaskRow(
        *(task, position, name, decode(values), directory, state, attempt, tries, plan),
        *(owner, claimed, lease_until, outcome),
    )


def _outcome(task: str, attempt: int, state: Any, cells: Sequence[Any]) -> Outcome:
    run, reason, error, started, ended, wall_s, peak, result, data = cells
    return Outcome(
        *(task, attempt, state, reason, run, started, ended, wall_s, peak, error),
        None if result is None else json.loads(result),
        {} if data is None else json.loads(data),
    )

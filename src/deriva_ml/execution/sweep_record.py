"""The record of a sweep: a small SQLite file in the sweep's directory.

Jobs write to it from whatever process or machine they run on; the launching process reads it. Its
lock keeps two jobs from making two parent executions.
"""

from __future__ import annotations

import importlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..core.exceptions import DerivaMLUnavailableError

if TYPE_CHECKING:
    from ..core.base import DerivaML

__all__ = ["JobStatus", "Parent", "Sweep", "SweepJob", "has_record", "keep_credential"]

FILE_NAME = "deriva-ml-sweep.sqlite"
_WAIT_FOR_LOCK_S = 600

JobStatus = Literal["queued", "running", "completed", "failed", "interrupted"]
"""What has become of a job. ``interrupted`` is one whose process ended before its run did."""

_ENDED = ("completed", "failed", "interrupted")

_TABLES = """
CREATE TABLE IF NOT EXISTS launcher (resume TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parent (
    hostname TEXT NOT NULL, catalog_id TEXT NOT NULL, rid TEXT NOT NULL,
    connection TEXT NOT NULL, class TEXT NOT NULL, finished INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hostname, catalog_id));
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY, status TEXT NOT NULL, overrides TEXT NOT NULL DEFAULT '[]',
    hostname TEXT, catalog_id TEXT, rid TEXT, directory TEXT, begin TEXT, end TEXT,
    metrics TEXT NOT NULL DEFAULT '{}', value TEXT NOT NULL DEFAULT 'null', error TEXT);
CREATE TABLE IF NOT EXISTS making (
    hostname TEXT NOT NULL, catalog_id TEXT NOT NULL, since TEXT NOT NULL,
    PRIMARY KEY (hostname, catalog_id));
"""


@dataclass(frozen=True, slots=True)
class SweepJob:
    """One job of a sweep.

    Attributes:
        number: Its number.
        status: What has become of it.
        overrides: The words that it was configured by, without those for Hydra.
        rid: RID of its execution; None before it has one.
        begin: When it began, in UTC.
        end: When it ended, in UTC.
        metrics: The last measurement of each name that its run recorded.
        value: What the model function returned, where that is a number, a text, or such a list or
            mapping.
        error: What ended it, if it did not end well.
        catalog: Host name and id of its catalog; None before it is known.
        directory: Its execution's directory.
    """

    number: int
    status: JobStatus
    overrides: tuple[str, ...] = ()
    rid: str | None = None
    begin: datetime | None = None
    end: datetime | None = None
    metrics: Mapping[str, float] | None = None
    value: Any = None
    error: str | None = None
    catalog: tuple[str, str] | None = None
    directory: Path | None = None

    @property
    def seconds(self) -> float | None:
        """How long it ran, or has run until now; None before it began."""
        if self.begin is None:
            return None
        return ((self.end or datetime.now(UTC)) - self.begin).total_seconds()


@dataclass(frozen=True, slots=True)
class Parent:
    """The parent execution of a sweep in one catalog, and how to connect to that."""

    rid: str
    connection: str
    session_class: str
    catalog: tuple[str, str]
    finished: bool

    def connect(self) -> DerivaML:
        """Connect to its catalog, with the credential that this process was given for it."""
        from ..core.config import DerivaMLConfig

        module, _, name = self.session_class.partition(":")
        session: type[DerivaML] = getattr(importlib.import_module(module), name)
        settings = {**json.loads(self.connection), "credential": _credentials.get(self.catalog)}
        return session.instantiate(DerivaMLConfig(**settings))


# By host name and id of the catalog. They are never written down.
_credentials: dict[tuple[str, str], Any] = {}


def keep_credential(catalog: tuple[str, str], credential: Any) -> None:
    """Remember, as long as this process lives, what proves who it is to a catalog."""
    _credentials[catalog] = credential


_COLUMNS = (
    "number, status, overrides, hostname, catalog_id, rid, directory, begin, end, metrics, value, "
    "error"
)


def has_record(directory: Path) -> bool:
    """Whether there is a record of a sweep in a directory."""
    return (directory / FILE_NAME).is_file()


class Sweep:
    """What the jobs of one sweep, and its launching process, know of each other.

    Args:
        directory: The sweep's directory, which is created.

    Raises:
        DerivaMLUnavailableError: The file cannot be opened or stays locked (from any method).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        if not has_record(directory):
            _make_private(directory / FILE_NAME)
        with self._open() as connection:
            query = "SELECT 1 FROM sqlite_master WHERE name = 'making'"
            known = connection.execute(query).fetchone()
        if known is None:
            with self._locked() as connection:
                for statement in filter(str.strip, _TABLES.split(";")):
                    connection.execute(statement)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that reads, while others may write."""
        path = self.directory / FILE_NAME
        try:
            connection = sqlite3.connect(path, timeout=_WAIT_FOR_LOCK_S, isolation_level=None)
        except sqlite3.Error as error:
            msg = f"The record of the sweep in {str(path)!r} cannot be opened: {error}"
            raise DerivaMLUnavailableError(msg) from error
        try:
            yield connection
        except sqlite3.Error as error:
            msg = f"The record of the sweep in {str(path)!r} cannot be used: {error}"
            raise DerivaMLUnavailableError(msg) from error
        finally:
            connection.close()  # what is not committed is undone

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that alone may write; commit what was done, or nothing."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    # --- the launching process -------------------------------------------------------

    def note_launcher(self, resume: str = "") -> None:
        """Note that the launching process will close the parent.

        Args:
            resume: The command line that takes the sweep up again.
        """
        with self._locked() as connection:
            connection.execute("DELETE FROM launcher")
            connection.execute("INSERT INTO launcher VALUES (?)", (resume,))

    def forget(self) -> None:
        """Begin a new record: the directory is used for another sweep."""
        with self._locked() as connection:
            for table in ("launcher", "note", "parent", "job", "making"):
                connection.execute(f"DELETE FROM {table}")

    def has_launcher(self) -> bool:
        """Whether the launching process will close the parent."""
        with self._open() as connection:
            return connection.execute("SELECT 1 FROM launcher").fetchone() is not None

    def resume_line(self) -> str:
        """The command line that takes the sweep up again; empty when none was noted."""
        with self._open() as connection:
            row = connection.execute("SELECT resume FROM launcher").fetchone()
        return str(row[0]) if row else ""

    def note(self, name: str, text: str) -> None:
        """Keep a text about the whole sweep, such as its best value, in place of an earlier one."""
        with self._locked() as connection:
            connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, text))

    def noted(self, name: str) -> str:
        """The text that was kept under a name; empty when there is none."""
        with self._open() as connection:
            row = connection.execute("SELECT text FROM note WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    # --- parents ---------------------------------------------------------------------

    def parent(
        self,
        catalog: tuple[str, str],
        make: Callable[[datetime | None], str],
        connect_with: tuple[str, str],
    ) -> str:
        """Return the RID of the open parent execution; the first caller makes it.

        Args:
            catalog: Host name and id of the catalog; a sweep over catalogs has a parent in each.
            make: Makes the parent and returns its RID. Other jobs wait meanwhile; an error
                leaves it to the next job. It is given the time since when a process may have
                made one that died before it could say so; None when there was no such process.
            connect_with: The configuration (JSON) and the class (``module:name``) by which
                the launching process connects.
        """
        rid = self._open_parent(catalog)
        if rid is not None:
            return rid
        since = self._about_to_make(catalog)
        with self._locked() as connection:
            rid = self._open_parent(catalog)  # another job may have been quicker
            if rid is not None:
                return rid
            rid = make(since)
            connection.execute("DELETE FROM making WHERE (hostname, catalog_id) = (?, ?)", catalog)
            connection.execute(
                "INSERT OR REPLACE INTO parent (hostname, catalog_id, rid, connection, class) "
                "VALUES (?, ?, ?, ?, ?)",
                (*catalog, rid, *connect_with),
            )
            return rid

    def _open_parent(self, catalog: tuple[str, str]) -> str | None:
        with self._open() as connection:
            row = connection.execute(
                "SELECT rid FROM parent WHERE hostname = ? AND catalog_id = ? AND NOT finished",
                catalog,
            ).fetchone()
        return None if row is None else str(row[0])

    def _about_to_make(self, catalog: tuple[str, str]) -> datetime | None:
        """Note that a parent is about to be made, and return since when that was noted before."""
        with self._locked() as connection:
            row = connection.execute(
                "SELECT since FROM making WHERE (hostname, catalog_id) = (?, ?)", catalog
            ).fetchone()
            if row is None:
                now = datetime.now(UTC).isoformat()
                connection.execute("INSERT INTO making VALUES (?, ?, ?)", (*catalog, now))
        return None if row is None else datetime.fromisoformat(row[0])

    def known_parents(self) -> list[Parent]:
        """The parent executions, one for each catalog."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT rid, connection, class, hostname, catalog_id, finished FROM parent"
            ).fetchall()
        return [
            Parent(rid, how, kind, (host, catalog), bool(finished))
            for rid, how, kind, host, catalog, finished in rows
        ]

    def parents(self) -> list[tuple[str, DerivaML]]:
        """Each parent, closed or not: its RID, and a connection to its catalog."""
        return [(known.rid, known.connect()) for known in self.known_parents()]

    def unfinished(self) -> list[tuple[Parent, list[int]]]:
        """Each open parent, with the numbers of its jobs that are not completed.

        A job whose catalog is not known, because it never began, counts for every parent.
        """
        missing = [job for job in self.jobs() if job.status != "completed"]
        return [
            (parent, [j.number for j in missing if j.catalog in (parent.catalog, None)])
            for parent in self.known_parents()
            if not parent.finished
        ]

    def note_finished(self, rid: str) -> None:
        """Note that the parent `rid` is closed."""
        with self._locked() as connection:
            connection.execute("UPDATE parent SET finished = 1 WHERE rid = ?", (rid,))

    def note_open(self, rid: str) -> None:
        """Note that the parent `rid` is open again."""
        with self._locked() as connection:
            connection.execute("UPDATE parent SET finished = 0 WHERE rid = ?", (rid,))

    # --- jobs ------------------------------------------------------------------------

    def queue(self, jobs: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Note jobs, by number and overrides, that are about to be launched.

        What an earlier launch in this directory found out about them stays.
        """
        rows = [(number, json.dumps(_about(overrides))) for number, overrides in jobs]
        with self._locked() as connection:
            connection.executemany(
                "INSERT INTO job (number, status, overrides) VALUES (?, 'queued', ?) "
                "ON CONFLICT (number) DO UPDATE SET status = 'queued', "
                "overrides = excluded.overrides, error = NULL",
                rows,
            )

    def note_job(self, number: int, status: JobStatus, **facts: Any) -> None:
        """Note what has become of job `number`; what is not told stays.

        Args:
            number: The job's number.
            status: Its state; the times of its begin and end are noted with it.
            **facts: ``catalog``, ``overrides``, ``rid``, ``directory``, ``metrics``, ``value`` and
                ``error``, as `SweepJob` has them.

        Raises:
            ValueError: There is no such state.
        """
        if status not in get_args(JobStatus):
            raise ValueError(f"{status!r} is no state of a job: {', '.join(get_args(JobStatus))}.")
        columns = {"status": status, **_columns(facts)}
        now = datetime.now(UTC).isoformat()
        if status == "running":
            columns = {"error": None, **columns, "begin": now, "end": None}
        elif status in _ENDED:
            columns["end"] = now
        names = ", ".join(columns)
        changed = ", ".join(f"{name} = excluded.{name}" for name in columns)
        with self._locked() as connection:
            connection.execute(
                f"INSERT INTO job (number, {names}) VALUES (?{', ?' * len(columns)}) "
                f"ON CONFLICT (number) DO UPDATE SET {changed}",
                (number, *columns.values()),
            )

    def note_error(self, number: int, error: str) -> None:
        """Note what ended job `number`, whose state is still to be found out."""
        with self._locked() as connection:
            connection.execute("UPDATE job SET error = ? WHERE number = ?", (error, number))

    def jobs(self) -> list[SweepJob]:
        """The jobs, by their numbers."""
        with self._open() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM job ORDER BY number").fetchall()
        return [_job(row) for row in rows]

    def job(self, number: int) -> SweepJob | None:
        """The job of that number; None when it is not known."""
        with self._open() as connection:
            query = f"SELECT {_COLUMNS} FROM job WHERE number = ?"
            row = connection.execute(query, (number,)).fetchone()
        return None if row is None else _job(row)


def _make_private(path: Path) -> None:
    """Make the file: overrides, and the line that resumes, may have passwords in them."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        msg = f"The record of the sweep in {str(path)!r} cannot be made: {error}"
        raise DerivaMLUnavailableError(msg) from error


def _columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts about a job as columns."""
    columns = dict(facts)
    if columns.pop("catalog", None) is not None:
        columns["hostname"], columns["catalog_id"] = facts["catalog"]
    if "overrides" in columns:
        columns["overrides"] = _about(facts["overrides"])
    for name in ("overrides", "metrics", "value"):
        if name in columns:
            columns[name] = json.dumps(columns[name])
    if columns.get("directory") is not None:
        columns["directory"] = str(columns["directory"])
    return columns


def _about(overrides: Iterable[str]) -> list[str]:
    """Overrides without that a sweep is taken up again, which makes no difference to a job."""
    return [word for word in overrides if not word.lstrip("+").startswith("resume=")]


def _job(row: Sequence[Any]) -> SweepJob:
    number, status, words, host, catalog, rid, directory, begin, end, metrics, value, error = row
    return SweepJob(
        number,
        status,
        tuple(json.loads(words)),
        rid,
        begin and datetime.fromisoformat(begin),
        end and datetime.fromisoformat(end),
        json.loads(metrics),
        json.loads(value),
        error,
        None if host is None else (host, catalog),
        directory and Path(directory),
    )

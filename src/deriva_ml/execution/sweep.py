"""The parent execution of a sweep, shared by its jobs through a file in the sweep's directory.

A launcher may run the jobs of a sweep one after another, or at once in processes on several
machines. Whichever job comes first makes the parent execution; its RID lies in a small SQLite
file, whose lock keeps two jobs from making two. The process that launched the sweep closes the
parent when Hydra reports the end of the sweep, or at the latest when it exits.
"""

from __future__ import annotations

import atexit
import importlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from ..core.enums import ExecutionStatus
from ..core.exceptions import DerivaMLException, DerivaMLUnavailableError
from ..core.logging_config import get_logger

if TYPE_CHECKING:
    from ..core.base import DerivaML
    from .execution import Execution

__all__ = ["FinishSweep", "Sweep", "finish_sweep", "reset_multirun_state"]

_log = get_logger(__name__)

FILE_NAME = "deriva-ml-sweep.sqlite"
_WAIT_FOR_LOCK_S = 600

_TABLES = """
CREATE TABLE IF NOT EXISTS launcher (callback INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS parent (
    hostname TEXT NOT NULL, catalog_id TEXT NOT NULL, rid TEXT NOT NULL,
    connection TEXT NOT NULL, class TEXT NOT NULL, finished INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hostname, catalog_id));
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY, hostname TEXT NOT NULL, catalog_id TEXT NOT NULL,
    status TEXT NOT NULL);
"""

# Parents that this process made: they need not be read back from disk to be closed.
_made_here: dict[str, Execution] = {}
_closing_at_exit: set[Path] = set()


class Sweep:
    """What the jobs of one sweep know of each other.

    Args:
        directory: The sweep's directory, which is created.

    Raises:
        DerivaMLUnavailableError: The file cannot be opened or stays locked (from any method).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        with self._locked() as connection:
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that alone may read and write; commit what was done, or nothing."""
        path = self.directory / FILE_NAME
        try:
            connection = sqlite3.connect(path, timeout=_WAIT_FOR_LOCK_S, isolation_level=None)
        except sqlite3.Error as error:
            msg = f"The record of the sweep in {str(path)!r} cannot be opened: {error}"
            raise DerivaMLUnavailableError(msg) from error
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            msg = f"The record of the sweep in {str(path)!r} cannot be used: {error}"
            raise DerivaMLUnavailableError(msg) from error
        finally:
            connection.close()  # what is not committed is undone

    def note_launcher(self) -> None:
        """Note that the launching process will close the parent."""
        with self._locked() as connection:
            if connection.execute("SELECT 1 FROM launcher").fetchone() is None:
                connection.execute("INSERT INTO launcher VALUES (1)")

    def has_launcher(self) -> bool:
        """Whether the launching process will close the parent."""
        with self._locked() as connection:
            return connection.execute("SELECT 1 FROM launcher").fetchone() is not None

    def parent(
        self, catalog: tuple[str, str], make: Callable[[], str], connect_with: tuple[str, str]
    ) -> str:
        """Return the RID of the parent execution; the first caller makes it.

        Args:
            catalog: Host name and id of the catalog; a sweep over catalogs has a parent in each.
            make: Makes the parent and returns its RID. Other jobs wait meanwhile; an error
                leaves it to the next job.
            connect_with: The configuration (JSON) and the class (``module:name``) by which
                the launching process connects.
        """
        with self._locked() as connection:
            row = connection.execute(
                "SELECT rid FROM parent WHERE hostname = ? AND catalog_id = ?", catalog
            ).fetchone()
            if row is not None:
                return str(row[0])
            rid = make()
            connection.execute(
                "INSERT INTO parent (hostname, catalog_id, rid, connection, class) "
                "VALUES (?, ?, ?, ?, ?)",
                (*catalog, rid, *connect_with),
            )
            return rid

    def note_job(self, number: int, catalog: tuple[str, str], status: str) -> None:
        """Note what has become of job `number`."""
        with self._locked() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO job VALUES (?, ?, ?, ?)", (number, *catalog, status)
            )

    def unfinished(self) -> list[tuple[str, str, str, list[int]]]:
        """Return (RID, connection, class, numbers of jobs not completed) of each open parent."""
        with self._locked() as connection:
            parents = connection.execute(
                "SELECT rid, connection, class, hostname, catalog_id FROM parent WHERE NOT finished"
            ).fetchall()
            jobs = connection.execute(
                "SELECT number, hostname, catalog_id FROM job WHERE status <> 'completed' "
                "ORDER BY number"
            ).fetchall()
        return [
            (rid, how, kind, [n for n, *where in jobs if where == [host, catalog]])
            for rid, how, kind, host, catalog in parents
        ]

    def parents(self) -> list[tuple[str, DerivaML]]:
        """Return each parent, closed or not: its RID, and a connection to its catalog."""
        with self._locked() as connection:
            rows = connection.execute("SELECT rid, connection, class FROM parent").fetchall()
        return [(rid, _reconnect(how, kind)) for rid, how, kind in rows]

    def note_open(self, rid: str) -> None:
        """Note that the parent `rid` is open again."""
        with self._locked() as connection:
            connection.execute("UPDATE parent SET finished = 0 WHERE rid = ?", (rid,))

    def note_finished(self, rid: str) -> None:
        """Note that the parent `rid` is closed."""
        with self._locked() as connection:
            connection.execute("UPDATE parent SET finished = 1 WHERE rid = ?", (rid,))


def keep_parent(rid: str, execution: Execution) -> None:
    """Remember a parent that this process made."""
    _made_here[rid] = execution


def finish_at_exit(directory: Path) -> None:
    """Close the parents of the sweep when this process exits, unless that is done before."""
    if directory not in _closing_at_exit:
        _closing_at_exit.add(directory)
        atexit.register(_finish_quietly, directory)


def _finish_quietly(directory: Path) -> None:
    """Close the parents of the sweep; an error is logged, since nobody can catch it."""
    if directory not in _closing_at_exit:
        return
    try:
        finish_sweep(directory)
    except DerivaMLException:
        _log.exception("The parent execution of the sweep in %s stays open.", directory)


def finish_sweep(directory: Path) -> list[str]:
    """Close the parents of the sweep in `directory` and return their RIDs; once is enough.

    A parent all of whose jobs were completed is stopped and uploaded; otherwise it fails, with
    the numbers of the other jobs as its error.
    """
    _closing_at_exit.discard(directory)
    if not (directory / FILE_NAME).is_file():
        return []
    sweep = Sweep(directory)
    closed = []
    for rid, how, kind, missing in sweep.unfinished():
        parent = _made_here.pop(rid, None) or _reconnect(how, kind).resume_execution(rid)
        running = parent.status is ExecutionStatus.Running
        if missing and running:
            numbers = ", ".join(map(str, missing))
            parent.update_status(
                ExecutionStatus.Failed, error=f"These jobs were not completed: {numbers}."
            )
        elif not missing:
            parent.upload_execution_outputs()
        sweep.note_finished(rid)
        closed.append(rid)
    return closed


def _reconnect(connection: str, kind: str) -> DerivaML:
    """Connect to the catalog that a parent was made in."""
    from ..core.config import DerivaMLConfig

    module, _, name = kind.partition(":")
    session: type[DerivaML] = getattr(importlib.import_module(module), name)
    return session.instantiate(DerivaMLConfig(**json.loads(connection)))


def reset_multirun_state() -> None:
    """Forget the sweeps that this process has begun; their parents stay as they are."""
    _made_here.clear()
    _closing_at_exit.clear()


def sweep_directory(config: DictConfig) -> Path:
    """Return the directory of the sweep that a Hydra configuration belongs to."""
    start = OmegaConf.select(config, "hydra.runtime.cwd", throw_on_missing=False)
    return Path(start or ".").absolute() / str(config.hydra.sweep.dir)


class FinishSweep(Callback):
    """Hydra's callback in the launching process: close the parent once the sweep has ended."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Announce that this process closes the parent, at the latest when it exits."""
        if OmegaConf.select(config, "deriva_ml", throw_on_missing=False) is None:
            return
        directory = sweep_directory(config)
        Sweep(directory).note_launcher()
        finish_at_exit(directory)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Close the parent."""
        if OmegaConf.select(config, "deriva_ml", throw_on_missing=False) is not None:
            finish_sweep(sweep_directory(config))

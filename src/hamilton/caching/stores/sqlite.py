"""Keys, runs and small values in one SQLite file."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hamilton.caching.stores.base import (
    MetadataStore,
    ResultRetrievalError,
    ResultStore,
    StoredResult,
)
from hamilton.caching.stores.file import FileResultStore
from hamilton.caching.stores.sealed import load_value

__all__ = ["CacheDatabase", "SQLiteMetadataStore", "SQLiteResultStore"]

logger = logging.getLogger("hamilton.caching")
T = TypeVar("T")

DATABASE_NAME = "metadata_store.db"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
  position INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, started REAL NOT NULL);
CREATE TABLE IF NOT EXISTS entry (
  cache_key TEXT PRIMARY KEY, data_version TEXT NOT NULL, run_id TEXT NOT NULL,
  node_name TEXT, code_version TEXT, written REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run_entry (
  run_id TEXT NOT NULL, cache_key TEXT NOT NULL, data_version TEXT NOT NULL,
  PRIMARY KEY (run_id, cache_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS value (
  data_version TEXT PRIMARY KEY, data BLOB, bytes INTEGER NOT NULL, written REAL NOT NULL,
  used REAL NOT NULL);
"""
_FIND = """
SELECT e.data_version, v.data, v.written FROM entry e
LEFT JOIN value v ON v.data_version = e.data_version WHERE e.cache_key = ?
"""
_MOST_PENDING = 256
_LONGEST_WAIT_S = 0.25


class CacheDatabase:
    """One SQLite file, opened by each process for itself, written in batches.

    Rows wait in memory until there are many of them, they have waited a quarter of a second, or
    somebody flushes; reads see the waiting rows. A damaged file is set aside and replaced by an
    empty one: a cache may always be lost.

    Args:
        path: The file.
        connection_kwargs: Further arguments of ``sqlite3.connect``.
    """

    def __init__(self, path: Path, connection_kwargs: dict[str, Any] | None = None) -> None:
        self.path = path
        self._kwargs = dict(connection_kwargs or {})
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self._pending: list[tuple[str, tuple[Any, ...]]] = []
        self._flushed = time.monotonic()
        self.eager = False

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None or self._owner != os.getpid():
            # A connection must not be used across a fork; the child opens its own.
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._owner and self._owner != os.getpid():
                self._pending = []
            self._connection = sqlite3.connect(
                self.path,
                **{"timeout": 30.0, "check_same_thread": False, "cached_statements": 64}
                | self._kwargs,
            )
            self._owner = os.getpid()
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=NORMAL")
                self._connection.executescript(_SCHEMA)
            except sqlite3.DatabaseError:
                self._connection.close()
                self._connection = None
                raise
        return self._connection

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work`; a damaged file is set aside and `work` runs again on an empty one."""
        with self._lock:
            try:
                return work(self._connect())
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                logger.warning(
                    "The cache database %s is damaged (%s); it starts again.", self.path, error
                )
                self._set_aside()
                return work(self._connect())

    def _set_aside(self) -> None:
        self.close()
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query on what has been flushed."""
        return self._guarded(lambda c: c.execute(sql, parameters).fetchall())

    def write(self, sql: str, parameters: tuple[Any, ...]) -> None:
        """Adds a statement to the batch."""
        with self._lock:
            self._pending.append((sql, parameters))
            waited = time.monotonic() - self._flushed
            if self.eager or len(self._pending) >= _MOST_PENDING or waited > _LONGEST_WAIT_S:
                self.flush()

    def flush(self) -> None:
        """Writes the batch in one transaction."""
        with self._lock:
            self._flushed = time.monotonic()
            if not self._pending:
                return
            batch, self._pending = self._pending, []

            def work(connection: sqlite3.Connection) -> None:
                with connection:
                    for sql, parameters in batch:
                        connection.execute(sql, parameters)

            self._guarded(work)

    def run(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        """Flushes, then runs one statement in a transaction of its own."""
        self.flush()

        def work(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute(sql, parameters)

        self._guarded(work)

    def close(self) -> None:
        """Flushes and closes the connection; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                with contextlib.suppress(sqlite3.Error):
                    self.flush()
                self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            with contextlib.suppress(Exception):
                self.close()

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        return {"path": self.path.absolute(), "kwargs": self._kwargs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["kwargs"])  # type: ignore[misc]
        # A copy lives in a worker whose end nobody announces: it writes at once.
        self.eager = True


class SQLiteMetadataStore(MetadataStore):
    """Keeps keys and runs in ``metadata_store.db`` inside a folder.

    Args:
        path: The folder; made when it is missing.
        connection_kwargs: Further arguments of ``sqlite3.connect``.
    """

    def __init__(
        self, path: str | os.PathLike[str], connection_kwargs: dict[str, Any] | None = None
    ) -> None:
        self.path = Path(path)
        self.database = CacheDatabase(self.path / DATABASE_NAME, connection_kwargs)
        self._waiting: dict[str, str] = {}

    def initialize(self, run_id: str) -> None:
        """Notes that a run has begun."""
        self.database.write(
            "INSERT OR IGNORE INTO run (run_id, started) VALUES (?, ?)", (run_id, time.time())
        )

    def set(
        self,
        cache_key: str,
        data_version: str,
        run_id: str,
        node_name: str | None = None,
        code_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Keeps the data version of a key, with the node and code it belongs to when given."""
        if len(self._waiting) >= _MOST_PENDING:
            self.flush()
        self._waiting[cache_key] = data_version
        self.database.write(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)",
            (cache_key, data_version, run_id, node_name, code_version, time.time()),
        )
        self.database.write(
            "INSERT OR REPLACE INTO run_entry VALUES (?, ?, ?)", (run_id, cache_key, data_version)
        )

    def get(self, cache_key: str) -> str | None:
        """Returns the data version of a key, or None."""
        waiting = self.waiting(cache_key)
        if waiting is not None:
            return waiting
        rows = self.database.read(
            "SELECT data_version FROM entry WHERE cache_key = ?", (cache_key,)
        )
        return rows[0][0] if rows else None

    def waiting(self, cache_key: str) -> str | None:
        """Returns the data version of a key that has been set but not written yet, or None."""
        return self._waiting.get(cache_key)

    def delete(self, cache_key: str) -> None:
        """Forgets a key."""
        self.flush()
        self.database.run("DELETE FROM entry WHERE cache_key = ?", (cache_key,))
        self.database.run("DELETE FROM run_entry WHERE cache_key = ?", (cache_key,))

    def delete_all(self) -> None:
        """Forgets every key and run."""
        self.flush()
        for table in ("entry", "run_entry", "run"):
            self.database.run(f"DELETE FROM {table}")

    def exists(self, cache_key: str) -> bool:
        """Returns whether a key is kept."""
        return self.get(cache_key) is not None

    def get_run_ids(self) -> list[str]:
        """Returns the ids of all runs, oldest first."""
        self.flush()
        return [row[0] for row in self.database.read("SELECT run_id FROM run ORDER BY position")]

    def get_run(self, run_id: str) -> list[dict[str, str]]:
        """Returns what a run has set."""
        self.flush()
        rows = self.database.read(
            "SELECT r.cache_key, r.data_version, e.node_name, e.code_version FROM run_entry r "
            "LEFT JOIN entry e ON e.cache_key = r.cache_key WHERE r.run_id = ?",
            (run_id,),
        )
        if not rows and run_id not in self.get_run_ids():
            raise IndexError(f"There is no run {run_id!r} in {str(self.database.path)!r}.")
        names = ("cache_key", "data_version", "node_name", "code_version")
        return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]

    def __len__(self) -> int:
        self.flush()
        return int(self.database.read("SELECT count(*) FROM entry")[0][0])

    def flush(self) -> None:
        """Writes what is waiting."""
        self.database.flush()
        self._waiting.clear()

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        return {"path": self.path.absolute(), "database": self.database}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.database, self._waiting = state["path"], state["database"], {}


class SQLiteResultStore(ResultStore):
    """Keeps small values in the database and larger ones as files.

    Args:
        database: Where small values lie, and the index of all.
        path: The folder of the larger ones.
        inline_bytes: Values whose pickle is at most this long are small.
        max_size: Bytes to keep at most; `prune` removes the values unused for longest.
        max_age_s: Seconds a value is kept after its last use.
    """

    def __init__(
        self,
        database: CacheDatabase,
        path: str | os.PathLike[str],
        *,
        inline_bytes: int = 16_384,
        max_size: int | None = None,
        max_age_s: float | None = None,
    ) -> None:
        self.database = database
        self.files = FileResultStore(path)
        self.inline_bytes = inline_bytes
        self.max_size = max_size
        self.max_age_s = max_age_s
        self._waiting: dict[str, bytes | None] = {}
        self._used: set[str] = set()

    def set(self, data_version: str, result: Any, **kwargs: Any) -> None:
        """Keeps a value; through a saver when ``saver_cls`` and ``loader_cls`` are given."""
        data: bytes | None = None
        size = 0
        if kwargs.get("saver_cls") is not None:
            self.files.set(data_version, result, **kwargs)
        else:
            stored = StoredResult.new(result, kwargs.get("expires_in"))
            data, size = self.files.write(data_version, stored, self.inline_bytes)
        if len(self._waiting) >= _MOST_PENDING:
            self.flush()
        self._waiting[data_version] = data
        now = time.time()
        self.database.write(
            "INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?, ?)",
            (data_version, data, size, now, now),
        )

    def get(self, data_version: str) -> Any:
        """Returns a value."""
        if data_version in self._waiting:
            return self._value(data_version, self._waiting[data_version])
        rows = self.database.read("SELECT data FROM value WHERE data_version = ?", (data_version,))
        if not rows:
            raise ResultRetrievalError(f"There is no value {data_version!r} in the cache.")
        return self._value(data_version, rows[0][0])

    def find(self, keys: SQLiteMetadataStore, cache_key: str) -> tuple[str, Any] | None:
        """Returns the data version and the value of a key, or None; in one look-up where it can.

        Args:
            keys: Where the keys are; in the database of this store.
            cache_key: The key.

        Raises:
            ResultRetrievalError: The key is there, but its value is absent, expired or damaged.
        """
        version = keys.waiting(cache_key)
        if version is not None:
            return version, self.get(version)
        rows = self.database.read(_FIND, (cache_key,))
        if not rows:
            return None
        version, data, known = rows[0]
        return version, self._value(version, data) if known else self.get(version)

    def _value(self, data_version: str, data: bytes | None) -> Any:
        """Returns the value in a row; one without data lies in a file."""
        if self.max_size is not None or self.max_age_s is not None:
            self._used.add(data_version)
        if data is None:
            return self.files.get(data_version)
        stored = load_value(data)
        if not isinstance(stored, StoredResult) or stored.expired:
            raise ResultRetrievalError(f"The value {data_version!r} has expired.")
        return stored.value

    def delete(self, data_version: str) -> None:
        """Removes a value."""
        self.flush()
        self.database.run("DELETE FROM value WHERE data_version = ?", (data_version,))
        self.files.delete(data_version)

    def delete_all(self) -> None:
        """Removes every value."""
        self.flush()
        self.database.run("DELETE FROM value")
        self.files.delete_all()

    def exists(self, data_version: str) -> bool:
        """Returns whether a value is there."""
        if data_version in self._waiting:
            return True
        rows = self.database.read(
            "SELECT data IS NULL FROM value WHERE data_version = ?", (data_version,)
        )
        return bool(rows) and (not rows[0][0] or self.files.exists(data_version))

    def flush(self) -> None:
        """Writes what is waiting, and removes what is beyond the limits."""
        used, self._used = self._used, set()
        now = time.time()
        for version in used:
            self.database.write("UPDATE value SET used = ? WHERE data_version = ?", (now, version))
        self.database.flush()
        self._waiting.clear()

    def prune(self, max_size: int | None = None, max_age_s: float | None = None) -> int:
        """Removes values unused for longest until the rest is within the limits.

        Args:
            max_size: Bytes to keep at most; default that of the store.
            max_age_s: Seconds since the last use to keep a value for; default that of the store.

        Returns:
            How many values were removed.
        """
        max_size = self.max_size if max_size is None else max_size
        max_age_s = self.max_age_s if max_age_s is None else max_age_s
        self.flush()
        removed = 0
        for version in self._beyond(max_size, max_age_s):
            self.delete(version)
            removed += 1
        self.files.delete_leftovers()
        return removed

    def _beyond(self, max_size: int | None, max_age_s: float | None) -> Iterator[str]:
        rows = self.database.read(
            "SELECT data_version, bytes, data IS NULL, used FROM value ORDER BY used DESC"
        )
        oldest = time.time() - max_age_s if max_age_s is not None else None
        total = 0
        for version, size, outside, used in rows:
            total += size or (self._outside_size(version) if outside else 0)
            if (oldest is not None and used < oldest) or (
                max_size is not None and total > max_size
            ):
                yield version

    def _outside_size(self, version: str) -> int:
        return sum(file.stat().st_size for file in self.files.path.glob(f"{version}*"))

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        state = dict(self.__dict__)
        state["files"] = FileResultStore(self.files.path.absolute())
        state["_waiting"], state["_used"] = {}, set()
        return state

"""What a content cache knows of its files: both digests, how each looked, and its last use.

A SQLite file, so that several processes share it. It is never the only source: a file without an
entry is hashed when it is asked for, an entry without a file is dropped. An index that cannot be
read is begun anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Unavailable
from .hashing import Content

__all__ = ["CacheIndex", "Entry", "Look", "look_of"]

FORMAT = 1
_WAIT_S = 60.0
_SCHEMA = """
CREATE TABLE content (
    sha256 TEXT PRIMARY KEY, md5 TEXT NOT NULL, length INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX content_md5 ON content (md5);
CREATE INDEX content_used ON content (used);
"""
_COLUMNS = "sha256, md5, length, mtime_ns, inode, used"


@dataclass(frozen=True, slots=True)
class Look:
    """What the operating system knows of a file without reading it."""

    length: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One kept file: what it holds, how it looked when that was known, seconds of its last use."""

    content: Content
    look: Look
    used: float


def look_of(status: os.stat_result) -> Look:
    """The look of a file."""
    return Look(status.st_size, status.st_mtime_ns, status.st_ino)


class CacheIndex:
    """The entries of one cache. Threads and processes may share it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened_as: tuple[int, int, int] | None = None

    def by_sha256(self, sha256: str) -> Entry | None:
        """The entry of a content, if there is one."""
        return next(iter(self._entries("WHERE sha256 = ?", [sha256])), None)

    def by_md5(self, md5: str, length: int | None) -> Entry | None:
        """The entry of a content known by its MD5 and, if given, its length in bytes."""
        found = self._entries(
            "WHERE md5 = ? AND (? IS NULL OR length = ?) ORDER BY used DESC LIMIT 1",
            [md5, length, length],
        )
        return next(iter(found), None)

    def all(self) -> list[Entry]:
        """All entries, the least recently used first."""
        return self._entries("ORDER BY used, sha256", [])

    def total(self) -> int:
        """The bytes of all entries."""
        with self._connected() as connection:
            (found,) = connection.execute("SELECT coalesce(sum(length), 0) FROM content").fetchone()
        return int(found)

    def put(self, content: Content, look: Look) -> None:
        """Enter a content, or how it looks now."""
        row = (content.sha256, content.md5, content.length, look.mtime_ns, look.inode, time.time())
        with self._connected() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO content ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row
            )

    def touch(self, sha256: str) -> None:
        """Remember that a content was used just now."""
        with self._connected() as connection:
            connection.execute(
                "UPDATE content SET used = ? WHERE sha256 = ?", (time.time(), sha256)
            )

    def drop(self, sha256: str) -> None:
        """Forget a content."""
        with self._connected() as connection:
            connection.execute("DELETE FROM content WHERE sha256 = ?", (sha256,))

    def close(self) -> None:
        """Close the file; it is opened again when it is asked for."""
        with self._lock:
            if self._connection is not None and self._opened_as == self._now():
                self._connection.close()
            self._connection = None

    # --- the file --------------------------------------------------------------------

    def _entries(self, where: str, given: Sequence[Any]) -> list[Entry]:
        with self._connected() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM content {where}", given).fetchall()
        return [
            Entry(Content(length, md5, sha256), Look(length, mtime_ns, inode), used)
            for sha256, md5, length, mtime_ns, inode, used in rows
        ]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None or self._opened_as != self._now():
                    # It must not be used on both sides of a fork, or after its file was removed.
                    self._connection = self._opened()
                    self._opened_as = self._now()
                yield self._connection
            except sqlite3.Error as error:
                raise Unavailable(
                    f"The index of the cache {str(self._file)!r} cannot be used: {error}.",
                    hint="Check free space and permissions; the file may be removed at any time.",
                ) from error

    def _now(self) -> tuple[int, int, int]:
        """Which process this is, and which file is there."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return os.getpid(), 0, 0
        return os.getpid(), found.st_dev, found.st_ino

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._prepared()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # locked, full or forbidden: not a matter of what it holds
        self._put_aside()
        return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            for setting in ("journal_mode = WAL", "synchronous = NORMAL"):
                connection.execute(f"PRAGMA {setting}").close()
            if _version(connection) != FORMAT:
                _create(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self) -> None:
        """Take a file that is no index of ours away: nothing is lost but time."""
        gone = self._file.with_name(f".{uuid.uuid4().hex}")
        with suppress(FileNotFoundError):
            self._file.replace(gone)
        for tail in ("-wal", "-shm"):
            self._file.with_name(self._file.name + tail).unlink(missing_ok=True)
        gone.unlink(missing_ok=True)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE").close()
    try:
        if _version(connection) != FORMAT:  # another process may have been faster
            connection.execute("DROP TABLE IF EXISTS content").close()
            for statement in _SCHEMA.split(";"):
                connection.execute(statement).close()
            connection.execute(f"PRAGMA user_version = {FORMAT}").close()
        connection.execute("COMMIT").close()
    except BaseException:
        with closing(connection.cursor()) as cursor:
            cursor.execute("ROLLBACK")
        raise

"""The hash cache: what files held when they were last read, kept between processes.

One SQLite file holds a row for each folder (the stamps and hashes of its files) and one for each
tree that was hashed as a whole. It is only ever a help: a file that cannot be written, is locked or
damaged costs time, never a wrong hash. Each row carries a checksum, so nothing needs syncing.

Where: ``$FLEXLOCK_CACHE``, else ``$XDG_CACHE_HOME``, else ``~/.cache``; below it ``flexlock/``.
``FLEXLOCK_NO_CACHE=1`` switches it off.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import sys
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from flexlock.data.hashing import Stamp, hash_bytes
from flexlock.settings import cache_directory, flag

__all__ = ["FolderId", "HashCache", "Known", "TreeRow", "open_cache"]

_LAYOUT = 1
_NAME = f"hashes-{_LAYOUT}.sqlite"
_DAY_S = 86_400
_KEEP_DAYS = 90
_BUSY_S = 5.0
_log = logging.getLogger("flexlock")

FolderId = tuple[int, int]
"""Device and inode of a folder."""

Known = dict[str, tuple[Stamp, bytes]]
"""File name -> the stamp that it had, and the hash of what it held then."""


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A tree as a whole: the fingerprint of all stamps, and what came out."""

    fingerprint: bytes
    hash: str
    bytes: int
    files: int
    notes: tuple[str, ...]


def open_cache(directory: Path | None = None) -> HashCache | None:
    """Return the cache of this user, or None when it is switched off or cannot be had."""
    if flag("FLEXLOCK_NO_CACHE"):
        return None
    path = (directory or cache_directory()) / _NAME
    for attempt in (1, 2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return HashCache(path)
        except sqlite3.OperationalError as error:  # locked, read-only, no space
            _log.debug("hash cache %s is not used: %s", path, error)
            return None
        except sqlite3.DatabaseError as error:
            _log.debug("hash cache %s is damaged and thrown away: %s", path, error)
            if attempt == 2 or not _throw_away(path):
                return None
        except OSError as error:
            _log.debug("hash cache %s is not used: %s", path, error)
            return None
    return None


class HashCache:
    """An open cache file. Use it as a context manager, and within one thread.

    Errors of SQLite do not leave it: reading then finds nothing and writing does nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._today = int(time.time()) // _DAY_S
        self._writable = True
        self._connection: sqlite3.Connection | None = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None
        )
        try:
            self._prepare(self._connection)
        except sqlite3.Error:
            self.close()
            raise

    def __enter__(self) -> HashCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _prepare(connection: sqlite3.Connection) -> None:
        # A rollback journal also works on network file systems, where shared memory does not.
        connection.execute("PRAGMA synchronous = OFF")
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        if layout == _LAYOUT:
            return
        connection.executescript(
            "BEGIN IMMEDIATE;"
            "CREATE TABLE IF NOT EXISTS folders (device TEXT, inode TEXT, algorithm TEXT,"
            " used INTEGER, sum TEXT, listing BLOB,"
            " PRIMARY KEY (device, inode, algorithm)) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS trees (key TEXT PRIMARY KEY, used INTEGER, sum TEXT,"
            " fingerprint BLOB, result TEXT) WITHOUT ROWID;"
            f"PRAGMA user_version = {_LAYOUT};"
            "COMMIT"
        )

    def tree(self, key: str) -> TreeRow | None:
        """Return what is known of a whole tree."""
        rows = self._read("SELECT used, sum, fingerprint, result FROM trees WHERE key = ?", (key,))
        for used, total, fingerprint, result in rows:
            if total != _checksum(fingerprint, result):
                continue
            if used < self._today:
                self._write([("UPDATE trees SET used = ? WHERE key = ?", [(self._today, key)])])
            content = json.loads(result)
            return TreeRow(
                fingerprint,
                content["hash"],
                content["bytes"],
                content["files"],
                tuple(content["notes"]),
            )
        return None

    def folders(self, ids: Sequence[FolderId], algorithm: str) -> dict[FolderId, Known]:
        """Return what is known of the files in each of the folders, by one query."""
        wanted = json.dumps([[str(device), str(inode)] for device, inode in ids])
        rows = self._read(
            "SELECT f.device, f.inode, f.sum, f.listing FROM json_each(?) AS w JOIN folders AS f"
            " ON f.device = json_extract(w.value, '$[0]')"
            " AND f.inode = json_extract(w.value, '$[1]') AND f.algorithm = ?",
            (wanted, algorithm),
        )
        return {
            (int(device), int(inode)): _unpack(listing)
            for device, inode, total, listing in rows
            if total == _checksum(listing)
        }

    def store(
        self,
        algorithm: str,
        folders: Mapping[FolderId, Known],
        trees: Mapping[str, TreeRow],
    ) -> None:
        """Remember folders and trees, in one transaction."""
        self._write(
            [
                (
                    "REPLACE INTO folders VALUES (?, ?, ?, ?, ?, ?)",
                    [self._folder_row(i, algorithm, known) for i, known in folders.items()],
                ),
                (
                    "REPLACE INTO trees VALUES (?, ?, ?, ?, ?)",
                    [self._tree_row(key, row) for key, row in trees.items()],
                ),
                *(
                    (f"DELETE FROM {t} WHERE used < ?", [(self._today - _KEEP_DAYS,)])
                    for t in ("folders", "trees")
                ),
            ]
        )

    def _folder_row(self, identity: FolderId, algorithm: str, known: Known) -> tuple[object, ...]:
        listing = _pack(known)
        device, inode = identity
        return str(device), str(inode), algorithm, self._today, _checksum(listing), listing

    def _tree_row(self, key: str, row: TreeRow) -> tuple[object, ...]:
        content = {
            "hash": row.hash,
            "bytes": row.bytes,
            "files": row.files,
            "notes": list(row.notes),
        }
        result = json.dumps(content)
        total = _checksum(row.fingerprint, result)
        return key, self._today, total, row.fingerprint, result

    def _read(self, statement: str, values: Sequence[object]) -> list[Any]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def _write(self, work: Iterable[tuple[str, Sequence[Sequence[object]]]]) -> None:
        if self._connection is None or not self._writable:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for statement, rows in work:
                self._connection.executemany(statement, rows)
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:  # read-only, no space, another's lock
            _log.debug("hash cache %s is only read: %s", self._path, error)
            self._writable = False
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        """Do without the file from here on; a damaged one is thrown away."""
        _log.debug("hash cache %s is not used any longer: %s", self._path, error)
        with contextlib.suppress(sqlite3.Error):
            self.close()
        self._connection = None
        if not isinstance(error, sqlite3.OperationalError):
            _throw_away(self._path)


def _throw_away(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _checksum(*parts: object) -> str:
    """Return a checksum of a row; it also tells types apart, as damage may change those."""
    joined = b"\0".join(p if isinstance(p, bytes) else repr(p).encode() for p in parts)
    return hash_bytes(joined, "xxh3-128")


# Device and inode are unsigned; sizes fit into both; times may lie before 1970.
_COLUMNS = "QQqqq"


def _pack(known: Known) -> bytes:
    """Return the names, the five parts of the stamps and the hashes as columns."""
    names = os.fsencode("\0".join(known))
    parts = [_column("Q", (len(known), len(names))), names]
    if known:
        stamps = zip(*(stamp for stamp, _ in known.values()), strict=True)
        parts += [_column(code, part) for code, part in zip(_COLUMNS, stamps, strict=True)]
    return b"".join(parts) + b"".join(digest for _, digest in known.values())


def _unpack(listing: bytes) -> Known:
    count, length = _numbers("Q", listing[:16])
    if not count:
        return {}
    start = 16 + length
    names = os.fsdecode(listing[16:start]).split("\0")
    parts = []
    for code in _COLUMNS:
        parts.append(_numbers(code, listing[start : start + 8 * count]))
        start += 8 * count
    width = (len(listing) - start) // count
    hashes = [listing[at : at + width] for at in range(start, len(listing), width)]
    stamps = zip(*parts, strict=True)
    return dict(zip(names, zip(stamps, hashes, strict=True), strict=True))


def _column(code: str, values: Iterable[int]) -> bytes:
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _numbers(code: str, data: bytes) -> array[int]:
    column = array(code, data)
    if sys.byteorder == "big":
        column.byteswap()
    return column

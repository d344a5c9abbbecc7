"""Cheap stand-ins for a content hash, for data that is too big to read at every run.

``stat`` looks at sizes and times only, ``sample`` also at the start, middle and end of each file.
Both miss changes on purpose; the sheet says which of them was used.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from flexlock.data.hashing import digest_of, reading_error, special_kind
from flexlock.data.manifest import manifest_digest, manifest_lines
from flexlock.data.scanning import Choice, scan
from flexlock.data.tree import Hashed
from flexlock.errors import DataError

__all__ = ["ESTIMATES", "estimate"]

_SAMPLE = 64 << 10

ESTIMATES = ("stat", "sample")


def estimate(path: Path, method: str, algorithm: str, choice: Choice) -> Hashed:
    """Return a stand-in for the hash of a file or directory, by one of `ESTIMATES`.

    Raises:
        MissingDataError: There is nothing at `path`.
        UnreadableDataError: Something may not be read.
        DataError: `path` is neither a file nor a directory.
    """
    digest = digest_of(algorithm)
    one = _stat_of if method == "stat" else _sample_of
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise reading_error(str(path), error) from error
    if stat.S_ISREG(mode):
        size, text = _look(one, str(path))
        return Hashed("file", algorithm, digest(text).hex(), size, 1)
    if not stat.S_ISDIR(mode):
        message = f"{str(path)!r} is a {special_kind(mode)}, which has no fixed content."
        raise DataError(message, hint="Give a file or a directory.", path=str(path))
    lines: list[str] = []
    size = files = 0
    for folder in scan(os.path.realpath(path), choice):
        looks = [_look(one, f"{folder.path}/{name}") for name in folder.files]
        sizes = [look[0] for look in looks]
        lines += manifest_lines(folder, sizes, (digest(text) for _, text in looks), algorithm)
        size += sum(sizes)
        files += len(looks)
    return Hashed("dir", algorithm, manifest_digest(lines, algorithm), size, files)


_Look = Callable[[str], tuple[int, bytes]]


def _look(one: _Look, path: str) -> tuple[int, bytes]:
    try:
        return one(path)
    except OSError as error:
        raise reading_error(path, error) from error


def _stat_of(path: str) -> tuple[int, bytes]:
    status = Path(path).stat()
    return status.st_size, b"%d %d" % (status.st_size, status.st_mtime_ns)


def _sample_of(path: str) -> tuple[int, bytes]:
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        parts = [b"%d " % size]
        for start in sorted({0, max(0, size // 2 - _SAMPLE // 2), max(0, size - _SAMPLE)}):
            file.seek(start)
            parts.append(file.read(_SAMPLE))
    return size, b"".join(parts)

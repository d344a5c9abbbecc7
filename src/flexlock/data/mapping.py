"""Hashing a large file from its mapping, by all cores, where that cannot kill the process.

A mapped file that another process cuts short ends this one with a bus error. On Linux a read lease
prevents that: nobody can open the file for writing, or cut it, until we let go, and we look every
few milliseconds whether someone wants to. Where there are no leases the file is read instead.
"""

from __future__ import annotations

import contextlib
import mmap
import signal
from collections.abc import Callable, Iterator
from typing import Protocol

__all__ = ["map_content"]

_WORTHWHILE = 16 << 20
_WINDOW = 32 << 20


class _Hasher(Protocol):
    def update(self, data: memoryview, /) -> object: ...
    def digest(self) -> bytes: ...


def map_content(
    descriptor: int, size: int, hasher: _Hasher, progress: Callable[[int], object] | None
) -> bytes | None:
    """Return the hash of an open file; None when it must be read instead.

    Args:
        descriptor: The file, open for reading.
        size: Its size in bytes.
        hasher: An empty hasher that shares large updates between the cores.
        progress: Told how many bytes were hashed, now and then. It must not write to the file.

    Source: fcntl(2), "Leases".
    """
    if size < _WORTHWHILE:
        return None
    with _lease(descriptor) as is_quiet:
        if is_quiet is None:
            return None
        with (
            mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
        ):
            for start in range(0, size, _WINDOW):
                if not is_quiet():
                    return None  # someone waits to write
                with whole[start : start + _WINDOW] as window:
                    hasher.update(window)
                    if progress is not None:
                        progress(len(window))
    return hasher.digest()


@contextlib.contextmanager
def _lease(descriptor: int) -> Iterator[Callable[[], bool] | None]:
    """Hold a read lease for the time of the block.

    Gives a function that says whether nobody waits for the file; None where no lease can be had:
    the file is open for writing, belongs to another user, or its file system has none.
    """
    try:
        import fcntl

        # The kernel tells by a signal that someone waits; the usual one would end the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except (ImportError, AttributeError, OSError):
        yield None
        return
    try:
        yield lambda: fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK
    finally:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)

"""Putting a kept file into another place, and holding a name while its bytes are fetched."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["held", "put_into_place"]

READ_ONLY = 0o444
WRITABLE = 0o644
_FICLONE = 0x40049409
"""Asks Linux to let a new file share the blocks of another one until either is changed."""
_cannot_clone: set[tuple[int, int]] = set()
"""Pairs of devices between which that was refused."""


def put_into_place(source: Path, destination: Path, *, link: bool) -> None:
    """Make a file at `destination` with the bytes of `source`, whole or not at all.

    Where the file system can, the new file shares the blocks of the old one. Otherwise it is a
    hard link if `link` allows that, and a copy where there are no links. An existing file is
    replaced. With `link` the result is read-only in every case, so that it does not depend on the
    file system what a program may do.

    Raises:
        FileNotFoundError: There is no `source`.
        OSError: `destination` cannot be written.
    """
    try:
        if link and not _might_clone(source, destination.parent):
            os.link(source, destination)
            return
    except FileNotFoundError:
        if not source.exists():
            raise
        destination.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        pass  # there is a file already, or links are not possible
    temporary = destination.with_name(f".{uuid.uuid4().hex}")  # a name may be at its limit
    try:
        _made(source, temporary, link)
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)


def _made(source: Path, target: Path, link: bool) -> None:
    if not _cloned(source, target):
        if link:
            with suppress(OSError):  # another device, one without links, or too many of them
                os.link(source, target)
                return
        shutil.copyfile(source, target)
    target.chmod(READ_ONLY if link else WRITABLE)


def _might_clone(source: Path, folder: Path) -> bool:
    return (
        sys.platform == "linux"
        and (source.stat().st_dev, folder.stat().st_dev) not in _cannot_clone
    )


def _cloned(source: Path, target: Path) -> bool:
    if not _might_clone(source, target.parent):
        return False
    import fcntl

    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
            return True
        except OSError:
            _cannot_clone.add((os.fstat(old.fileno()).st_dev, os.fstat(new.fileno()).st_dev))
    target.unlink()
    return False


@contextmanager
def held(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock that `file` stands for against all other threads and processes.

    The operating system drops the lock when the process ends, in whatever way. The file is
    removed in the end.

    Args:
        file: Made when missing; its directory must exist.
        wait: Whether to wait until nobody else holds it.

    Yields whether the lock is held, which is always so after waiting.
    """
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _lock(handle, wait):
                yield False
                return
            # Whoever held it before has removed the file that we waited for.
            if _is_at(handle, file):
                try:
                    yield True
                finally:
                    with suppress(OSError):  # Windows does not remove what is open
                        file.unlink()
                return
        finally:
            os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if not wait and isinstance(error, BlockingIOError | PermissionError):
            return False
        if os.name == "nt":
            raise
        # A file system without locks: better to fetch twice than never.
    return True


def _is_at(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False

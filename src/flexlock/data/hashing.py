"""Hashes of file contents, and how a file is read so that a change meanwhile is noticed.

A file's stamp (device, inode, size, and the times of its content and of its inode) is taken before
and after reading; when it moved, the file is read again, and in the end refused.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from typing import NamedTuple, Protocol

from flexlock.data.mapping import map_content
from flexlock.errors import ChangingDataError, DataError, MissingDataError, UnreadableDataError

__all__ = [
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "OPEN_FLAGS",
    "SMALL_FILE",
    "Content",
    "Hasher",
    "Progress",
    "Stamp",
    "check_algorithm",
    "digest_of",
    "hash_bytes",
    "new_hasher",
    "read_content",
    "stamp_of",
]

ALGORITHMS = ("blake3", "sha256", "xxh3-128")
"""`blake3` and `sha256` prove identity; `xxh3-128` only tells apart what nobody forged."""
DEFAULT_ALGORITHM = "blake3"

Stamp = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, time of the content and of the inode in nanoseconds."""

Progress = Callable[[int], object]
"""Called with the number of bytes that were read since the last call."""

_ATTEMPTS = 3
SMALL_FILE = 1 << 20
"""Files up to this size (bytes) are read in one piece."""
_CHUNK = 256 << 10
_ENDLESS = 256 << 20
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
# Opening a FIFO for reading would wait for a writer; a regular file does not care.
OPEN_FLAGS |= getattr(os, "O_NONBLOCK", 0)


class Hasher(Protocol):
    """What the algorithms have in common."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take in more bytes."""
        ...

    def digest(self) -> bytes:
        """Return the hash of all bytes so far."""
        ...

    def hexdigest(self) -> str:
        """Return the same in hexadecimal."""
        ...


class Content(NamedTuple):
    """What a file held, and the stamp it had from before to after it was read."""

    stamp: Stamp
    digest: bytes
    size: int


def check_algorithm(algorithm: str) -> str:
    """Return the algorithm's name, or raise `DataError` when there is none such."""
    if algorithm not in ALGORITHMS:
        message = f"there is no hash algorithm {algorithm!r}."
        raise DataError(message, hint=f"Use one of {', '.join(ALGORITHMS)}.", algorithm=algorithm)
    return algorithm


def new_hasher(algorithm: str = DEFAULT_ALGORITHM, *, threads: bool = False) -> Hasher:
    """Return an empty hasher; `threads` lets BLAKE3 share large updates between the cores."""
    if algorithm == "blake3":
        from blake3 import blake3

        return blake3(max_threads=blake3.AUTO if threads else 1)
    if algorithm == "xxh3-128":
        from xxhash import xxh3_128

        return xxh3_128()
    check_algorithm(algorithm)
    from hashlib import sha256

    return sha256()


def digest_of(algorithm: str) -> Callable[[bytes], bytes]:
    """Return the function that hashes bytes in one call, the fastest way for small content."""
    if algorithm == "blake3":
        from blake3 import blake3

        return lambda data: blake3(data).digest()
    if algorithm == "xxh3-128":
        from xxhash import xxh3_128_digest

        return xxh3_128_digest
    check_algorithm(algorithm)
    from hashlib import sha256

    return lambda data: sha256(data).digest()


def hash_bytes(data: bytes, algorithm: str = DEFAULT_ALGORITHM) -> str:
    """Return the hash of the bytes in hexadecimal."""
    return digest_of(algorithm)(data).hex()


def stamp_of(status: os.stat_result) -> Stamp:
    """Return the stamp of a file: it moves whenever the content does."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def read_content(
    path: str, algorithm: str = DEFAULT_ALGORITHM, progress: Progress | None = None
) -> Content:
    """Read a file and return its hash. Symbolic links are followed.

    Args:
        path: The file.
        algorithm: One of `ALGORITHMS`.
        progress: Told how many bytes were read, now and then.

    Raises:
        MissingDataError: There is no such file.
        UnreadableDataError: It may not be read.
        ChangingDataError: It changed during each of three readings.
        DataError: It is not a regular file, or the disk reports an error.
    """
    for _ in range(_ATTEMPTS):
        try:
            content = _read_once(path, algorithm, progress)
        except OSError as error:
            raise reading_error(path, error) from error
        if content is not None:
            return content
    message = f"{path!r} changed while it was read, {_ATTEMPTS} times."
    raise ChangingDataError(
        message, hint="Wait until nothing writes to it, then start again.", path=path
    )


def reading_error(path: str, error: OSError) -> DataError:
    """Return the error of ours that says what `error` means for `path`."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        message = f"{path!r} does not exist."
        return MissingDataError(message, hint="Check the path, and that it is mounted.", path=path)
    if error.errno in (errno.EACCES, errno.EPERM):
        message = f"{path!r} may not be read by this user."
        return UnreadableDataError(message, hint="Change its mode, or exclude it.", path=path)
    if error.errno == errno.ELOOP:
        return DataError(f"{path!r} is a symbolic link that leads back to itself.", path=path)
    return DataError(f"{path!r} cannot be read: {error.strerror or error}.", path=path)


def special_kind(mode: int) -> str:
    """Return what a file that is neither regular, link nor directory is."""
    for test, name in (
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "character device"),
        (stat.S_ISBLK, "block device"),
        (stat.S_ISDIR, "directory"),
    ):
        if test(mode):
            return name
    return "special file"


def _read_once(path: str, algorithm: str, progress: Progress | None) -> Content | None:
    """Return the content, or None when the stamp moved meanwhile."""
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            message = f"{path!r} is a {special_kind(status.st_mode)}, which has no fixed content."
            raise DataError(message, hint="Exclude it from the data.", path=path)
        before = stamp_of(status)
        if status.st_size <= SMALL_FILE:
            digest, size = _read_small(descriptor, status.st_size, algorithm)
            if progress is not None:
                progress(size)
        else:
            digest, size = _read_large(descriptor, status.st_size, algorithm, progress)
        after = stamp_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return Content(after, digest, size) if before == after else None


def _read_small(descriptor: int, size: int, algorithm: str) -> tuple[bytes, int]:
    data = os.read(descriptor, size + 1)
    if len(data) != size:  # a short read, or a file whose size is not its length (in /proc)
        parts = [data]
        length = len(data)
        while data:
            data = os.read(descriptor, SMALL_FILE)
            parts.append(data)
            length += len(data)
            if length > _ENDLESS:
                raise OSError(errno.EFBIG, "it has no end")
        data = b"".join(parts)
    return digest_of(algorithm)(data), len(data)


def _read_large(
    descriptor: int, size: int, algorithm: str, progress: Progress | None
) -> tuple[bytes, int]:
    if algorithm == "blake3":
        digest = map_content(descriptor, size, new_hasher(algorithm, threads=True), progress)
        if digest is not None:
            return digest, size
    hasher = new_hasher(algorithm)
    buffer = memoryview(bytearray(_CHUNK))
    count = 0
    os.lseek(descriptor, 0, os.SEEK_SET)
    with io.FileIO(descriptor, closefd=False) as file:
        # No further than the size that it had: a file that grows might never come to an end.
        while count < size and (length := file.readinto(buffer[: size - count])):
            hasher.update(buffer[:length])
            count += length
            if progress is not None:
                progress(length)
    return hasher.digest(), count

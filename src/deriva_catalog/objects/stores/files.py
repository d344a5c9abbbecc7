"""A directory of files. Thousands of small ones are written by plain system calls.

What is on its way lies under ``incoming/`` and is renamed when complete; a process that dies
leaves at most a file there.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from .contract import Entry
from .failures import translated

INCOMING = "incoming"
_READ_ONLY = 0o444
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | os.O_CLOEXEC
_FLUSH_EACH = 32
_WRITE = 1 << 18


class FileStore:
    """Keys are files below `directory`, which is made when missing.

    Raises:
        Unavailable: It cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._top = str(directory)
        with translated(f"opening the object directory {str(directory)!r}"):
            directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """The ``file:`` URL of the directory."""
        return self.directory.absolute().as_uri()

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.directory / key

    # --- writing ---------------------------------------------------------------------

    def put(self, key: str, source: Iterable[bytes], length: int | None = None) -> None:
        """Write bytes under a key, whole or not at all."""
        incoming = self.incoming()
        try:
            self.fill(incoming, source)
            self.settle(incoming, key)
        except BaseException:
            self.remove([incoming])
            raise

    def incoming(self) -> str:
        """A key for what is on its way."""
        return f"{INCOMING}/{uuid.uuid4().hex}"

    def put_small(self, key: str, data: bytes) -> None:
        """Write a few bytes under a key, whole or not at all, by as few system calls as it takes.

        Where thousands of files are written, each look at a folder and each path object shows.
        """
        incoming = f"{self._top}/{INCOMING}/{uuid.uuid4().hex}"
        try:
            write_new(incoming, data)
        except FileNotFoundError:
            os.makedirs(incoming.rpartition("/")[0], exist_ok=True)  # noqa: PTH103
            write_new(incoming, data)
        try:
            target = f"{self._top}/{key}"
            try:
                os.replace(incoming, target)  # noqa: PTH105
            except FileNotFoundError:
                os.makedirs(target.rpartition("/")[0], exist_ok=True)  # noqa: PTH103
                os.replace(incoming, target)  # noqa: PTH105
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(incoming)  # noqa: PTH108
            raise

    def fill(self, incoming: str, source: Iterable[bytes]) -> None:
        """Write bytes under a key that is free."""
        target = self.path(incoming)
        try:
            out = target.open("xb")
        except FileNotFoundError:  # the first file of all: asking each time would take longer
            target.parent.mkdir(parents=True, exist_ok=True)
            out = target.open("xb")
        with out:
            write_pieces(out, source)

    def unnamed(self) -> BinaryIO | None:
        """A new file that is gone when it is closed, unless `name_file` gives it a key.

        None where the system or the file system has no such files.
        """
        kind = getattr(os, "O_TMPFILE", None)
        if kind is None:
            return None
        try:
            handle = os.open(self.directory, os.O_RDWR | kind | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        return os.fdopen(handle, "w+b", buffering=0)

    def name_file(self, file: BinaryIO, incoming: str) -> bool:
        """Give an open file without a name a key, if that is possible; returns whether it was."""
        target = self.path(incoming)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.flush()
            handle = file.fileno()
            if os.fstat(handle).st_nlink != 0:
                return False
            # With a directory the system follows the link that /proc has instead of a name.
            os.link(f"/proc/self/fd/{handle}", target, src_dir_fd=handle, follow_symlinks=True)
        except (OSError, NotImplementedError):
            return False  # another device or system
        return True

    def settle(self, incoming: str, key: str, *, parents: bool = True) -> None:
        """Give what has come its key.

        Raises:
            FileNotFoundError: There is no folder for the key, and `parents` is False.
        """
        source, target = self.path(incoming), self.path(key)
        if parents:
            source.chmod(_READ_ONLY)
        try:
            source.replace(target)
        except FileNotFoundError:
            if not parents:
                raise
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)

    def flush(self, keys: Collection[str]) -> None:
        """Make files survive a loss of power.

        A few are flushed one by one, many by flushing all of the machine's files once, which
        takes a fraction of the time.

        Raises:
            FileNotFoundError: There is no such file.
        """
        if len(keys) > _FLUSH_EACH and hasattr(os, "sync"):
            os.sync()
            return
        files = [self.path(key) for key in keys]
        for file in files:
            _flush(file)
        for folder in {file.parent for file in files}:
            _flush(folder)

    def remove(self, keys: Collection[str]) -> None:
        """Forget keys; those that are not there do not matter."""
        for key in keys:
            self.path(key).unlink(missing_ok=True)

    def remove_folder(self, key: str) -> None:
        """Remove a folder with all that is in it."""
        shutil.rmtree(self.path(key), ignore_errors=True)

    def remove_all(self) -> None:
        """Remove the directory itself."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.directory)

    # --- reading ---------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """Whether there is a file under a key."""
        return os.path.isfile(f"{self._top}/{key}")  # noqa: PTH113

    def entry(self, key: str) -> Entry | None:
        """What lies under a key; None when nothing does."""
        try:
            facts = self.path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _entry(key, facts)

    def pieces(
        self, key: str, piece: int, begin: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Yield bytes of a file."""
        with self.path(key).open("rb", buffering=0) as file:
            file.seek(begin)
            while length is None or length > 0:
                data = file.read(piece if length is None else min(piece, length))
                if not data:
                    return
                if length is not None:
                    length -= len(data)
                yield data

    def read_small(self, key: str, most: int) -> bytes | None:
        """The bytes of a file, if it has no more than `most`.

        Raises:
            FileNotFoundError: There is no such file.
        """
        with open(f"{self._top}/{key}", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read() if os.fstat(file.fileno()).st_size <= most else None

    def link(self, key: str, destination: str | Path) -> bool:
        """Give a file a second name, if that is possible; returns whether it was.

        Raises:
            FileNotFoundError: There is no such file, or no directory for `destination`.
        """
        try:
            os.link(f"{self.directory}/{key}", destination)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            return False  # another file system, or one without links
        return True

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield the files below a folder."""
        folders = [prefix]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(self.path(folder)) as found:
                    there = list(found)
            except FileNotFoundError:
                continue
            for each in there:
                key = f"{folder}/{each.name}"
                if each.is_dir(follow_symlinks=False):
                    folders.append(key)
                    continue
                try:
                    yield _entry(key, each.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue  # it has got its name, or was removed

    def folders(self, prefix: str) -> set[str]:
        """The names in a folder."""
        folder = self.path(prefix)
        return {each.name for each in folder.iterdir()} if folder.is_dir() else set()

    def sign(self, key: str, seconds: float) -> None:
        """No URL opens a file for others."""
        return


def _entry(key: str, facts: os.stat_result) -> Entry:
    return Entry(key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))


def write_new(path: str | Path, data: bytes) -> None:
    """Write a few bytes to a new file that nobody else may write to, or leave none.

    Raises:
        FileExistsError: There is such a file.
        FileNotFoundError: There is no folder for it.
    """
    handle = os.open(path, _NEW, _READ_ONLY)
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
        finally:
            os.close(handle)
    except BaseException:
        os.unlink(path)  # noqa: PTH108
        raise


def write_pieces(out: BinaryIO, source: Iterable[bytes]) -> None:
    """Write bytes to a file, a quarter of a mebibyte at most at a time.

    For longer writes the kernel looks for longer runs of free memory. On virtual machines these
    are often not there yet, which makes the writes several times slower.
    """
    for piece in source:
        left = memoryview(piece)
        while left:
            left = left[out.write(left[:_WRITE]) :]


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

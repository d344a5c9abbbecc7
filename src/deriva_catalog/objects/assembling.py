"""Uploads put together while their chunks come, so that little is to do when the last is there.

The chunks of a job are read in order as they come, hashed, and written to a file without a name.
What was hashed is what the file has: its digests are those of its bytes, whatever becomes of the
chunks. When the job is finished, the file counts only if the chunks are those it was made of. A
chunk never changes but is replaced by another file, so it is known by device, inode, length and
times.

All of that belongs to one process and ends with it: a job that another process finishes, or that
began before a restart, is put together when it is finished.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO

from .chunks import FOLDER
from .content import ContentStore
from .hashing import LARGE, Content, Hasher, ParallelHasher
from .sources import pieces
from .stores import FileStore
from .stores.files import write_pieces

__all__ = ["Assemblies", "Assembly"]

_MOST = 16
_IDLE_S = 600.0
_THREADS = 2


class Assembly:
    """What there is of one job, in a file without a name. A context manager that ends it."""

    def __init__(self, files: FileStore, job: str, file: BinaryIO) -> None:
        self.touched = time.monotonic()
        self._files = files
        self._job = job
        self._file = file
        self._hasher = Hasher()
        self._chunks = hashlib.sha256()
        """Of the identities of the chunks that are in the file."""
        self._count = 0
        self._is_over = False
        self._working = threading.Lock()

    def __enter__(self) -> Assembly:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def go_on(self) -> None:
        """Take the chunks that are there and follow the last one taken."""
        with self._working:
            try:
                while not self._is_over:
                    with self._open_chunk(self._count) as chunk:
                        self._take(chunk)
            except FileNotFoundError:
                pass  # it has not come yet
            except OSError:  # such as no space: who finishes the job tries anew, and tells
                self._is_over = True

    def whole(self, count: int) -> tuple[BinaryIO, Content] | None:
        """The file with all of the job's `count` chunks, which are there, and what it has.

        None if it is not made of these chunks.
        """
        self.go_on()
        with self._working:
            if self._is_over or self._count != count:
                return None
            self._is_over = True
            found = hashlib.sha256()
            try:
                for number in range(count):
                    found.update(_identity(os.stat(self._path(number))))  # noqa: PTH116
            except FileNotFoundError:
                return None
            if found.digest() != self._chunks.digest():
                return None
            return self._file, self._hasher.content

    def end(self) -> None:
        """Give the file up, unless it has got a name."""
        self._is_over = True
        # Not under the hands of a thread that writes: its number may soon be another file's.
        with self._working:
            self._file.close()

    def _path(self, number: int) -> str:
        return f"{self._files.directory}/{FOLDER}/{self._job}/{number}"

    def _open_chunk(self, number: int) -> BinaryIO:
        return open(self._path(number), "rb", buffering=0)  # noqa: PTH123

    def _take(self, chunk: BinaryIO) -> None:
        facts = os.fstat(chunk.fileno())
        if facts.st_size < LARGE:
            self._copy(chunk, self._hasher)
        else:
            with ParallelHasher(self._hasher) as parallel:
                self._copy(chunk, parallel)
        self._chunks.update(_identity(facts))
        self._count += 1

    def _copy(self, chunk: BinaryIO, hasher: Hasher | ParallelHasher) -> None:
        for piece in pieces(chunk):
            if self._is_over:
                return
            hasher.update(piece)
            write_pieces(self._file, [piece])


class Assemblies:
    """The assemblies of one process, of at most `most` jobs, the latest; threads may share them.

    One that no chunk came for in `idle_s` seconds is given up, since it takes space.
    """

    def __init__(self, *, most: int = _MOST, idle_s: float = _IDLE_S) -> None:
        self._most = most
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Assembly] = OrderedDict()
        self._pool = ThreadPoolExecutor(_THREADS, "assembling")
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def came(self, content: ContentStore, job: str, number: int) -> Future[None] | None:
        """A chunk of a job is there: take it, beside all else, if it is the next one.

        That begins with the first chunk, in the process to which it is sent. Returns what is done
        when the chunks that are there are taken; None if the job is not put together here.
        """
        files = content.keys
        if not isinstance(files, FileStore):
            return None
        with self._lock:
            if self._is_closed:
                return None
            assembly = self._kept.get(job)
            if assembly is None:
                file = files.unnamed() if number == 0 else None
                if file is None:
                    return None
                assembly = self._kept[job] = Assembly(files, job, file)
            assembly.touched = time.monotonic()
            self._kept.move_to_end(job)
            left = [self._kept.popitem(last=False)[1] for _ in range(len(self._kept) - self._most)]
            self._wait()
            going_on = self._pool.submit(assembly.go_on)
        for each in left:
            each.end()
        return going_on

    def take(self, job: str) -> Assembly | None:
        """What there is of a job, for the one who finishes or ends it; None if there is nothing."""
        with self._lock:
            return self._kept.pop(job, None)

    def close(self) -> None:
        """Give all up."""
        with self._lock:
            self._is_closed = True
            left, self._kept = list(self._kept.values()), OrderedDict()
            if self._timer is not None:
                self._timer.cancel()
        for each in left:
            each.end()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _wait(self) -> None:
        if self._timer is None and self._kept:
            self._timer = threading.Timer(self._idle_s, self._tidy)
            self._timer.daemon = True
            self._timer.start()

    def _tidy(self) -> None:
        before = time.monotonic() - self._idle_s
        with self._lock:
            self._timer = None
            idle = [job for job, each in self._kept.items() if each.touched <= before]
            left = [self._kept.pop(job) for job in idle]
            if not self._is_closed:
                self._wait()
        for each in left:
            each.end()


def _identity(facts: os.stat_result) -> bytes:
    known = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return f"{known}\n".encode()

"""What a task prints goes to files in its own directory: ``stdout.log`` and ``stderr.log``.

A worker process points its file descriptors at them, so that C libraries and child processes write
there too. In the process of the caller only Python's own streams are doubled: what a task prints is
seen at once, a debugger works, and a notebook keeps its streams.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import ctypes

__all__ = ["LOGS", "capture_process", "double_streams", "flush_streams", "worker_log"]

LOGS = ("stdout.log", "stderr.log")


def worker_log(root: Path, worker: str) -> Path:
    """Return where a local worker's own output goes, beside that of its tasks."""
    return root / "worker_logs" / f"{worker}.log"


@contextmanager
def capture_process(directory: Path, attempt: int) -> Iterator[None]:
    """Send everything that this process prints to the logs of a task.

    Logs of an earlier attempt are kept as ``stdout.log.1`` ...; empty logs are removed.
    """
    flush_streams()
    saved = [os.dup(1), os.dup(2)]
    try:
        for number, name in enumerate(LOGS, 1):
            log = f"{directory}/{name}"
            _keep_earlier(log, attempt)
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            os.dup2(descriptor, number)
            os.close(descriptor)
        yield
    finally:
        flush_streams()
        for number, descriptor in enumerate(saved, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        _remove_empty(directory)


@contextmanager
def double_streams(directory: Path, attempt: int) -> Iterator[None]:
    """Write what Python prints to the logs of a task, and where it went before."""
    before = sys.stdout, sys.stderr
    files: list[TextIO] = []
    try:
        for name in LOGS:
            _keep_earlier(f"{directory}/{name}", attempt)
            files.append((directory / name).open("a", encoding="utf-8", buffering=1))
        sys.stdout, sys.stderr = map(_Double, before, files)
        yield
    finally:
        sys.stdout, sys.stderr = before
        for file in files:
            file.close()
        _remove_empty(directory)


def flush_streams() -> None:
    """Write out what Python and the C library hold back."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # there may be none, or a closed one
            stream.flush()
    library = _c_library()
    if library is not None:
        library.fflush(None)


class _Double(io.TextIOBase):
    """A stream that writes to another stream and to a file."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        self._stream = stream
        self._file = file

    def write(self, text: str) -> int:
        """Write text to both."""
        self._file.write(text)
        self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush both."""
        if not self._file.closed:
            self._file.flush()
        self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Whether people see it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor of the stream, to which child processes write."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._stream.encoding

    def writable(self) -> bool:
        """Return True."""
        return True


@cache
def _c_library() -> ctypes.CDLL | None:
    import ctypes

    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no such handle
        return None


def _keep_earlier(log: str, attempt: int) -> None:
    if attempt > 1:
        with suppress(FileNotFoundError):
            Path(log).rename(f"{log}.{attempt - 1}")


def _remove_empty(directory: Path) -> None:
    for name in LOGS:
        log = f"{directory}/{name}"  # not a path object: this is done for each task
        with suppress(FileNotFoundError):
            if os.stat(log).st_size == 0:  # noqa: PTH116
                os.unlink(log)  # noqa: PTH108

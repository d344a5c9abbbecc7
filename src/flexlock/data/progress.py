"""One line on the terminal while much data is read; nothing at all elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TextIO

from flexlock.data.hashing import Progress

__all__ = ["ProgressLine", "size_text"]

_QUIET_S = 1.0
_STEP_S = 0.2
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size_text(size: float) -> str:
    """Return a number of bytes for people, such as ``1.3 GB``."""
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"


class ProgressLine:
    """Shows how much was read, after a second, when the stream is a terminal.

    Use it as a context manager and hand `progress` to what reads.
    """

    def __init__(self, label: str, total: int | None = None, stream: TextIO | None = None) -> None:
        self._label = label
        self._total = total
        self._stream = stream if stream is not None else sys.stderr
        self._lock = threading.Lock()
        self._bytes = 0
        self._width = 0
        self._started = self._shown = time.monotonic()

    @property
    def progress(self) -> Progress | None:
        """The function to call with bytes that were read; None when nobody would see it."""
        stream = self._stream
        return self._add if stream is not None and stream.isatty() else None

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._width:
            self._write("")
            self._stream.write("\r")
            self._stream.flush()

    def _add(self, count: int) -> None:
        with self._lock:
            self._bytes += count
            now = time.monotonic()
            if now - self._started < _QUIET_S or now - self._shown < _STEP_S:
                return
            self._shown = now
            of = ""
            if self._total:
                of = f" of {size_text(self._total)} ({self._bytes / self._total:.0%})"
            speed = size_text(self._bytes / (now - self._started))
            self._write(f"{self._label}: {size_text(self._bytes)}{of}, {speed}/s")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)

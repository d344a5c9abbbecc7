"""One line on the terminal while much is read; nothing at all elsewhere."""

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

    def __init__(
        self,
        label: str,
        total: int | None = None,
        stream: TextIO | None = None,
        *,
        things: str | None = None,
    ) -> None:
        """Make a line that shows nothing yet.

        Args:
            label: What is done.
            total: How much there is, if that is known.
            stream: Where to show it; stderr by default.
            things: What is counted, such as ``files``; bytes by default.
        """
        self._label = label
        self._total = total
        self._things = things
        self._stream = stream if stream is not None else sys.stderr
        self._lock = threading.Lock()
        self._done = 0
        self._width = 0
        self._started = self._shown = time.monotonic()

    @property
    def progress(self) -> Progress | None:
        """The function to call with how much more was read; None when nobody would see it."""
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
            self._done += count
            now = time.monotonic()
            if now - self._started < _QUIET_S or now - self._shown < _STEP_S:
                return
            self._shown = now
            of = self._unit()
            if self._total:
                of = f" of {self._amount(self._total)}{of} ({self._done / self._total:.0%})"
            speed = self._amount(self._done / (now - self._started))
            self._write(f"{self._label}: {self._amount(self._done)}{of}, {speed}/s")

    def _amount(self, amount: float) -> str:
        return size_text(amount) if self._things is None else f"{amount:,.0f}"

    def _unit(self) -> str:
        return "" if self._things is None else f" {self._things}"

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)

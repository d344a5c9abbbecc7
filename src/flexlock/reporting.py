"""The few lines on stderr: that a run starts, how it ends, what is wrong with a command."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flexlock.errors import ConfigError, FlexLockError
from flexlock.settings import flag

__all__ = ["INTERRUPTED", "USAGE", "duration_text", "exit_on_errors", "say"]

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def say(text: str, *, quiet: bool = False) -> None:
    """Write one line to stderr, unless asked to be quiet (also by ``FLEXLOCK_QUIET=1``)."""
    if not quiet and not flag("FLEXLOCK_QUIET"):
        print(f"flexlock: {text}", file=sys.stderr, flush=True)


def duration_text(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> [duration_text(s) for s in (0.04, 12.34, 75, 7300)]
        ['0.04 s', '12.3 s', '1 min 15 s', '2 h 1 min']
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


@contextmanager
def exit_on_errors(active: bool = True) -> Iterator[None]:
    """Turn errors of ours into one line and an exit status; everything else goes on.

    A `ConfigError` is wrong use (2), another error of ours a failure (1). Does nothing unless
    `active`, so that callers in Python get the exceptions.
    """
    if not active:
        yield
        return
    try:
        yield
    except FlexLockError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(USAGE if isinstance(error, ConfigError) else FAILED)


@contextmanager
def timed() -> Iterator[list[float]]:
    """Yield a list that holds the seconds since the start when the block has ended."""
    started = time.monotonic()
    elapsed: list[float] = []
    try:
        yield elapsed
    finally:
        elapsed.append(time.monotonic() - started)

"""How a worker is told to stop.

SIGUSR1 asks it to finish its task and take no other; a batch system sends it before the time limit.
SIGTERM interrupts the task: an exception is raised in it, so that its ``finally`` blocks run. In a
worker process Ctrl-C does nothing: the terminal sends it to all processes, and the command that
started the worker decides.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from flexlock.run import Terminated, current_run

__all__ = ["StopRequest", "worker_signals"]


@dataclass(slots=True)
class StopRequest:
    """Whether to stop after the task at hand, and which signal asked for it."""

    signal_name: str | None = None

    def __bool__(self) -> bool:
        """Whether it was asked for."""
        return self.signal_name is not None


@contextmanager
def worker_signals() -> Iterator[StopRequest]:
    """Handle the signals of a worker process while the block runs."""
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        request.signal_name = signal.Signals(number).name
        if number == signal.SIGTERM and current_run() is not None:
            raise Terminated(number)

    def ignore(number: int, frame: FrameType | None) -> None:
        """Do nothing. Unlike SIG_IGN, this does not go over to the children of the worker."""

    handlers: dict[str, Any] = {"SIGUSR1": ask, "SIGTERM": ask, "SIGINT": ignore}
    before = {}
    for name, handler in handlers.items():
        number = getattr(signal, name, None)
        if number is not None:
            before[number] = signal.signal(number, handler)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

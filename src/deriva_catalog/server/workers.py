"""Several processes that share a socket, and one that watches over them.

A process that ends is replaced, unless it cannot even start. When the watching process is told
to stop, the others finish what they are doing; so they do when it is killed, which they notice by
a pipe that only it has open for writing.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

__all__ = ["work_together"]

log = logging.getLogger("deriva_catalog.server")

_TOO_EARLY_SECONDS = 2.0
_TRIES = 5
_FAILED = 1
_GRACE_SECONDS = 5.0


def work_together(count: int, work: Callable[[int], int], patience_seconds: float) -> int:
    """Run `work` in as many processes, until this one is told to stop.

    Args:
        count: How many.
        work: Called in each process with its number, from 0; returns its exit status.
        patience_seconds: How long they may take to finish, once told to.

    Returns:
        The exit status: 0 after being told to stop, 1 if the processes could not start.
    """
    return _Watch(count, work, patience_seconds).run()


class _Watch:
    def __init__(self, count: int, work: Callable[[int], int], patience_seconds: float) -> None:
        self._count = count
        self._work = work
        self._patience = patience_seconds
        self._running: dict[int, tuple[int, float]] = {}
        self._told = False
        self._early = 0
        self._seen, self._held = os.pipe()

    def run(self) -> int:
        before = {s: signal.signal(s, self._stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            for number in range(self._count):
                self._start(number)
            while not self._told and self._early < _TRIES:
                self._replace_ended(*self._wait())
            if not self._told:
                log.error("The processes of the service end as soon as they start; giving up.")
            return self._end() if self._told else self._end() or _FAILED
        finally:
            for number_of_signal, handler in before.items():
                signal.signal(number_of_signal, handler)
            os.close(self._seen)
            os.close(self._held)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._told = True

    def _start(self, number: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            status = _FAILED
            for number_of_signal in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number_of_signal, signal.SIG_DFL)
            try:
                os.close(self._held)
                threading.Thread(target=_stop_after, args=(self._seen,), daemon=True).start()
                status = self._work(number)
            except KeyboardInterrupt:
                status = 0
            except BaseException:  # nothing may reach the copy of the watching process's code
                log.exception("A process of the service failed.")
            finally:
                logging.shutdown()
                os._exit(status)
        self._running[child] = (number, time.monotonic())

    def _wait(self) -> tuple[int, int]:
        """The process that has ended and its status; 0 if none has for a moment."""
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == 0:
            time.sleep(0.1)
        return ended, status

    def _replace_ended(self, ended: int, status: int) -> None:
        if ended not in self._running or self._told:
            return
        number, begun = self._running.pop(ended)
        seconds = time.monotonic() - begun
        self._early = self._early + 1 if seconds < _TOO_EARLY_SECONDS else 0
        code = os.waitstatus_to_exitcode(status)
        log.error("Process %d of the service ended (%d) and is started anew.", ended, code)
        self._start(number)

    def _end(self) -> int:
        """Have all processes finish; those that do not are ended."""
        for child in self._running:
            os.kill(child, signal.SIGTERM)
        deadline = time.monotonic() + self._patience + _GRACE_SECONDS
        while self._running and time.monotonic() < deadline:
            ended, _ = self._wait()
            self._running.pop(ended, None)
        for child in list(self._running):
            log.error("Process %d of the service did not stop in time.", child)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            del self._running[child]
        return 0


def _stop_after(watching: int) -> None:
    """Stop this process when the one that watches over it is gone, as if it had said so."""
    os.read(watching, 1)
    log.error("The process that watched over the service is gone; this one stops, too.")
    os.kill(os.getpid(), signal.SIGTERM)

"""Doing something for many things at once, and stopping at the first error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

__all__ = ["for_each"]

T = TypeVar("T")
R = TypeVar("R")


def for_each(do: Callable[[T], R], items: Sequence[T], *, workers: int, name: str) -> list[R]:
    """What `do` returns for each item, in order; `workers` threads do it.

    After an error nothing more is begun; what is under way comes to its end, then the error is
    raised. So does an interrupt by the user.
    """
    if len(items) <= 1:
        return [do(item) for item in items]
    broken = Event()

    def unless_broken(item: T) -> R:
        if broken.is_set():
            raise CancelledError
        try:
            return do(item)
        except BaseException:
            broken.set()
            raise

    with ThreadPoolExecutor(min(workers, len(items)), thread_name_prefix=name) as pool:
        futures = [pool.submit(unless_broken, item) for item in items]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            broken.set()
    for future in futures:
        error = future.exception()
        if error is not None and not isinstance(error, CancelledError):
            raise error
    return [future.result() for future in futures]

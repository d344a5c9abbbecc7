"""Doing the same for many things: small ones in a row, the others by several threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["each"]

T = TypeVar("T")
R = TypeVar("R")

_IN_A_ROW = 64
_WAITING = 4.0
"""From how many times the time of the processor on, things wait for something else."""


def each(
    do: Callable[[T], R], items: Sequence[T], *, is_small: Callable[[T], bool], workers: int
) -> list[R]:
    """What `do` returns for each item, in order.

    Threads that each do a little get into each other's way, unless what they do makes them wait,
    as files on a network do: the first few small items tell.
    """
    small = [n for n, item in enumerate(items) if is_small(item)]
    parts = [small[n : n + _IN_A_ROW] for n in range(0, len(small), _IN_A_ROW)]
    found: dict[int, R] = {}

    def do_all(numbers: Sequence[int]) -> list[tuple[int, R]]:
        return [(n, do(items[n])) for n in numbers]

    while parts:
        began, busy = time.perf_counter(), time.thread_time()
        found.update(do_all(parts.pop(0)))
        if time.perf_counter() - began > _WAITING * (time.thread_time() - busy):
            break
    done = set(small)
    parts += [[n] for n in range(len(items)) if n not in done]
    if parts:
        with ThreadPoolExecutor(workers, thread_name_prefix="objects") as pool:
            for some in pool.map(do_all, parts):
                found.update(some)
    return [found[n] for n in range(len(items))]

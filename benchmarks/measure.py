"""Timing two things alternately, so that a busy machine slows both of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Timed = Callable[[], float]
"""Does its work once and returns how long the part that counts took, in seconds."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How long ours took and how long the limit (or a peer) took, in seconds for each round.

    `goal` is the largest ratio that we want, `goal_s` the longest time: one of them is given.
    """

    name: str
    limit_name: str
    ours: tuple[float, ...]
    limit: tuple[float, ...]
    goal: float | None = None
    goal_s: float | None = None
    note: str = ""

    @property
    def ours_s(self) -> float:
        """The median of ours."""
        return median(self.ours)

    @property
    def limit_s(self) -> float | None:
        """The median of the limit; None when there is nothing to compare with."""
        return median(self.limit) if self.limit else None

    @property
    def ratio(self) -> float | None:
        """The ratio of the medians."""
        return None if self.limit_s is None else self.ours_s / self.limit_s

    @property
    def spread(self) -> tuple[float, float] | None:
        """The least and the greatest ratio of two runs that were neighbours."""
        if not self.limit:
            return None
        ratios = [a / b for a, b in zip(self.ours, self.limit, strict=True)]
        return min(ratios), max(ratios)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None when there is none."""
        if self.goal is not None and self.ratio is not None:
            return self.ratio <= self.goal
        return None if self.goal_s is None else self.ours_s <= self.goal_s


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes. The collector of garbage rests, as in `timeit`."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    finally:
        gc.enable()


def compare(
    name: str,
    ours: Timed,
    limit: Timed,
    *,
    limit_name: str,
    goal: float | None = None,
    rounds: int = 9,
    note: str = "",
) -> Comparison:
    """Run both alternately, in turns first, after one round that does not count."""
    ours(), limit()
    times: dict[Timed, list[float]] = {ours: [], limit: []}
    for number in range(rounds):
        for side in (ours, limit) if number % 2 else (limit, ours):
            times[side].append(side())
    return Comparison(
        name, limit_name, tuple(times[ours]), tuple(times[limit]), goal=goal, note=note
    )


def absolute(name: str, ours: Timed, *, goal_s: float, rounds: int = 9) -> Comparison:
    """Time what has a limit in seconds."""
    ours()
    return Comparison(name, "", tuple(ours() for _ in range(rounds)), (), goal_s=goal_s)

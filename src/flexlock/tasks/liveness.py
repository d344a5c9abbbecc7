"""Whether a worker is alive: asked of its process, then of its batch system, then of its lease."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexlock.run.owner import is_alive
from flexlock.tasks.queue.records import WorkerRow

if TYPE_CHECKING:
    from flexlock.tasks.cluster.scheduler import Scheduler

__all__ = ["Verdict", "judge_workers"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a worker counts as alive, and what says so."""

    alive: bool
    why: str


def judge_workers(
    workers: Iterable[WorkerRow], schedulers: Mapping[str, Scheduler]
) -> dict[str, Verdict]:
    """Return for each worker, by its name, whether it is alive.

    Args:
        workers: Workers that may still hold tasks.
        schedulers: Batch systems by the name of their back end, as far as they are at hand.
    """
    rows = list(workers)
    states: dict[str, str | None] = {}
    for backend, scheduler in schedulers.items():
        jobs = {row.job for row in rows if row.backend == backend and row.job and _needs_job(row)}
        if jobs:
            states |= scheduler.states(sorted(jobs))
    return {row.name: _judge(row, states, schedulers.get(row.backend)) for row in rows}


def _needs_job(row: WorkerRow) -> bool:
    return row.ended is None and is_alive(row.process) is None


def _judge(
    row: WorkerRow, states: Mapping[str, str | None], scheduler: Scheduler | None
) -> Verdict:
    if row.ended is not None:
        return Verdict(False, "its worker has ended")
    alive = is_alive(row.process)
    if alive is not None:
        return Verdict(alive, f"process {row.process.pid} {'runs' if alive else 'is gone'}")
    if scheduler is not None and row.job is not None:
        state = states.get(row.job)
        alive = scheduler.is_alive(state)
        if alive is not None:
            return Verdict(alive, f"job {row.job} is {state}")
    silent = time.time() - row.lease_until
    if silent > 0:
        return Verdict(False, f"nothing was heard of worker {row.name} on {row.process.host}")
    return Verdict(True, f"the lease of worker {row.name} lasts {-silent:.0f} s more")

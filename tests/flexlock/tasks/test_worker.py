"""A worker never begins what another one may have by now."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from omegaconf import DictConfig

from flexlock.config.building import to_config
from flexlock.lock.record import RunLock
from flexlock.run.owner import this_process
from flexlock.target import Target
from flexlock.tasks.lists import make_tasks
from flexlock.tasks.plan import Plan
from flexlock.tasks.queue.records import TaskRow, WorkerRow
from flexlock.tasks.queue.sqlite import SqliteQueue
from flexlock.tasks.recovery import recover
from flexlock.tasks.sheets import Workplace
from flexlock.tasks.worker import WorkSummary, work

QUICK = 15
"""So many are taken as 1, 2, 4 and 8 at once; sixteen follow."""


def test_tasks_that_became_longer_are_not_begun_by_two_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = 0.0
    clocks = {name: getattr(time, name) for name in ("monotonic", "time")}
    for name, clock in clocks.items():
        monkeypatch.setattr(time, name, lambda clock=clock: clock() + ahead)
    queue, watched = SqliteQueue(tmp_path / "q"), SqliteQueue(tmp_path / "q")
    tasks = make_tasks(range(QUICK + 20), key="x")
    queue.add([TaskRow(t.id, t.index, t.name, t.values, t.name, plan="p") for t in tasks])
    for worker in ("w", "other"):
        queue.begin_worker(WorkerRow(worker, "local", this_process(), None, time.time() + 9_999))
    taken: set[int] = set()
    begun: list[int] = []

    def long_from_some_time_on(cfg: DictConfig) -> None:
        nonlocal ahead
        begun.append(cfg.x)
        if cfg.x < QUICK:
            return
        ahead += 0.4
        # Meanwhile the command that started the workers looks after them, and another worker asks.
        recover(watched, tmp_path, has_sheets=True, max_attempts=2, steal=True)
        claims = watched.exchange("other", "p", limit=99 if ahead > 3 else 0, lease_s=9_999)
        taken.update(claim.values["x"] for claim in claims)

    plan = Plan("p", Target("m", None, "f"), "", "", str(tmp_path), str(tmp_path))
    place = Workplace(
        *("w", long_from_some_time_on, to_config({"x": 0}), tmp_path, queue.path, "p"),
        sheet=RunLock("01SWEEP", "2026-11-20T21:02:52+00:00"),
        inline=True,
    )
    work(queue, plan, place, WorkSummary())
    for one in (queue, watched):
        one.close()
    assert taken
    assert sorted([*begun, *taken]) == list(range(len(tasks)))

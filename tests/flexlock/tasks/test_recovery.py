"""What becomes of tasks whose worker is gone follows from their directories."""

from __future__ import annotations

import time
from dataclasses import replace

from flexlock.run.owner import Owner, this_process
from flexlock.tasks.cluster.jobs import SCHEDULERS
from flexlock.tasks.liveness import Verdict, judge_workers
from flexlock.tasks.queue.records import Outcome, Settlement, TaskRow, WorkerRow
from flexlock.tasks.recovery import STEAL_AFTER_S, find_lost
from flexlock.tasks.traces import Trace

ROW = TaskRow(
    *("t", 0, "x=1", {"x": 1}, "x=1", "running", 3, 1, "p", "w", 100.0),
)
DEAD = {"w": Verdict(False, "process 7 is gone")}
ALIVE = {"w": Verdict(True, "process 7 runs")}


def settle(row: TaskRow, verdicts: dict[str, Verdict], trace: Trace, **more: object) -> list:
    return find_lost([row], verdicts, lambda row: trace, max_attempts=2, **more)


def test_a_task_that_had_ended_ends_as_its_directory_says() -> None:
    done = Outcome("t", 3, "done", "returned", result=4)
    assert settle(ROW, DEAD, Trace(True, done)) == [Settlement("t", "w", 3, done)]


def test_a_task_that_had_not_begun_is_given_back() -> None:
    assert settle(ROW, DEAD, Trace()) == [Settlement("t", "w", 3)]


def test_a_task_that_was_running_is_tried_again_as_often_as_allowed() -> None:
    (first,) = settle(ROW, DEAD, Trace(True))
    assert (first.again, first.outcome.state) == (True, "interrupted")
    assert first.outcome.reason == "process 7 is gone"
    (last,) = settle(replace(ROW, tries=2), DEAD, Trace(True), reasons={"w": "killed by SIGBUS"})
    assert (last.again, last.outcome.state) == (False, "failed")
    assert last.outcome.reason == last.outcome.error == "killed by SIGBUS"


def test_when_the_sweep_was_stopped_nothing_is_tried_again_and_nothing_failed() -> None:
    (one,) = settle(replace(ROW, tries=2), DEAD, Trace(True), stopped=True)
    assert (one.again, one.outcome.state) == (False, "interrupted")


def test_tasks_of_living_workers_stay_theirs() -> None:
    assert settle(ROW, ALIVE, Trace(True)) == []
    assert settle(ROW, ALIVE, Trace()) == []
    assert settle(replace(ROW, state="done"), DEAD, Trace()) == []


def test_what_was_taken_together_with_a_long_task_is_looked_after() -> None:
    done = Outcome("ended", 3, "done", "returned")
    traces = {"ended": Trace(True, done), "t": Trace(True), "waits": Trace()}
    rows = [replace(ROW, id=name) for name in traces]

    def looked(rows: list[TaskRow], **more: object) -> list[Settlement]:
        return find_lost(rows, ALIVE, lambda row: traces[row.id], max_attempts=2, **more)

    assert looked(rows) == []
    assert looked(rows, steal=True) == [
        Settlement("ended", "w", 3, done),
        Settlement("waits", "w", 3),
    ]
    assert looked(rows[2:], steal=True) == []
    just_taken = time.time() - STEAL_AFTER_S / 2
    assert looked([replace(row, claimed=just_taken) for row in rows], steal=True) == []


def test_a_worker_that_nobody_knows_is_gone() -> None:
    (one,) = settle(ROW, {}, Trace(True))
    assert one.outcome.reason == "its worker is unknown"


def worker(process: Owner, **more: object) -> WorkerRow:
    return WorkerRow("w", "local", process, **more)


def test_a_process_of_this_machine_is_looked_at() -> None:
    me = this_process()
    gone = replace(me, started="1")
    assert judge_workers([worker(me)], SCHEDULERS)["w"].alive
    assert not judge_workers([worker(gone, lease_until=time.time() + 99)], SCHEDULERS)["w"].alive
    assert not judge_workers([worker(me, ended=1.0)], SCHEDULERS)["w"].alive


def test_of_a_process_elsewhere_the_lease_tells() -> None:
    elsewhere = Owner(1, "1", "another-host", "")
    for until, alive in ((time.time() + 60, True), (time.time() - 1, False)):
        verdict = judge_workers([worker(elsewhere, lease_until=until)], SCHEDULERS)["w"]
        assert verdict.alive is alive
        assert "another-host" in verdict.why or "lease" in verdict.why

"""What a task queue promises, asked of each kind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flexlock.errors import QueueError
from flexlock.run.owner import Owner
from flexlock.tasks.lists import make_tasks
from flexlock.tasks.queue.files import FilesQueue
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.records import Outcome, Settlement, TaskRow, WorkerRow
from flexlock.tasks.queue.sqlite import SqliteQueue

PROCESS = Owner(1, "2.0", "here", "boot")
KINDS = {"sqlite": SqliteQueue, "files": FilesQueue}

CLAIMER = """
import importlib, sys
from pathlib import Path
module, name, path, worker = sys.argv[1:]
queue = getattr(importlib.import_module(module), name)(Path(path))
sys.stdin.readline()
taken = []
while claims := queue.exchange(worker, "p", limit=3, lease_s=60):
    taken += [claim.id for claim in claims]
print("\\n".join(taken))
"""


@pytest.fixture(params=KINDS)
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], TaskQueue]:
    """Open the same queue as another process would."""
    return lambda: KINDS[request.param](tmp_path / "queue")


@pytest.fixture
def queue(again: Callable[[], TaskQueue]) -> Iterator[TaskQueue]:
    opened = again()
    opened.begin_worker(worker("w"))
    yield opened
    opened.close()


def worker(name: str) -> WorkerRow:
    return WorkerRow(name, "local", PROCESS, "7_0", time.time() + 60)


def fill(queue: TaskQueue, count: int = 3) -> list[str]:
    tasks = make_tasks(range(count), key="x")
    queue.add([TaskRow(t.id, t.index, t.name, t.values, t.name, plan="p") for t in tasks])
    return [task.id for task in tasks]


def take(queue: TaskQueue, limit: int = 1, who: str = "w") -> list[str]:
    return [claim.id for claim in queue.exchange(who, "p", limit=limit, lease_s=60)]


def hand_in(queue: TaskQueue, outcome: Outcome, who: str = "w") -> None:
    queue.exchange(who, "p", [outcome], lease_s=60)


def row(queue: TaskQueue, task: str) -> TaskRow:
    return next(row for row in queue.rows() if row.id == task)


def test_tasks_are_taken_in_their_order_with_their_values(queue: TaskQueue) -> None:
    ids = fill(queue)
    claims = queue.exchange("w", "p", limit=2, lease_s=60)
    assert [claim.id for claim in claims] == ids[:2]
    assert (claims[1].values, claims[1].name, claims[1].attempt) == ({"x": 1}, "x=1", 1)
    assert take(queue, 5) == ids[2:]
    assert take(queue) == []


def test_outcomes_are_kept_in_full(queue: TaskQueue, again: Callable[[], TaskQueue]) -> None:
    (task, *_) = fill(queue)
    take(queue)
    outcome = Outcome(
        *(task, 1, "done", "returned", "run-id", 10.0, 12.5, 2.5, 1 << 30, None),
        result={"loss": 0.5, "names": ["a", None]},
        data={"input": "blake3:ab"},
    )
    hand_in(queue, outcome)
    found = row(again(), task)
    assert (found.state, found.outcome, found.owner) == ("done", outcome, "w")


def test_adding_a_known_task_changes_nothing(queue: TaskQueue) -> None:
    ids = fill(queue)
    take(queue)
    hand_in(queue, Outcome(ids[0], 1, "done", "returned"))
    fill(queue, 5)
    assert [row.state for row in queue.rows()] == ["done", *["pending"] * 4]
    assert [row.id for row in queue.rows("done")] == ids[:1]
    assert queue.rows("failed") == []
    assert [row.values["x"] for row in queue.rows()] == [0, 1, 2, 3, 4]


def test_only_the_owner_of_an_attempt_can_end_it(queue: TaskQueue) -> None:
    (task, *_) = fill(queue)
    take(queue)
    hand_in(queue, Outcome(task, 1, "done", "returned"), who="another")
    hand_in(queue, Outcome(task, 2, "done", "returned"))
    assert row(queue, task).state == "running"
    hand_in(queue, Outcome(task, 1, "failed", "raised ValueError", error="no"))
    hand_in(queue, Outcome(task, 1, "done", "returned"))
    assert row(queue, task).state == "failed"


def test_released_tasks_are_pending_and_the_attempt_is_not_counted(queue: TaskQueue) -> None:
    ids = fill(queue)
    take(queue, 3)
    queue.release("another", ids)
    queue.release("w", ids[1:])
    assert [(row.state, row.attempt) for row in queue.rows()] == [
        ("running", 1),
        ("pending", 0),
        ("pending", 0),
    ]
    assert queue.exchange("v", "p", limit=1, lease_s=60)[0].attempt == 1


def test_tasks_of_another_plan_are_not_taken(queue: TaskQueue) -> None:
    ids = fill(queue)
    queue.reset(ids[:1], "q")
    assert take(queue, 3) == ids[1:]
    assert [claim.id for claim in queue.exchange("w", "q", limit=3, lease_s=60)] == ids[:1]


def test_nothing_is_taken_while_the_note_stop_exists(queue: TaskQueue) -> None:
    fill(queue)
    queue.write_note("stop", "a task failed")
    assert take(queue) == []
    queue.write_note("stop", None)
    assert len(take(queue)) == 1


def test_settling_a_lost_task_tries_it_again_or_ends_it(queue: TaskQueue) -> None:
    ids = fill(queue)
    take(queue, 3)
    lost = [Outcome(task, 1, "interrupted", "killed by SIGKILL") for task in ids]
    done = queue.settle(
        [
            Settlement(ids[0], "w", 1, lost[0], again=True),
            Settlement(ids[1], "w", 1, lost[1]),
            Settlement(ids[2], "w", 1),
        ]
    )
    assert done == ids
    assert [(row.state, row.attempt, row.tries) for row in queue.rows()] == [
        ("pending", 1, 1),
        ("interrupted", 1, 1),
        ("pending", 0, 0),
    ]
    assert row(queue, ids[0]).outcome.reason == "killed by SIGKILL"
    assert queue.exchange("v", "p", limit=1, lease_s=60)[0].attempt == 2


def test_settling_counts_only_for_the_attempt_that_was_looked_at(queue: TaskQueue) -> None:
    (task, *_) = fill(queue)
    take(queue)
    lost = Outcome(task, 1, "interrupted", "lost")
    assert queue.settle([Settlement(task, "another", 1, lost)]) == []
    assert queue.settle([Settlement(task, "w", 2)]) == []
    hand_in(queue, Outcome(task, 1, "done", "returned"))
    assert queue.settle([Settlement(task, "w", 1, lost, again=True)]) == []
    assert row(queue, task).state == "done"


def test_reset_tasks_have_all_their_tries_again(queue: TaskQueue) -> None:
    ids = fill(queue)
    take(queue, 2)
    hand_in(queue, Outcome(ids[0], 1, "failed", "raised ValueError"))
    queue.reset(ids, "p")
    states = [(row.state, row.attempt, row.tries) for row in queue.rows()]
    assert states == [("pending", 1, 0), ("running", 1, 1), ("pending", 0, 0)]
    assert [claim.attempt for claim in queue.exchange("w", "p", limit=3, lease_s=60)] == [2, 1]


def test_shuffled_tasks_are_taken_in_another_order_and_listed_in_theirs(queue: TaskQueue) -> None:
    ids = fill(queue, 40)
    queue.reset(ids, "p", shuffle=True)
    taken = take(queue, 40)
    assert taken != ids
    assert sorted(taken) == sorted(ids)
    assert [row.id for row in queue.rows()] == ids


def test_renewing_extends_the_lease(queue: TaskQueue) -> None:
    ids = fill(queue)
    take(queue, 2)
    before = row(queue, ids[0]).lease_until
    queue.renew("w", 1000)
    assert row(queue, ids[0]).lease_until > before
    assert queue.workers()[0].lease_until > time.time() + 900


def test_changes_are_told_once(queue: TaskQueue, again: Callable[[], TaskQueue]) -> None:
    ids = fill(queue)
    watcher = again()
    assert [row.id for row in watcher.changes()] == ids
    assert watcher.changes() == []
    take(queue, 2)
    assert [row.state for row in watcher.changes()] == ["running", "running"]
    hand_in(queue, Outcome(ids[1], 1, "done", "returned"))
    assert [(row.id, row.state) for row in watcher.changes()] == [(ids[1], "done")]


def test_workers_come_and_go(queue: TaskQueue, again: Callable[[], TaskQueue]) -> None:
    queue.begin_worker(worker("v"))
    queue.end_worker("v", "no module named 'x'")
    found = {one.name: one for one in again().workers()}
    assert found["v"].error == "no module named 'x'"
    assert found["v"].ended is not None
    assert (found["w"].job, found["w"].process, found["w"].ended) == ("7_0", PROCESS, None)


def test_values_may_have_any_character(queue: TaskQueue, again: Callable[[], TaskQueue]) -> None:
    values = {"x": "a\u2028b\x85c\x0cd\ne"}
    queue.add([TaskRow("t", 0, "x", values, "x", plan="p")])
    opened = again()
    assert [row.values for row in opened.rows()] == [values]
    opened.close()


def test_files_that_cannot_be_written_are_an_error_of_the_queue(tmp_path: Path) -> None:
    queue = FilesQueue(tmp_path / "queue")
    for folder in ("notes", "workers"):
        (queue.path / folder).rmdir()
    for write in (lambda: queue.write_note("n", "x"), lambda: queue.begin_worker(worker("w"))):
        with pytest.raises(QueueError, match="queue' cannot be used: No such file"):
            write()


def test_notes_are_kept(queue: TaskQueue, again: Callable[[], TaskQueue]) -> None:
    assert queue.read_note("plan:ab/c") is None
    queue.write_note("plan:ab/c", "ü")
    assert again().read_note("plan:ab/c") == "ü"


def test_each_task_is_taken_once_by_processes_that_race(
    queue: TaskQueue, again: Callable[[], TaskQueue]
) -> None:
    ids = fill(queue, 60)
    kind = type(queue)
    command = [sys.executable, "-c", CLAIMER, kind.__module__, kind.__name__, str(queue.path)]
    racers = [
        subprocess.Popen([*command, f"w{n}"], stdin=-1, stdout=-1, text=True) for n in range(3)
    ]
    taken = [racer.communicate("\n", timeout=60)[0].split() for racer in racers]
    assert sorted(task for tasks in taken for task in tasks) == sorted(ids)
    assert all(row.state == "running" for row in again().rows())

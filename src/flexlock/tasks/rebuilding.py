"""A damaged queue is made again from the directories of its tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flexlock.errors import CorruptLockError, LockNotFoundError, NewerLockError, QueueError
from flexlock.lock.document import read_lock
from flexlock.lock.record import RunLock
from flexlock.reporting import say
from flexlock.run.directory import SHEET
from flexlock.run.status import run_status
from flexlock.tasks.model import Task, TaskState
from flexlock.tasks.placing import stored_directory
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.opening import DATABASE, QueueKind, open_queue
from flexlock.tasks.queue.records import Outcome, TaskRow
from flexlock.tasks.sheets import TASK_KEY

__all__ = ["open_or_rebuild", "rows_from_directories"]


def open_or_rebuild(
    root: Path, kind: QueueKind, tasks: Sequence[Task], directories: Sequence[Path]
) -> TaskQueue:
    """Open the queue of a sweep; a damaged one is put aside and made again.

    Args:
        root: The sweep's directory.
        kind: Which kind of queue to make when there is none.
        tasks: Tasks of the command at hand.
        directories: Where these write.

    Raises:
        QueueError: It cannot be used for another reason than damage.
    """
    try:
        queue = open_queue(root, kind)
        queue.rows()
    except QueueError as error:
        if not error.facts.get("corrupt"):
            raise
        aside = _put_aside(root)
        queue = open_queue(root, kind)
        rows = rows_from_directories(root, tasks, directories)
        queue.add(rows)
        done = sum(row.state == "done" for row in rows)
        say(f"{error.message} It was put aside as {aside.name}; {done} done tasks were found.")
    return queue


def rows_from_directories(
    root: Path, tasks: Sequence[Task], directories: Sequence[Path]
) -> list[TaskRow]:
    """Return rows for all tasks that left a sheet: the given ones, and others below `root`."""
    places = {Path(path).absolute(): task for path, task in zip(directories, tasks, strict=True)}
    found: dict[str, TaskRow] = {}
    for directory in [*places, *_below(root, places)]:
        row = _row(directory, root, places.get(directory))
        if row is not None:
            found.setdefault(row.id, row)
    return sorted(found.values(), key=lambda row: row.index)


def _put_aside(root: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    damaged = root / DATABASE
    aside = damaged.with_name(f"{DATABASE}.damaged-{stamp}")
    damaged.rename(aside)
    (root / f"{DATABASE}-journal").unlink(missing_ok=True)
    return aside


def _below(root: Path, known: object) -> Iterator[Path]:
    for sheet in sorted(root.absolute().rglob(SHEET)):
        if sheet.parent not in known and sheet.parent != root.absolute():  # type: ignore[operator]
            yield sheet.parent


def _row(directory: Path, root: Path, task: Task | None) -> TaskRow | None:
    try:
        lock = read_lock(directory)
    except (LockNotFoundError, CorruptLockError, NewerLockError):
        return None
    told = lock.extra.get(TASK_KEY)
    if not isinstance(told, dict) or (task is not None and told.get("id") != task.id):
        return None
    return TaskRow(
        id=str(told["id"]),
        index=int(told.get("index", 0)),
        name=str(told.get("name", directory.name)),
        values=dict(told.get("values", {})) if task is None else task.values,
        directory=stored_directory(directory, root),
        state=(state := _state(directory)),
        attempt=int(told.get("attempt", 1)),
        plan=told.get("plan"),
        owner=told.get("worker"),
        outcome=_outcome(lock, told, state),
    )


def _state(directory: Path) -> TaskState:
    """Return where a task is by its directory; what did not end is to be run again."""
    states: dict[str, TaskState] = {
        "complete": "done",
        "failed": "failed",
        "interrupted": "interrupted",
    }
    return states.get(run_status(directory).name, "interrupted")


def _outcome(lock: RunLock, told: dict[str, Any], state: TaskState) -> Outcome:
    return Outcome(
        str(told["id"]),
        int(told.get("attempt", 1)),
        state,
        "found in its directory",
        run=lock.id,
        result=lock.result if state == "done" else None,
        data={name: f"{one.algorithm}:{one.hash}" for name, one in lock.data.items()},
    )

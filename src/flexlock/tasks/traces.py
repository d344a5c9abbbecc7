"""What the directory of a task tells, and putting it right when its worker was killed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flexlock.errors import CorruptLockError, LockNotFoundError, NewerLockError
from flexlock.lock.document import read_lock, write_lock
from flexlock.lock.record import RunLock
from flexlock.run.directory import COMPLETE, ERROR, read_side_file, write_side_file
from flexlock.tasks.model import TaskState
from flexlock.tasks.queue.records import Outcome, TaskRow
from flexlock.tasks.sheets import TASK_KEY

__all__ = ["Trace", "has_ended_well", "read_trace", "write_loss"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What the directory of a task tells about one attempt.

    `started` is whether it was begun, `outcome` how it ended, as far as that was written down.
    """

    started: bool = False
    outcome: Outcome | None = None


def read_trace(root: Path, row: TaskRow, *, has_sheets: bool = True) -> Trace:
    """Return what the directory tells about the attempt that a row is at.

    Args:
        root: The sweep's directory.
        row: A task that a worker has, or had.
        has_sheets: Whether the runs of the sweep write sheets. Without one there is no telling
            whether a task was begun, so it counts as begun.
    """
    directory = root / row.directory
    try:
        lock = read_lock(directory)
    except LockNotFoundError:
        lock = None
    except (CorruptLockError, NewerLockError):
        return Trace(started=True)
    begun = _says(None if lock is None else lock.extra.get(TASK_KEY), row) or not has_sheets
    if lock is not None and not begun:
        return Trace()
    for name in (COMPLETE, ERROR):
        facts = read_side_file(directory, name)
        if facts is not None and _says({**facts, "id": facts.get("task_id")}, row):
            return Trace(True, _outcome(row, name, facts, lock))
    return Trace(started=begun)


def has_ended_well(root: Path, row: TaskRow) -> bool:
    """Whether the mark of a complete run lies in a task's directory."""
    return (root / row.directory / COMPLETE).exists()


def write_loss(root: Path, row: TaskRow, outcome: Outcome) -> None:
    """Write into a task's directory that its worker was killed, in place of the worker."""
    directory = root / row.directory
    try:
        lock = read_lock(directory)
    except (LockNotFoundError, CorruptLockError, NewerLockError):
        return
    if not _says(lock.extra.get(TASK_KEY), row):
        return
    facts = {
        "version": 1,
        "id": lock.id,
        "status": "interrupted",
        "exc_type": "WorkerLost",
        "exc_message": outcome.reason,
        "task_id": row.id,
        "attempt": row.attempt,
        "worker": row.owner,
    }
    write_side_file(directory, ERROR, facts, sync=False)
    write_lock(directory, replace(lock, status="interrupted"), sync=False)


def _says(facts: Any, row: TaskRow) -> bool:
    """Whether facts are about the attempt that a row is at."""
    if not isinstance(facts, Mapping):
        return False
    told = facts.get("id"), facts.get("attempt"), facts.get("worker")
    return told == (row.id, row.attempt, row.owner)


def _outcome(row: TaskRow, name: str, facts: Mapping[str, Any], lock: RunLock | None) -> Outcome:
    state: TaskState = "done"
    reason = "returned"
    if name == ERROR:
        state = "interrupted" if facts.get("status") == "interrupted" else "failed"
        reason = f"raised {facts.get('exc_type', 'an error')}"
    return Outcome(
        *(row.id, row.attempt, state, reason, None if lock is None else lock.id),
        started=facts.get("started"),
        ended=facts.get("ended"),
        wall_s=facts.get("wall_s"),
        peak_bytes=facts.get("peak_bytes"),
        error=facts.get("exc_message") if name == ERROR else None,
        result=None if lock is None or name == ERROR else lock.result,
    )

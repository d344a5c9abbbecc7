"""What a task queue can do, whatever it is kept in.

Every method is one transaction: when it returns, the change is on the disk and every other process
sees it. A claim is exclusive. What a worker says about a task counts only while the task is still
its own (same owner, same attempt), so a worker that was taken for dead cannot spoil anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from flexlock.tasks.model import TaskState
from flexlock.tasks.queue.records import Claim, Outcome, Settlement, TaskRow, WorkerRow

__all__ = ["TaskQueue"]


class TaskQueue(Protocol):
    """Tasks with their states, workers with their leases, and a few named notes."""

    @property
    def path(self) -> Path:
        """The file or directory that holds the queue; its parent is the sweep's directory."""
        ...

    def read_note(self, name: str) -> str | None:
        """Return a note, or None."""
        ...

    def write_note(self, name: str, text: str | None) -> None:
        """Keep a note under a name; None removes it."""
        ...

    def add(self, rows: Sequence[TaskRow]) -> None:
        """Add tasks as they are given. Those whose id is known already stay as they are."""
        ...

    def rows(self, state: TaskState | None = None) -> list[TaskRow]:
        """Return all tasks, or those in one state, in the order in which they were added."""
        ...

    def changes(self) -> list[TaskRow]:
        """Return the tasks that changed since the last call on this object; first, all."""
        ...

    def exchange(
        self,
        worker: str,
        plan: str,
        outcomes: Sequence[Outcome] = (),
        *,
        limit: int = 0,
        lease_s: float,
    ) -> list[Claim]:
        """Hand in outcomes and take up to `limit` pending tasks of a plan, in their order.

        Nothing is taken while the note ``stop`` exists. The worker's lease is renewed.
        """
        ...

    def release(self, worker: str, ids: Collection[str]) -> None:
        """Give back tasks that the worker took and did not start; the attempt is not counted."""
        ...

    def renew(self, worker: str, lease_s: float) -> None:
        """Extend the worker's lease, and with it that of its tasks."""
        ...

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        """Decide about tasks of workers that are gone; return the ids for which it counted."""
        ...

    def reset(self, ids: Collection[str], plan: str, *, shuffle: bool = False) -> None:
        """Make tasks pending again, under a plan, with all their tries before them.

        Tasks that run now, or are pending, keep their state. `shuffle` has the pending ones
        taken in random order.
        """
        ...

    def begin_worker(self, worker: WorkerRow) -> None:
        """Write down a worker; one of the same name is replaced."""
        ...

    def end_worker(self, name: str, error: str | None = None) -> None:
        """Note that a worker has ended, and what kept it from working."""
        ...

    def workers(self) -> list[WorkerRow]:
        """Return all workers, those that ended too."""
        ...

    def close(self, *, last: bool = False) -> None:
        """Let go of the file; at the `last` time also remove what only made work faster."""
        ...

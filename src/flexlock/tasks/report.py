"""What became of the tasks of one command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flexlock.reporting import duration_text
from flexlock.tasks.model import TaskState
from flexlock.tasks.output import LOGS
from flexlock.tasks.queue.records import TaskRow

__all__ = ["TaskReport", "counts_text", "failure_text"]

_ORDER: tuple[TaskState, ...] = ("done", "failed", "interrupted", "running", "pending")
_MOST_FAILURES = 10


@dataclass(frozen=True, slots=True)
class TaskReport:
    """The tasks of a command in the order of its list, and how the command ended.

    Attributes:
        rows: A row for each task.
        root: The sweep's directory.
        seconds: How long the command took.
        skipped: How many tasks were done before.
        jobs: Jobs of a batch system that are still at work on the tasks.
        signal: The number of the signal that stopped the command.
    """

    rows: tuple[TaskRow, ...]
    root: Path
    seconds: float = 0.0
    skipped: int = 0
    jobs: tuple[str, ...] = ()
    signal: int | None = None

    @property
    def counts(self) -> Mapping[TaskState, int]:
        """How many tasks are in each state."""
        found = Counter(row.state for row in self.rows)
        return {state: found[state] for state in _ORDER if found[state]}

    @property
    def failed(self) -> tuple[TaskRow, ...]:
        """The tasks that failed or were interrupted."""
        return tuple(row for row in self.rows if row.state in ("failed", "interrupted"))

    @property
    def exit_status(self) -> int:
        """0 when nothing failed, 128 and the signal's number after a signal, else 1."""
        if self.signal is not None:
            return 128 + self.signal
        unfinished = any(row.state != "done" for row in self.rows) and not self.jobs
        return 1 if self.failed or unfinished else 0

    @property
    def results(self) -> list[object]:
        """What the tasks returned, as plain data; None for those without success."""
        return [
            row.outcome.result if row.state == "done" and row.outcome is not None else None
            for row in self.rows
        ]

    def __str__(self) -> str:
        """Return a line with the counts, and a line for each task without success."""
        known = f", {self.skipped} of them before" if self.skipped else ""
        head = f"{counts_text(self.counts)}{known} ({duration_text(self.seconds)})"
        lines = [f"{len(self.rows)} tasks in {self.root}: {head}"]
        lines += [failure_text(row, self.root) for row in self.failed[:_MOST_FAILURES]]
        more = len(self.failed) - _MOST_FAILURES
        if more > 0:
            lines.append(f"  and {more} more: flexlock status {self.root} --failed")
        return "\n".join(lines)


def counts_text(counts: Mapping[Any, int]) -> str:
    """Return counts as words: ``8 done, 2 failed``."""
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"


def failure_text(row: TaskRow, root: Path) -> str:
    """Return what went wrong with a task, and where its log is."""
    outcome = row.outcome
    told = "" if outcome is None else outcome.reason
    if outcome is not None and outcome.error and outcome.error != outcome.reason:
        told = f"{told}: {outcome.error.strip().splitlines()[0][:200]}"
    log = root / row.directory / LOGS[1]
    where = f" ({log})" if log.exists() else ""
    return f"  {row.name} {row.state}: {told}{where}"

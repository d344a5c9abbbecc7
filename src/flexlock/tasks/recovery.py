"""What becomes of tasks whose worker is gone.

A worker commits outcomes in batches, so when it dies the queue does not know which of its tasks it
had finished, which one it was at, and which it had not begun. The task directories do: a run writes
its sheet before the function is called and its end afterwards.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from flexlock.tasks.cluster.jobs import SCHEDULERS
from flexlock.tasks.liveness import Verdict, judge_workers
from flexlock.tasks.model import TaskState
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.records import Outcome, Settlement, TaskRow
from flexlock.tasks.traces import Trace, read_trace, write_loss

__all__ = ["STEAL_AFTER_S", "find_lost", "recover", "signal_text"]

STEAL_AFTER_S = 3.0
"""How long a worker may be at work on tasks that it took together before others look after them.

Much longer than it goes on without asking whether what it has not begun is still its own.
"""


def recover(
    queue: TaskQueue,
    root: Path,
    *,
    has_sheets: bool,
    max_attempts: int,
    reasons: Mapping[str, str] | None = None,
    gone: Collection[str] = (),
    steal: bool = False,
    stopped: bool = False,
) -> None:
    """Settle the tasks of a queue whose worker is gone.

    Args:
        queue: The queue.
        root: The sweep's directory.
        has_sheets: Whether the runs of the sweep write sheets.
        max_attempts: How often a command starts a task whose worker dies.
        reasons: Why workers ended, in words, where that is known.
        gone: Workers that are known to be gone.
        steal: Whether to look after what living workers took together with a task that goes on for
            long: what has ended is noted, what was not begun may go to another worker.
        stopped: Whether the sweep was stopped, so that nothing is tried again or has failed.
    """
    rows = {row.id: row for row in queue.rows("running")}
    if not rows:
        return
    owners = {row.owner for row in rows.values()}
    workers = [worker for worker in queue.workers() if worker.name in owners]
    verdicts = judge_workers(workers, SCHEDULERS)
    verdicts |= {name: Verdict(False, "its worker was stopped") for name in gone}
    settlements = find_lost(
        rows.values(),
        verdicts,
        lambda row: read_trace(root, row, has_sheets=has_sheets),
        max_attempts=max_attempts,
        reasons=reasons,
        steal=steal,
        stopped=stopped,
    )
    settled = set(queue.settle(settlements))
    for one in settlements:
        if one.id in settled and one.outcome is not None and one.outcome.run is None:
            write_loss(root, rows[one.id], one.outcome)


def find_lost(
    rows: Iterable[TaskRow],
    verdicts: Mapping[str, Verdict],
    trace: Callable[[TaskRow], Trace],
    *,
    max_attempts: int,
    reasons: Mapping[str, str] | None = None,
    steal: bool = False,
    stopped: bool = False,
) -> list[Settlement]:
    """Return what to decide about running tasks.

    Args:
        rows: Tasks; those that do not run are passed over.
        verdicts: Whether each worker is alive. A task of an unknown worker is lost.
        trace: Reads a task's directory.
        max_attempts: How often a command starts a task whose worker dies.
        reasons: Why workers ended, in words, where that is known.
        steal: Whether to look after what living workers took together with a task that goes on for
            long: what has ended is noted, what was not begun may go to another worker.
        stopped: Whether the sweep was stopped, so that nothing is tried again or has failed.
    """
    settlements = []
    running = [row for row in rows if row.state == "running" and row.owner is not None]
    batches = Counter(row.owner for row in running)
    for row in running:
        verdict = verdicts.get(row.owner or "", Verdict(False, "its worker is unknown"))
        is_waiting = batches[row.owner] > 1 and _has_waited(row)
        if verdict.alive and not (steal and is_waiting):
            continue
        found = trace(row)
        if verdict.alive and found.started and found.outcome is None:
            continue
        why = (reasons or {}).get(row.owner or "", verdict.why)
        again = not stopped and row.tries < max_attempts
        state: TaskState = "interrupted" if again or stopped else "failed"
        settlements.append(_settlement(row, found, why, state, again))
    return settlements


def signal_text(status: int) -> str:
    """Return the end of a process in words, from its status as `subprocess` gives it."""
    import signal

    if status >= 0:
        return f"its worker ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (often for want of memory)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def _has_waited(row: TaskRow) -> bool:
    return row.claimed is not None and time.time() - row.claimed > STEAL_AFTER_S


def _settlement(row: TaskRow, trace: Trace, why: str, state: TaskState, again: bool) -> Settlement:
    assert row.owner is not None
    if trace.outcome is not None:
        return Settlement(row.id, row.owner, row.attempt, trace.outcome)
    if not trace.started:
        return Settlement(row.id, row.owner, row.attempt)
    now = time.time()
    outcome = Outcome(row.id, row.attempt, state, why, None, row.claimed, now, error=why)
    return Settlement(row.id, row.owner, row.attempt, outcome, again=again)

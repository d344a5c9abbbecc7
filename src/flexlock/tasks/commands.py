"""What ``flexlock status``, ``export`` and ``worker`` do with a task queue."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flexlock.errors import ConfigError, TaskError
from flexlock.reporting import duration_text
from flexlock.tasks.backends import Command, run_cluster, run_local, say_drift
from flexlock.tasks.cluster.jobs import SCHEDULERS, known_jobs
from flexlock.tasks.container import Container
from flexlock.tasks.export import export_rows, strict_table_of
from flexlock.tasks.liveness import Verdict, judge_workers
from flexlock.tasks.model import TaskOptions, TaskState
from flexlock.tasks.plan import SECRETS, read_plan
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.opening import find_queue
from flexlock.tasks.queue.records import TaskRow, WorkerRow
from flexlock.tasks.report import TaskReport, counts_text, failure_text
from flexlock.tasks.sheets import sweep_sheet
from flexlock.tasks.traces import read_trace
from flexlock.tasks.variables import check_variables
from flexlock.tasks.watching import Monitor

__all__ = ["SweepStatus", "export_queue", "run_workers", "sweep_status", "watch_sweep"]


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """Where the tasks of a queue are.

    Attributes:
        root: The sweep's directory.
        rows: The tasks.
        workers: The workers that have not said goodbye.
        verdicts: Whether each of these is alive, by name.
        jobs: The ids of the jobs that were submitted for the tasks.
    """

    root: Path
    rows: tuple[TaskRow, ...]
    workers: tuple[WorkerRow, ...]
    verdicts: dict[str, Verdict]
    jobs: tuple[str, ...]

    @property
    def lost(self) -> tuple[TaskRow, ...]:
        """Running tasks whose worker is gone; the same command again takes them up."""
        return tuple(
            row for row in self.rows if row.state == "running" and not self._verdict(row).alive
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many tasks are in each state; lost ones are not counted as running."""
        lost = {row.id for row in self.lost}
        found = Counter("lost" if row.id in lost else row.state for row in self.rows)
        return dict(found)

    def lines(self, states: Collection[str] = ()) -> Iterator[str]:
        """Yield the counts, and a line for each task in one of the states.

        Without states, that is each task that runs, failed, was interrupted, or is lost.
        """
        yield f"{self.root}: {len(self.rows)} tasks: {counts_text(self.counts)}"
        shown = states or ("running", "failed", "interrupted", "lost")
        lost = {row.id for row in self.lost}
        for row in self.rows:
            state = "lost" if row.id in lost else row.state
            if state in shown or row.state in states:
                yield self._line(row, state)
        if not states and self.lost:
            yield "repeat the command that made the tasks to take up what was lost"

    def to_dict(self, states: Collection[str] = ()) -> dict[str, Any]:
        """Return the same as plain data for JSON: values that are NaN or infinite are None."""
        rows = [row for row in self.rows if not states or row.state in states]
        return {
            "root": str(self.root),
            "counts": self.counts,
            "tasks": strict_table_of(rows),
            "workers": [
                {**asdict(worker), "alive": self.verdicts[worker.name].alive}
                for worker in self.workers
            ],
            "jobs": list(self.jobs),
        }

    def _verdict(self, row: TaskRow) -> Verdict:
        return self.verdicts.get(row.owner or "", Verdict(False, "its worker has ended"))

    def _line(self, row: TaskRow, state: str) -> str:
        if state == "lost":
            return f"  {row.name} lost: {self._verdict(row).why}"
        if state == "running":
            since = duration_text(round(time.time() - (row.claimed or time.time())))
            return f"  {row.name} running for {since} ({row.owner})"
        if state in ("failed", "interrupted"):
            return failure_text(row, self.root)
        return f"  {row.name} {state}"


def sweep_status(path: Path) -> SweepStatus:
    """Return where the tasks of a queue are.

    Args:
        path: The queue, or the directory of a sweep.

    Raises:
        QueueError: There is no queue.
    """
    queue = find_queue(path)
    try:
        return _status(queue)
    finally:
        queue.close()


def watch_sweep(
    path: Path, interval_s: float, show: Callable[[str], None], states: Collection[str] = ()
) -> SweepStatus:
    """Show the status again and again, until no worker is alive and no task runs."""
    while True:
        found = sweep_status(path)
        show("\n".join(found.lines(states)))
        alive = any(verdict.alive for verdict in found.verdicts.values())
        if not alive and not any(row.state == "running" for row in found.rows):
            return found
        time.sleep(interval_s)


def export_queue(path: Path, target: Path, states: Collection[TaskState] = ()) -> int:
    """Write the tasks of a queue as a table; return how many there are.

    Args:
        path: The queue, or the directory of a sweep.
        target: A file whose suffix says how: ``.csv``, ``.json``, ``.parquet``.
        states: Only tasks in one of these states; all when empty.

    Raises:
        QueueError: There is no queue.
        ConfigError: The file cannot be written as what its suffix says.
    """
    rows = [row for row in sweep_status(path).rows if not states or row.state in states]
    export_rows(rows, target)
    return len(rows)


def run_workers(path: Path, options: TaskOptions) -> TaskReport:
    """Add workers to the tasks of a queue, and wait until these have ended.

    It helps a command that is at work, or goes on for one that is gone. Nothing new is decided:
    tasks that failed stay so.

    Args:
        path: The queue, or the directory of a sweep.
        options: How many workers, and where.

    Raises:
        QueueError: There is no queue.
        TaskError: The queue has no plan, or workers cannot start.
        ConfigError: A variable of the environment is malformed.
    """
    check_variables()
    queue = find_queue(path)
    started = time.monotonic()
    try:
        plan = read_plan(queue, queue.read_note("plan") or "")
        if plan is None:
            message = f"The queue {str(queue.path)!r} has no tasks that were started."
            raise TaskError(message, hint="Run the command that makes the tasks.")
        root = queue.path.parent
        watched = find_queue(queue.path)
        wanted = [row.id for row in queue.rows() if row.plan == plan.id]
        monitor = Monitor(watched, root, wanted, quiet=options.quiet)
        command = Command(
            queue=queue,
            plan=plan,
            root=root,
            monitor=monitor,
            secret=os.environ.get(SECRETS, "{}"),
            n_jobs=options.n_jobs,
            max_attempts=options.max_attempts or plan.max_attempts,
            sheet=None if plan.parent is None else sweep_sheet(root, plan.parent),
            container=_container(options),
        )
        monitor.start()
        try:
            command.recover()
            number, jobs = _run(command, options)
            say_drift(queue)
        finally:
            monitor.close()
            watched.close()
        rows = tuple(row for row in queue.rows() if row.id in set(wanted))
        seconds = time.monotonic() - started
        return TaskReport(rows, root, seconds, jobs=jobs, signal=number)
    finally:
        queue.close(last=True)


def _run(command: Command, options: TaskOptions) -> tuple[int | None, tuple[str, ...]]:
    for name, source in (("slurm", options.slurm_config), ("pbs", options.pbs_config)):
        if source is not None:
            scheduler = SCHEDULERS[name]
            settings = scheduler.read_settings(source)
            number, jobs = run_cluster(
                command, scheduler, settings, after=options.after, wait=options.wait
            )
            unfinished = not options.wait or number is not None
            return number, tuple(job.id for job in jobs) if unfinished else ()
    return run_local(command), ()


def _container(options: TaskOptions) -> Container | None:
    if options.container is not None:
        message = "A container is chosen by the command that makes the tasks."
        raise ConfigError(message, hint="Leave out --container.")
    return None


def _status(queue: TaskQueue) -> SweepStatus:
    workers = [worker for worker in queue.workers() if worker.ended is None]
    verdicts = judge_workers(workers, SCHEDULERS)
    jobs = tuple(job.id for job in known_jobs(queue))
    rows = _seen_through(queue.rows(), queue.path.parent)
    return SweepStatus(queue.path.parent, tuple(rows), tuple(workers), verdicts, jobs)


def _seen_through(rows: Sequence[TaskRow], root: Path) -> list[TaskRow]:
    """Return rows with what the directories say of tasks that a worker took together.

    Small tasks are taken and handed in many at once, so the queue calls all of them running.
    """
    batches = Counter(row.owner for row in rows if row.state == "running")
    return [
        _seen(row, root) if row.state == "running" and batches[row.owner] > 1 else row
        for row in rows
    ]


def _seen(row: TaskRow, root: Path) -> TaskRow:
    trace = read_trace(root, row)
    if trace.outcome is not None:
        return replace(row, state=trace.outcome.state, outcome=trace.outcome)
    return row if trace.started else replace(row, state="pending")

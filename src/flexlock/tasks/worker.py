"""A worker: takes tasks from a queue until none is left. Local, Slurm and PBS workers are equal.

    python -m flexlock.tasks.worker QUEUE --plan ID [--backend slurm] [--name NAME]

While a task runs the worker does nothing else: it has no thread, and the queue is closed. A process
beside it keeps up its lease (`heartbeat`), unless whoever started it does.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from flexlock.errors import FlexLockError, TaskError
from flexlock.lock.record import EnvState
from flexlock.reporting import say
from flexlock.run.owner import this_process
from flexlock.tasks.heartbeat import heartbeat
from flexlock.tasks.model import Backend
from flexlock.tasks.output import worker_log
from flexlock.tasks.plan import Plan, read_plan
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.opening import find_queue
from flexlock.tasks.queue.records import Claim, Outcome, Settlement, WorkerRow
from flexlock.tasks.running import run_claim
from flexlock.tasks.sheets import Workplace, sweep_sheet
from flexlock.tasks.stopping import StopRequest, worker_signals
from flexlock.tasks.variables import MAX_BATCH, claim_batch, lease_s

__all__ = ["CANNOT_WORK", "WorkSummary", "main", "work"]

CANNOT_WORK = 4
"""Exit status of a worker that could not load the function or the config."""

_BATCH_S = 0.5
_HAND_IN_S = 1.0


@dataclass(slots=True)
class WorkSummary:
    """How many tasks a worker ended, and in which way; `tell` is called after each."""

    tell: Callable[[Claim, Outcome], None] | None = None
    done: int = 0
    failed: int = 0
    interrupted: int = 0

    @property
    def ended(self) -> int:
        """How many there are in all."""
        return self.done + self.failed + self.interrupted

    def count(self, claim: Claim, outcome: Outcome) -> None:
        """Add one outcome."""
        if self.tell is not None:
            self.tell(claim, outcome)
        if outcome.state == "done":
            self.done += 1
        elif outcome.state == "failed":
            self.failed += 1
        else:
            self.interrupted += 1


def work(
    queue: TaskQueue,
    plan: Plan,
    place: Workplace,
    summary: WorkSummary,
    *,
    stop: StopRequest | None = None,
    parent: int | None = None,
    max_batch: int = MAX_BATCH,
) -> None:
    """Run tasks of a plan until none is pending, and hand in their outcomes.

    Tasks that take no time are taken many at once: so many as the last ones say will run for about
    half a second.

    Args:
        queue: Where tasks come from.
        plan: What they run.
        place: What they need.
        summary: Counts them.
        stop: Asks to stop after the task at hand.
        parent: The process that must live for the worker to go on.
        max_batch: How many tasks to take at once at most.
    """
    stop = stop if stop is not None else StopRequest()
    outcomes: list[Outcome] = []
    limit, lease = 1, lease_s()
    while True:
        wanted = 0 if stop or _is_orphan(parent) else limit
        claims = queue.exchange(place.worker, plan.id, outcomes, limit=wanted, lease_s=lease)
        if not claims:
            return
        began, before = time.monotonic(), summary.ended
        outcomes = _run_batch(queue, plan, place, claims, stop, summary)
        _note_drift(queue, place)
        each = (time.monotonic() - began) / max(summary.ended - before, 1)
        limit = max(1, min(max_batch, 2 * len(claims), int(_BATCH_S / max(each, 1e-6))))


def _run_batch(
    queue: TaskQueue,
    plan: Plan,
    place: Workplace,
    claims: Sequence[Claim],
    stop: StopRequest,
    summary: WorkSummary,
) -> list[Outcome]:
    """Run claimed tasks in turn; return the outcomes that are not handed in yet.

    When they turn out to be longer than those before them, the rest is given back: what waits for
    long may be given to another worker, so it must not be begun here.
    """
    outcomes: list[Outcome] = []
    began = time.monotonic()
    for position, claim in enumerate(claims):
        if position and time.monotonic() - began > _HAND_IN_S:
            queue.release(place.worker, [rest.id for rest in claims[position:]])
            break
        queue.close()
        outcome = run_claim(claim, place)
        summary.count(claim, outcome)
        if outcome.state == "interrupted":
            _hand_back(queue, plan, place, claim, outcome)
            stop.signal_name = stop.signal_name or outcome.reason.rpartition(" ")[2]
        else:
            outcomes.append(outcome)
        if outcome.state == "failed" and plan.stop_on_error:
            queue.write_note("stop", f"task {claim.name} failed")
        if stop or (outcome.state == "failed" and plan.stop_on_error):
            queue.release(place.worker, [rest.id for rest in claims[position + 1 :]])
            break
    return outcomes


def _hand_back(
    queue: TaskQueue, plan: Plan, place: Workplace, claim: Claim, outcome: Outcome
) -> None:
    """Hand in an interrupted task; another worker gets it unless the sweep was stopped."""
    is_stopped = place.inline or queue.read_note("stop") is not None
    again = claim.tries < plan.max_attempts and not is_stopped
    settlement = Settlement(claim.id, place.worker, claim.attempt, outcome, again=again)
    queue.settle([settlement])


def _note_drift(queue: TaskQueue, place: Workplace) -> None:
    """Leave a note in the queue when loaded code is not what was recorded."""
    if place.look_for_drift():
        queue.write_note(f"drift:{place.worker}", json.dumps(place.drift))


def _is_orphan(parent: int | None) -> bool:
    return parent is not None and os.getppid() != parent


# --- the program --------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker; return its exit status: 1 when a task of its own failed."""
    options = _arguments(argv)
    with worker_signals() as stop:
        try:
            return _main(options, stop)
        except FlexLockError as error:
            say(str(error))
        except Exception:  # noqa: BLE001 - the outermost loop of a worker
            traceback.print_exc()
    return CANNOT_WORK


def _main(options: argparse.Namespace, stop: StopRequest) -> int:
    queue = find_queue(options.queue)
    row = _row(options.name, options.backend)
    queue.begin_worker(row)
    beat = None
    try:
        plan = _plan(queue, options.plan)
        # A controller that watches the process renews its lease as well.
        if options.parent is None:
            beat = heartbeat(queue.path, row.name, lease_s())
        place = _workplace(plan, queue, row)
        _note_drift(queue, place)
        summary = WorkSummary()
        while _has_tasks(queue, plan, row):
            work(
                *(queue, plan, place, summary),
                stop=stop,
                parent=options.parent,
                max_batch=claim_batch(row.backend),
            )
            if stop or row.job is None:
                break
    except BaseException as error:
        with suppress(FlexLockError):
            queue.end_worker(row.name, f"{type(error).__name__}: {error}")
        raise
    finally:
        if beat is not None:
            beat.terminate()
            beat.wait()
    queue.end_worker(row.name)
    queue.close()
    remove_empty_log(queue.path.parent, row.name)
    return 1 if summary.failed or summary.interrupted else 0


def _has_tasks(queue: TaskQueue, plan: Plan, row: WorkerRow) -> bool:
    """Whether there is something to do; on a cluster, after a look at what other workers lost.

    There a worker may be all that is left of a sweep. A job that was started again by the batch
    system is the only one of its id, so earlier workers of that id are gone.
    """
    if row.job is None:
        return True
    from flexlock.tasks.recovery import recover

    same = [one for one in queue.workers() if one.job == row.job and one.name != row.name]
    recover(
        queue,
        queue.path.parent,
        has_sheets=plan.parent is not None,
        max_attempts=plan.max_attempts,
        gone=[one.name for one in same],
    )
    return any(task.plan == plan.id for task in queue.rows("pending"))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flexlock.tasks.worker", description=__doc__)
    parser.add_argument("queue", type=Path)
    parser.add_argument("--plan")
    parser.add_argument("--name")
    parser.add_argument("--backend", choices=get_args(Backend), default="local")
    parser.add_argument("--parent", type=int, help="stop when this process is no longer the parent")
    return parser.parse_args(argv)


def _plan(queue: TaskQueue, plan_id: str | None) -> Plan:
    plan = read_plan(queue, plan_id or queue.read_note("plan") or "")
    if plan is None:
        message = f"The task queue {str(queue.path)!r} does not have the plan {plan_id!r}."
        raise TaskError(message, hint="Repeat the command that made the tasks.")
    return plan


def _row(name: str | None, backend: Backend) -> WorkerRow:
    job = job_id(backend, os.environ)
    restart = os.environ.get("SLURM_RESTART_COUNT", "0") if backend == "slurm" else "0"
    default = f"{backend}-{job or f'{socket.gethostname()}-{os.getpid()}'}"
    suffix = "" if restart == "0" else f"-restart{restart}"
    until = time.time() + lease_s()
    return WorkerRow(name or f"{default}{suffix}", backend, this_process(), job, until)


def job_id(backend: Backend, environ: Mapping[str, str]) -> str | None:
    """Return the job, or the element of an array, that this process is."""
    if backend == "slurm":
        array = environ.get("SLURM_ARRAY_JOB_ID")
        if array:
            return f"{array}_{environ.get('SLURM_ARRAY_TASK_ID', '')}"
        return environ.get("SLURM_JOB_ID")
    return environ.get("PBS_JOBID") if backend == "pbs" else None


def _workplace(plan: Plan, queue: TaskQueue, row: WorkerRow) -> Workplace:
    root = queue.path.parent
    written = Path(plan.workdir, plan.save_dir)
    if written.resolve() == root.resolve():
        os.chdir(plan.workdir)
        root = Path(plan.save_dir)
    sheet = None if plan.parent is None else sweep_sheet(queue.path.parent, plan.parent)
    function = plan.load_function()
    place = Workplace(row.name, function, plan.load_base(), root, queue.path, plan.id, sheet)
    if sheet is not None:
        place.env = _environment() if _is_elsewhere(row) else None
    return place


def remove_empty_log(root: Path, worker: str) -> None:
    """Remove the log of a worker's own output, when there was none."""
    log = worker_log(root, worker)
    with suppress(OSError):
        if log.stat().st_size == 0:
            log.unlink()
            log.parent.rmdir()


def _environment() -> EnvState:
    from flexlock.environment import environment

    return environment()


def _is_elsewhere(row: WorkerRow) -> bool:
    """Whether the worker may run on another machine, or in a container."""
    return row.backend in ("slurm", "pbs") or "FLEXLOCK_CONTAINER" in os.environ


if __name__ == "__main__":
    sys.exit(main())

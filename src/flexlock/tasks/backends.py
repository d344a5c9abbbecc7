"""Getting the tasks of a command run: in this process, in processes beside it, on a cluster."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.errors import SchedulerError, TaskError
from flexlock.lock.record import RunLock
from flexlock.reporting import say
from flexlock.run.owner import this_process
from flexlock.run.session import Terminated
from flexlock.tasks.cluster.jobs import (
    Job,
    job_request,
    known_jobs,
    living_elements,
    submit_job,
    worker_count,
)
from flexlock.tasks.cluster.scheduler import Scheduler
from flexlock.tasks.cluster.settings import Settings
from flexlock.tasks.container import Container
from flexlock.tasks.heartbeat import heartbeat
from flexlock.tasks.local import Crew, worker_environment
from flexlock.tasks.plan import Plan
from flexlock.tasks.queue.interface import TaskQueue
from flexlock.tasks.queue.records import WorkerRow
from flexlock.tasks.recovery import recover
from flexlock.tasks.sheets import Workplace
from flexlock.tasks.stopping import StopRequest
from flexlock.tasks.variables import lease_s, poll_s
from flexlock.tasks.watching import Monitor
from flexlock.tasks.worker import WorkSummary, work

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["Command", "run_cluster", "run_inline", "run_local", "say_drift"]

_TICK_S = 0.02
_LOOK_S = 0.1
_CHECK_S = 1.0


@dataclass(slots=True)
class Command:
    """One command that sees to tasks until they have ended.

    Attributes:
        queue: Its queue.
        plan: What the tasks run.
        root: The sweep's directory, as the user wrote it.
        monitor: Shows what happens.
        secret: The secrets of the config for workers.
        n_jobs: How many local workers.
        max_attempts: How often a task is started whose worker dies.
        sheet: The sheet of the sweep.
        container: What local workers run in.
        mounts: Directories that a container must see.
    """

    queue: TaskQueue
    plan: Plan
    root: Path
    monitor: Monitor
    secret: str = "{}"
    n_jobs: int = 1
    max_attempts: int = 2
    sheet: RunLock | None = None
    container: Container | None = None
    mounts: tuple[Path, ...] = ()

    def recover(
        self,
        *,
        reasons: Mapping[str, str] | None = None,
        gone: Sequence[str] = (),
        steal: bool = False,
        stopped: bool = False,
    ) -> None:
        """See to tasks whose worker is gone, as `flexlock.tasks.recovery.recover` does."""
        recover(
            self.queue,
            self.root,
            has_sheets=self.sheet is not None,
            max_attempts=self.max_attempts,
            reasons=reasons,
            gone=gone,
            steal=steal,
            stopped=stopped,
        )

    def attempts(self) -> int:
        """Return how often tasks of the command were started."""
        return sum(row.attempt for row in self.monitor.rows.values())

    def is_over(self) -> bool:
        """Whether nothing runs and nothing more will."""
        if self.monitor.count("running"):
            return False
        return not self.monitor.count("pending") or self.queue.read_note("stop") is not None


# --- in this process ----------------------------------------------------------------------


def run_inline(
    command: Command, function: Callable[[DictConfig], Any], base: DictConfig
) -> int | None:
    """Run the tasks one after another in this process; return the signal that stopped them."""
    name = f"inline-{os.getpid()}-{time.time_ns():x}"
    until = time.time() + lease_s()
    command.queue.begin_worker(WorkerRow(name, "inline", this_process(), None, until))
    place = Workplace(
        *(name, function, base, command.root, command.queue.path, command.plan.id),
        sheet=command.sheet,
        inline=True,
    )
    stop = StopRequest()
    beat = heartbeat(command.queue.path, name, lease_s())
    try:
        work(command.queue, command.plan, place, WorkSummary(command.monitor.tell), stop=stop)
        if not stop:
            _wait_for_others(command)
    except (KeyboardInterrupt, Terminated) as error:
        stop.signal_name = _signal_name(error)
    finally:
        beat.terminate()
        beat.wait()
        if stop:
            command.recover(stopped=True, gone=[name])
        command.queue.end_worker(name)
    return _number(stop.signal_name) if stop else None


def _wait_for_others(command: Command) -> None:
    """Wait for tasks that workers of other commands have."""
    command.monitor.refresh()
    while command.monitor.count("running"):
        time.sleep(_LOOK_S)
        command.recover()
        command.monitor.refresh()


# --- in processes beside it ---------------------------------------------------------------


def run_local(command: Command) -> int | None:
    """Run the tasks in worker processes; return the signal that stopped them."""
    environment = worker_environment(os.environ, command.n_jobs, command.secret)
    crew = Crew(command.queue.path, command.plan, environment, command.container, command.mounts)
    try:
        _staff(command, crew)
        _attend(command, crew)
        crew.dismiss()
    except (KeyboardInterrupt, Terminated) as error:
        name, names = _signal_name(error), crew.names
        try:
            command.queue.write_note("stop", f"stopped by {name}")
            crew.stop(command.monitor.refresh)
        except KeyboardInterrupt:  # the second one, before the workers were asked or after it
            crew.kill()
        command.recover(reasons=crew.ended, stopped=True, gone=names)
        return _number(name)
    finally:
        crew.kill()
    return None


def _staff(command: Command, crew: Crew) -> None:
    """Hire workers for the tasks that wait."""
    free = command.n_jobs - len(crew)
    for _ in range(min(free, command.monitor.count("pending"))):
        crew.hire()


def _attend(command: Command, crew: Crew) -> None:
    """Look after workers until nothing is left to do."""
    looked = checked = renewed = time.monotonic()
    barren = 0
    while True:
        gone = crew.reap()
        now = time.monotonic()
        if gone or now - looked > _LOOK_S:
            looked = now
            if gone:
                command.recover(reasons=crew.ended, gone=gone)
            command.monitor.refresh()
            if now - checked > _CHECK_S:
                command.recover(reasons=crew.ended, steal=True)
                command.monitor.refresh()
                checked = now
            if now - renewed > lease_s() / 4:
                for name in crew.names:
                    command.queue.renew(name, lease_s())
                renewed = now
            if command.is_over():
                return
            barren += _count_barren(command, crew, gone)
            if command.queue.read_note("stop") is None:
                _staff(command, crew)
        time.sleep(_TICK_S)
        if barren > 2 * command.n_jobs:
            message = f"Workers end before they take a task: {crew.ended[gone[-1]]}."
            hint = f"Their logs are in {str(command.queue.path.parent)!r}."
            raise TaskError(message, hint=hint)


def _count_barren(command: Command, crew: Crew, gone: Sequence[str]) -> int:
    """Return how many workers were killed before they had any task."""
    killed = [name for name in gone if crew.ended[name].startswith("killed")]
    if not killed:
        return 0
    owners = {row.owner for row in command.monitor.rows.values()}
    return sum(name not in owners for name in killed)


# --- on a cluster -------------------------------------------------------------------------


def run_cluster(
    command: Command,
    scheduler: Scheduler,
    settings: Settings,
    *,
    after: Sequence[str] = (),
    wait: bool = True,
) -> tuple[int | None, list[Job]]:
    """Submit workers for the tasks and wait for these, unless told not to.

    Returns:
        The signal that stopped the waiting, and the jobs that are at work.
    """
    jobs = known_jobs(command.queue, command.plan.id)
    command.monitor.refresh()
    pending = command.monitor.count("pending")
    living = living_elements(jobs, scheduler) if jobs else []
    missing = worker_count(settings, pending) - len(living or [])
    submitted = None
    if pending and missing > 0:
        jobs.append(_submit(command, scheduler, settings, missing, after))
        submitted = command.attempts()
    elif living:
        say(f"{len(living)} workers of an earlier command are at work")
    if not wait:
        return None, jobs
    try:
        _follow(command, scheduler, settings, jobs, submitted)
    except (KeyboardInterrupt, Terminated) as error:
        running = ", ".join(job.id for job in jobs)
        say(f"waiting ended; the workers go on (job {running})")
        return _number(_signal_name(error)), jobs
    return None, jobs


def _submit(
    command: Command,
    scheduler: Scheduler,
    settings: Settings,
    workers: int,
    after: Sequence[str] = (),
) -> Job:
    request = job_request(
        command.plan.target,
        command.queue.path.absolute(),
        scheduler,
        settings,
        workers,
        after,
        plan=command.plan.id,
    )
    job = submit_job(command.queue, command.plan, scheduler, request, command.secret)
    say(f"submitted job {job.id} with {len(job.elements)} workers")
    return job


def _follow(
    command: Command,
    scheduler: Scheduler,
    settings: Settings,
    jobs: list[Job],
    submitted: int | None,
) -> None:
    """Wait until the tasks have ended; replace workers that were lost.

    Args:
        command: The command.
        scheduler: The batch system.
        settings: How workers are asked for.
        jobs: The jobs at work; new ones are added.
        submitted: How many attempts there were when this command last submitted workers.
    """
    pause = 0.2
    while True:
        command.recover()
        command.monitor.refresh()
        if command.is_over():
            return
        time.sleep(pause)
        pause = min(pause * 1.5, poll_s())
        if command.queue.read_note("stop") is not None or living_elements(jobs, scheduler) != []:
            continue
        # All workers have ended: what they left is known only now.
        command.recover()
        command.monitor.refresh()
        pending = command.monitor.count("pending")
        if not pending or command.monitor.count("running"):
            continue
        if submitted == command.attempts():
            raise _idle_workers(command, jobs)
        submitted = command.attempts()
        jobs.append(_submit(command, scheduler, settings, worker_count(settings, pending)))


def _idle_workers(command: Command, jobs: Sequence[Job]) -> SchedulerError:
    """Return the error that says why workers have ended without taking a task."""
    errors = [worker.error for worker in command.queue.workers() if worker.error]
    said = f": {errors[-1]}" if errors else ""
    message = f"The workers of job {jobs[-1].id} ended and left tasks{said}."
    logs = command.queue.path.parent / f"{jobs[-1].backend}_logs"
    return SchedulerError(message, hint=f"Their logs are in {str(logs)!r}.")


# --- drift --------------------------------------------------------------------------------


def say_drift(queue: TaskQueue) -> None:
    """Say which files were edited after the code was recorded and before they were loaded."""
    files: set[str] = set()
    for worker in queue.workers():
        text = queue.read_note(f"drift:{worker.name}")
        if text is not None:
            files |= {file for names in json.loads(text).values() for file in names}
            queue.write_note(f"drift:{worker.name}", None)
    if files:
        shown = ", ".join(sorted(files)[:5])
        more = f" and {len(files) - 5} more" if len(files) > 5 else ""
        say(f"the code was edited after it was recorded: {shown}{more}; the run sheets say so")


# --- signals ------------------------------------------------------------------------------


def _signal_name(error: BaseException) -> str:
    return error.signal if isinstance(error, Terminated) else "SIGINT"


def _number(name: str | None) -> int:
    found = getattr(signal, name or "", signal.SIGINT)
    return int(found)

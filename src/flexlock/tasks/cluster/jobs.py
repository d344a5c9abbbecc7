"""Jobs of a batch system that work on a queue: submitting them, and following them.

The command that submits is not needed afterwards. Workers take tasks by themselves; a command that
waits sees to workers that are lost, and so does the same command when it is repeated.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from flexlock.target import Target
from flexlock.tasks.cluster.pbs import Pbs
from flexlock.tasks.cluster.scheduler import JobRequest, Scheduler
from flexlock.tasks.cluster.settings import Settings
from flexlock.tasks.cluster.slurm import Slurm
from flexlock.tasks.container import image_text, wrap_command
from flexlock.tasks.plan import SECRETS, Plan
from flexlock.tasks.queue.interface import TaskQueue

__all__ = [
    "SCHEDULERS",
    "Job",
    "elements_of",
    "job_request",
    "known_jobs",
    "living_elements",
    "submit_job",
    "worker_count",
]

SCHEDULERS: Mapping[str, Scheduler] = {"slurm": Slurm(), "pbs": Pbs()}
"""The batch systems by the name of their back end."""

_DEFAULT_WORKERS = 100
_JOBS = "jobs"
_ARRAY = re.compile(r"(?:--array[ =]|-a\s*|-J\s*)([\d,:-]+)")


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was submitted for a plan; `elements` are the ids of its array's elements."""

    id: str
    backend: str
    plan: str
    elements: tuple[str, ...]


def worker_count(settings: Settings, tasks: int) -> int:
    """Return how many workers to ask for: not more than tasks, 100 unless told otherwise."""
    return max(1, min(settings.array or _DEFAULT_WORKERS, tasks))


def job_request(
    target: Target,
    queue: Path,
    scheduler: Scheduler,
    settings: Settings,
    workers: int,
    after: Sequence[str] = (),
    *,
    plan: str | None = None,
) -> JobRequest:
    """Return what to submit: so many workers, of the queue's present plan unless one is named."""
    backend = scheduler.backend
    named = [] if plan is None else ["--plan", plan]
    worker = ["-P", "-m", "flexlock.tasks.worker", str(queue), *named, "--backend", backend]
    root, workdir = queue.parent, Path.cwd()
    if settings.container is not None:
        inside = [settings.python or settings.container.python, *worker]
        mounts = [root, *script_folders(target)]
        command = shlex.join(
            wrap_command(settings.container, inside, workdir=workdir, mounts=mounts)
        )
    else:
        # The user's own command for Python may have several words, and stays as it is.
        python = settings.python or shlex.quote(sys.executable)
        command = f"{python} {shlex.join(worker)}"
    name = Path(target.file).stem if target.file else target.qualname
    logs = root / f"{backend}_logs"
    return JobRequest(name, command, workers, workdir, logs, settings, tuple(after))


def script_folders(target: Target) -> list[Path]:
    """Return the folder that the function is loaded from."""
    return [] if target.file is None else [Path(target.file).parent]


def submit_job(
    queue: TaskQueue, plan: Plan, scheduler: Scheduler, request: JobRequest, secret: str
) -> Job:
    """Submit workers, and note them in the queue.

    Raises:
        SchedulerError: The batch system refused.
    """
    request.logs.mkdir(parents=True, exist_ok=True)
    script = request.logs / f"job_{secrets.token_hex(4)}.{scheduler.backend}"
    script.write_text(scheduler.script(request), encoding="utf-8")
    added = _passed_on(request.settings, secret)
    os.environ.update(added)
    try:
        identity = scheduler.submit(script, request)
    finally:
        for name in added:
            os.environ.pop(name, None)
    job = Job(identity, scheduler.backend, plan.id, elements_of(identity, scheduler, request))
    _note(queue, job)
    return job


def known_jobs(queue: TaskQueue, plan: str | None = None) -> list[Job]:
    """Return the jobs that were submitted for a queue, or for one plan of it."""
    documents = json.loads(queue.read_note(_JOBS) or "[]")
    jobs = [Job(**{**d, "elements": tuple(d["elements"])}) for d in documents]
    return [job for job in jobs if plan is None or job.plan == plan]


def living_elements(jobs: Iterable[Job], scheduler: Scheduler) -> list[str] | None:
    """Return the elements that run or will run; None when the batch system cannot tell."""
    elements = [
        element for job in jobs if job.backend == scheduler.backend for element in job.elements
    ]
    if not elements:
        return []
    states = scheduler.states(elements)
    alive = {element: scheduler.is_alive(states[element]) for element in elements}
    if all(answer is None for answer in alive.values()):
        return None
    return [element for element, answer in alive.items() if answer]


def elements_of(job: str, scheduler: Scheduler, request: JobRequest) -> tuple[str, ...]:
    """Return the ids of a job's elements, as its workers call themselves."""
    settings = request.settings
    numbers: Iterable[int] = range(request.workers)
    if settings.own_array:
        found = _ARRAY.search("\n".join(settings.directives))
        numbers = _numbers(found[1]) if found else numbers
    if scheduler.backend == "pbs":
        if "[]" not in job:
            return (job,)
        return tuple(job.replace("[]", f"[{number}]") for number in numbers)
    return tuple(f"{job}_{number}" for number in numbers)


def _numbers(text: str) -> list[int]:
    """Return the numbers of an array request: ``0-3``, ``1-9:2``, ``1,3,5``."""
    numbers: list[int] = []
    for part in text.split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        numbers += range(int(first), int(last or first) + 1, int(step or 1))
    return numbers


def _note(queue: TaskQueue, job: Job) -> None:
    jobs = [*known_jobs(queue), job]
    queue.write_note(_JOBS, json.dumps([asdict(one) for one in jobs]))


def _passed_on(settings: Settings, secret: str) -> dict[str, str]:
    """Return variables for the workers, which batch systems take from the submitting process."""
    variables = {SECRETS: secret} if secret != "{}" else {}
    if settings.container is not None:
        variables["FLEXLOCK_CONTAINER"] = image_text(settings.container)
    return variables

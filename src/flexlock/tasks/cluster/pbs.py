"""PBS (OpenPBS, PBS Professional): one array job whose elements are workers that pull tasks.

Source: the manual pages of qsub, qstat and qdel of OpenPBS.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from flexlock.errors import SchedulerError
from flexlock.tasks.cluster.scheduler import GONE, JobRequest, call
from flexlock.tasks.cluster.settings import Dialect, Settings, Write, read_settings
from flexlock.tasks.model import Backend

__all__ = ["PBS_KEYS", "Pbs"]

_ENDED = frozenset({"F", "X", GONE})
_UNKNOWN_JOB = re.compile(r"unknown job|finished", re.IGNORECASE)
_MAX_NAME = 15


def _resource(name: str) -> Write:
    return lambda value: [f"-l {name}={value}"]


def _flag(letter: str) -> Write:
    return lambda value: [f"-{letter} {value}"]


def _time(value: Any) -> list[str]:
    if isinstance(value, int):  # minutes, as Slurm counts them
        return [f"-l walltime={value // 60:02d}:{value % 60:02d}:00"]
    return [f"-l walltime={value}"]


def _extra(key: str, value: Any) -> str:
    """Return a flag for a one-letter key, and a resource for any other."""
    name = key.lstrip("-")
    if len(name) == 1:
        return f"-{name}" if value in (None, True) else f"-{name} {value}"
    return f"-l {name}={value}"


PBS_KEYS = Dialect(
    name="PBS",
    prefix="#PBS",
    options={
        "queue": _flag("q"),
        "account": _flag("A"),
        "project": _flag("P"),
        "select": _resource("select"),
        "place": _resource("place"),
        "cpus": _resource("ncpus"),
        "mem": _resource("mem"),
        "mem_gb": lambda value: [f"-l mem={value}gb"],
        "gpus": _resource("ngpus"),
        "time": _time,
        "mail_type": _flag("m"),
        "mail_user": _flag("M"),
    },
    aliases={
        "walltime": "time",
        "timeout_min": "time",
        "ncpus": "cpus",
        "cpus_per_task": "cpus",
        "ngpus": "gpus",
        "partition": "queue",
        "job_name": "name",
        "python_exe": "python",
        "array_parallelism": "array",
        "stderr_to_stdout": "merge_stderr",
    },
    array_option=re.compile(r"-J\b"),
    extra=_extra,
    prefixes=("pbs_",),
)


class Pbs:
    """A `Scheduler` that calls the programs of PBS."""

    backend: Backend = "pbs"

    def read_settings(self, source: str | Path | Mapping[str, object]) -> Settings:
        """Return the settings in a file or mapping."""
        return read_settings(source, PBS_KEYS)

    def script(self, request: JobRequest) -> str:
        """Return the batch script: an array of equal workers."""
        settings = request.settings
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", settings.name or request.name)[:_MAX_NAME]
        head = [f"-N {name}"] if settings.naming else []
        # PBS has no arrays of one element.
        if not settings.own_array and request.workers > 1:
            limit = "" if settings.throttle is None else f"%{settings.throttle}"
            head.append(f"-J 0-{request.workers - 1}{limit}")
        if settings.logging:
            head.append(f"-o {request.logs}/")
            head.append("-j oe" if settings.merge_stderr else f"-e {request.logs}/")
        lines = ["#!/bin/bash", *(f"#PBS {line}" for line in (*head, *settings.directives))]
        start = f"cd {_shell(request.workdir)} || exit 1"
        return "\n".join([*lines, "", start, *settings.setup, f"exec {request.command}", ""])

    def advise(self, settings: Settings) -> list[str]:
        """Return sentences about what is probably missing in the settings."""
        text = "\n".join(settings.directives)
        wanted = {"queue": ("-q ",), "time limit": ("walltime",), "memory": ("mem=",)}
        return [
            f"No {what} is asked for: the cluster's default counts."
            for what, options in wanted.items()
            if not any(option in text for option in options)
        ]

    def submit(self, script: Path, request: JobRequest) -> str:
        """Submit the script; return the job's id."""
        after = [*request.settings.after, *request.after]
        ids = [part for job in after for part in job.split(":") if part not in ("", "afterok")]
        dependency = ["-W", f"depend=afterok:{':'.join(ids)}"] if ids else []
        done = call(["qsub", *dependency, str(script)])
        job = done.stdout.strip()
        if not re.fullmatch(r"\d+(\[\])?(\.\S+)?", job):
            message = f"qsub printed {done.stdout!r} instead of a job id."
            raise SchedulerError(message, hint="Submit the script by hand to see why.")
        return job

    def states(self, jobs: Collection[str]) -> dict[str, str | None]:
        """Return the state letter of each job or array element, also of finished ones."""
        found: dict[str, str] = {}
        for array in sorted({re.sub(r"\[\d+\]", "[]", job) for job in jobs}):
            found |= _qstat(array)
        return {job: found.get(job, found.get(re.sub(r"\[\d+\]", "[]", job))) for job in jobs}

    def is_alive(self, state: str | None) -> bool | None:
        """Whether a job in this state runs or will run; None when the state does not tell."""
        return None if state is None else state not in _ENDED

    def cancel(self, job: str) -> None:
        """End a job with all its elements."""
        done = call(["qdel", job], check=False)
        if done.returncode != 0 and not _UNKNOWN_JOB.search(done.stderr):
            message = f"qdel {job} failed: {done.stderr.strip()}."
            raise SchedulerError(message, hint="Delete the job by hand.")


def _qstat(job: str) -> dict[str, str]:
    """Ask for one job with its elements (-t), finished or not (-x), in full (-f)."""
    try:
        done = call(["qstat", "-x", "-t", "-f", job], check=False)
    except SchedulerError:
        return {}
    if done.returncode != 0:
        return {job: GONE} if _UNKNOWN_JOB.search(done.stderr) else {}
    found: dict[str, str] = {}
    name = ""
    for line in done.stdout.splitlines():
        if line.startswith("Job Id:"):
            name = line.partition(":")[2].strip()
        elif (match := re.match(r"\s+job_state = (\S)", line)) and name:
            found[name] = match[1]
    return found


def _shell(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))

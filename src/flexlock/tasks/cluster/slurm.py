"""Slurm: one array job whose elements are equal workers that pull tasks.

``sbatch`` is called directly. A library such as submitit would pickle each call with its own result
file and follow jobs through accounting; our workers need neither, only the same command a number
of times. Its parameter names are understood (`settings`).

Source: the manual pages of sbatch, squeue, scontrol, sacct and scancel.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from flexlock.errors import ConfigError, SchedulerError
from flexlock.tasks.cluster.scheduler import GONE, JobRequest, call
from flexlock.tasks.cluster.settings import Dialect, Settings, Write, read_settings
from flexlock.tasks.model import Backend

__all__ = ["SLURM_KEYS", "Slurm"]

_ALIVE = frozenset(
    {
        *("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING", "REQUEUED"),
        *("REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT", "STAGE_OUT"),
        *("SIGNALING", "STOPPED"),
    }
)
_UNKNOWN_JOB = re.compile(r"invalid job id|job \S+ not found", re.IGNORECASE)
"""The second is said of an array element that was cancelled before it started."""


def _option(name: str, unit: str = "") -> Write:
    return lambda value: [f"--{name}={_quoted(f'{value}{unit}')}"]


def _quoted(value: Any) -> str:
    text = str(value)
    return text if re.fullmatch(r"[^\s\"'\\#]+", text) else '"' + text.replace('"', '\\"') + '"'


def _exclusive(value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["--exclusive"] if value else []
    return [f"--exclusive={value}"]


def _only_one(value: Any) -> list[str]:
    if value == 1:
        return ["--ntasks-per-node=1"]
    message = f"A job with {value!r} tasks per node is not supported: a worker runs alone."
    raise ConfigError(message, hint="Ask for more workers with array: N.", key="tasks_per_node")


def _extra(key: str, value: Any) -> str:
    name = f"--{key.lstrip('-').replace('_', '-')}"
    if value is True or value is None:
        return name
    return f"{name}={_quoted(value)}"


_PLAIN = (
    *("partition", "mem_per_cpu", "mem_per_gpu", "gpus", "gpus_per_task", "gpus_per_node"),
    *("cpus_per_gpu", "gres", "account", "qos", "constraint", "nodes", "nodelist", "exclude"),
    *("reservation", "comment", "mail_type", "mail_user", "wckey", "licenses", "time", "mem"),
)

SLURM_KEYS = Dialect(
    name="Slurm",
    prefix="#SBATCH",
    options={
        **{key: _option(key.replace("_", "-")) for key in _PLAIN},
        "cpus": _option("cpus-per-task"),
        "mem_gb": lambda value: [f"--mem={round(float(value) * 1024)}M"],
        "exclusive": _exclusive,
        "tasks_per_node": _only_one,
    },
    aliases={
        "job_name": "name",
        "timeout_min": "time",
        "cpus_per_task": "cpus",
        "ntasks_per_node": "tasks_per_node",
        "num_gpus": "gpus",
        "array_parallelism": "array",
        "additional_parameters": "extra",
        "python_exe": "python",
        "stderr_to_stdout": "merge_stderr",
        "dependency": "after",
    },
    array_option=re.compile(r"(--array|-a)\b"),
    extra=_extra,
    prefixes=("slurm_",),
)


class Slurm:
    """A `Scheduler` that calls the programs of Slurm."""

    backend: Backend = "slurm"

    def read_settings(self, source: str | Path | Mapping[str, object]) -> Settings:
        """Return the settings in a file or mapping."""
        return read_settings(source, SLURM_KEYS)

    def script(self, request: JobRequest) -> str:
        """Return the batch script: an array of equal workers."""
        settings = request.settings
        logs = str(request.logs).replace("%", "%%")
        head = []
        if settings.naming:
            head.append(f"--job-name={_quoted(settings.name or request.name)}")
        if not settings.own_array:
            limit = "" if settings.throttle is None else f"%{settings.throttle}"
            head.append(f"--array=0-{request.workers - 1}{limit}")
        if settings.logging:
            pattern = f"{logs}/slurm-%A_%a"
            head.append(f"--output={_quoted(f'{pattern}.out')}")
            if not settings.merge_stderr:
                head.append(f"--error={_quoted(f'{pattern}.err')}")
        head.append(f"--chdir={_quoted(request.workdir)}")
        # To the batch shell, which the worker replaces by `exec`.
        head.append(f"--signal=B:USR1@{settings.signal_delay_s}")
        lines = ["#!/bin/bash", *(f"#SBATCH {line}" for line in (*head, *settings.directives))]
        return "\n".join([*lines, "", *settings.setup, f"exec {request.command}", ""])

    def advise(self, settings: Settings) -> list[str]:
        """Return sentences about what is probably missing in the settings."""
        text = "\n".join(settings.directives)
        wanted = {
            "partition": ("--partition", "-p "),
            "time limit": ("--time", "-t "),
            "memory": ("--mem",),
        }
        return [
            f"No {what} is asked for: the cluster's default counts."
            for what, options in wanted.items()
            if not any(option in text for option in options)
        ]

    def submit(self, script: Path, request: JobRequest) -> str:
        """Submit the script; return the id of the array."""
        after = [*request.settings.after, *request.after]
        ids = [part for job in after for part in job.split(":") if part not in ("", "afterok")]
        dependency = [f"--dependency=afterok:{':'.join(ids)}"] if ids else []
        done = call(["sbatch", "--parsable", *dependency, str(script)])
        job = done.stdout.strip().partition(";")[0]
        if not job.isdigit():
            message = f"sbatch printed {done.stdout!r} instead of a job id."
            raise SchedulerError(message, hint="Submit the script by hand to see why.")
        return job

    def states(self, jobs: Collection[str]) -> dict[str, str | None]:
        """Return the state of each array element, from squeue, else scontrol, else sacct.

        Each of them may be missing or not know: finished jobs leave squeue after some minutes,
        and accounting is often off.
        """
        known = _squeue(jobs)
        states: dict[str, str | None] = {}
        for job in jobs:
            states[job] = known.get(job) or _scontrol(job) or _sacct(job)
        return states

    def is_alive(self, state: str | None) -> bool | None:
        """Whether a job in this state runs or will run; None when the state does not tell."""
        return None if state is None else state in _ALIVE

    def cancel(self, job: str) -> None:
        """End an array, or one element of it."""
        done = call(["scancel", job], check=False)
        if done.returncode != 0 and not _UNKNOWN_JOB.search(done.stderr):
            message = f"scancel {job} failed: {done.stderr.strip()}."
            raise SchedulerError(message, hint="Cancel the job by hand.")


def _squeue(jobs: Collection[str]) -> dict[str, str]:
    """Ask squeue once for all jobs. The states of jobs that it does not list are left out."""
    arrays = sorted({job.partition("_")[0] for job in jobs})
    query = ["squeue", "--states=all", "--noheader", "--array", "--format=%i|%T"]
    done = _ask([*query, f"--jobs={','.join(arrays)}"])
    if done is None:
        return {}
    pairs = (line.strip().split("|") for line in done.splitlines() if "|" in line)
    return {pair[0]: pair[1] for pair in pairs}


def _scontrol(job: str) -> str | None:
    done = _ask(["scontrol", "--oneliner", "show", "job", job])
    if done == GONE:
        # slurmctld answered and does not know the job. Accounting may still tell how it ended.
        return _sacct(job) or GONE
    states = re.findall(r"\bJobState=(\w+)", done or "")
    return states[0] if states else None


def _sacct(job: str) -> str | None:
    done = _ask(["sacct", "--noheader", "--parsable2", "--allocations", "-j", job, "-o", "State"])
    words = (done or "").split()
    return words[0].rstrip("+") if words and done != GONE else None


def _ask(command: list[str]) -> str | None:
    """Return what a query printed; `GONE` for an unknown job, None when it could not answer."""
    try:
        done = call(command, check=False)
    except SchedulerError:
        return None
    if done.returncode == 0:
        return done.stdout
    return GONE if _UNKNOWN_JOB.search(done.stdout + done.stderr) else None

"""The command line's options for tasks. Nothing heavy is imported: ``--help`` needs them."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from flexlock.errors import ConfigError
from flexlock.tasks.model import Retry, TaskOptions

__all__ = ["add_task_arguments", "add_worker_arguments", "cores", "task_options"]

_FIELDS = frozenset(field.name for field in fields(TaskOptions))
_QUEUES = ("auto", "sqlite", "files")


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for tasks to a parser, each in both spellings (``_`` and ``-``)."""
    tasks = parser.add_argument_group("many runs: a list of tasks")
    _add(
        tasks,
        *("--tasks", "FILE", "a task a line, or .yaml, .json, .jsonl, .csv, .tsv; - is stdin"),
        action="extend",
        nargs="+",
        default=[],
    )
    _add(tasks, "--task_to", "KEY", "the parameter that a task is for")
    _add(
        tasks,
        *("--retry", None, "which tasks of an earlier command run again (default: failed)"),
        choices=get_args(Retry),
        default="failed",
    )
    _switch(tasks, "--rerun_changed", "also run done tasks again whose code or data changed")
    _switch(tasks, "--shuffle", "start tasks in random order")
    _switch(tasks, "--stop_on_error", "start no task after one has failed")
    _switch(tasks, "--allow_duplicates", "run equal tasks once each")
    _switch(tasks, "--attach", "help a living command on the same tasks instead of refusing")
    _add(tasks, "--export", "FILE", "write the table of results (.csv, .json, .parquet)", type=Path)
    _add(tasks, "--container", "IMAGE", "run local workers in an image, or as a .yaml file says")
    _add(
        tasks,
        *("--queue", None, "how the queue is kept (default: auto)"),
        choices=_QUEUES,
        default="auto",
    )
    add_worker_arguments(parser)


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how many workers there are, and where."""
    here = parser.add_argument_group("many runs: workers")
    _add(
        here, "--n_jobs", "N", "processes on this machine, -1 for one a core (default: 1)", type=int
    )
    _add(
        here,
        *("--max_attempts", "N", "how often a task is started whose worker dies (default: 2)"),
        type=int,
    )
    _add(here, "--slurm_config", "FILE", "submit workers to Slurm")
    _add(here, "--pbs_config", "FILE", "submit workers to PBS")
    _add(
        here,
        *("--after", "ID[:ID]", "start the workers after these jobs have succeeded"),
        action="append",
        default=[],
    )
    _switch(
        here,
        *("--no_wait", "print the job's id and end instead of waiting for the workers (--wait)"),
        action="store_false",
        dest="wait",
    )
    _switch(here, "--wait", argparse.SUPPRESS, default=True)


def task_options(namespace: argparse.Namespace) -> TaskOptions:
    """Return the options for tasks that a command line gave.

    Without ``--n_jobs``, the variable ``FLEXLOCK_DEFAULT_N_JOBS`` counts.

    Raises:
        ConfigError: A number is out of range, or two options contradict each other.
    """
    given = {name: value for name, value in vars(namespace).items() if name in _FIELDS}
    if given["slurm_config"] is not None and given["pbs_config"] is not None:
        message = "Both --slurm_config and --pbs_config are given."
        raise ConfigError(message, hint="A sweep runs in one batch system: leave one out.")
    given |= {
        "n_jobs": _n_jobs(namespace.n_jobs),
        "max_attempts": _max_attempts(namespace.max_attempts),
        "after": tuple(job for text in namespace.after for job in re.split(r"[:,]", text) if job),
    }
    return TaskOptions(**given)


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _add(
    group: argparse._ArgumentGroup, name: str, metavar: str | None, text: str, **more: Any
) -> None:
    """Add an option with a value, in both spellings."""
    if metavar is not None:
        more["metavar"] = metavar
    group.add_argument(*_spellings(name), help=text, **more)


def _switch(
    group: argparse._ArgumentGroup, name: str, text: str, action: str = "store_true", **more: Any
) -> None:
    """Add an option without a value, in both spellings."""
    group.add_argument(*_spellings(name), help=text, action=action, **more)


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys((name, name.replace("_", "-"))))


def _n_jobs(given: int | None) -> int:
    text = os.environ.get("FLEXLOCK_DEFAULT_N_JOBS", "1")
    try:
        count = int(text) if given is None else given
    except ValueError as cause:
        message = f"FLEXLOCK_DEFAULT_N_JOBS is {text!r}, not a number."
        raise ConfigError(message, hint="Set it to a whole number, or unset it.") from cause
    if count == -1:
        return cores()
    if count < 1:
        message = f"--n_jobs must be at least 1, or -1 for one worker a core, not {count}."
        raise ConfigError(message, hint="Give the number of worker processes.")
    return count


def _max_attempts(given: int | None) -> int | None:
    if given is not None and given < 1:
        message = f"--max_attempts must be at least 1, not {given}."
        raise ConfigError(message, hint="1 means that a task whose worker dies has failed.")
    return given

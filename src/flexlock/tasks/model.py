"""What a task is, what becomes of it, and how tasks are to be run. Plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "ENDED",
    "Backend",
    "Retry",
    "Task",
    "TaskOptions",
    "TaskState",
]

TaskState = Literal["pending", "running", "done", "failed", "interrupted"]
"""Where a task is in its queue. ``interrupted`` is a task that was stopped, not one that broke."""

ENDED: frozenset[TaskState] = frozenset({"done", "failed", "interrupted"})
"""The states in which nothing more happens to a task by itself."""

Backend = Literal["inline", "local", "slurm", "pbs"]
"""Where a worker runs: in the calling process, as a process beside it, or in a batch system."""

Retry = Literal["none", "failed", "all"]
"""Which tasks of an earlier command run again: none, those without success, or every one."""


@dataclass(frozen=True, slots=True)
class Task:
    """One set of values for the configuration.

    `values` maps dotted keys of the configuration to values. `id` is the SHA-256 of the canonical
    JSON of `values`, so equal values are the same task, whatever list they came from; the copies
    that ``--allow_duplicates`` makes have ``-2``, ``-3`` ... at the end. `name` is the readable
    name of the task's directory.
    """

    index: int
    id: str
    values: Mapping[str, Any]
    name: str


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How tasks are run. The command line's task options, one field each.

    Attributes:
        n_jobs: Worker processes on this machine, -1 for one a core. 1 runs the tasks one after
            another in the calling process.
        slurm_config: A YAML file (or its content) that says how Slurm workers are asked for.
        pbs_config: The same for PBS.
        container: An image, or a YAML file (or its content), in which local workers run.
        retry: Which tasks of an earlier command run again.
        max_attempts: How often one command starts a task whose worker dies; None is 2, or what
            the settings of the batch system say.
        shuffle: Whether tasks start in random order; results keep the order of the list.
        stop_on_error: Whether no further task starts after one has failed.
        wait: Whether to wait for the workers of a batch system.
        allow_duplicates: Whether equal tasks run once each instead of once in all.
        rerun_changed: Whether finished tasks whose code or input data have changed run again.
        after: Job ids of the batch system that must have succeeded before workers start.
        dry_run: Whether to print what would be submitted or run, and do nothing.
        attach: Whether to help a living command on the same tasks instead of refusing.
        queue: Which kind of queue; ``auto`` is SQLite unless the file system cannot lock.
        quiet: Whether nothing but failures is printed.
        tell_failures: Whether each failure is printed when it happens; the report has all of them.
        export: A file (.csv, .json or .parquet) for the table of results.
    """

    n_jobs: int = 1
    slurm_config: str | Path | Mapping[str, Any] | None = None
    pbs_config: str | Path | Mapping[str, Any] | None = None
    container: str | Path | Mapping[str, Any] | None = None
    retry: Retry = "failed"
    max_attempts: int | None = None
    shuffle: bool = False
    stop_on_error: bool = False
    wait: bool = True
    allow_duplicates: bool = False
    rerun_changed: bool = False
    after: tuple[str, ...] = ()
    dry_run: bool = False
    attach: bool = False
    queue: Literal["auto", "sqlite", "files"] = "auto"
    quiet: bool = False
    tell_failures: bool = True
    export: Path | None = None

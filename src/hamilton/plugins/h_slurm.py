"""Tasks of parallel blocks on a Slurm cluster.

Tasks are submitted with plain ``sbatch`` as job arrays. The library submitit was the other choice.
It submits one array for one call that knows all its tasks, where tasks come one by one here; it
pickles what all tasks of a block share into each of them; and it learns of a dead job from
``sacct``, which many clusters run without. What is left to do without it is little:

- tasks that come within a moment of each other go out as one array, and an element can run many,
  because starting a job costs a cluster about a second;
- one thread looks for results, first often, then seldom, and wakes the scheduler; nothing polls
  in the scheduler itself;
- a result is a file that appears complete or not at all, so a job may be killed at any moment;
- one ``squeue`` for all jobs, seldom, tells of elements that ended without a result. Their tasks
  fail with the state, the node, the exit code and the last lines of the log.
"""

from __future__ import annotations

import math
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hamilton.execution.executors import TaskExecutor, TaskFuture
from hamilton.execution.tasks import TaskImplementation, pack_task
from hamilton.plugins._slurm_commands import SlurmError, require_programs
from hamilton.plugins._slurm_watch import Settings, SlurmFuture, Watcher

__all__ = ["SlurmError", "SlurmTaskExecutor"]

_TAKEN = {
    "array": "max_running and tasks_per_element",
    "cpus-per-task": "cpus",
    "error": "folder",
    "job-name": "name",
    "mem": "memory",
    "output": "folder",
    "partition": "partition",
    "time": "time",
}
_IMPOSSIBLE = frozenset({"parsable", "test-only", "wait", "wrap"})


class SlurmTaskExecutor(TaskExecutor):
    """Runs the tasks of parallel blocks as elements of Slurm job arrays.

    It is used on a machine from which jobs can be submitted. When a run ends, breaks off or is
    interrupted, jobs that are still there are cancelled. The files of a run are removed when none
    of its tasks failed.

    Args:
        partition: Where to run; the cluster's default by default.
        time: Time limit of an element: minutes, or Slurm's notation such as ``"1-12:00:00"``.
        cpus: Processors of an element.
        memory: Memory of an element: MiB, or Slurm's notation such as ``"16G"``.
        max_running: How many elements of an array may run at a time; no limit by default.
        tasks_per_element: How many tasks an element runs, one after another. Choose it so that an
            element takes minutes rather than seconds.
        setup: Lines of shell that an element runs before Python, such as ``module load``.
        python: The interpreter there; this process's own by default.
        folder: Where tasks, results and logs go. Nodes must see it under the same path.
        directives: Further options of ``sbatch`` by their long names: ``{"gres": "gpu:1"}``;
            True stands for an option without a value.
        name: Name of the jobs.
        max_tasks: How many tasks may be on their way; more wait in this process.
        poll_s: Seconds between two looks for results when none come in.
        queue_poll_s: Seconds between two questions to Slurm.
        keep_files: Keep the files of runs that went well, too.

    Raises:
        ValueError: A number is not positive, or a directive is one of the other arguments.
    """

    def __init__(
        self,
        *,
        partition: str | None = None,
        time: str | int | None = None,
        cpus: int = 1,
        memory: str | int | None = None,
        max_running: int | None = None,
        tasks_per_element: int = 1,
        setup: Sequence[str] = (),
        python: str | Path | None = None,
        folder: str | Path = "slurm_tasks",
        directives: Mapping[str, str | int | bool] | None = None,
        name: str = "hamilton",
        max_tasks: int = 10_000,
        poll_s: float = 1.0,
        queue_poll_s: float = 10.0,
        keep_files: bool = False,
    ) -> None:
        _require_positive(
            cpus=cpus,
            max_running=max_running,
            tasks_per_element=tasks_per_element,
            max_tasks=max_tasks,
            poll_s=poll_s,
            queue_poll_s=queue_poll_s,
        )
        if isinstance(setup, str):
            raise ValueError(f"setup is a list of lines, found the text {setup!r}.")
        given = {"partition": partition, "time": time, "mem": memory}
        self.settings = Settings(
            options=(
                f"--job-name={name}",
                f"--cpus-per-task={cpus}",
                *(f"--{option}={value}" for option, value in given.items() if value is not None),
                *_options(directives or {}),
            ),
            max_running=max_running,
            tasks_per_element=tasks_per_element,
            setup=tuple(setup),
            python=str(python or sys.executable),
            poll_s=poll_s,
            queue_poll_s=queue_poll_s,
        )
        self.folder = Path(folder)
        self.max_tasks = max_tasks
        self.keep_files = keep_files
        self._watcher: Watcher | None = None
        self._active: set[SlurmFuture] = set()

    def init(self) -> None:
        """Starts the watching thread.

        Raises:
            SlurmError: Slurm's commands are not to be found.
            RuntimeError: It was called twice.
        """
        if self._watcher is not None:
            raise RuntimeError("The executor is in use already: init() was called twice.")
        require_programs()
        stamp = f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._watcher = Watcher(self.settings, self.folder.absolute() / stamp)

    def finalize(self) -> None:
        """Cancels jobs that are still there, and removes the files unless a task failed.

        Raises:
            SlurmError: Slurm does not answer, so jobs may go on.
            RuntimeError: `init` was not called.
        """
        if self._watcher is None:
            raise RuntimeError("finalize() was called before init().")
        watcher, self._watcher = self._watcher, None
        self._active.clear()
        watcher.stop()
        if not watcher.failed and not self.keep_files:
            shutil.rmtree(watcher.folder, ignore_errors=True)

    def submit_task(self, task: TaskImplementation) -> TaskFuture:
        """Sends a task out with the next array.

        Raises:
            TypeError: A value, function or adapter cannot be pickled; the message says which.
        """
        if self._watcher is None:
            raise RuntimeError("submit_task() was called before init().")
        future = self._watcher.send(task.task_id, pack_task(task))
        self._active.add(future)
        future.result.add_done_callback(lambda _: self._active.discard(future))
        return future

    def can_submit_task(self) -> bool:
        """Returns whether fewer than `max_tasks` tasks are on their way."""
        return len(self._active) < self.max_tasks

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_watcher": None, "_active": set()}


def _require_positive(**numbers: float | None) -> None:
    for name, number in numbers.items():
        if number is not None and not (number > 0 and math.isfinite(number)):
            raise ValueError(f"{name} must be greater than 0, found {number!r}.")


def _options(directives: Mapping[str, str | int | bool]) -> list[str]:
    found = []
    for given, value in directives.items():
        name = given.lstrip("-").replace("_", "-")
        if name in _TAKEN:
            raise ValueError(f"Directive {given!r} is set by {_TAKEN[name]}; use that argument.")
        if name in _IMPOSSIBLE or len(name) < 2 or value is False:
            raise ValueError(
                f"Directive {given!r} with {value!r} cannot be used; give long options of sbatch "
                "with their values, True for those that take none, and leave out others."
            )
        found.append(f"--{name}" if value is True else f"--{name}={value}")
    return found

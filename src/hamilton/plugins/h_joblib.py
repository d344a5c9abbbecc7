"""Tasks on joblib's loky processes, which start once and are used again."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

from hamilton.execution.executors import PoolExecutor
from hamilton.execution.tasks import TaskImplementation, pack_task, run_packed
from hamilton.plugins._shipping import missing_library

__all__ = ["LokyExecutor"]


class LokyExecutor(PoolExecutor):
    """Runs the tasks of parallel blocks in loky's processes.

    The processes outlive a run, so that later runs start at once; they end after `idle_s` seconds
    without work.

    Args:
        max_tasks: How many processes.
        idle_s: Seconds after which idle processes end.
    """

    def __init__(self, max_tasks: int, idle_s: float = 300.0) -> None:
        super().__init__(max_tasks)
        self.idle_s = idle_s

    def create_pool(self) -> Executor:
        """Returns the shared pool of processes."""
        try:
            from joblib.externals import loky
        except ImportError:
            raise missing_library("joblib", "'derivaml[dataflow]'") from None
        pool: Executor = loky.get_reusable_executor(max_workers=self.max_tasks, timeout=self.idle_s)
        return pool

    def finalize(self) -> None:
        """Drops waiting tasks; the processes stay for the next run.

        Raises:
            RuntimeError: There is no pool.
        """
        if self.pool is None:
            raise RuntimeError("There is no pool: finalize() was called before init().")
        for future in list(self._active):
            future.cancel()
        self.pool = None
        self._active.clear()

    def _submit(self, pool: Executor, task: TaskImplementation) -> Future[Any]:
        return pool.submit(run_packed, pack_task(task))

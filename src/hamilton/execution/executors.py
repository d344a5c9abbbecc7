"""Executors: where tasks run. Each takes tasks and gives futures."""

from __future__ import annotations

import abc
import enum
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import Executor as Pool
from typing import Any

from hamilton.errors import TaskError
from hamilton.execution.grouping import NodeGroupPurpose
from hamilton.execution.tasks import (
    TaskImplementation,
    base_execute_task,
    pack_task,
    run_in_process,
)

__all__ = [
    "DefaultExecutionManager",
    "ExecutionManager",
    "MultiProcessingExecutor",
    "MultiThreadingExecutor",
    "PoolExecutor",
    "SynchronousLocalTaskExecutor",
    "TaskExecutor",
    "TaskFuture",
    "TaskFutureWrappingPythonFuture",
    "TaskState",
    "base_execute_task",
]


class TaskState(enum.Enum):
    """Where a task stands."""

    QUEUED = "queued"
    UNINITIALIZED = "uninitialized"
    INITIALIZED = "initialized"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"

    @staticmethod
    def is_terminal(state: TaskState) -> bool:
        """Returns whether nothing more will happen to a task in this state."""
        return state in (TaskState.SUCCESSFUL, TaskState.FAILED)


class TaskFuture(abc.ABC):
    """The result of a task, now or later."""

    @abc.abstractmethod
    def get_state(self) -> TaskState:
        """Returns where the task stands."""

    @abc.abstractmethod
    def get_result(self) -> Any:
        """Returns the outputs of the task by name, or raises what it raised."""

    def when_done(self, tell: Callable[[], None]) -> bool:
        """Asks to be told when the task has ended; returns False when that is not possible.

        A future that answers False is polled.
        """
        return False


class TaskFutureWrappingPythonFuture(TaskFuture):
    """A task running in a pool of the standard library, or one that acts like it."""

    def __init__(self, future: Future[Any]) -> None:
        self.future = future

    def get_state(self) -> TaskState:
        """Returns where the task stands."""
        if not self.future.done():
            return TaskState.RUNNING
        if self.future.cancelled() or self.future.exception() is not None:
            return TaskState.FAILED
        return TaskState.SUCCESSFUL

    def get_result(self) -> Any:
        """Returns the outputs, waiting for them."""
        return self.future.result()

    def when_done(self, tell: Callable[[], None]) -> bool:
        """Tells from the pool's own thread."""
        self.future.add_done_callback(lambda _: tell())
        return True


class _ProcessFuture(TaskFutureWrappingPythonFuture):
    """A task running in another process, which sends its outputs as bytes."""

    def __init__(self, future: Future[Any], task_id: str) -> None:
        super().__init__(future)
        self.task_id = task_id

    def get_result(self) -> Any:
        """Returns the outputs, waiting for them."""
        try:
            return pickle.loads(self.future.result())
        except BrokenExecutor as error:
            raise _broken(self.task_id) from error


def _broken(task_id: str) -> TaskError:
    return TaskError(
        f"A process that runs tasks ended at once while {task_id!r} or one beside it was on its "
        "way: killed, out of memory, or crashed in compiled code. What cached tasks computed is "
        "kept; run again with fewer tasks at a time."
    )


class _Finished(TaskFuture):
    """A task that has already ended."""

    __slots__ = ("_error", "_result")

    def __init__(self, result: Any, error: Exception | None) -> None:
        self._result = result
        self._error = error

    def get_state(self) -> TaskState:
        return TaskState.SUCCESSFUL if self._error is None else TaskState.FAILED

    def get_result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


class TaskExecutor(abc.ABC):
    """Runs tasks somewhere."""

    @abc.abstractmethod
    def init(self) -> None:
        """Prepares; called once before the first task of a run."""

    @abc.abstractmethod
    def finalize(self) -> None:
        """Cleans up; called once after the last task of a run, also after a failure."""

    @abc.abstractmethod
    def submit_task(self, task: TaskImplementation) -> TaskFuture:
        """Starts a task."""

    @abc.abstractmethod
    def can_submit_task(self) -> bool:
        """Returns whether another task can be started now."""


class SynchronousLocalTaskExecutor(TaskExecutor):
    """Runs every task at once in the calling thread."""

    def init(self) -> None:
        """Does nothing."""

    def finalize(self) -> None:
        """Does nothing."""

    def submit_task(self, task: TaskImplementation) -> TaskFuture:
        """Runs the task."""
        try:
            return _Finished(base_execute_task(task), None)
        except Exception as error:  # noqa: BLE001 - the failure of the task, raised by get_result
            return _Finished(None, error)

    def can_submit_task(self) -> bool:
        """Returns True."""
        return True


class PoolExecutor(TaskExecutor, abc.ABC):
    """Runs tasks in a pool of the standard library.

    Args:
        max_tasks: How many tasks run at the same time.
    """

    def __init__(self, max_tasks: int) -> None:
        if max_tasks < 1:
            raise ValueError(f"max_tasks must be at least 1, found {max_tasks!r}.")
        self.max_tasks = max_tasks
        self.pool: Pool | None = None
        self._active: set[Future[Any]] = set()

    @abc.abstractmethod
    def create_pool(self) -> Pool:
        """Returns the pool for one run."""

    def init(self) -> None:
        """Makes the pool.

        Raises:
            RuntimeError: There is one already.
        """
        if self.pool is not None:
            raise RuntimeError("The pool is there already: init() was called twice.")
        self.pool = self.create_pool()

    def finalize(self) -> None:
        """Waits for running tasks, drops waiting ones and ends the pool.

        Raises:
            RuntimeError: There is no pool.
        """
        if self.pool is None:
            raise RuntimeError("There is no pool: finalize() was called before init().")
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.pool = None
        self._active.clear()

    def submit_task(self, task: TaskImplementation) -> TaskFuture:
        """Hands the task to the pool."""
        if self.pool is None:
            raise RuntimeError("There is no pool: call init() before submitting tasks.")
        future = self._submit(self.pool, task)
        self._active.add(future)
        future.add_done_callback(self._active.discard)
        return self._followed(future, task)

    def _followed(self, future: Future[Any], task: TaskImplementation) -> TaskFuture:
        return TaskFutureWrappingPythonFuture(future)

    def _submit(self, pool: Pool, task: TaskImplementation) -> Future[Any]:
        return pool.submit(base_execute_task, task)

    def can_submit_task(self) -> bool:
        """Returns whether fewer tasks are on their way than keep the pool busy."""
        return len(self._active) < 2 * self.max_tasks

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "pool": None, "_active": set()}


class MultiThreadingExecutor(PoolExecutor):
    """Runs tasks in threads."""

    def create_pool(self) -> Pool:
        """Returns a pool of threads."""
        return ThreadPoolExecutor(max_workers=self.max_tasks)


class MultiProcessingExecutor(PoolExecutor):
    """Runs tasks in processes.

    Functions travel with cloudpickle when it is installed, so decorated and local functions work;
    without it, only what plain pickle takes.
    """

    def create_pool(self) -> Pool:
        """Returns a pool of processes."""
        return ProcessPoolExecutor(max_workers=self.max_tasks)

    def _submit(self, pool: Pool, task: TaskImplementation) -> Future[Any]:
        packed = pack_task(task)
        try:
            return pool.submit(run_in_process, packed)
        except BrokenExecutor as error:
            raise _broken(task.task_id) from error

    def _followed(self, future: Future[Any], task: TaskImplementation) -> TaskFuture:
        return _ProcessFuture(future, task.task_id)


class ExecutionManager(abc.ABC):
    """Decides which executor runs which task.

    Args:
        executors: All executors, to be prepared and cleaned up.
    """

    def __init__(self, executors: Sequence[TaskExecutor]) -> None:
        self.executors = list(executors)

    def init(self) -> None:
        """Prepares all executors; when one cannot be prepared, the others are cleaned up."""
        ready: list[TaskExecutor] = []
        try:
            for executor in self.executors:
                executor.init()
                ready.append(executor)
        except BaseException:
            for executor in ready:
                executor.finalize()
            raise

    def finalize(self) -> None:
        """Cleans up all executors, each whatever becomes of the others."""
        failure: Exception | None = None
        for executor in self.executors:
            try:
                executor.finalize()
            except Exception as error:  # noqa: BLE001 - raised after the others are cleaned up
                failure = failure or error
        if failure is not None:
            raise failure

    @abc.abstractmethod
    def get_executor_for_task(self, task: TaskImplementation) -> TaskExecutor:
        """Returns the executor that shall run a task."""


class DefaultExecutionManager(ExecutionManager):
    """Repeated tasks run on the remote executor, all others on the local one.

    Args:
        local_executor: In the calling thread by default.
        remote_executor: Five processes by default.
    """

    def __init__(
        self,
        local_executor: TaskExecutor | None = None,
        remote_executor: TaskExecutor | None = None,
    ) -> None:
        self.local_executor = local_executor or SynchronousLocalTaskExecutor()
        self.remote_executor = remote_executor or MultiProcessingExecutor(max_tasks=5)
        super().__init__([self.local_executor, self.remote_executor])

    def get_executor_for_task(self, task: TaskImplementation) -> TaskExecutor:
        """Returns the remote executor for blocks, else the local one."""
        if task.purpose is NodeGroupPurpose.EXECUTE_BLOCK:
            return self.remote_executor
        return self.local_executor

"""Nodes and tasks on Ray."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hamilton.execution.executors import TaskExecutor, TaskFuture, TaskState
from hamilton.execution.tasks import TaskImplementation, pack_task, run_packed
from hamilton.lifecycle.base import BaseDoBuildResult, BaseDoRemoteExecute, BasePostGraphExecute
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library, run_shipped, shipped

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["RayGraphAdapter", "RayTaskExecutor"]

_OPTION_TAG = "ray_remote."


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise missing_library("ray", "'derivaml[ray]'") from None
    return ray


def _options(tags: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `ray_remote_options` put into a node's tags."""
    return {
        name.removeprefix(_OPTION_TAG): json.loads(value)
        for name, value in tags.items()
        if name.startswith(_OPTION_TAG)
    }


def _start(config: Mapping[str, Any] | None) -> None:
    ray = _ray()
    if not ray.is_initialized():
        ray.init(**(config or {}))


class RayGraphAdapter(BaseDoRemoteExecute, BaseDoBuildResult, BasePostGraphExecute):
    """Makes every node a remote call of Ray; values stay in its object store.

    Hooks of other adapters, and the cache, run where the node runs. Options of a call come from
    ``@ray_remote_options``.

    Args:
        result_builder: Builds the result from the fetched values.
        ray_init_config: Arguments of ``ray.init``, when Ray is not running yet.
        shutdown_ray_on_completion: End Ray after each run.

    Raises:
        ValueError: There is no result builder.
        ImportError: Ray is not installed.
    """

    def __init__(
        self,
        result_builder: Any,
        ray_init_config: Mapping[str, Any] | None = None,
        shutdown_ray_on_completion: bool = False,
    ) -> None:
        if result_builder is None:
            raise ValueError(
                "RayGraphAdapter needs a result_builder, for example base.DictResult()."
            )
        self.result_builder = result_builder
        self.ray_init_config = ray_init_config
        self.shutdown_ray_on_completion = shutdown_ray_on_completion
        _start(ray_init_config)

    def do_remote_execute(
        self, *, node: Node, execute_lifecycle_for_node: Callable[..., Any], **kwargs: Any
    ) -> Any:
        """Calls a node remotely and returns the reference to its value."""
        ray = _ray()
        _start(self.ray_init_config)
        data = shipped(execute_lifecycle_for_node, node)
        call = ray.remote(run_shipped)
        options = {"name": node.name, **_options(node.tags)}
        return call.options(**options).remote(data, **kwargs)

    def resolve_outputs(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Fetches the requested values."""
        ray = _ray()
        refs = {n: v for n, v in outputs.items() if isinstance(v, ray.ObjectRef)}
        try:
            values = ray.get(list(refs.values()))
        except ray.exceptions.RayTaskError as error:
            # The error of the user's function, not that of the engine it ran on.
            raise getattr(error, "cause", None) or error from error
        return {**outputs, **dict(zip(refs, values, strict=True))}

    def do_build_result(self, *, outputs: Any) -> Any:
        """Fetches the requested values and builds the result."""
        return self.result_builder.build_result(**self.resolve_outputs(outputs))

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Ends Ray when that was asked for."""
        if self.shutdown_ray_on_completion:
            _ray().shutdown()


class _RayFuture(TaskFuture):
    """A task on Ray."""

    def __init__(self, ref: Any) -> None:
        self._ref = ref
        self._future = ref.future()

    def get_state(self) -> TaskState:
        if not self._future.done():
            return TaskState.RUNNING
        return TaskState.SUCCESSFUL if self._future.exception() is None else TaskState.FAILED

    def get_result(self) -> Any:
        ray = _ray()
        try:
            return ray.get(self._ref)
        except ray.exceptions.RayTaskError as error:
            raise getattr(error, "cause", None) or error from error

    def when_done(self, tell: Callable[[], None]) -> bool:
        self._future.add_done_callback(lambda _: tell())
        return True


class RayTaskExecutor(TaskExecutor):
    """Runs the tasks of parallel blocks on Ray.

    Args:
        num_cpus: How many processors Ray may use; default all.
        ray_init_config: Further arguments of ``ray.init``.
        skip_init: Ray is running already; neither start nor end it.
    """

    def __init__(
        self,
        num_cpus: int | None = None,
        ray_init_config: Mapping[str, Any] | None = None,
        skip_init: bool = False,
    ) -> None:
        self.num_cpus = num_cpus
        self.ray_init_config = dict(ray_init_config or {})
        self.skip_init = skip_init
        self._started = False

    def init(self) -> None:
        """Starts Ray unless it runs."""
        if not self.skip_init and not _ray().is_initialized():
            if self.num_cpus is not None:
                self.ray_init_config.setdefault("num_cpus", self.num_cpus)
            _start(self.ray_init_config)
            self._started = True

    def finalize(self) -> None:
        """Ends Ray if `init` started it."""
        if self._started:
            _ray().shutdown()
            self._started = False

    def submit_task(self, task: TaskImplementation) -> TaskFuture:
        """Starts a task."""
        options: dict[str, Any] = {"name": task.task_id}
        for node in task.nodes:
            options.update(_options(node.tags))
        call = _ray().remote(run_packed).options(**options)
        return _RayFuture(call.remote(pack_task(task)))

    def can_submit_task(self) -> bool:
        """Returns True: Ray queues what it cannot run yet."""
        return True

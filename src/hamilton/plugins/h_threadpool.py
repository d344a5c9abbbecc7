"""Nodes in a pool of threads: those that do not need one another run at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from hamilton._loop import annotate_failure
from hamilton.lifecycle.base import (
    BaseDoBuildResult,
    BaseDoRemoteExecute,
    BasePostGraphExecute,
    BasePreGraphExecute,
)
from hamilton.node import Node

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["FutureAdapter"]


class FutureAdapter(
    BaseDoRemoteExecute, BaseDoBuildResult, BasePreGraphExecute, BasePostGraphExecute
):
    """Submits each node to a pool of threads, where it waits for what it takes.

    Hooks and the cache run in the threads, around the real values. A node waits only for nodes
    that were submitted before it, so any number of threads suffices. Parallel blocks are not for
    this adapter.

    Args:
        max_workers: How many threads; default that of `ThreadPoolExecutor`.
        thread_name_prefix: Names the threads.
        result_builder: Builds the result; default a dictionary.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        result_builder: Any = None,
    ) -> None:
        self.max_workers = max_workers
        self.thread_name_prefix = thread_name_prefix
        self.result_builder = result_builder
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._pool: ThreadPoolExecutor | None = None

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Makes the pool of a run."""
        self._pool = ThreadPoolExecutor(self.max_workers, self.thread_name_prefix)
        self._pools[run_id] = self._pool

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Ends the pool of a run; what has not begun is dropped."""
        pool = self._pools.pop(run_id, None)
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def do_remote_execute(
        self, *, node: Node, execute_lifecycle_for_node: Callable[..., Any], **kwargs: Any
    ) -> Any:
        """Submits a node and returns its future."""
        if self._pool is None:
            raise RuntimeError("FutureAdapter runs nodes only while a driver executes.")
        return self._pool.submit(_run_when_ready, node, execute_lifecycle_for_node, kwargs)

    def resolve_outputs(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Waits for the requested values and returns them."""
        return {name: _value(value) for name, value in outputs.items()}

    def do_build_result(self, *, outputs: Any) -> Any:
        """Waits for the requested values and builds the result."""
        values = self.resolve_outputs(outputs)
        return values if self.result_builder is None else self.result_builder.build_result(**values)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pools": {}, "_pool": None}


def _value(value: Any) -> Any:
    return value.result() if isinstance(value, Future) else value


def _run_when_ready(node: Node, execute: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    values = {name: _value(value) for name, value in kwargs.items()}
    try:
        return execute(**values)
    except Exception as error:
        annotate_failure(error, node, values)
        raise

"""Every point at which an adapter can take part in building and running a dataflow.

Three kinds: a *hook* is called for each adapter and returns nothing, a *method* replaces a step,
a *validator* returns ``(ok, message)``. Each point has a base class with one keyword-only method
of the point's name; hooks also have a twin ending in ``Async`` whose method is a coroutine.
An adapter may derive from any number of them.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hamilton.lifecycle.adapter_set import LifecycleAdapterSet
from hamilton.lifecycle.points import InvalidLifecycleAdapter, LifecycleAdapter, lifecycle

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph
    from hamilton.node import Node

__all__ = [
    "BaseDoBuildResult",
    "BaseDoCheckEdgeTypesMatch",
    "BaseDoNodeExecute",
    "BaseDoNodeExecuteAsync",
    "BaseDoRemoteExecute",
    "BaseDoValidateInput",
    "BasePostGraphConstruct",
    "BasePostGraphConstructAsync",
    "BasePostGraphExecute",
    "BasePostGraphExecuteAsync",
    "BasePostNodeExecute",
    "BasePostNodeExecuteAsync",
    "BasePostTaskExecute",
    "BasePostTaskExecuteAsync",
    "BasePostTaskExpand",
    "BasePostTaskGroup",
    "BasePostTaskReturn",
    "BasePreDoAnythingHook",
    "BasePreGraphExecute",
    "BasePreGraphExecuteAsync",
    "BasePreNodeExecute",
    "BasePreNodeExecuteAsync",
    "BasePreTaskExecute",
    "BasePreTaskExecuteAsync",
    "BasePreTaskSubmission",
    "BaseValidateGraph",
    "BaseValidateNode",
    "InvalidLifecycleAdapter",
    "LifecycleAdapter",
    "LifecycleAdapterSet",
    "ValidationException",
    "lifecycle",
]


class ValidationException(Exception):
    """Static validators refused nodes or the graph; the message lists every reason."""


_hook, _method, _validator = lifecycle.base_hook, lifecycle.base_method, lifecycle.base_validator


@_hook("pre_do_anything")
class BasePreDoAnythingHook(LifecycleAdapter, abc.ABC):
    """Called before a driver does anything."""

    @abc.abstractmethod
    def pre_do_anything(self) -> None:
        """Runs once, at construction of the driver."""


@_method("do_check_edge_types_match")
class BaseDoCheckEdgeTypesMatch(LifecycleAdapter, abc.ABC):
    """Permits edges that the built-in check refuses."""

    @abc.abstractmethod
    def do_check_edge_types_match(self, *, type_from: type, type_to: type) -> bool:
        """Returns whether a value of `type_from` may feed a parameter of `type_to`."""


@_method("do_validate_input")
class BaseDoValidateInput(LifecycleAdapter, abc.ABC):
    """Replaces the check of supplied values."""

    @abc.abstractmethod
    def do_validate_input(self, *, node_type: type, input_value: Any) -> bool:
        """Returns whether a supplied value is fit for an input of `node_type`."""


@_validator("validate_node")
class BaseValidateNode(LifecycleAdapter, abc.ABC):
    """Judges each node while the graph is built."""

    @abc.abstractmethod
    def validate_node(self, *, created_node: Node) -> tuple[bool, str | None]:
        """Returns whether the node is acceptable, and why not."""


@_validator("validate_graph")
class BaseValidateGraph(LifecycleAdapter, abc.ABC):
    """Judges the whole graph once it is built."""

    @abc.abstractmethod
    def validate_graph(
        self, *, graph: FunctionGraph, modules: list[ModuleType], config: dict[str, Any]
    ) -> tuple[bool, str | None]:
        """Returns whether the graph is acceptable, and why not."""


@_hook("post_graph_construct")
class BasePostGraphConstruct(LifecycleAdapter, abc.ABC):
    """Called when a graph has been built."""

    @abc.abstractmethod
    def post_graph_construct(
        self, *, graph: FunctionGraph, modules: list[ModuleType], config: dict[str, Any]
    ) -> None:
        """Runs after construction and validation of the graph."""


@_hook("post_graph_construct")
class BasePostGraphConstructAsync(LifecycleAdapter, abc.ABC):
    """Asynchronous twin of `BasePostGraphConstruct`."""

    @abc.abstractmethod
    async def post_graph_construct(
        self, *, graph: FunctionGraph, modules: list[ModuleType], config: dict[str, Any]
    ) -> None:
        """Runs after construction and validation of the graph."""


@_hook("pre_graph_execute")
class BasePreGraphExecute(LifecycleAdapter, abc.ABC):
    """Called at the start of a run."""

    @abc.abstractmethod
    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Runs before anything of the run is checked or computed."""


@_hook("pre_graph_execute")
class BasePreGraphExecuteAsync(LifecycleAdapter, abc.ABC):
    """Asynchronous twin of `BasePreGraphExecute`."""

    @abc.abstractmethod
    async def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Runs before anything of the run is checked or computed."""


@_hook("post_task_group")
class BasePostTaskGroup(LifecycleAdapter, abc.ABC):
    """Called when the nodes of a run have been grouped into tasks."""

    @abc.abstractmethod
    def post_task_group(self, *, run_id: str, task_ids: list[str]) -> None:
        """Runs once per task-based run."""


@_hook("post_task_expand")
class BasePostTaskExpand(LifecycleAdapter, abc.ABC):
    """Called when an expanding task has listed its items."""

    @abc.abstractmethod
    def post_task_expand(self, *, run_id: str, task_id: str, parameters: dict[str, Any]) -> None:
        """Runs with ``{spawned task id: item}``."""


@_hook("pre_task_submission")
class BasePreTaskSubmission(LifecycleAdapter, abc.ABC):
    """Called in the driver's process before a task goes to its executor."""

    @abc.abstractmethod
    def pre_task_submission(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Runs before the task is submitted."""


@_hook("pre_task_execute")
class BasePreTaskExecute(LifecycleAdapter, abc.ABC):
    """Called where a task runs, before its nodes."""

    @abc.abstractmethod
    def pre_task_execute(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Runs before the first node of the task."""


@_hook("pre_task_execute")
class BasePreTaskExecuteAsync(LifecycleAdapter, abc.ABC):
    """Asynchronous twin of `BasePreTaskExecute`."""

    @abc.abstractmethod
    async def pre_task_execute(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Runs before the first node of the task."""


@_hook("pre_node_execute")
class BasePreNodeExecute(LifecycleAdapter, abc.ABC):
    """Called before each node; raising stops the node."""

    @abc.abstractmethod
    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Runs before the node's callable."""


@_hook("pre_node_execute")
class BasePreNodeExecuteAsync(LifecycleAdapter, abc.ABC):
    """Asynchronous twin of `BasePreNodeExecute`."""

    @abc.abstractmethod
    async def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Runs before the node's callable."""


@_method("do_node_execute")
class BaseDoNodeExecute(LifecycleAdapter, abc.ABC):
    """Runs a node in its own way; several adapters wrap one another, the first outermost."""

    @abc.abstractmethod
    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Returns the node's value; ``node_.callable`` is the next adapter or the function."""


@_method("do_node_execute")
class BaseDoNodeExecuteAsync(LifecycleAdapter, abc.ABC):
    """Asynchronous twin of `BaseDoNodeExecute`."""

    @abc.abstractmethod
    async def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Returns the node's value."""


@_method("do_remote_execute")
class BaseDoRemoteExecute(LifecycleAdapter, abc.ABC):
    """Ships a node, hooks included, to where it shall run."""

    @abc.abstractmethod
    def do_remote_execute(
        self, *, node: Node, execute_lifecycle_for_node: Callable[..., Any], **kwargs: Any
    ) -> Any:
        """Returns the value or a future; calling `execute_lifecycle_for_node` runs the node."""


@_hook("post_node_execute")
class BasePostNodeExecute(LifecycleAdapter, abc.ABC):
    """Called after each node, whether it succeeded or failed."""

    @abc.abstractmethod
    def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Runs after the node's callable."""


@_hook("post_node_execute")
class BasePostNodeExecuteAsync(LifecycleAdapter, abc.ABC):
    """Asynchronous twin of `BasePostNodeExecute`."""

    @abc.abstractmethod
    async def post_node_execute(
        self,
        *,
        run_id: str,
        node_: Node,
        kwargs: dict[str, Any],
        success: bool,
        error: Exception | None,
        result: Any,
        task_id: str | None = None,
    ) -> None:
        """Runs after the node's callable."""


@_hook("post_task_execute")
class BasePostTaskExecute(LifecycleAdapter, abc.ABC):
    """Called where a task runs, after its nodes."""

    @abc.abstractmethod
    def post_task_execute(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        results: dict[str, Any] | None,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Runs after the last node of the task, or its failure."""


@_hook("post_task_execute")
class BasePostTaskExecuteAsync(LifecycleAdapter, abc.ABC):
    """Asynchronous twin of `BasePostTaskExecute`."""

    @abc.abstractmethod
    async def post_task_execute(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        results: dict[str, Any] | None,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Runs after the last node of the task, or its failure."""


@_hook("post_task_return")
class BasePostTaskReturn(LifecycleAdapter, abc.ABC):
    """Called in the driver's process when a task has come back."""

    @abc.abstractmethod
    def post_task_return(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Node],
        result: Any,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
    ) -> None:
        """Runs once per submitted task."""


@_method("do_build_result")
class BaseDoBuildResult(LifecycleAdapter, abc.ABC):
    """Turns the computed outputs into what ``execute`` returns."""

    @abc.abstractmethod
    def do_build_result(self, *, outputs: Any) -> Any:
        """Returns the result of the run from ``{output name: value}``."""


@_hook("post_graph_execute")
class BasePostGraphExecute(LifecycleAdapter, abc.ABC):
    """Called at the end of a run, whether it succeeded or failed."""

    @abc.abstractmethod
    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Runs exactly once for every started run, with the built result."""


@_hook("post_graph_execute")
class BasePostGraphExecuteAsync(LifecycleAdapter, abc.ABC):
    """Asynchronous twin of `BasePostGraphExecute`."""

    @abc.abstractmethod
    async def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Runs exactly once for every started run, with the built result."""

"""Every point at which an adapter can take part in building and running a dataflow.

Three kinds: a *hook* is called for each adapter and returns nothing, a *method* replaces a step,
a *validator* returns ``(ok, message)``. Each point has a base class with one keyword-only method
of the point's name; hooks also have a twin ending in ``Async`` whose method is a coroutine.
An adapter may derive from any number of them.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Collection, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

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


# Methods of which a run can use only one implementation; the others compose.
_SINGLE_METHODS = ("do_build_result", "do_remote_execute")


class LifecycleAdapterSet:
    """The adapters of one driver, asked once who implements which extension point.

    Raises:
        ValueError: Two adapters implement a method of which only one can be used.
    """

    def __init__(self, *adapters: LifecycleAdapter) -> None:
        self._adapters = _checked(adapters)
        self._found: dict[tuple[str, bool], tuple[Callable[..., Any], ...]] = {}
        for adapter in self._adapters:
            for key in _implemented(adapter):
                self._found[key] = (*self._found.get(key, ()), getattr(adapter, key[0]))
        for name in _SINGLE_METHODS:
            if len(self._found.get((name, False), ())) > 1:
                raise ValueError(
                    "Multiple adapters cannot (currently) implement the same lifecycle method. "
                    f"Sync methods: [{name!r}]. Async methods: []. Adapters: "
                    f"{[type(f.__self__).__name__ for f in self._found[name, False]]}."  # type: ignore[attr-defined]
                )

    @property
    def adapters(self) -> list[LifecycleAdapter]:
        """The adapters in the order in which they were given."""
        return list(self._adapters)

    @property
    def resolves_awaitables(self) -> bool:
        """Whether an adapter declares that it awaits what asynchronous functions return."""
        return any(getattr(a, "resolves_awaitables", False) for a in self._adapters)

    def sync(self, name: str) -> tuple[Callable[..., Any], ...]:
        """Returns the synchronous implementations of a point, in adapter order."""
        return self._found.get((name, False), ())

    def asynchronous(self, name: str) -> tuple[Callable[..., Any], ...]:
        """Returns the asynchronous implementations of a point, in adapter order."""
        return self._found.get((name, True), ())

    def does_hook(self, hook_name: str, is_async: bool | None = None) -> bool:
        """Returns whether any adapter implements a hook; both kinds when `is_async` is None."""
        return self._does(hook_name, is_async)

    def does_method(self, method_name: str, is_async: bool | None = None) -> bool:
        """Returns whether any adapter implements a method; both kinds when `is_async` is None."""
        return self._does(method_name, is_async)

    def does_validation(self, validator_name: str) -> bool:
        """Returns whether any adapter implements a validator."""
        return self._does(validator_name, False)

    def _does(self, name: str, is_async: bool | None) -> bool:
        kinds = (False, True) if is_async is None else (is_async,)
        return any((name, kind) in self._found for kind in kinds)

    def call_all_lifecycle_hooks_sync(self, hook_name: str, **kwargs: Any) -> None:
        """Calls a synchronous hook of every adapter that has it, in order."""
        for hook in self.sync(hook_name):
            hook(**kwargs)

    async def call_all_lifecycle_hooks_sync_and_async(self, hook_name: str, **kwargs: Any) -> None:
        """Calls a hook of every adapter; the asynchronous ones run concurrently."""
        import asyncio

        self.call_all_lifecycle_hooks_sync(hook_name, **kwargs)
        await asyncio.gather(*(hook(**kwargs) for hook in self.asynchronous(hook_name)))

    def call_all_validators_sync(
        self, validator_name: str, **kwargs: Any
    ) -> list[tuple[bool, Any]]:
        """Returns what every validator answers, in order."""
        return [validate(**kwargs) for validate in self.sync(validator_name)]

    def call_lifecycle_method_sync(self, method_name: str, **kwargs: Any) -> Any:
        """Returns what the first adapter implementing a method answers.

        Raises:
            ValueError: No adapter implements it.
        """
        for method in self.sync(method_name):
            return method(**kwargs)
        raise ValueError(f"No adapter implements the method {method_name!r}.")


def _checked(adapters: Iterable[LifecycleAdapter]) -> tuple[LifecycleAdapter, ...]:
    found = tuple(adapters)
    for adapter in found:
        if not isinstance(adapter, LifecycleAdapter):
            raise ValueError(
                f"{adapter!r} is not an adapter: pass an instance of a class that derives from "
                "hamilton.lifecycle classes or hamilton.base.ResultMixin."
            )
    return found


def _implemented(adapter: LifecycleAdapter) -> list[tuple[str, bool]]:
    """Returns the points an adapter implements as ``(name, is asynchronous)``."""
    skipped = _unchanged_points(adapter)
    found = []
    for name, entries in lifecycle.classes.items():
        if name not in skipped and any(isinstance(adapter, cls) for cls, _ in entries):
            found.append((name, inspect.iscoroutinefunction(getattr(adapter, name))))
    return found


def _unchanged_points(adapter: LifecycleAdapter) -> Collection[str]:
    """Returns the points an adapter inherits but leaves at what the driver does anyway."""
    ask: Callable[[], Collection[str]] | None = getattr(adapter, "unchanged_points", None)
    return () if ask is None else ask()

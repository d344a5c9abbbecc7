"""The adapter classes users derive from: few methods, plain arguments.

Each translates one or two of the low-level points of `hamilton.lifecycle.base`. Every method also
receives ``**future_kwargs``, so that arguments added later do not break existing adapters.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection
from types import ModuleType
from typing import TYPE_CHECKING, Any, final

from hamilton.lifecycle.base import (
    BaseDoBuildResult,
    BaseDoCheckEdgeTypesMatch,
    BaseDoNodeExecute,
    BaseDoValidateInput,
    BasePostGraphConstruct,
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePostTaskExecute,
    BasePostTaskExpand,
    BasePostTaskGroup,
    BasePostTaskReturn,
    BasePreGraphExecute,
    BasePreNodeExecute,
    BasePreTaskExecute,
    BasePreTaskSubmission,
    BaseValidateGraph,
    BaseValidateNode,
)
from hamilton.node import Node, NodeType

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph
    from hamilton.graph_types import HamiltonGraph, HamiltonNode

__all__ = [
    "EdgeConnectionHook",
    "GraphAdapter",
    "GraphConstructionHook",
    "GraphExecutionHook",
    "LegacyResultMixin",
    "NodeExecutionHook",
    "NodeExecutionMethod",
    "ResultBuilder",
    "StaticValidator",
    "TaskExecutionHook",
    "TaskGroupingHook",
    "TaskReturnHook",
    "TaskSubmissionHook",
]


class ResultBuilder(BaseDoBuildResult, abc.ABC):
    """Turns the requested values into what ``execute`` returns."""

    @abc.abstractmethod
    def build_result(self, **outputs: Any) -> Any:
        """Returns the result made of the requested values."""

    @final
    def do_build_result(self, *, outputs: dict[str, Any]) -> Any:
        """Returns ``build_result(**outputs)``."""
        return self.build_result(**outputs)

    def input_types(self) -> list[type]:
        """Returns the types that outputs may have."""
        return [Any]

    def output_type(self) -> type:
        """Returns the type of the built result."""
        return Any


class LegacyResultMixin(BaseDoBuildResult, abc.ABC):
    """Base of result builders, whose ``build_result`` may be static or an instance method."""

    @staticmethod
    @abc.abstractmethod
    def build_result(**outputs: Any) -> Any:
        """Returns the result made of the requested values."""

    def do_build_result(self, *, outputs: dict[str, Any]) -> Any:
        """Returns ``build_result(**outputs)``."""
        return self.build_result(**outputs)

    def input_types(self) -> list[type]:
        """Returns the types that outputs may have."""
        return [Any]

    def output_type(self) -> type:
        """Returns the type of the built result."""
        return Any


class GraphAdapter(
    BaseDoNodeExecute, LegacyResultMixin, BaseDoValidateInput, BaseDoCheckEdgeTypesMatch, abc.ABC
):
    """An adapter that checks types, runs nodes and builds the result, all in one."""


class NodeExecutionHook(BasePreNodeExecute, BasePostNodeExecute, abc.ABC):
    """Called before and after every node."""

    @abc.abstractmethod
    def run_before_node_execution(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_kwargs: dict[str, Any],
        node_return_type: type,
        task_id: str | None,
        run_id: str,
        node_input_types: dict[str, Any],
        **future_kwargs: Any,
    ) -> None:
        """Runs before the node; raising stops it."""

    @abc.abstractmethod
    def run_after_node_execution(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_kwargs: dict[str, Any],
        node_return_type: type,
        result: Any,
        error: Exception | None,
        success: bool,
        task_id: str | None,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Runs after the node, with its result or its error."""

    @final
    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Translates the low-level hook."""
        self.run_before_node_execution(
            node_name=node_.name,
            node_tags=node_.tags,
            node_kwargs=kwargs,
            node_return_type=node_.type,
            task_id=task_id,
            run_id=run_id,
            node_input_types={n: t for n, (t, _) in node_.input_types.items()},
        )

    @final
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
        """Translates the low-level hook."""
        self.run_after_node_execution(
            node_name=node_.name,
            node_tags=node_.tags,
            node_kwargs=kwargs,
            node_return_type=node_.type,
            result=result,
            error=error,
            success=success,
            task_id=task_id,
            run_id=run_id,
        )


class GraphExecutionHook(BasePreGraphExecute, BasePostGraphExecute, abc.ABC):
    """Called at the start and at the end of every run."""

    @abc.abstractmethod
    def run_before_graph_execution(
        self,
        *,
        graph: HamiltonGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        execution_path: Collection[str],
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Runs before the first node; `execution_path` names the nodes that will be computed."""

    @abc.abstractmethod
    def run_after_graph_execution(
        self,
        *,
        graph: HamiltonGraph,
        success: bool,
        error: Exception | None,
        results: Any,
        run_id: str,
        **future_kwargs: Any,
    ) -> None:
        """Runs after the last node, with the built result or the error."""

    @final
    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Translates the low-level hook."""
        from hamilton.graph_types import HamiltonGraph

        order = graph.upstream_order(final_vars, overrides)
        path = [n for n in order if n in graph.nodes and not graph.nodes[n].user_defined]
        self.run_before_graph_execution(
            graph=HamiltonGraph.from_graph(graph),
            final_vars=final_vars,
            inputs=inputs,
            overrides=overrides,
            execution_path=path,
            run_id=run_id,
        )

    @final
    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Translates the low-level hook."""
        from hamilton.graph_types import HamiltonGraph

        self.run_after_graph_execution(
            graph=HamiltonGraph.from_graph(graph),
            success=success,
            error=error,
            results=results,
            run_id=run_id,
        )


class GraphConstructionHook(BasePostGraphConstruct, abc.ABC):
    """Called when a graph has been built."""

    @abc.abstractmethod
    def run_after_graph_construction(
        self, *, graph: HamiltonGraph, config: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Runs after construction, and once for each ``materialize``."""

    @final
    def post_graph_construct(
        self, *, graph: FunctionGraph, modules: list[ModuleType], config: dict[str, Any]
    ) -> None:
        """Translates the low-level hook."""
        from hamilton.graph_types import HamiltonGraph

        self.run_after_graph_construction(graph=HamiltonGraph.from_graph(graph), config=config)


class NodeExecutionMethod(BaseDoNodeExecute, abc.ABC):
    """Runs nodes in its own way."""

    @abc.abstractmethod
    def run_to_execute_node(
        self,
        *,
        node_name: str,
        node_tags: dict[str, Any],
        node_callable: Callable[..., Any],
        node_kwargs: dict[str, Any],
        task_id: str | None,
        is_expand: bool,
        is_collect: bool,
        **future_kwargs: Any,
    ) -> Any:
        """Returns the node's value, usually ``node_callable(**node_kwargs)``."""

    @final
    def do_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> Any:
        """Translates the low-level method."""
        return self.run_to_execute_node(
            node_name=node_.name,
            node_tags=node_.tags,
            node_callable=node_.callable,
            node_kwargs=kwargs,
            task_id=task_id,
            is_expand=node_.node_role is NodeType.EXPAND,
            is_collect=node_.node_role is NodeType.COLLECT,
            run_id=run_id,
        )


class EdgeConnectionHook(BaseDoCheckEdgeTypesMatch, BaseDoValidateInput, abc.ABC):
    """Decides about types of edges and of supplied values."""

    @abc.abstractmethod
    def check_edge_types_match(self, type_from: type, type_to: type, **kwargs: Any) -> bool:
        """Returns whether an edge that the built-in check refuses is permitted."""

    @abc.abstractmethod
    def validate_input(self, node_type: type, input_value: Any, **kwargs: Any) -> bool:
        """Returns whether a supplied value is fit for an input of `node_type`."""

    @final
    def do_check_edge_types_match(self, *, type_from: type, type_to: type) -> bool:
        """Translates the low-level method."""
        return self.check_edge_types_match(type_from, type_to)

    @final
    def do_validate_input(self, *, node_type: type, input_value: Any) -> bool:
        """Translates the low-level method."""
        return self.validate_input(node_type, input_value)


class StaticValidator(BaseValidateGraph, BaseValidateNode):
    """Judges nodes and graphs while they are built; both methods default to valid."""

    def run_to_validate_node(
        self, *, node: HamiltonNode, **future_kwargs: Any
    ) -> tuple[bool, str | None]:
        """Returns whether a node is acceptable, and why not."""
        return True, None

    def run_to_validate_graph(
        self, graph: HamiltonGraph, **future_kwargs: Any
    ) -> tuple[bool, str | None]:
        """Returns whether a graph is acceptable, and why not."""
        return True, None

    @final
    def validate_node(self, *, created_node: Node) -> tuple[bool, str | None]:
        """Translates the low-level validator."""
        from hamilton.graph_types import HamiltonNode

        return self.run_to_validate_node(node=HamiltonNode.from_node(created_node))

    @final
    def validate_graph(
        self, *, graph: FunctionGraph, modules: list[ModuleType], config: dict[str, Any]
    ) -> tuple[bool, str | None]:
        """Translates the low-level validator."""
        from hamilton.graph_types import HamiltonGraph

        return self.run_to_validate_graph(graph=HamiltonGraph.from_graph(graph))


class TaskSubmissionHook(BasePreTaskSubmission, abc.ABC):
    """Called in the driver's process before a task goes to its executor."""

    @abc.abstractmethod
    def run_before_task_submission(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[HamiltonNode],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
        **future_kwargs: Any,
    ) -> None:
        """Runs before the task is submitted."""

    @final
    def pre_task_submission(
        self, *, run_id: str, task_id: str, nodes: list[Node], **kwargs: Any
    ) -> None:
        """Translates the low-level hook."""
        self.run_before_task_submission(
            run_id=run_id, task_id=task_id, nodes=_public(nodes), **kwargs
        )


class TaskReturnHook(BasePostTaskReturn, abc.ABC):
    """Called in the driver's process when a task has come back."""

    @abc.abstractmethod
    def run_after_task_return(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[HamiltonNode],
        result: Any,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
        **future_kwargs: Any,
    ) -> None:
        """Runs once per submitted task."""

    @final
    def post_task_return(
        self, *, run_id: str, task_id: str, nodes: list[Node], **kwargs: Any
    ) -> None:
        """Translates the low-level hook."""
        self.run_after_task_return(run_id=run_id, task_id=task_id, nodes=_public(nodes), **kwargs)


class TaskExecutionHook(BasePreTaskExecute, BasePostTaskExecute, abc.ABC):
    """Called where a task runs, before and after its nodes."""

    @abc.abstractmethod
    def run_before_task_execution(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[HamiltonNode],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
        spawning_task_id: str | None,
        purpose: Any,
        **future_kwargs: Any,
    ) -> None:
        """Runs before the first node of the task."""

    @abc.abstractmethod
    def run_after_task_execution(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[HamiltonNode],
        results: dict[str, Any] | None,
        success: bool,
        error: Exception | None,
        spawning_task_id: str | None,
        purpose: Any,
        **future_kwargs: Any,
    ) -> None:
        """Runs after the last node of the task, or its failure."""

    @final
    def pre_task_execute(
        self, *, run_id: str, task_id: str, nodes: list[Node], **kwargs: Any
    ) -> None:
        """Translates the low-level hook."""
        self.run_before_task_execution(
            run_id=run_id, task_id=task_id, nodes=_public(nodes), **kwargs
        )

    @final
    def post_task_execute(
        self, *, run_id: str, task_id: str, nodes: list[Node], **kwargs: Any
    ) -> None:
        """Translates the low-level hook."""
        self.run_after_task_execution(
            run_id=run_id, task_id=task_id, nodes=_public(nodes), **kwargs
        )


class TaskGroupingHook(BasePostTaskGroup, BasePostTaskExpand, abc.ABC):
    """Called when nodes have been grouped into tasks, and when a task has listed its items."""

    @abc.abstractmethod
    def run_after_task_grouping(
        self, *, run_id: str, task_ids: list[str], **future_kwargs: Any
    ) -> None:
        """Runs once per task-based run."""

    @abc.abstractmethod
    def run_after_task_expansion(
        self, *, run_id: str, task_id: str, parameters: dict[str, Any], **future_kwargs: Any
    ) -> None:
        """Runs with ``{spawned task id: item}``."""

    @final
    def post_task_group(self, *, run_id: str, task_ids: list[str]) -> None:
        """Translates the low-level hook."""
        self.run_after_task_grouping(run_id=run_id, task_ids=task_ids)

    @final
    def post_task_expand(self, *, run_id: str, task_id: str, parameters: dict[str, Any]) -> None:
        """Translates the low-level hook."""
        self.run_after_task_expansion(run_id=run_id, task_id=task_id, parameters=parameters)


def _public(nodes: Collection[Node]) -> list[HamiltonNode]:
    from hamilton.graph_types import HamiltonNode

    return [HamiltonNode.from_node(node) for node in nodes]

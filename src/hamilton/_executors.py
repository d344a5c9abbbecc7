"""Graph executors: the one that runs a request as one flat plan, and the contract they share."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from hamilton._loop import run_plan
from hamilton._request import Request
from hamilton.errors import InvalidExecutorException, where
from hamilton.lifecycle.base import LifecycleAdapterSet
from hamilton.node import Node, NodeType

__all__ = ["DefaultGraphExecutor", "GraphExecutor"]


class GraphExecutor(abc.ABC):
    """Computes a checked request."""

    @abc.abstractmethod
    def validate(self, nodes_to_execute: Sequence[Node]) -> None:
        """Raises `InvalidExecutorException` when this executor cannot run one of the nodes."""

    def accept(self, request: Request) -> None:
        """Raises `InvalidExecutorException` when this executor cannot run a request."""
        self.validate(request.order)

    @abc.abstractmethod
    def execute(self, request: Request, values: Mapping[str, Any], run_id: str) -> dict[str, Any]:
        """Returns the requested values by name, in the order of the request."""


class DefaultGraphExecutor(GraphExecutor):
    """Runs the nodes one after another in the calling thread."""

    def __init__(self, adapter: LifecycleAdapterSet | None = None) -> None:
        self.adapter = adapter or LifecycleAdapterSet()
        self._hooked = self.adapter if self.adapter.joins_nodes else None

    def validate(self, nodes_to_execute: Sequence[Node]) -> None:
        """Refuses nodes that open or close parallel blocks."""
        for node in nodes_to_execute:
            if node._role in (NodeType.EXPAND, NodeType.COLLECT):
                functions = [where(f) for f in node.originating_functions or ()]
                raise InvalidExecutorException(
                    "Default graph executor cannot handle parallelizable[]/collect[] nodes. "
                    f"Node {node.name} defined by functions: {functions}. Build the driver with "
                    "driver.Builder().enable_dynamic_execution()."
                )

    def accept(self, request: Request) -> None:
        """Refuses a request with nodes that open or close parallel blocks."""
        if request.has_blocks:
            self.validate(request.order)

    def execute(self, request: Request, values: Mapping[str, Any], run_id: str) -> dict[str, Any]:
        """Returns the requested values."""
        return run_plan(request.plan, values, self._hooked, run_id)

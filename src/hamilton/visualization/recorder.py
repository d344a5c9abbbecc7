"""An adapter that notes how nodes fared, and draws it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from hamilton.lifecycle.base import BasePostNodeExecute, BasePreGraphExecute, BasePreNodeExecute
from hamilton.node import Node
from hamilton.visualization.collect import NodeStatus
from hamilton.visualization.options import AllKeywords

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph
    from hamilton.visualization.picture import Picture

__all__ = ["RunRecorder"]


class RunRecorder(BasePreGraphExecute, BasePreNodeExecute, BasePostNodeExecute):
    """Notes of the last run which nodes ran, whether they succeeded and how long they took.

    A node that ran in several tasks counts with the sum of its times, failed if one failed.
    """

    def __init__(self) -> None:
        self.run_id: str | None = None
        self._graph: FunctionGraph | None = None
        self._request: tuple[list[str], dict[str, Any], dict[str, Any]] = ([], {}, {})
        self._started: dict[tuple[str, str | None], float] = {}
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Begins anew."""
        self.run_id, self._graph = run_id, graph
        self._request = (final_vars, inputs, overrides)
        self._started, self._seconds, self._failed = {}, {}, set()

    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Notes when a node starts."""
        self._started[node_.name, task_id] = time.perf_counter()

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
        """Notes how a node ended."""
        now = time.perf_counter()
        taken = now - self._started.pop((node_.name, task_id), now)
        self._seconds[node_.name] = self._seconds.get(node_.name, 0.0) + taken
        if not success:
            self._failed.add(node_.name)

    @property
    def status(self) -> Mapping[str, NodeStatus]:
        """How each node fared."""
        found = {name: NodeStatus("running") for name, _ in self._started}
        for name, seconds in self._seconds.items():
            found[name] = NodeStatus("failed" if name in self._failed else "ok", seconds)
        return found

    def draw(
        self,
        output_file_path: str | os.PathLike[str] | None = None,
        render_kwargs: Mapping[str, Any] | None = None,
        **display: Unpack[AllKeywords],
    ) -> Picture:
        """Draws the last run with the state and the time of each node.

        Raises:
            ValueError: Nothing has run yet.
        """
        from hamilton.visualization.views import draw_request

        if self._graph is None:
            raise ValueError("Nothing has run yet with this recorder; execute the driver first.")
        final_vars, inputs, overrides = self._request
        return draw_request(
            self._graph,
            final_vars,
            inputs=inputs,
            overrides=overrides,
            status=self.status,
            output_file_path=output_file_path,
            render_kwargs=render_kwargs,
            **display,
        )

"""A progress bar in the terminal or notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hamilton.lifecycle.base import (
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
    BasePreNodeExecute,
)
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["ProgressBar"]


class ProgressBar(
    BasePreGraphExecute, BasePreNodeExecute, BasePostNodeExecute, BasePostGraphExecute
):
    """Moves one step for each node, with the running node's name behind the bar.

    Args:
        desc: What stands before the bar.
        max_node_name_width: Longer names are cut.
        **tqdm_options: Further arguments of ``tqdm``.
    """

    def __init__(
        self, desc: str = "Graph execution", max_node_name_width: int = 50, **tqdm_options: Any
    ) -> None:
        self.desc = desc
        self.max_node_name_width = max_node_name_width
        self.tqdm_options = tqdm_options
        self.progress_bar: Any = None

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Shows the bar."""
        try:
            from tqdm.auto import tqdm
        except ImportError:
            raise missing_library("tqdm", "tqdm") from None
        order = graph.upstream_order(final_vars, overrides)
        total = sum(
            n in graph.nodes and not graph.nodes[n].user_defined and n not in overrides
            for n in order
        )
        self.progress_bar = tqdm(total=total, desc=self.desc, **self.tqdm_options)

    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Shows which node runs."""
        name = node_.name
        if len(name) > self.max_node_name_width:
            name = name[: self.max_node_name_width - 3] + "..."
        if self.progress_bar is not None:
            self.progress_bar.set_postfix_str(f"executing {name}")

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
        """Moves one step."""
        if self.progress_bar is None:
            return
        if task_id is not None and self.progress_bar.n >= self.progress_bar.total:
            # How often the nodes of a block run shows only while they do.
            self.progress_bar.total += 1
        self.progress_bar.update(1)

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Says how it ended."""
        self.progress_bar.set_postfix_str("succeeded" if success else "failed")
        self.progress_bar.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "progress_bar": None}

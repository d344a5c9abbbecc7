"""Progress bars by rich: one for the run, one for each expansion and collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hamilton.lifecycle.base import (
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePostTaskExpand,
    BasePostTaskReturn,
    BasePreGraphExecute,
)
from hamilton.node import Node
from hamilton.plugins._shipping import missing_library

if TYPE_CHECKING:
    from hamilton.graph import FunctionGraph

__all__ = ["RichProgressBar"]


class RichProgressBar(
    BasePreGraphExecute,
    BasePostNodeExecute,
    BasePostTaskExpand,
    BasePostTaskReturn,
    BasePostGraphExecute,
):
    """Shows how far a run is, and in task-based runs how far each expansion is.

    Args:
        run_desc: What stands before the bar of the run; default "Graph execution".
        collect_desc: What stands before the bars of expansions; default the expanding task.
        columns: Columns of ``rich.progress.Progress``; default those of rich.
        **progress_options: Further arguments of ``rich.progress.Progress``.
    """

    def __init__(
        self,
        run_desc: str = "",
        collect_desc: str = "",
        columns: list[Any] | None = None,
        **progress_options: Any,
    ) -> None:
        self.run_desc = run_desc
        self.collect_desc = collect_desc
        self.columns = columns
        self.progress_options = progress_options
        self._progress: Any = None
        self._run_bar: Any = None
        self._expansions: dict[str, Any] = {}
        self._spawned: dict[str, str] = {}

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Shows the bar of the run."""
        try:
            from rich.progress import Progress
        except ImportError:
            raise missing_library("rich", "rich") from None
        order = graph.upstream_order(final_vars, overrides)
        total = sum(
            n in graph.nodes and not graph.nodes[n].user_defined and n not in overrides
            for n in order
        )
        self._expansions, self._spawned = {}, {}
        self._progress = Progress(*(self.columns or ()), **self.progress_options)
        self._progress.start()
        self._run_bar = self._progress.add_task(self.run_desc or "Graph execution", total=total)

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
        """Moves the bar of the run, except for what repeats."""
        if self._progress is not None and (task_id is None or task_id not in self._spawned):
            self._progress.advance(self._run_bar)

    def post_task_expand(self, *, run_id: str, task_id: str, parameters: dict[str, Any]) -> None:
        """Shows a bar for an expansion."""
        name = self.collect_desc or f"{task_id}: items"
        self._expansions[task_id] = self._progress.add_task(name, total=len(parameters))
        self._spawned.update(dict.fromkeys(parameters, task_id))

    def post_task_return(
        self, *, run_id: str, task_id: str, spawning_task_id: str | None, **facts: Any
    ) -> None:
        """Moves the bar of an expansion."""
        bar = self._expansions.get(spawning_task_id or "")
        if bar is not None:
            self._progress.advance(bar)

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Completes the bar of a run that succeeded, and stops."""
        if success:
            bar = next(t for t in self._progress.tasks if t.id == self._run_bar)
            self._progress.update(self._run_bar, completed=bar.total)
        self._progress.stop()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_progress": None}

"""A folder for each run: what it was given, what it measured, and the files it wrote.

Look at them with ``hamilton ui``.
"""

from __future__ import annotations

import math
import os
import platform
import time
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hamilton.errors import short_repr
from hamilton.io.files import output_folder
from hamilton.lifecycle.base import (
    BasePostGraphConstruct,
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
    BasePreNodeExecute,
)
from hamilton.node import Node
from hamilton.plugins.h_mlflow import get_path_from_metadata
from hamilton.runs.record import (
    PICTURE,
    Artifact,
    NodeRecord,
    RunError,
    RunHead,
    append_node,
    now,
    plain,
    read_run,
    write_head,
)

if TYPE_CHECKING:
    from types import ModuleType

    from hamilton.graph import FunctionGraph

__all__ = ["ExperimentTracker"]

_SAVER = "hamilton.data_saver"


@dataclass(frozen=True, slots=True)
class _Run:
    """A run in progress."""

    folder: Path
    head: RunHead


class ExperimentTracker(
    BasePostGraphConstruct,
    BasePreGraphExecute,
    BasePreNodeExecute,
    BasePostNodeExecute,
    BasePostGraphExecute,
):
    """Records every run of the driver in a folder of its own.

    Relative paths of savers are below the folder of the run. Configuration, inputs and overrides
    are parameters, numbers among the requested values metrics, as are the numbers in requested
    dictionaries of numbers. Workers on other machines must see the same folder.

    Args:
        experiment_name: Runs of one experiment are compared with one another.
        base_directory: Where the experiments are.

    Raises:
        ValueError: The name is not that of a folder.
    """

    def __init__(
        self, experiment_name: str, base_directory: str | os.PathLike[str] = "./experiments"
    ) -> None:
        is_name = bool(experiment_name) and Path(experiment_name).name == experiment_name
        if not is_name or experiment_name.startswith("."):
            raise ValueError(
                f"The experiment name {experiment_name!r} must be usable as the name of a folder: "
                "no slashes, no dot at its start, not empty."
            )
        self.experiment_name = experiment_name
        self.base_directory = Path(base_directory).absolute()
        self._config: dict[str, Any] = {}
        self._next = self._new_folder()
        self._used = False
        self._runs: dict[str, _Run] = {}
        self._started: dict[tuple[str, str | None, str], float] = {}

    def _new_folder(self) -> Path:
        name = f"{now():%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        return self.base_directory / self.experiment_name / name

    @property
    def run_directory(self) -> Path:
        """The folder of the latest run, or of the first one before there is any."""
        return self._next

    def post_graph_construct(
        self, *, graph: FunctionGraph, modules: list[ModuleType], config: dict[str, Any]
    ) -> None:
        """Notes the configuration."""
        self._config = dict(config)

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Makes the folder and writes down what the run begins with."""
        if self._used:
            self._next = self._new_folder()
        self._used = True
        head = RunHead(
            experiment=self.experiment_name,
            run_id=run_id,
            started=now(),
            requested=tuple(final_vars),
            config=_plain_values(self._config),
            inputs=_plain_values(inputs),
            overrides=_plain_values(overrides),
            modules=tuple(module.__name__ for module in graph.modules),
            version=_version(graph),
            python=platform.python_version(),
        )
        self._runs[run_id] = _Run(self._next, head)
        write_head(self._next, head)

    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Notes when a node starts, and where savers are to write."""
        if _SAVER in node_.tags:
            output_folder.set(self._runs[run_id].folder)
        self._started[run_id, task_id, node_.name] = time.perf_counter()

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
        """Writes down how a node ended."""
        ended = time.perf_counter()
        seconds = ended - self._started.pop((run_id, task_id, node_.name), ended)
        run = self._runs[run_id]
        record = NodeRecord(node_.name, task_id, error is None, seconds)
        if _SAVER in node_.tags:
            output_folder.set(None)
            if isinstance(result, Mapping):
                record = replace(record, artifact=_artifact(run.folder, node_, result))
        elif error is None and node_.name in run.head.requested:
            metrics = _numbers(node_.name, result)
            shown = None if metrics else short_repr(result, 200)
            record = replace(record, metrics=metrics, result=shown)
        append_node(run.folder, record)

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Writes down how the run ended, and draws it."""
        run = self._runs.pop(run_id)
        head = replace(
            run.head,
            ended=now(),
            status="succeeded" if success else "failed",
            error=None if error is None else _told(error),
        )
        write_head(run.folder, head)
        _draw(run.folder, graph)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_config": {}, "_started": {}}


def _version(graph: FunctionGraph) -> str:
    """Returns the version of the functions, whatever savers and loaders lie over them."""
    from hamilton.graph_types import HamiltonGraph

    view = HamiltonGraph.from_graph(graph)
    return HamiltonGraph([node for node in view.nodes if node.originating_functions]).version


def _plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values by name as data that JSON holds."""
    return {name: plain(value) for name, value in values.items()}


def _told(error: Exception) -> RunError:
    return RunError(
        type=type(error).__name__,
        message=str(error),
        node=getattr(error, "__dataflow_node__", None),
        traceback="".join(traceback.format_exception(error)),
    )


def _artifact(folder: Path, node: Node, metadata: Mapping[str, Any]) -> Artifact | None:
    path = get_path_from_metadata(metadata)
    if path is None:
        return None
    place = folder / path
    inside = place.is_relative_to(folder)
    return Artifact(
        path=place.relative_to(folder).as_posix() if inside else str(place),
        size=place.stat().st_size if place.is_file() else None,
        kind=str(node.tags.get("hamilton.data_saver.sink", "")),
    )


def _numbers(name: str, value: Any) -> dict[str, float]:
    """Returns a number under the node's name, or the numbers of a dictionary below it."""
    number = _number(value)
    if number is not None:
        return {name: number}
    if isinstance(value, dict) and value:
        found = {f"{name}.{key}": _number(item) for key, item in value.items()}
        if all(item is not None for item in found.values()):
            return {key: item for key, item in found.items() if item is not None}
    return {}


def _number(value: Any) -> float | None:
    """Returns a finite number, of numpy and its like too; None for what is none."""
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _draw(folder: Path, graph: FunctionGraph) -> None:
    """Draws a recorded run, by the built-in writer: the same everywhere, and quick."""
    from hamilton.visualization.collect import NodeStatus
    from hamilton.visualization.svg import to_svg
    from hamilton.visualization.views import draw_request

    run = read_run(folder)
    seconds: dict[str, float] = {}
    failed = set()
    for node in run.nodes:
        seconds[node.name] = seconds.get(node.name, 0.0) + node.seconds
        if not node.ok:
            failed.add(node.name)
    status = {n: NodeStatus("failed" if n in failed else "ok", s) for n, s in seconds.items()}
    picture = draw_request(
        graph,
        [name for name in run.head.requested if name in graph.nodes],
        inputs=run.head.inputs,
        overrides=run.head.overrides,
        status=status,
    )
    (folder / PICTURE).write_text(to_svg(picture.drawing), encoding="utf-8")

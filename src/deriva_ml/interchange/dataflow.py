"""Dataflows that an execution ran: recorded by an adapter of the driver, read back for a crate.

::

    with ml.create_execution(config) as exe:
        dr = driver.Builder().with_modules(flow).with_adapters(DataflowRecorder(exe)).build()
        dr.execute(["model"], inputs={"rate": 0.1})

Each run of the driver becomes one file that describes the execution: the functions and how they
are connected, what was asked for with what, and when each function ran.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml.core.enums import ExecMetadataType, MLAsset
from deriva_ml.experiment.files import flat
from hamilton.graph_export import graph_as_json
from hamilton.lifecycle.base import (
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
    BasePreNodeExecute,
)
from hamilton.node import Node
from hamilton.runs.record import plain

if TYPE_CHECKING:
    from deriva_ml.execution.execution import Execution
    from hamilton.graph import FunctionGraph

__all__ = ["Dataflow", "DataflowRecorder", "FlowNode", "NodeRun", "read_dataflow"]

_KIND = "hamilton dataflow"
_FORMAT = 1


# --- what was recorded -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlowNode:
    """A function of a dataflow, or one of its inputs.

    Attributes:
        name: Its name.
        type: The type of its value, as a text.
        needs: The nodes whose values it takes.
        is_input: Whether its value was given from outside.
        documentation: Its docstring.
        source: Its source.
        version: The hash of its source.
    """

    name: str
    type: str
    needs: tuple[str, ...]
    is_input: bool
    documentation: str | None
    source: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class NodeRun:
    """One run of a function: when it ran, and what ended it if it failed."""

    name: str
    task_id: str | None
    started: datetime
    ended: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class Dataflow:
    """A run of a dataflow.

    Attributes:
        path: The file that records it.
        run_id: Its id.
        started: When it began, in UTC.
        ended: When it ended, in UTC.
        error: What ended it, if it failed.
        requested: The values that were asked for.
        inputs: Configuration, inputs and overrides by flat names, as plain values.
        nodes: The functions and inputs, by name.
        runs: The runs of functions, in the order in which they ended.
    """

    path: Path
    run_id: str
    started: datetime
    ended: datetime
    error: str | None
    requested: tuple[str, ...]
    inputs: Mapping[str, Any]
    nodes: Mapping[str, FlowNode]
    runs: tuple[NodeRun, ...]


def read_dataflow(file: Path) -> Dataflow | None:
    """The run of a dataflow that a file records; None for a file of another kind."""
    if file.suffix != ".json":
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["kind"] != _KIND or found["format"] != _FORMAT:
            return None
        nodes = [_node(entry) for entry in found["graph"]["nodes"]]
        return Dataflow(
            file,
            found["run_id"],
            datetime.fromisoformat(found["started"]),
            datetime.fromisoformat(found["ended"]),
            found["error"],
            tuple(found["requested"]),
            found["inputs"],
            {node.name: node for node in nodes},
            tuple(_run(entry) for entry in found["runs"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _node(entry: Mapping[str, Any]) -> FlowNode:
    needs = (*entry["required_dependencies"], *entry["optional_dependencies"])
    return FlowNode(
        entry["name"],
        entry["output_type"],
        tuple(sorted(needs)),
        bool(entry["is_external_input"]),
        entry["documentation"],
        entry["source"],
        entry["version"],
    )


def _run(entry: Mapping[str, Any]) -> NodeRun:
    return NodeRun(
        entry["name"],
        entry["task_id"],
        datetime.fromisoformat(entry["started"]),
        datetime.fromisoformat(entry["ended"]),
        entry["error"],
    )


# --- recording ---------------------------------------------------------------------------


class DataflowRecorder(
    BasePreGraphExecute, BasePreNodeExecute, BasePostNodeExecute, BasePostGraphExecute
):
    """An adapter that records every run of a driver with an execution.

    The record is uploaded with the execution's outputs. Values of secrets are masked. Workers
    on other machines must see the execution's directory.

    Args:
        execution: The execution, which is under way.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution: Execution | None = execution
        self._folder = str(execution.working_dir)
        self._begun: dict[str, dict[str, Any]] = {}
        self._started: dict[tuple[str, str | None, str], datetime] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Workers only write down how functions ended.
        return {**self.__dict__, "_execution": None, "_begun": {}, "_started": {}}

    def _runs(self, run_id: str) -> Path:
        return Path(self._folder) / f"dataflow-{run_id}.jsonl"

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Notes what the run begins with."""
        from flexlock.config import mask_secrets

        given = {**graph.config, **inputs, **overrides}
        values = {str(name): plain(value) for name, value in given.items()}
        self._begun[run_id] = {
            "kind": _KIND,
            "format": _FORMAT,
            "run_id": run_id,
            "started": _now(),
            "requested": [str(name) for name in final_vars],
            "inputs": flat(mask_secrets(values)),
        }

    def pre_node_execute(
        self, *, run_id: str, node_: Node, kwargs: dict[str, Any], task_id: str | None = None
    ) -> None:
        """Notes when a function begins."""
        self._started[run_id, task_id, node_.name] = datetime.now(UTC)

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
        """Writes down how a function ended."""
        started = self._started.pop((run_id, task_id, node_.name), datetime.now(UTC))
        entry = {
            "name": node_.name,
            "task_id": task_id,
            "started": started.isoformat(),
            "ended": _now(),
            "error": _told(error),
        }
        # One write to a file that is opened for appending is not mixed with another process's.
        handle = os.open(self._runs(run_id), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, (json.dumps(entry) + "\n").encode())
        finally:
            os.close(handle)

    def post_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        success: bool,
        error: Exception | None,
        results: Any,
    ) -> None:
        """Registers the record with the execution."""
        begun = self._begun.pop(run_id, None)
        if begun is None or self._execution is None:
            return
        runs = self._runs(run_id)
        lines = runs.read_text(encoding="utf-8").splitlines() if runs.is_file() else []
        entries = [json.loads(line) for line in lines]
        record = {
            **begun,
            "ended": _now(),
            "error": _told(error),
            "graph": json.loads(graph_as_json(graph, _taking_part(graph, begun, entries))),
            "runs": entries,
        }
        file = self._execution.asset_file_path(
            MLAsset.execution_metadata,
            f"dataflow-{run_id}.json",
            ExecMetadataType.execution_config,
            description="A dataflow that ran: its functions, inputs, and when each function ran.",
        )
        file.write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")
        runs.unlink(missing_ok=True)


def _taking_part(
    graph: FunctionGraph, begun: Mapping[str, Any], runs: list[dict[str, Any]]
) -> set[str]:
    """The functions that ran, the values that were asked for, and what they take."""
    names = {entry["name"] for entry in runs} | set(begun["requested"])
    for name in list(names):
        if name in graph.nodes:
            names |= graph.nodes[name].input_types.keys()
    return names


def _told(error: BaseException | None) -> str | None:
    return None if error is None else f"{type(error).__name__}: {error}"


def _now() -> str:
    return datetime.now(UTC).isoformat()

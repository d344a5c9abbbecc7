"""Graphs as JSON: written for viewing elsewhere, read back for drawing and comparing."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hamilton.errors import RequestError
from hamilton.graph import FunctionGraph
from hamilton.graph_types import HamiltonGraph, HamiltonNode

__all__ = ["GraphDiff", "diff_graphs", "graph_as_json", "import_graph"]

FORMAT = 1


def graph_as_json(graph: FunctionGraph, names: Collection[str] | None = None) -> str:
    """Returns the named nodes of a graph (default all) as one JSON object.

    Members: ``format``, ``nodes`` sorted by name, ``edges`` as pairs of names, ``config`` keys.
    """
    chosen = sorted(graph.nodes if names is None else set(names) & graph.nodes.keys())
    nodes = []
    for name in chosen:
        node = graph.nodes[name]
        nodes.append(
            {
                **HamiltonNode.from_node(node).as_dict(),
                "is_external_input": node.user_defined,
            }
        )
    edges = sorted(
        (dependency, name)
        for name in chosen
        for dependency in graph.nodes[name].input_types
        if dependency in graph.nodes
    )
    found = {"format": FORMAT, "nodes": nodes, "edges": edges, "config": sorted(graph.config)}
    return json.dumps(found, default=str)


def import_graph(text: str) -> HamiltonGraph:
    """Returns the graph in what `graph_as_json` or ``export_execution`` wrote.

    It can be looked at, drawn (`hamilton.visualization.views.draw_view`) and compared, but not
    run: types are texts and there is no code.

    Raises:
        ValueError: The text is no such export.
    """
    try:
        found = json.loads(text)
        if found.get("format", FORMAT) != FORMAT:
            raise RequestError(
                f"The export has format {found['format']!r}; this version reads {FORMAT}."
            )
        return HamiltonGraph([_Exported.read(entry) for entry in found["nodes"]])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"The text is no exported graph: {error!r}.") from error


@dataclass(frozen=True, eq=True, repr=False)
class _Exported(HamiltonNode):
    """A node that was read, which keeps its source text and version."""

    source: str | None = None
    code_version: str | None = None

    @staticmethod
    def read(entry: Mapping[str, Any]) -> _Exported:
        return _Exported(
            name=entry["name"],
            type=entry["output_type"],
            tags=dict(entry["tags"]),
            is_external_input=bool(entry.get("is_external_input", entry["source"] is None)),
            documentation=entry["documentation"],
            required_dependencies=set(entry["required_dependencies"]),
            optional_dependencies=set(entry["optional_dependencies"]),
            source=entry["source"],
            code_version=entry["version"],
        )

    @property
    def version(self) -> str | None:
        return self.code_version

    def as_dict(self, include_optional_dependencies_default_values: bool = False) -> dict[str, Any]:
        found = super().as_dict(include_optional_dependencies_default_values)
        return {**found, "output_type": self.type, "source": self.source}

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class GraphDiff:
    """How two graphs differ: names only in one, and both versions of what was edited."""

    current_only: tuple[str, ...]
    reference_only: tuple[str, ...]
    edited: Mapping[str, tuple[str | None, str | None]]

    def as_dict(self) -> dict[str, Any]:
        """Returns the difference as plain data."""
        return {
            "current_only": list(self.current_only),
            "reference_only": list(self.reference_only),
            "edit": {
                name: {"current": new, "reference": old} for name, (new, old) in self.edited.items()
            },
        }


def diff_graphs(current: HamiltonGraph, reference: HamiltonGraph) -> GraphDiff:
    """Compares two graphs by the names and code versions of their nodes."""
    new, old = _versions(current.nodes), _versions(reference.nodes)
    return GraphDiff(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        {n: (new[n], old[n]) for n in sorted(new.keys() & old.keys()) if new[n] != old[n]},
    )


def _versions(nodes: Iterable[HamiltonNode]) -> dict[str, str | None]:
    return {node.name: node.version for node in nodes}

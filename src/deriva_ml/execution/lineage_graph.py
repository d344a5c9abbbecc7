"""The graph of a lineage as plain values."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GraphEdge", "GraphNode", "LineageGraph"]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """An execution or an artifact.

    Attributes:
        key: What names it in the graph: its RID, with the version of a dataset.
        kind: ``Execution``, ``Dataset``, ``Asset`` or ``Feature``.
        rid: Its RID.
        label: What to call it.
    """

    key: str
    kind: str
    rid: str
    label: str


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """Something went from one node to the other: it was read, or it was made."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """Executions and artifacts; edges go the way that data went.

    Attributes:
        root: The key of the node that was asked about.
        nodes: The nodes.
        edges: The edges.
    """

    root: str
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

"""Lineage: where something comes from, and what came of it.

`DerivaML.lookup_lineage` answers with one of the results here. They are plain values (pydantic
models), print as a tree, draw themselves in a notebook, and turn into other forms of graphs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from . import lineage_views as views
from .lineage_graph import GraphEdge, GraphNode, LineageGraph

if TYPE_CHECKING:
    import networkx

__all__ = [
    "AssetSummary",
    "DatasetSummary",
    "DownstreamNode",
    "DownstreamResult",
    "ExecutionSummary",
    "LineageNode",
    "LineageResult",
    "RootDescriptor",
    "WorkflowSummary",
]


class GraphSource(Protocol):
    """What a graph can be made from, when somebody wants to see it."""

    def graph(self) -> LineageGraph:
        """The graph."""
        ...


RootType = Literal["Dataset", "Asset", "Feature", "Execution"]


class _Summary(BaseModel):
    """A value without surprises: it does not change, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkflowSummary(_Summary):
    """The code of an execution: RID and name of its workflow."""

    rid: str
    name: str


class ExecutionSummary(_Summary):
    """An execution in short."""

    rid: str
    description: str
    workflow: WorkflowSummary | None
    status: str

    @property
    def title(self) -> str:
        """RID, workflow and description in one line."""
        name = "" if self.workflow is None else self.workflow.name
        return " ".join(t for t in (self.rid, name, f"({self.status})", self.description) if t)


class DatasetSummary(_Summary):
    """A dataset at a version."""

    rid: str
    description: str
    version: str | None

    @property
    def key(self) -> str:
        """RID and version."""
        return self.rid if self.version is None else f"{self.rid}@{self.version}"


class AssetSummary(_Summary):
    """A file."""

    rid: str
    filename: str
    asset_table: str


class LineageNode(_Summary):
    """An execution, what it read, and the executions that made that.

    Attributes:
        execution: The execution.
        consumed_datasets: Datasets that it read, at the versions that it read.
        consumed_assets: Files that it read.
        parents: Nodes of the executions that made these.
        already_shown: Whether this is only a mention: the node of the execution stands elsewhere.
    """

    execution: ExecutionSummary
    consumed_datasets: list[DatasetSummary] = Field(default_factory=list)
    consumed_assets: list[AssetSummary] = Field(default_factory=list)
    parents: list[LineageNode] = Field(default_factory=list)
    already_shown: bool = False

    @property
    def _below(self) -> list[LineageNode]:
        return self.parents

    @property
    def _artifacts(self) -> tuple[list[DatasetSummary], list[AssetSummary]]:
        return self.consumed_datasets, self.consumed_assets


class DownstreamNode(_Summary):
    """An execution, what it made, and the executions that read that.

    Attributes:
        execution: The execution.
        produced_datasets: Versions of datasets that it made.
        produced_assets: Files that it made. Those that only describe the execution are left out.
        children: Nodes of the executions that read these.
        already_shown: Whether this is only a mention: the node of the execution stands elsewhere.
    """

    execution: ExecutionSummary
    produced_datasets: list[DatasetSummary] = Field(default_factory=list)
    produced_assets: list[AssetSummary] = Field(default_factory=list)
    children: list[DownstreamNode] = Field(default_factory=list)
    already_shown: bool = False

    @property
    def _below(self) -> list[DownstreamNode]:
        return self.children

    @property
    def _artifacts(self) -> tuple[list[DatasetSummary], list[AssetSummary]]:
        return self.produced_datasets, self.produced_assets


class RootDescriptor(_Summary):
    """What was asked about, and the execution that made it."""

    rid: str
    type: RootType
    description: str
    producing_execution: ExecutionSummary | None


class _Result(_Summary):
    """What both results have in common: the ways to look at them."""

    root: RootDescriptor
    executions_visited: int = 0
    walked_complete: bool = True
    cycle_detected: bool = False
    depth_capped: bool = False
    _source: GraphSource | None = PrivateAttr(default=None)
    _graph: LineageGraph | None = PrivateAttr(default=None)

    @abstractmethod
    def _trees(self) -> list[Any]:
        """The trees of the result."""

    def nodes(self) -> Iterator[Any]:
        """Every node, those further up first; stubs (``already_shown``) too."""
        waiting = list(reversed(self._trees()))
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node._below)

    def execution_rids(self) -> list[str]:
        """RIDs of the executions that were visited, in the order of `nodes`."""
        return [n.execution.rid for n in self.nodes() if not n.already_shown]

    @property
    def graph(self) -> LineageGraph:
        """Executions and artifacts, with an edge for each thing read or made."""
        if self._graph is None:
            self._graph = (
                _graph_of_nodes(self.root, list(self.nodes()), self._forward)
                if self._source is None
                else self._source.graph()
            )
        return self._graph

    @property
    def _forward(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        """Whether both say the same."""
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, _Result)
        return all(getattr(self, name) == getattr(other, name) for name in type(self).model_fields)

    __hash__ = None  # type: ignore[assignment]

    def to_networkx(self) -> networkx.DiGraph[str]:
        """The graph for `networkx`: edges go from what is read to who read it, and on.

        Raises:
            DerivaMLConfigurationError: `networkx` is not installed.
        """
        return views.to_networkx(self.graph)

    def to_mermaid(self) -> str:
        """The graph as Mermaid text, for Markdown pages that draw it."""
        return views.to_mermaid(self.graph)

    def to_dot(self) -> str:
        """The graph in Graphviz' language."""
        return views.to_dot(self.graph)

    def to_text(self) -> str:
        """The tree as indented text."""
        return views.to_text(self._headline(), self._trees())

    def draw(self, path: Path | str | None = None) -> Path | str:
        """Draw the graph, with Graphviz if it is there, else with matplotlib.

        Args:
            path: Where to; the ending says in which format (``.svg``, ``.png``, ``.pdf``). None
                gives the picture as SVG text.

        Raises:
            DerivaMLConfigurationError: There is nothing to draw with.
            DerivaMLValidationError: The format is unknown.
        """
        return views.draw(self.graph, None if path is None else Path(path))

    def _headline(self) -> str:
        root = self.root
        notes = [root.description] if root.description else []
        notes += ["leads back to itself"] if self.cycle_detected else []
        notes += [] if self.walked_complete else ["not followed to the end"]
        return f"{root.type} {root.rid}" + (f": {'; '.join(notes)}" if notes else "")

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return views.to_html(self._headline(), self._trees(), self.graph)

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None, **kwargs: Any
    ) -> dict[str, str]:
        made = {
            "text/plain": self.to_text(),
            "text/html": self._repr_html_(),
            "text/vnd.mermaid": self.to_mermaid(),
        }
        wanted = set(include or made) - set(exclude or ())
        return {kind: text for kind, text in made.items() if kind in wanted}


class LineageResult(_Result):
    """Where something comes from.

    Attributes:
        root: What was asked about.
        lineage: The execution that made it, and what lies behind that; None when nobody knows.
        others: Nodes of further executions that made the very same thing, such as an equal file.
        executions_visited: How many executions are in the result.
        walked_complete: Whether nothing was left out.
        cycle_detected: Whether an execution read something that comes from itself.
        depth_capped: Whether something was left out because it lies deeper than was asked for.
    """

    lineage: LineageNode | None = None
    others: list[LineageNode] = Field(default_factory=list)

    def _trees(self) -> list[LineageNode]:
        return ([] if self.lineage is None else [self.lineage]) + self.others


class DownstreamResult(_Result):
    """What came of something.

    Attributes:
        root: What was asked about.
        consumers: The executions that read it, and what came of these; for an execution, itself.
        executions_visited: How many executions are in the result.
        walked_complete: Whether nothing was left out.
        cycle_detected: Whether an execution read something that comes from itself.
        depth_capped: Whether something was left out because it lies deeper than was asked for.
    """

    consumers: list[DownstreamNode] = Field(default_factory=list)

    def _trees(self) -> list[DownstreamNode]:
        return self.consumers

    @property
    def _forward(self) -> bool:
        return True


def _graph_of_nodes(root: RootDescriptor, shown: list[Any], forward: bool) -> LineageGraph:
    """The graph of a result that was read back, which knows what executions read, not from whom."""
    nodes = {root.rid: GraphNode(root.rid, root.type, root.rid, root.description)}
    edges: dict[GraphEdge, None] = {}

    def connect(near: str, far: str) -> None:
        edges[GraphEdge(near, far) if forward else GraphEdge(far, near)] = None

    for node in shown:
        rid = node.execution.rid
        nodes[rid] = GraphNode(rid, "Execution", rid, node.execution.title)
        for dataset in node._artifacts[0]:
            nodes[dataset.key] = GraphNode(dataset.key, "Dataset", dataset.rid, dataset.description)
            connect(rid, dataset.key)
        for asset in node._artifacts[1]:
            nodes[asset.rid] = GraphNode(asset.rid, "Asset", asset.rid, asset.filename)
            connect(rid, asset.rid)
        for other in node._below:
            connect(rid, other.execution.rid)
    return LineageGraph(root.rid, tuple(nodes.values()), tuple(edges))

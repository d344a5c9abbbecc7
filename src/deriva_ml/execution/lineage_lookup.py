"""Answering where something comes from and what came of it, in a bounded number of questions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.enums import ExecutionStatus, MLAsset
from deriva_ml.core.exceptions import (
    DerivaMLNotFoundError,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
    some_of,
)
from deriva_ml.core.query import any_of, attributes, entities, equals
from deriva_ml.core.rids import Rids
from deriva_ml.core.session import Session
from deriva_ml.dataset.versions import DatasetVersion
from deriva_ml.feature.definition import Feature, find_features

from .lineage import (
    AssetSummary,
    DatasetSummary,
    DownstreamNode,
    DownstreamResult,
    ExecutionSummary,
    LineageNode,
    LineageResult,
    RootDescriptor,
    RootType,
    WorkflowSummary,
)
from .lineage_graph import GraphEdge, GraphNode, LineageGraph
from .links import Artifact, Links
from .walk import Walk, trees, walk_back, walk_forward

__all__ = ["lookup_lineage", "names_of"]

Direction = Literal["upstream", "downstream"]


def lookup_lineage(
    session: Session,
    rid: str,
    *,
    version: str | None = None,
    depth: int | None = None,
    max_executions: int = 500,
    direction: Direction = "upstream",
) -> LineageResult | DownstreamResult:
    """Follow what executions read and made, from one thing on.

    Args:
        session: The session on the catalog.
        rid: RID of a dataset, an asset, a feature value or an execution.
        version: Of a dataset, the label of the version; None means its newest, or downstream any.
        depth: How many steps to go at most, counted along the shortest way from the execution
            that made (downstream: that read) the root; None means to the end.
        max_executions: How many executions to visit at most; the nearest are visited first.
        direction: Where it comes from (``upstream``) or what came of it (``downstream``).

    Raises:
        DerivaMLRidsNotFound: No row has the RID.
        DerivaMLTableTypeError: The row has no lineage, such as that of a workflow.
        DerivaMLNotFoundError: The dataset has no such version.
        DerivaMLValidationError: A limit is not one, or a version is given of something else.
    """
    _check_limits(depth, max_executions, direction)
    links = Links(session)
    root = _root(session, links, rid, version)
    forward = direction == "downstream"
    makers = _makers(links, root)
    starts = _readers(links, root, version) if forward else makers
    walk = (walk_forward if forward else walk_back)(links, starts, depth, max_executions)
    names = _Names(session, walk, root, makers[:1])
    made = (_downstream if forward else _upstream)(root, walk, names)
    made._source = _GraphSource(root, walk, names, forward)
    return made


def _check_limits(depth: int | None, max_executions: int, direction: str) -> None:
    if direction not in ("upstream", "downstream"):
        raise DerivaMLValidationError(
            f"direction is 'upstream' (where it comes from) or 'downstream' (what came of it), "
            f"not {direction!r}."
        )
    for name, value, least in (("depth", depth, 0), ("max_executions", max_executions, 1)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole and value >= least) and not (name == "depth" and value is None):  # type: ignore[operator]
            raise DerivaMLValidationError(f"{name} is a number from {least} on, not {value!r}.")


# --- the root ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Root:
    """What was asked about: its kind, its row, and what it is among artifacts."""

    rid: str
    type: RootType
    row: Row
    artifact: Artifact | None = None
    feature: Feature | None = None

    @property
    def description(self) -> str:
        if self.feature is not None:
            return f"Value of {self.feature}"
        return self.row.get("Description") or self.row.get("Filename") or ""

    @property
    def key(self) -> str:
        return self.rid if self.artifact is None else self.artifact.key


def _root(session: Session, links: Links, rid: str, version: str | None) -> _Root:
    table = Rids(session).resolve(rid).table
    row = session.fetch(entities(table, equals("RID", rid)))[0]
    place = (table.schema, table.name)
    if place == (session.ml_schema, "Dataset"):
        return _Root(rid, "Dataset", row, _at_version(links, rid, version))
    if version is not None:
        raise DerivaMLValidationError(
            f"Only datasets have versions; {rid!r} is a row of table {table.name!r}."
        )
    if place == (session.ml_schema, "Execution"):
        return _Root(rid, "Execution", row)
    if session.model.is_asset(table):
        return _Root(rid, "Asset", row, Artifact("Asset", rid, table.qualified))
    for feature in find_features(session.model):
        if feature.feature_table == table:
            artifact = Artifact("Feature", rid, table.qualified)
            return _Root(rid, "Feature", row, artifact, feature)
    raise DerivaMLTableTypeError(
        "dataset, asset, feature value or execution",
        table.name,
        f"{rid!r} is a row of table {table.name!r}. Only datasets, assets, feature values and "
        "executions have a lineage.",
    )


def _at_version(links: Links, rid: str, version: str | None) -> Artifact:
    if version is None:
        return links.dataset(rid)
    wanted = str(DatasetVersion.of(version))
    for known in links.versions(rid):
        if known.label == wanted:
            return links.dataset(rid, known.rid)
    has = some_of([v.label for v in sorted(links.versions(rid), key=lambda v: v.order)])
    raise DerivaMLNotFoundError(
        f"Dataset {rid!r} has no version {wanted!r}; it has {has or 'none'}."
    )


def _makers(links: Links, root: _Root) -> list[str]:
    """The executions that made the root, each once."""
    if root.artifact is None:
        return [root.rid]
    if root.feature is not None:
        maker = root.row["Execution"]
        return [] if maker is None else [maker]
    return list(dict.fromkeys(links.makers([root.artifact]).get(root.artifact, ())))


def _readers(links: Links, root: _Root, version: str | None) -> list[str]:
    """The executions that read the root, each once; an execution stands for itself."""
    if root.artifact is None:
        return [root.rid]
    asked = [root.artifact]
    if root.type == "Dataset" and version is None:
        asked = [links.dataset(root.rid, v.rid) for v in links.versions(root.rid)] or asked
    readers = links.readers(asked)
    return sorted({e for executions in readers.values() for e in executions})


# --- names ---------------------------------------------------------------------------


def names_of(session: Session, rids: Collection[str]) -> dict[str, ExecutionSummary]:
    """Executions in short, by RID; two queries. Those that do not exist are left out."""
    if not rids:
        return {}
    table = session.ml("Execution")
    columns = ("RID", "Workflow", "Description", "Status")
    rows = session.fetch(attributes(table, columns, any_of("RID", rids)))
    codes = {row["Workflow"] for row in rows if row["Workflow"] is not None}
    names: dict[str, WorkflowSummary] = {}
    if codes:
        query = attributes(session.ml("Workflow"), ("RID", "Name"), any_of("RID", sorted(codes)))
        for row in session.fetch(query):
            names[row["RID"]] = WorkflowSummary(rid=row["RID"], name=row["Name"] or "")
    return {
        row["RID"]: ExecutionSummary(
            rid=row["RID"],
            description=row["Description"] or "",
            workflow=names.get(row["Workflow"]),
            status=row["Status"] or ExecutionStatus.Created.value,
        )
        for row in rows
    }


class _Names:
    """What to call the executions, datasets and assets of a walk; one query for each table."""

    def __init__(self, session: Session, walk: Walk, root: _Root, makers: list[str]) -> None:
        self.maker = makers[0] if makers else None
        self._metadata = (session.ml_schema, MLAsset.execution_metadata.value)
        self.executions = names_of(session, sorted({*walk.steps, *makers}))
        by_table: dict[str, set[str]] = {}
        for artifact in (a for some in walk.artifacts.values() for a in some):
            by_table.setdefault(artifact.table, set()).add(artifact.rid)
        self._tables: dict[str, Table] = {name: session.table(name) for name in by_table}
        self._texts: dict[str, str] = {root.rid: root.description}
        self._made: dict[Artifact, DatasetSummary | AssetSummary] = {}
        for name, table in self._tables.items():
            column = "Filename" if session.model.is_asset(table) else "Description"
            query = attributes(table, ("RID", column), any_of("RID", sorted(by_table[name])))
            for row in session.fetch(query):
                self._texts[row["RID"]] = row[column] or ""

    def of(self, artifact: Artifact) -> str:
        """Description of a dataset, name of a file."""
        return self._texts.get(artifact.rid, "")

    def table(self, artifact: Artifact) -> str:
        """The bare name of its table."""
        return self._tables[artifact.table].name

    def describes_only(self, artifact: Artifact) -> bool:
        """Whether it is a file about an execution, not one that an execution is for."""
        table = self._tables[artifact.table]
        return (table.schema, table.name) == self._metadata

    def summaries(
        self, artifacts: Iterable[Artifact]
    ) -> tuple[list[DatasetSummary], list[AssetSummary]]:
        """The datasets and the assets among artifacts."""
        made = [self._summary(a) for a in artifacts]
        return (
            [m for m in made if isinstance(m, DatasetSummary)],
            [m for m in made if isinstance(m, AssetSummary)],
        )

    def _summary(self, artifact: Artifact) -> DatasetSummary | AssetSummary:
        """The one summary of an artifact, however often it was read."""
        made = self._made.get(artifact)
        if made is None:
            rid, text = artifact.rid, self.of(artifact)
            if artifact.kind == "Dataset":
                made = DatasetSummary(rid=rid, description=text, version=artifact.version)
            else:
                made = AssetSummary(rid=rid, filename=text, asset_table=self.table(artifact))
            self._made[artifact] = made
        return made

    def execution(self, rid: str) -> ExecutionSummary:
        """The execution; one that has no row any more is still mentioned."""
        found = self.executions.get(rid)
        if found is None:
            found = ExecutionSummary(rid=rid, description="", workflow=None, status="unknown")
        return found


# --- results -------------------------------------------------------------------------


def _upstream(root: _Root, walk: Walk, names: _Names) -> LineageResult:
    def make(rid: str, parents: list[LineageNode]) -> LineageNode:
        datasets, assets = names.summaries(walk.artifacts.get(rid, ()))
        return LineageNode(
            execution=names.execution(rid),
            consumed_datasets=datasets,
            consumed_assets=assets,
            parents=parents,
        )

    @cache
    def stub(rid: str) -> LineageNode:
        return LineageNode(execution=names.execution(rid), already_shown=True)

    made, cycle = trees(walk, make, stub)
    return LineageResult(
        root=_descriptor(root, names),
        lineage=made[0] if made else None,
        others=made[1:],
        **_facts(walk, cycle),
    )


def _downstream(root: _Root, walk: Walk, names: _Names) -> DownstreamResult:
    def make(rid: str, children: list[DownstreamNode]) -> DownstreamNode:
        datasets, assets = names.summaries(_worth_showing(walk, rid, names))
        return DownstreamNode(
            execution=names.execution(rid),
            produced_datasets=datasets,
            produced_assets=assets,
            children=children,
        )

    @cache
    def stub(rid: str) -> DownstreamNode:
        return DownstreamNode(execution=names.execution(rid), already_shown=True)

    made, cycle = trees(walk, make, stub)
    return DownstreamResult(root=_descriptor(root, names), consumers=made, **_facts(walk, cycle))


def _facts(walk: Walk, cycle: bool) -> dict[str, Any]:
    return {
        "executions_visited": len(walk.steps),
        "walked_complete": walk.complete,
        "cycle_detected": cycle,
        "depth_capped": walk.depth_capped,
    }


def _worth_showing(walk: Walk, rid: str, names: _Names) -> Sequence[Artifact]:
    """What an execution made, without the files that only describe it."""
    made = walk.artifacts.get(rid, ())
    return [a for a in made if walk.beyond.get(a) or not names.describes_only(a)]


def _descriptor(root: _Root, names: _Names) -> RootDescriptor:
    return RootDescriptor(
        rid=root.rid,
        type=root.type,
        description=root.description,
        producing_execution=None if names.maker is None else names.execution(names.maker),
    )


@dataclass(frozen=True)
class _GraphSource:
    """What the graph of a result is made from."""

    root: _Root
    walk: Walk
    names: _Names
    forward: bool

    def graph(self) -> LineageGraph:
        """The graph."""
        return _graph(self.root, self.walk, self.names, self.forward)


def _graph(root: _Root, walk: Walk, names: _Names, forward: bool) -> LineageGraph:
    nodes: dict[str, GraphNode] = {}
    edges: dict[GraphEdge, None] = {}

    def connect(near: str, far: str) -> None:
        """`far` is further away from the root; data went the other way unless forward."""
        edges[GraphEdge(near, far) if forward else GraphEdge(far, near)] = None

    if root.type != "Execution":
        nodes[root.key] = GraphNode(root.key, root.type, root.rid, root.description)
        for start in (s for s in walk.starts if s in walk.steps):
            connect(root.key, start)
    for rid in walk.steps:
        nodes[rid] = GraphNode(rid, "Execution", rid, names.execution(rid).title)
        near = _worth_showing(walk, rid, names) if forward else walk.artifacts.get(rid, ())
        for artifact in near:
            nodes.setdefault(
                artifact.key,
                GraphNode(artifact.key, artifact.kind, artifact.rid, names.of(artifact)),
            )
            connect(rid, artifact.key)
            for other in walk.beyond.get(artifact, ()):
                if rid in walk.expanded and other in walk.steps:
                    connect(artifact.key, other)
    return LineageGraph(root.key, tuple(nodes.values()), tuple(edges))

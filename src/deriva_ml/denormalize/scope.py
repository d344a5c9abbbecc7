"""Which rows a wide table has: those of its grain that belong to the anchors, by any route.

Anchors are the members of a dataset and of all datasets inside it, or rows given by their RIDs.
A route goes from a table of anchors to the grain: only down, to what refers to them; or only up,
to what they refer to. Links between tables may be crossed on the way. Only where there is no such
route does one count that turns round (from images up to their visit, and down to its reports).
All routes of the best kind together give the rows, each once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import (
    AttributeQuery,
    ColumnName,
    Element,
    ExplicitLink,
    Item,
    Path,
    Restrict,
    Root,
)
from deriva_ml.core.exceptions import DerivaMLDenormalizeUnrelatedAnchor
from deriva_ml.core.query import any_of, attributes, name_of
from deriva_ml.core.session import Session
from deriva_ml.dataset.elements import Element as ElementType
from deriva_ml.dataset.elements import element_types
from deriva_ml.dataset.nesting import descendants

from .graph import Graph, MayFollow, Step, Steps, TableKey, key_of
from .inside import MEMBERS, Inside

__all__ = ["Anchors", "Scope", "anchors_of_dataset", "anchors_of_rows", "find_scope", "routes"]

_MOST_TURNS, _MOST_LINKS = 2, 2
_FARTHEST = 1_000


@dataclass(frozen=True)
class Anchors:
    """The rows that a wide table starts from.

    Attributes:
        rids: RIDs by table, in order; tables without any are not there.
        tables: These tables.
        datasets: The dataset and those inside it; empty for rows that were given themselves.
        members: How the members of each table are linked with datasets.
    """

    rids: dict[TableKey, list[str]]
    tables: dict[TableKey, Table]
    datasets: tuple[str, ...] = ()
    members: dict[TableKey, ElementType] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many there are by table name."""
        return {self.tables[k].name: len(v) for k, v in sorted(self.rids.items())}


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of the grain, sorted, and what was found out about the anchors on the way.

    Attributes:
        rids: RIDs of the rows.
        unrelated: Names of tables with anchors that have nothing to do with the grain.
        depth: How far the rows are from the dataset, at most.
        inside: What belongs to the dataset.
    """

    rids: list[str]
    unrelated: tuple[str, ...]
    depth: int
    inside: Inside


def anchors_of_dataset(session: Session, dataset: str) -> Anchors:
    """The members of a dataset and of all datasets inside it, without those datasets.

    Cost: one query for each element type, and one for each level of nesting.
    """
    family = (dataset, *descendants(session, dataset))
    elements = {key_of(e.table): e for e in element_types(session.model).values()}
    elements.pop((session.ml_schema, "Dataset"), None)
    rids: dict[TableKey, list[str]] = {}
    for key, element in elements.items():
        mine = any_of(element.dataset_column, family)
        found = session.fetch(attributes(element.association, (element.member_column,), mine))
        if found:
            rids[key] = sorted({row[element.member_column] for row in found})
    tables = {key: elements[key].table for key in rids}
    return Anchors(rids, tables, family, {key: elements[key] for key in rids})


def anchors_of_rows(
    rows: dict[TableKey, list[str]],
    tables: dict[TableKey, Table],
    datasets: tuple[str, ...] = (),
) -> Anchors:
    """Rows that are given by their RIDs; only memberships in `datasets` count, if there are any."""
    kept = {key: sorted(set(rids)) for key, rids in rows.items() if rids}
    return Anchors(kept, {key: tables[key] for key in kept}, datasets)


def find_scope(session: Session, graph: Graph, grain: Table, anchors: Anchors) -> Scope:
    """The rows of the grain that belong to the anchors.

    Cost: one query for each route.
    """
    links = frozenset(key_of(e.association) for e in (anchors.members or {}).values())
    whose = anchors.datasets if anchors.members is not None else ()
    inside = Inside(session, graph, whose, links)
    found = set(anchors.rids.get(key_of(grain), ()))
    if key_of(grain) == graph.dataset:
        found.update(anchors.datasets)
    depth = MEMBERS if found else _FARTHEST
    for start, route in _all_routes(graph, grain, anchors, inside):
        rows = {row["RID"] for row in session.fetch(_along(anchors, start, route))}
        if not rows <= found and not inside.surely(route, MEMBERS):
            mine = inside.rids(grain)
            rows = rows if mine is None else rows & mine
        found |= rows
        if rows:
            depth = min(depth, MEMBERS + len(route))
    related = graph.connected([grain])
    unrelated = tuple(t.name for k, t in anchors.tables.items() if k not in related)
    return Scope(sorted(found), unrelated, depth, inside)


def _all_routes(
    graph: Graph, grain: Table, anchors: Anchors, inside: Inside
) -> list[tuple[Table, Steps]]:
    """The routes from every table of anchors, those first that surely stay in the dataset."""
    found = [
        (table, route)
        for key, table in anchors.tables.items()
        if key != key_of(grain)
        for route in routes(graph, table, grain)
    ]
    return sorted(found, key=lambda f: (not inside.surely(f[1], MEMBERS), len(f[1])))


def refuse_unrelated(scope: Scope, anchors: Anchors, grain: Table) -> None:
    """Check that all anchors have to do with the grain.

    Raises:
        DerivaMLDenormalizeUnrelatedAnchor: Some have not.
    """
    if scope.unrelated:
        counts = {name: anchors.counts[name] for name in scope.unrelated}
        raise DerivaMLDenormalizeUnrelatedAnchor(
            f"Members of {counts} have nothing to do with {grain.name!r}: no foreign keys lead "
            "from the one to the other. Pass ignore_unrelated_anchors=True to leave them out."
        )


# --- routes ------------------------------------------------------------------------------


def routes(graph: Graph, start: Table, goal: Table) -> list[Steps]:
    """The routes of the best kind from one table to another; none when there is none."""
    for turns in range(_MOST_TURNS + 1):
        found = list(graph.ways(start, goal, _may_follow(graph, turns)))
        if found:
            return found
    return []


def _may_follow(graph: Graph, most: int) -> MayFollow:
    def may_follow(taken: Steps, step: Step) -> bool:
        if graph.leaves_hub(taken, step):
            return False
        turns, links = _shape(graph, (*taken, step))
        return turns <= most and links <= _MOST_LINKS

    return may_follow


def _shape(graph: Graph, way: Steps) -> tuple[int, int]:
    """How often a way turns round, and how many links it crosses, which is not turning."""
    turns, links = 0, 0
    direction: bool | None = None
    for here, after in _pairs(way):
        if not here.up and key_of(here.target) in graph.associations:
            links += after is not None and after.up
            continue  # into a link: what counts is where it goes from there
        if here.up and key_of(here.source) in graph.associations and here is not way[0]:
            continue
        turns += direction is not None and direction != here.up
        direction = here.up
    return turns, links


def _pairs(way: Steps) -> Iterator[tuple[Step, Step | None]]:
    yield from zip(way, (*way[1:], None), strict=True)


def _along(anchors: Anchors, start: Table, route: Steps) -> AttributeQuery:
    """The question for the rows at the end of a route, each once."""
    root, elements = start, list[Element]()
    member = (anchors.members or {}).get(key_of(start))
    if member is None:
        elements.append(Restrict(any_of("RID", anchors.rids[key_of(start)])))
    else:
        root = member.association
        elements.append(Restrict(any_of(member.dataset_column, anchors.datasets)))
        elements.append(_link((member.member_column,), start, ("RID",)))
    elements += [_link(s.left, s.target, s.right) for s in route]
    path = Path(Root(name_of(root)), tuple(elements))
    return AttributeQuery(path, (Item(ColumnName("RID")),))


def _link(left: tuple[str, ...], table: Table, right: tuple[str, ...]) -> ExplicitLink:
    """A join from columns of the table reached so far to columns of another."""
    here = tuple(ColumnName(c) for c in left)
    there = tuple(ColumnName(c, qualifier=table.name, schema=table.schema) for c in right)
    return ExplicitLink(here, there)

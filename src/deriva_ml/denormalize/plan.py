"""How a wide table comes about: which tables are joined in which order, and what is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deriva_catalog.model.elements import Column, Table
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.feature.definition import Feature

from .grain import choose_grain, refuse_downstream
from .graph import Graph, Step, Steps, key_of
from .request import Asked, Request, Tables, resolve, system_columns
from .ways import Ways, find_ways

__all__ = ["Node", "Plan", "WideColumn", "make_plan", "only_feature"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A table that takes part in the join, at one place.

    Attributes:
        table: The table.
        parent: Place of the node that it is joined to; None for the grain.
        step: From the parent to this.
        asked: Under which name its columns are shown; None where it only lies between others.
    """

    table: Table
    parent: int | None
    step: Step | None
    asked: Asked | None


@dataclass(frozen=True, slots=True)
class WideColumn:
    """A column of the wide table: its name, the place of its node, and the column shown."""

    name: str
    node: int
    column: Column


@dataclass(frozen=True)
class Plan:
    """What to join and what to show; the first node is the grain."""

    graph: Graph
    request: Request
    nodes: tuple[Node, ...]
    columns: tuple[WideColumn, ...]

    @property
    def grain(self) -> Table:
        """The table that the rows stand for."""
        return self.nodes[0].table

    def steps_to(self, place: int) -> Steps:
        """The steps from the grain to the table at a place."""
        node = self.nodes[place]
        if node.parent is None or node.step is None:
            return ()
        return (*self.steps_to(node.parent), node.step)

    def place_of(self, table: Table) -> int:
        """The place of the node that shows a table."""
        return next(
            i for i, n in enumerate(self.nodes) if n.asked and key_of(n.table) == key_of(table)
        )

    def shown(self, place: int) -> list[WideColumn]:
        """The columns of one node."""
        return [c for c in self.columns if c.node == place]


def make_plan(
    graph: Graph,
    include_tables: Tables,
    row_per: str | Table | None = None,
    via: Tables = None,
    extra: Iterable[str] | None = None,
) -> Plan:
    """Plan a wide table.

    Args:
        graph: The tables of the catalog.
        include_tables: Tables, or features, that give columns.
        row_per: The table that the rows stand for.
        via: Tables, or keys as ``Table.column``, that ways lead over.
        extra: System columns to show beside `RID`.

    Raises:
        DerivaMLDenormalizeError: See its subclasses.
        DerivaMLTableNotFound: There is no such table or feature.
        DerivaMLValidationError: An argument is not what it should be.
    """
    shown = system_columns(extra)
    request = resolve(graph, include_tables, row_per, via)
    grain = choose_grain(graph, request)
    refuse_downstream(graph, request, grain)
    nodes = _tree(request, grain, find_ways(graph, request, grain))
    return Plan(graph, request, nodes, _columns(request, nodes, shown))


def _tree(request: Request, grain: Table, ways: Ways) -> tuple[Node, ...]:
    """The ways laid over each other: where they begin alike, tables are joined once."""
    asked = {key_of(a.table): a for a in request.include}
    nodes = [Node(grain, None, None, asked.get(key_of(grain)))]
    places: dict[tuple[object, ...], int] = {(): 0}
    for key, way in sorted(ways.items(), key=lambda item: len(item[1])):
        for length in range(1, len(way) + 1):
            path = tuple(s.id for s in way[:length])
            if path not in places:
                step = way[length - 1]
                last = length == len(way)
                shown = asked[key] if last else None
                places[path] = len(nodes)
                nodes.append(Node(step.target, places[path[:-1]], step, shown))
    return tuple(nodes)


def _columns(
    request: Request, nodes: tuple[Node, ...], system: tuple[str, ...]
) -> tuple[WideColumn, ...]:
    several = len({a.table.schema for a in request.include}) > 1
    places = {key_of(n.table): i for i, n in enumerate(nodes) if n.asked is not None}
    found = []
    for asked in request.include:
        prefix = f"{asked.table.schema}.{asked.label}" if several else asked.label
        for column in asked.table.columns:
            if not column.is_system or column.name in system:
                name = f"{prefix}.{column.name}"
                found.append(WideColumn(name, places[key_of(asked.table)], column))
    return tuple(found)


def only_feature(plan: Plan) -> Feature:
    """The feature that a selector chooses values of.

    Raises:
        DerivaMLValidationError: The request has no feature, or several.
    """
    features = [plan.graph.features.get(key_of(a.table)) for a in plan.request.include]
    found = [f for f in features if f is not None]
    if len(found) != 1:
        names = [str(f) for f in found]
        raise DerivaMLValidationError(
            f"A selector chooses between values of one feature, but include_tables has {names}. "
            "Ask for exactly one feature, or leave the selector out."
        )
    return found[0]

"""The one way from the grain of a wide table to each other table of it.

A way goes up, from rows to what they refer to. Where that does not lead to the table, it also
crosses tables that only link two others, or that the request names: down into the link and up on
its other side. The fewer such crossings the better; of ways with equally many, the one counts
that goes over the tables which the request names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import (
    DerivaMLDenormalizeAmbiguousPath,
    DerivaMLDenormalizeError,
    some_of,
)

from .graph import Graph, MayFollow, Step, Steps, TableKey, key_of, tables_on
from .request import Request

__all__ = ["Ways", "ambiguities", "find_ways", "shortest_ways"]

_MOST_CROSSINGS = 3

Ways = dict[TableKey, Steps]


def find_ways(graph: Graph, request: Request, grain: Table) -> Ways:
    """The way to each table that gives columns; that to the grain is empty.

    Raises:
        DerivaMLDenormalizeAmbiguousPath: A table can be reached in several ways.
        DerivaMLDenormalizeError: A table cannot be reached, or something that `via` names is on
            no way.
    """
    finder = _Finder(graph, request, grain)
    ways = {key_of(table): finder.way(table) for table in finder.nearest_first()}
    _refuse_unused(request, list(ways.values()))
    return ways


def ambiguities(
    graph: Graph, request: Request, grain: Table
) -> list[DerivaMLDenormalizeAmbiguousPath]:
    """What is wrong with every table that can be reached in several ways."""
    found = []
    finder = _Finder(graph, request, grain)
    for table in request.tables.values():
        try:
            finder.way(table)
        except DerivaMLDenormalizeAmbiguousPath as error:
            found.append(error)
        except DerivaMLDenormalizeError:
            continue  # the plan fails with it, and says so
    return found


@dataclass
class _Finder:
    graph: Graph
    request: Request
    grain: Table
    known: Ways = field(default_factory=dict)

    def nearest_first(self) -> list[Table]:
        """The tables of the request, those first that others may be reached over."""
        lengths = {
            key: min((len(w) for w in self._fewest_crossings(table)), default=0)
            for key, table in self.request.tables.items()
            if key != key_of(self.grain)
        }
        return sorted(self.request.tables.values(), key=lambda t: lengths.get(key_of(t), 0))

    def way(self, table: Table) -> Steps:
        """The way to a table; empty for the grain."""
        key = key_of(table)
        if key == key_of(self.grain):
            return ()
        if key not in self.known:
            self.known[key] = self._choose(table, self._fewest_crossings(table))
        return self.known[key]

    def _fewest_crossings(self, table: Table) -> list[Steps]:
        found = shortest_ways(self.graph, self.request, self.grain, table)
        if found:
            return found
        raise DerivaMLDenormalizeError(
            f"No way leads from {self.grain.name!r} to {table.name!r}: rows of {self.grain.name!r} "
            f"neither refer to it nor are linked with it. {self._remedy(table)}"
        )

    def _remedy(self, table: Table) -> str:
        linking = sorted(
            t.name
            for t in self.graph.tables.values()
            if self.graph.refers(t, table) and self.graph.refers(t, self.grain)
        )
        if linking:
            return f"Name a table that refers to both with via: {some_of(linking)}."
        return "Leave it out."

    def _choose(self, table: Table, found: list[Steps]) -> Steps:
        left = self._consistent(found)
        for chosen in (self._by_key(left), self._by_table(left)):
            if len(chosen) == 1:
                return chosen[0]
        raise self._ambiguous(table, found)

    def _consistent(self, found: list[Steps]) -> list[Steps]:
        """The ways that reach other tables of the request as those are reached themselves."""
        if len(found) == 1:
            return found
        return [way for way in found if all(self._agrees(way, i) for i in range(1, len(way)))]

    def _agrees(self, way: Steps, length: int) -> bool:
        key = key_of(way[length - 1].target)
        known = self.known.get(key)
        return known is None or [s.id for s in known] == [s.id for s in way[:length]]

    def _by_key(self, found: list[Steps]) -> list[Steps]:
        """The ways that follow the keys which `via` names, where some do."""
        wanted = {s.key_name for way in found for s in way} & self.request.via_keys
        return [way for way in found if wanted <= {s.key_name for s in way}]

    def _by_table(self, found: list[Steps]) -> list[Steps]:
        """Of these, the ways over all tables of the request that are on some way."""
        left = self._by_key(found)
        named = self.request.named.keys()
        wanted = {key for way in left for key in _between(way)} & named
        return [way for way in left if wanted and wanted <= set(_between(way))]

    def _ambiguous(self, table: Table, found: list[Steps]) -> DerivaMLDenormalizeAmbiguousPath:
        everywhere = set.intersection(*(set(_between(way)) for way in found))
        somewhere = {key for way in found for key in _between(way)} - everywhere
        suggested = sorted(name for _, name in somewhere - self.request.named.keys())
        paths = [[t.name for t in tables_on(self.grain, way)] for way in found]
        nearest = sorted(found, key=len)
        keys = list(dict.fromkeys(s.key_name for way in nearest for s in way if s.up))
        error = DerivaMLDenormalizeAmbiguousPath(
            self.grain.name, table.name, paths, suggested or sorted(keys)
        )
        error.args = (f"{error} A key can be named, too: via=[{keys[0]!r}].",)
        return error


def shortest_ways(graph: Graph, request: Request, start: Table, goal: Table) -> list[Steps]:
    """The ways from one table to another with the fewest crossings of links; none without any."""
    for crossings in range(_MOST_CROSSINGS + 1):
        found = list(graph.ways(start, goal, _may_follow(graph, request, crossings)))
        if found:
            return found
    return []


def _may_follow(graph: Graph, request: Request, crossings: int) -> MayFollow:
    hops = {key_of(t) for t in request.via}

    def is_link(table: Table) -> bool:
        """Whether a way may go down into the table."""
        key = key_of(table)
        if key in request.tables and key not in hops:
            return not graph.is_plain(table)
        return key in hops or graph.is_transparent(table)

    def may_follow(taken: Steps, step: Step) -> bool:
        if graph.leaves_hub(taken, step):
            return False
        downs = sum(not s.up for s in taken)
        return step.up or (downs < crossings and is_link(step.target))

    return may_follow


def _between(way: Steps) -> list[TableKey]:
    return [key_of(s.target) for s in way[:-1]]


def _refuse_unused(request: Request, ways: Sequence[Steps]) -> None:
    steps = [s for way in ways for s in way]
    tables = {key_of(s.source) for s in steps} | {key_of(s.target) for s in steps}
    keys = {s.key_name for s in steps}
    unused = [t.name for t in request.via if key_of(t) not in tables | request.tables.keys()]
    unused += sorted(request.via_keys - keys)
    if unused:
        raise DerivaMLDenormalizeError(
            f"via names {some_of(unused)}, which is on no way between the tables asked for; leave "
            "it out."
        )

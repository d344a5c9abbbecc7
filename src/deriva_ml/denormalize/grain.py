"""What one row of a wide table stands for (its grain), and what cannot be in one row with it."""

from __future__ import annotations

from itertools import permutations

from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import (
    DerivaMLDenormalizeDownstreamLeaf,
    DerivaMLDenormalizeMultiLeaf,
    DerivaMLDenormalizeNoSink,
)

from .graph import Graph, MayFollow, Step, Steps, key_of
from .request import Asked, Request
from .ways import shortest_ways

__all__ = ["candidates", "choose_grain", "refuse_downstream", "rises"]


def choose_grain(graph: Graph, request: Request) -> Table:
    """The table that the rows stand for: the one given, or the one that no other refers to.

    Raises:
        DerivaMLDenormalizeMultiLeaf: Several tables qualify.
        DerivaMLDenormalizeNoSink: None does.
    """
    if request.row_per is not None:
        return request.row_per
    found = candidates(graph, request)
    labels = [a.label for a in request.include]
    if not found:
        raise DerivaMLDenormalizeNoSink(
            f"None of {labels} can give the rows: each is referred to by another table of the "
            "request. Say which is meant with row_per."
        )
    if len(found) > 1:
        names = [a.label for a in found]
        raise DerivaMLDenormalizeMultiLeaf(names, labels, _bridges(graph, request, found))
    return found[0].table


def candidates(graph: Graph, request: Request) -> list[Asked]:
    """The tables of the request that no other table of it refers to.

    Tables that only link others do not count, nor do features, unless nothing else is asked
    for. The terms and files that a feature has as its values do not give the rows either.
    """
    plain = [t for t in request.named.values() if graph.is_plain(t)]
    features = [graph.features[k] for k in request.named if k in graph.features]

    def is_referred_to(table: Table) -> bool:
        by_plain = any(graph.refers(t, table) for t in plain if key_of(t) != key_of(table))
        return by_plain or any(
            graph.refers(f.feature_table, table) and key_of(f.target_table) != key_of(table)
            for f in features
        )

    found = [a for a in request.include if graph.is_plain(a.table)]
    found = [a for a in found if not is_referred_to(a.table)]
    if found:
        return found
    cyclic = [t for t in plain if any(graph.refers(o, t) for o in plain if o is not t)]
    return [] if cyclic else [a for a in request.include if not graph.is_plain(a.table)]


def _bridges(graph: Graph, request: Request, found: list[Asked]) -> list[str]:
    """Tables outside the request that link two of its candidates."""
    bridges: set[str] = set()
    for one, other in permutations((a.table for a in found), 2):
        for way in shortest_ways(graph, request, one, other):
            bridges.update(s.target.name for s in way[:-1])
        both = (t for t in graph.tables.values() if graph.refers(t, one) and graph.refers(t, other))
        bridges.update(t.name for t in both if key_of(t) not in request.named)
    return sorted(bridges - {t.name for t in request.named.values()})


def rises(graph: Graph) -> MayFollow:
    """Only steps to what is referred to."""

    def may_follow(taken: Steps, step: Step) -> bool:
        return step.up and not graph.leaves_hub(taken, step)

    return may_follow


def refuse_downstream(graph: Graph, request: Request, grain: Table) -> None:
    """Check that no table of the request has many rows for one row of the grain.

    Raises:
        DerivaMLDenormalizeDownstreamLeaf: One has.
    """
    below = [a.label for a in request.include if _is_below(graph, a.table, grain)]
    if below:
        label = next(a.label for a in request.include if key_of(a.table) == key_of(grain))
        raise DerivaMLDenormalizeDownstreamLeaf(label, below)


def _is_below(graph: Graph, table: Table, grain: Table) -> bool:
    if key_of(table) == key_of(grain) or not graph.is_plain(table):
        return False
    above = next(graph.ways(grain, table, rises(graph)), None)
    below = next(graph.ways(table, grain, rises(graph)), None)
    return below is not None and above is None

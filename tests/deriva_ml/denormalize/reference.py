"""Wide tables by brute force: nested loops over plain lists of rows, nothing clever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
Step = tuple[str, str, str, str]
"""Source, ``up`` or ``down``, target, and the column that refers."""


@dataclass
class World:
    """Tables with references, links between two of them, their rows, and members of a dataset."""

    references: dict[str, list[tuple[str, str, bool]]]  # column, table, may be null
    links: dict[str, tuple[str, str]]
    rows: dict[str, list[Row]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)

    def keys(self, table: str) -> list[tuple[str, str, bool]]:
        if table in self.links:
            return [(other, other, False) for other in self.links[table]]
        return self.references[table]

    def tables(self) -> list[str]:
        return [*self.references, *self.links]

    def steps(self, table: str) -> list[Step]:
        up = [(table, "up", other, column) for column, other, _ in self.keys(table)]
        down = [
            (table, "down", other, column)
            for other in self.tables()
            for column, target, _ in self.keys(other)
            if target == table
        ]
        return up + down


@dataclass
class Refused(Exception):
    """The request is refused; why, as the last part of the name of our error."""

    kind: str


def wide(world: World, include: list[str], row_per: str | None, via: list[str]) -> list[Row]:
    """The rows that the wide table is to have, in order, columns ``Table.column``."""
    grain = row_per or _grain(world, include, via)
    below = [
        t for t in include if t != grain and t not in world.links and _is_below(world, t, grain)
    ]
    if below:
        raise Refused("DownstreamLeaf")
    ways = _ways(world, include, via, grain)
    if any(t not in include and all(t not in _tables(w) for w in ways.values()) for t in via):
        raise Refused("Error")
    scope = _scope(world, grain)
    found = []
    for row in _sorted(world.rows[grain]):
        if row["RID"] in scope:
            found += [_shown(world, include, b) for b in _bindings(world, ways, grain, row)]
    return found + _orphans(world, include, grain, found)


# --- what a row stands for, and the ways -------------------------------------------------


def _grain(world: World, include: list[str], via: list[str]) -> str:
    named = {*include, *via} - world.links.keys()
    plain = [t for t in include if t not in world.links]
    sinks = [t for t in plain if not any(o != t and t in _targets(world, o) for o in named)]
    if not sinks:
        circular = [t for t in named if any(o != t and t in _targets(world, o) for o in named)]
        sinks = [] if circular else [t for t in include if t in world.links]
    if not sinks:
        raise Refused("NoSink")
    if len(sinks) > 1:
        raise Refused("MultiLeaf")
    return sinks[0]


def _targets(world: World, table: str) -> set[str]:
    return {other for _, other, _ in world.keys(table)}


def _is_below(world: World, table: str, grain: str) -> bool:
    return bool(list(_walk(world, table, grain, _rises))) and not list(
        _walk(world, grain, table, _rises)
    )


def _rises(taken: list[Step]) -> bool:
    return all(step[1] == "up" for step in taken)


def _walk(world: World, start: str, goal: str, allowed: Any) -> Iterator[list[Step]]:
    """Every list of steps from one table to another that visits none twice."""

    def go(here: str, taken: list[Step], seen: set[str]) -> Iterator[list[Step]]:
        for step in world.steps(here):
            longer = [*taken, step]
            if step[2] in seen or not allowed(longer):
                continue
            if step[2] == goal:
                yield longer
            else:
                yield from go(step[2], longer, seen | {step[2]})

    return go(start, [], {start})


def _ways(world: World, include: list[str], via: list[str], grain: str) -> dict[str, list[Step]]:
    found = {t: _fewest(world, include, via, grain, t) for t in include if t != grain}
    chosen: dict[str, list[Step]] = {grain: []}
    for table in sorted(found, key=lambda t: min(len(w) for w in found[t])):
        ways = found[table]
        if len(ways) > 1:
            ways = [w for w in ways if all(chosen.get(t, p) == p for t, p in _prefixes(w))]
        if len(ways) > 1:
            between = {t for w in ways for t in _tables(w[:-1])} & {*include, *via}
            ways = [w for w in ways if between and between <= _tables(w[:-1])]
        if len(ways) != 1:
            raise Refused("AmbiguousPath")
        chosen[table] = ways[0]
    return chosen


def _prefixes(way: list[Step]) -> list[tuple[str, list[Step]]]:
    return [(way[i - 1][2], way[:i]) for i in range(1, len(way))]


def _tables(way: list[Step]) -> set[str]:
    return {step[2] for step in way}


def _fewest(
    world: World, include: list[str], via: list[str], grain: str, table: str
) -> list[list[Step]]:
    for most in range(4):

        def allowed(taken: list[Step], most: int = most) -> bool:
            downs = [step for step in taken if step[1] == "down"]
            return len(downs) <= most and all(s[2] in world.links or s[2] in via for s in downs)

        found = list(_walk(world, grain, table, allowed))
        if found:
            return found
    raise Refused("Error")


# --- which rows --------------------------------------------------------------------------


def _scope(world: World, grain: str) -> set[str]:
    found = set(world.members.get(grain, []))
    for table, rids in world.members.items():
        if table == grain or not rids:
            continue
        if not list(_walk(world, table, grain, lambda taken: True)):
            raise Refused("UnrelatedAnchor")
        for route in _routes(world, table, grain):
            found |= {
                row["RID"]
                for start in world.rows[table]
                if start["RID"] in rids
                for row in _along(world, start, route)
            }
    return found


def _routes(world: World, start: str, goal: str) -> list[list[Step]]:
    for most in range(3):

        def allowed(taken: list[Step], most: int = most) -> bool:
            turns, crossings = _shape(world, taken)
            return turns <= most and crossings <= 2

        found = list(_walk(world, start, goal, allowed))
        if found:
            return found
    return []


def _shape(world: World, way: list[Step]) -> tuple[int, int]:
    inner = [s[1] for s in way if s[0] not in world.links and s[2] not in world.links]
    crossings = sum(a[2] in world.links for a, _ in pairwise(way))
    return sum(a != b for a, b in pairwise(inner)), crossings


def _along(world: World, row: Row, route: list[Step]) -> list[Row]:
    if not route:
        return [row]
    return [end for row in _next(world, row, route[0]) for end in _along(world, row, route[1:])]


def _next(world: World, row: Row, step: Step) -> list[Row]:
    _, direction, target, column = step
    if direction == "up":
        return [r for r in world.rows[target] if r["RID"] == row[column]]
    return [r for r in _sorted(world.rows[target]) if r[column] == row["RID"]]


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["RID"])


# --- joining -----------------------------------------------------------------------------


def _bindings(
    world: World, ways: dict[str, list[Step]], grain: str, row: Row
) -> list[dict[str, Row | None]]:
    """Every combination of rows that the ways lead to from a row; nothing is None."""
    bound: list[dict[tuple[Step, ...], Row | None]] = [{(): row}]
    for way in sorted(ways.values(), key=len):
        for length in range(1, len(way) + 1):
            path, above = tuple(way[:length]), tuple(way[: length - 1])
            if path in bound[0]:
                continue
            longer = []
            for one in bound:
                here = one[above]
                rows: list[Row] = [] if here is None else _next(world, here, path[-1])
                longer += [{**one, path: r} for r in rows] or [{**one, path: None}]
            bound = longer
    return [{t: one[tuple(way)] for t, way in ways.items()} for one in bound]


def _shown(world: World, include: list[str], binding: dict[str, Row | None]) -> Row:
    shown: Row = {}
    for table in include:
        row = binding.get(table)
        names = ["RID", *(c for c, _, _ in world.keys(table))]
        shown |= {f"{table}.{n}": None if row is None else row[n] for n in names}
    return shown


def _orphans(world: World, include: list[str], grain: str, found: list[Row]) -> list[Row]:
    orphans = []
    for table in include:
        present = {row[f"{table}.RID"] for row in found}
        for row in _sorted(world.rows[table]):
            if (
                table != grain
                and row["RID"] in world.members.get(table, [])
                and row["RID"] not in present
            ):
                orphans.append(_shown(world, include, {table: row}))
    return orphans

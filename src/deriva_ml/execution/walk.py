"""Following what executions read and made, back or forward, to any depth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from .links import Artifact, Links

__all__ = ["Walk", "trees", "walk_back", "walk_forward"]

_STEPS_BY_QUERY = 6
"""So many steps ask for their own links; a longer walk reads the tables of links whole."""

Near = Callable[[Collection[str]], dict[str, list[Artifact]]]
Far = Callable[[Collection[Artifact]], dict[Artifact, list[str]]]
Node = TypeVar("Node")


@dataclass
class Walk:
    """What a walk found.

    Attributes:
        starts: The executions that it began with.
        steps: How many steps each execution that was visited is away from a start.
        artifacts: What each of them read (back) or made (forward).
        beyond: The executions that made (back) or read (forward) an artifact.
        expanded: The executions from which the walk went on.
        complete: Whether nothing was left out.
        depth_capped: Whether something was left out because it was too deep.
    """

    starts: list[str]
    steps: dict[str, int] = field(default_factory=dict)
    artifacts: dict[str, list[Artifact]] = field(default_factory=dict)
    beyond: dict[Artifact, list[str]] = field(default_factory=dict)
    expanded: set[str] = field(default_factory=set)
    complete: bool = True
    depth_capped: bool = False

    def next_to(self, execution: str) -> list[str]:
        """The visited executions one step on, in the order of what links them."""
        if execution not in self.expanded:
            return []
        found = (e for a in self.artifacts.get(execution, ()) for e in self.beyond.get(a, ()))
        return [e for e in dict.fromkeys(found) if e in self.steps]


def walk_back(links: Links, starts: Iterable[str], depth: int | None, max_executions: int) -> Walk:
    """From executions to those that made what they read, and so on."""
    return _walk(links, list(starts), (links.read_by, links.makers), depth, max_executions)


def walk_forward(
    links: Links, starts: Iterable[str], depth: int | None, max_executions: int
) -> Walk:
    """From executions to those that read what they made, and so on."""
    return _walk(links, list(starts), (links.made_by, links.readers), depth, max_executions)


def _walk(
    links: Links,
    starts: list[str],
    ways: tuple[Near, Far],
    depth: int | None,
    limit: int,
) -> Walk:
    near, far = ways
    walk = Walk(starts)
    step, frontier = 0, _admitted(walk, starts, 0, limit)
    while frontier:
        if step == _STEPS_BY_QUERY:
            links.read_whole()
        walk.artifacts.update(near(frontier))
        fresh = dict.fromkeys(a for e in frontier for a in walk.artifacts.get(e, ()))
        beyond = far([a for a in fresh if a not in walk.beyond])
        found = sorted({e for executions in beyond.values() for e in executions} - set(walk.steps))
        if step == depth and found:
            walk.depth_capped, walk.complete = True, False
            break
        walk.beyond.update(beyond)
        walk.expanded.update(frontier)
        step += 1
        frontier = _admitted(walk, found, step, limit)
    return walk


def _admitted(walk: Walk, found: Collection[str], step: int, limit: int) -> list[str]:
    """As many of the executions as the limit allows, noted as visited."""
    room = max(limit - len(walk.steps), 0)
    admitted = list(found)[:room]
    walk.complete = walk.complete and len(admitted) == len(found)
    walk.steps.update((e, step) for e in admitted)
    return admitted


def trees(
    walk: Walk, make: Callable[[str, list[Node]], Node], stub: Callable[[str], Node]
) -> tuple[list[Node], bool]:
    """A tree for each start, and whether something in them leads back to itself.

    What is met again is a stub. There is no recursion: a chain may have any length.

    Args:
        walk: What was found.
        make: Makes the node of an execution from the nodes below it.
        stub: Makes the node of an execution that has a node already.
    """
    done: set[str] = set()
    made: list[Node] = []
    cycle = False
    for start in (s for s in walk.starts if s in walk.steps):
        under_way: set[str] = set()
        # The outermost frame stands for no execution: the start is all that is below it.
        stack: list[tuple[str, Iterator[str], list[Node]]] = [("", iter([start]), made)]
        while stack:
            execution, waiting, nodes = stack[-1]
            child = next(waiting, None)
            if child is None:
                stack.pop()
                if stack:
                    under_way.discard(execution)
                    stack[-1][2].append(make(execution, nodes))
            elif child in done:
                cycle = cycle or child in under_way
                nodes.append(stub(child))
            else:
                done.add(child)
                under_way.add(child)
                stack.append((child, iter(walk.next_to(child)), []))
    return made, cycle

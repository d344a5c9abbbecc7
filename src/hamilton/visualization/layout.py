"""Places for boxes in layers, so that arrows point one way and cross seldom."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Layout", "Place", "lay_out"]

_SWEEPS = 6
_LAYER_GAP = 60.0
_BOX_GAP = 18.0
# Above this many way points long arrows run straight; ordering them would take too long.
_MOST_WAY_POINTS = 4000


@dataclass(frozen=True)
class Place:
    """The centre and the size of a box."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Attributes:
        places: By key of the box.
        routes: Points of each arrow from source to target, by position in the list of arrows.
        width: Of the whole.
        height: Of the whole.
    """

    places: Mapping[str, Place]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float


def lay_out(
    sizes: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str]],
    orient: str = "LR",
) -> Layout:
    """Returns places for boxes.

    Args:
        sizes: Width and height by key.
        arrows: Pairs of keys; loops are allowed, arrows that close one point backwards.
        orient: Direction of the arrows: ``LR``, ``RL``, ``TB`` or ``BT``.

    Cost: about linear in boxes and arrows.
    """
    flat = orient in ("LR", "RL")
    spans = {k: (h, w) if flat else (w, h) for k, (w, h) in sizes.items()}
    ranks = _ranks(sizes, arrows)
    chains = _chains(ranks, arrows)
    layers = _layers(ranks, chains)
    _order(layers, chains)
    across, along = _coordinates(layers, spans)
    points = {k: (along[k], across[k]) if flat else (across[k], along[k]) for k in across}
    width = max((points[k][0] + sizes[k][0] / 2 for k in sizes), default=0.0)
    height = max((points[k][1] + sizes[k][1] / 2 for k in sizes), default=0.0)
    if orient == "RL":
        points = {k: (width - x, y) for k, (x, y) in points.items()}
    elif orient == "BT":
        points = {k: (x, height - y) for k, (x, y) in points.items()}
    places = {k: Place(*points[k], *sizes[k]) for k in sizes}
    routes = tuple(tuple(points[k] for k in chain) for chain in chains)
    return Layout(places, routes, width, height)


def _ranks(keys: Iterable[str], arrows: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Returns the layer of each box: the longest way to it, arrows that close a loop left out."""
    below: dict[str, list[str]] = {key: [] for key in keys}
    waiting = dict.fromkeys(below, 0)
    for source, target in arrows:
        if source != target:
            below[source].append(target)
            waiting[target] += 1
    ranks = dict.fromkeys(below, 0)
    ready = [key for key, count in waiting.items() if not count]
    left = dict(waiting)
    done: set[str] = set()
    while len(done) < len(ranks):
        if not ready:
            # Only loops are left: enter one where the fewest arrows are still missing.
            ready.append(min((k for k in ranks if k not in done), key=lambda k: left[k]))
        key = ready.pop()
        if key in done:
            continue
        done.add(key)
        for target in below[key]:
            if target in done:
                continue
            ranks[target] = max(ranks[target], ranks[key] + 1)
            left[target] -= 1
            if not left[target]:
                ready.append(target)
    # Sources move next to what they feed.
    feeds = {source for source, _ in arrows}
    for key in ranks:
        if not waiting[key] and key in feeds and below[key]:
            ranks[key] = max(0, min(ranks[t] for t in below[key]) - 1)
    return ranks


def _chains(ranks: Mapping[str, int], arrows: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Returns each arrow as keys from source to target, with way points in the layers between."""
    total = sum(abs(ranks[t] - ranks[s]) for s, t in arrows)
    chains = []
    for i, (source, target) in enumerate(arrows):
        step = 1 if ranks[target] > ranks[source] else -1
        between = range(ranks[source] + step, ranks[target], step)
        if total > _MOST_WAY_POINTS:
            between = range(0)
        chains.append([source, *(f"\0{i}\0{rank}" for rank in between), target])
    return chains


def _layers(ranks: Mapping[str, int], chains: Sequence[Sequence[str]]) -> list[list[str]]:
    layers: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for key, rank in ranks.items():
        layers[rank].append(key)
    for chain in chains:
        for key in chain[1:-1]:
            layers[int(key.rpartition("\0")[2])].append(key)
    return layers


def _order(layers: list[list[str]], chains: Sequence[Sequence[str]]) -> None:
    """Sorts each layer by the mean place of what its members are tied to, back and forth."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for chain in chains:
        for one, other in itertools.pairwise(chain):
            after.setdefault(one, []).append(other)
            before.setdefault(other, []).append(one)
    place = {key: float(i) for layer in layers for i, key in enumerate(layer)}
    for sweep in range(_SWEEPS):
        ties, order = (before, layers) if sweep % 2 == 0 else (after, layers[::-1])
        for layer in order:
            means = {
                k: sum(place[t] for t in ties[k]) / len(ties[k]) if ties.get(k) else place[k]
                for k in layer
            }
            layer.sort(key=means.__getitem__)
            place.update((key, float(i)) for i, key in enumerate(layer))


def _coordinates(
    layers: Sequence[Sequence[str]], spans: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the place across the layers and the place along the direction of arrows."""
    point = (4.0, 0.0)
    lengths = [
        sum(spans.get(k, point)[0] for k in layer) + _BOX_GAP * (len(layer) - 1) for layer in layers
    ]
    widest = max(lengths, default=0.0)
    across: dict[str, float] = {}
    along: dict[str, float] = {}
    depth = 0.0
    for layer, length in zip(layers, lengths, strict=True):
        thick = max((spans.get(k, point)[1] for k in layer), default=0.0)
        start = (widest - length) / 2
        for key in layer:
            span = spans.get(key, point)[0]
            across[key] = start + span / 2
            along[key] = depth + thick / 2
            start += span + _BOX_GAP
        depth += thick + _LAYER_GAP
    return across, along

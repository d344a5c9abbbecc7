"""The drawings that a driver offers, as functions of a graph."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from hamilton.errors import RequestError
from hamilton.graph import FunctionGraph
from hamilton.node import DependencyType
from hamilton.visualization.collect import Marks, NodeStatus, make_drawing
from hamilton.visualization.options import AllKeywords, Options
from hamilton.visualization.picture import Picture, save_picture

if TYPE_CHECKING:
    from hamilton.graph_types import HamiltonGraph

__all__ = ["draw_all", "draw_around", "draw_path", "draw_request", "draw_view"]

FilePath = str | os.PathLike[str] | None


def draw_all(
    graph: FunctionGraph,
    output_file_path: FilePath = None,
    render_kwargs: Mapping[str, Any] | None = None,
    status: Mapping[str, NodeStatus] | None = None,
    **display: Unpack[AllKeywords],
) -> Picture:
    """Draws every node of a graph."""
    options = Options(**display)
    marks = Marks(status=status or {})
    drawing = make_drawing(graph, graph.nodes, marks, options)
    return save_picture(Picture(drawing), output_file_path, render_kwargs, options.keep_dot)


def draw_request(
    graph: FunctionGraph,
    outputs: Sequence[str],
    *,
    inputs: Collection[str] = (),
    overrides: Collection[str] = (),
    cached: Collection[str] = (),
    status: Mapping[str, NodeStatus] | None = None,
    output_file_path: FilePath = None,
    render_kwargs: Mapping[str, Any] | None = None,
    **display: Unpack[AllKeywords],
) -> Picture:
    """Draws what a request touches: outputs and overrides marked, missing inputs in red."""
    options = Options(**display)
    names = graph.upstream_order(outputs, overrides)
    marks = Marks(
        outputs=set(outputs),
        overrides=set(overrides),
        cached=set(cached),
        missing=_missing(graph, names, inputs, overrides),
        status=status or {},
    )
    names = _within(graph, names, outputs, options.hops)
    drawing = make_drawing(graph, names, marks, options)
    return save_picture(Picture(drawing), output_file_path, render_kwargs, options.keep_dot)


def _missing(
    graph: FunctionGraph,
    names: Sequence[str],
    inputs: Collection[str],
    overrides: Collection[str],
) -> set[str]:
    supplied = {*inputs, *graph.config, *overrides}
    return {
        name
        for user in names
        if user in graph.nodes and user not in overrides
        for name, (_, kind) in graph.nodes[user].input_types.items()
        if kind is DependencyType.REQUIRED
        and name not in supplied
        and graph.nodes[name].user_defined
    }


def draw_around(
    graph: FunctionGraph,
    names: Sequence[str],
    *,
    downstream: bool,
    output_file_path: FilePath = None,
    render_kwargs: Mapping[str, Any] | None = None,
    **display: Unpack[AllKeywords],
) -> Picture:
    """Draws what the named nodes need, or what needs them with its direct parents."""
    options = Options(**display)
    found = graph.downstream_order(names) if downstream else graph.upstream_order(names)
    found = _within(graph, found, names, options.hops)
    if downstream:
        parents = {p for n in found if n in graph.nodes for p in graph.nodes[n].input_types}
        found = [*found, *sorted(parents - set(found))]
    drawing = make_drawing(graph, found, Marks(outputs=set(names)), options)
    return save_picture(Picture(drawing), output_file_path, render_kwargs, options.keep_dot)


def draw_path(
    graph: FunctionGraph,
    upstream: str,
    downstream: str,
    *,
    strict: bool = False,
    output_file_path: FilePath = None,
    render_kwargs: Mapping[str, Any] | None = None,
    **display: Unpack[AllKeywords],
) -> Picture:
    """Draws the ways between two nodes in red; with what else they need unless `strict`.

    Raises:
        ValueError: There is no way.
    """
    options = Options(**display)
    path = graph.path_between(upstream, downstream)
    if not path:
        raise RequestError(f"No path found between {upstream} and {downstream}.")
    names = path if strict else graph.upstream_order([downstream])
    names = _within(graph, names, path, options.hops)
    marks = Marks(outputs={downstream}, path=set(path))
    drawing = make_drawing(graph, names, marks, options)
    return save_picture(Picture(drawing), output_file_path, render_kwargs, options.keep_dot)


def _within(
    graph: FunctionGraph, names: Sequence[str], centre: Collection[str], hops: int | None
) -> list[str]:
    """Returns the names at most `hops` arrows away from a name in `centre`."""
    if hops is None:
        return list(names)
    known = set(names)
    near = set(centre)
    edge = set(centre)
    for _ in range(hops):
        beside = {d for n in edge if n in graph.nodes for d in graph.nodes[n].input_types}
        beside |= {user.name for n in edge for user in graph.dependents_of(n)}
        edge = (beside & known) - near
        near |= edge
    return [name for name in names if name in near]


def draw_view(graph: HamiltonGraph, **display: Unpack[AllKeywords]) -> Picture:
    """Draws the public view of a graph, such as one that was read from an export."""
    from hamilton.lifecycle.base import LifecycleAdapterSet
    from hamilton.node import Node, NodeType

    types = {node.name: node.type for node in graph.nodes}
    nodes = {}
    for view in graph.nodes:
        inputs = {
            name: (types.get(name, "?"), kind)
            for names, kind in (
                (view.required_dependencies, DependencyType.REQUIRED),
                (view.optional_dependencies, DependencyType.OPTIONAL),
            )
            for name in sorted(names)
        }
        role = NodeType.EXTERNAL if view.is_external_input else NodeType.STANDARD
        nodes[view.name] = Node(
            view.name, view.type, view.documentation or "", None, role, inputs, dict(view.tags)
        )
    return draw_all(FunctionGraph(nodes, {}, LifecycleAdapterSet()), **display)

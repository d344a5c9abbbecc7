"""What the driver can draw. Its class takes these functions in as methods.

Every one returns a picture, which notebooks show. The keywords that all of them take are those of
`hamilton.visualization.options.Options`. A path gets the picture written to it: as the path's
suffix says unless ``render_kwargs`` has a ``format``; ``{"view": True}`` opens it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack

from hamilton._keywords import names_keywords
from hamilton._request import RequestCache, requested_names
from hamilton.errors import RequestError
from hamilton.visualization.options import Options

if TYPE_CHECKING:
    from hamilton.driver import Driver
    from hamilton.graph_types import HamiltonNode
    from hamilton.io.materialization import ExtractorFactory, MaterializerFactory
    from hamilton.visualization.options import AllKeywords, DisplayKeywords
    from hamilton.visualization.picture import Picture

    Requested = Sequence[str | Callable[..., Any] | HamiltonNode]

__all__ = [
    "display_all_functions",
    "display_downstream_of",
    "display_upstream_of",
    "visualize_execution",
    "visualize_materialization",
    "visualize_path_between",
]

logger = logging.getLogger("hamilton.visualization")

FilePath = str | os.PathLike[str] | None
Keywords = Mapping[str, Any] | None
P = ParamSpec("P")
R = TypeVar("R")


def _drawing(method: Callable[P, R]) -> Callable[P, R]:
    return names_keywords(method, Options.__dataclass_fields__)


@_drawing
def display_all_functions(
    dr: Driver,
    output_file_path: FilePath = None,
    render_kwargs: Keywords = None,
    graphviz_kwargs: Mapping[str, Mapping[str, Any]] | None = None,
    **display: Unpack[DisplayKeywords],
) -> Picture:
    """Draws every node of the dataflow."""
    from hamilton.visualization.views import draw_all

    return draw_all(
        dr.graph, output_file_path, render_kwargs, graphviz_kwargs=graphviz_kwargs, **display
    )


@_drawing
def visualize_execution(
    dr: Driver,
    final_vars: Requested,
    output_file_path: FilePath = None,
    render_kwargs: Keywords = None,
    inputs: Keywords = None,
    graphviz_kwargs: Mapping[str, Mapping[str, Any]] | None = None,
    overrides: Keywords = None,
    *,
    bypass_validation: bool = False,
    **display: Unpack[DisplayKeywords],
) -> Picture:
    """Draws what ``execute`` would touch.

    Missing inputs are drawn in red, with a warning on the log; everything else that
    ``execute`` would refuse is refused unless `bypass_validation`.

    Raises:
        ValueError: The request makes no sense.
    """
    names = requested_names(final_vars, dr.graph_modules)
    return _drawn(
        dr,
        dr._requests,
        names,
        output_file_path,
        render_kwargs,
        inputs or {},
        overrides or {},
        bypass_validation,
        {**display, "graphviz_kwargs": graphviz_kwargs},
    )


@_drawing
def visualize_materialization(
    dr: Driver,
    *materializers: MaterializerFactory | ExtractorFactory,
    output_file_path: FilePath = None,
    render_kwargs: Keywords = None,
    additional_vars: Requested | None = None,
    inputs: Keywords = None,
    overrides: Keywords = None,
    bypass_validation: bool = False,
    **display: Unpack[AllKeywords],
) -> Picture:
    """Draws what ``materialize`` would touch, savers and loaders included."""
    requests, savers, names = dr._overlay(materializers, additional_vars)
    return _drawn(
        dr,
        requests,
        [*savers, *names],
        output_file_path,
        render_kwargs,
        inputs or {},
        overrides or {},
        bypass_validation,
        dict(display),
    )


def _drawn(
    dr: Driver,
    requests: RequestCache,
    names: Sequence[str],
    output_file_path: FilePath,
    render_kwargs: Keywords,
    inputs: Mapping[str, Any],
    overrides: Mapping[str, Any],
    bypass_validation: bool,
    display: dict[str, Any],
) -> Picture:
    from hamilton.visualization.views import draw_request

    if not bypass_validation:
        _validated_for_drawing(dr, requests, names, inputs, overrides)
    return draw_request(
        requests.graph,
        names,
        inputs=inputs,
        overrides=overrides,
        output_file_path=output_file_path,
        render_kwargs=render_kwargs,
        **display,
    )


def _validated_for_drawing(
    dr: Driver,
    requests: RequestCache,
    names: Sequence[str],
    inputs: Mapping[str, Any],
    overrides: Mapping[str, Any],
) -> None:
    """Refuses what ``execute`` would refuse, except that inputs may be missing."""
    try:
        dr._validated(requests, names, inputs, overrides)
    except RequestError as error:
        problems = getattr(error, "problems", ())
        if problems and all(p.startswith("Error: Required input") for p in problems):
            logger.warning("Drawn with missing inputs: %s", error)
            return
        raise type(error)(f"{error}; Use `bypass_validation=True` to skip validation") from error


@_drawing
def display_upstream_of(
    dr: Driver,
    *node_names: str,
    output_file_path: FilePath = None,
    render_kwargs: Keywords = None,
    **display: Unpack[AllKeywords],
) -> Picture:
    """Draws the named nodes and what they need."""
    return _around(dr, node_names, False, output_file_path, render_kwargs, display)


@_drawing
def display_downstream_of(
    dr: Driver,
    *node_names: str,
    output_file_path: FilePath = None,
    render_kwargs: Keywords = None,
    **display: Unpack[AllKeywords],
) -> Picture:
    """Draws the named nodes and what needs them, with the direct parents of all."""
    return _around(dr, node_names, True, output_file_path, render_kwargs, display)


def _around(
    dr: Driver,
    names: Sequence[str],
    downstream: bool,
    output_file_path: FilePath,
    render_kwargs: Keywords,
    display: AllKeywords,
) -> Picture:
    from hamilton.visualization.views import draw_around

    dr._known(names)
    return draw_around(
        dr.graph,
        names,
        downstream=downstream,
        output_file_path=output_file_path,
        render_kwargs=render_kwargs,
        **display,
    )


@_drawing
def visualize_path_between(
    dr: Driver,
    upstream_node_name: str,
    downstream_node_name: str,
    output_file_path: FilePath = None,
    render_kwargs: Keywords = None,
    graphviz_kwargs: Mapping[str, Mapping[str, Any]] | None = None,
    strict_path_visualization: bool = False,
    **display: Unpack[DisplayKeywords],
) -> Picture:
    """Draws the ways between two nodes in red.

    Args:
        dr: The driver.
        upstream_node_name: Where the ways begin.
        downstream_node_name: Where they end.
        output_file_path: Where to write the picture.
        render_kwargs: ``format`` and ``view``.
        graphviz_kwargs: Attributes merged over the defaults.
        strict_path_visualization: Leave out whatever is not on a way.
        **display: See `hamilton.visualization.options.Options`.

    Raises:
        ValueError: A name is unknown, or there is no way.
    """
    from hamilton.visualization.views import draw_path

    dr.what_is_the_path_between(upstream_node_name, downstream_node_name)
    return draw_path(
        dr.graph,
        upstream_node_name,
        downstream_node_name,
        graphviz_kwargs=graphviz_kwargs,
        strict=strict_path_visualization,
        output_file_path=output_file_path,
        render_kwargs=render_kwargs,
        **display,
    )

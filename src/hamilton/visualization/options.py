"""The keywords that every display method understands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from hamilton.errors import RequestError

__all__ = ["AllKeywords", "DisplayKeywords", "Options", "StyleFunction"]

StyleFunction = Callable[..., tuple[dict[str, Any], str | None, str | None]]


class DisplayKeywords(TypedDict, total=False):
    """See `Options`; ``graphviz_kwargs`` stands apart because some methods take it by position."""

    show_legend: bool
    orient: str
    hide_inputs: bool
    deduplicate_inputs: bool
    show_schema: bool
    custom_style_function: StyleFunction | None
    keep_dot: bool
    group_by_module: bool
    tag_filter: Mapping[str, str | list[str] | None] | None
    hops: int | None


class AllKeywords(DisplayKeywords, total=False):
    """See `Options`."""

    graphviz_kwargs: Mapping[str, Mapping[str, Any]] | None


@dataclass(frozen=True)
class Options:
    """How a drawing looks and what it leaves out.

    Attributes:
        graphviz_kwargs: ``{"graph_attr": ..., "node_attr": ..., "edge_attr": ...}``, merged over
            the defaults.
        show_legend: Explain the kinds of boxes.
        orient: ``LR``, ``RL``, ``TB`` or ``BT``.
        hide_inputs: Leave external inputs out.
        deduplicate_inputs: Draw equal boxes of inputs once.
        show_schema: Draw the columns of nodes with a schema.
        custom_style_function: ``f(*, node, node_class) -> (style, node_class, legend name)``.
        keep_dot: Leave the dot file beside an image.
        group_by_module: Frame the functions of each module.
        tag_filter: Draw only nodes with these tags, as in ``list_available_variables``.
        hops: How many steps from the named nodes to draw; None for all.

    Raises:
        ValueError: The orientation is unknown, or the style function is not keyword-only.
    """

    graphviz_kwargs: Mapping[str, Mapping[str, Any]] | None = None
    show_legend: bool = True
    orient: str = "LR"
    hide_inputs: bool = False
    deduplicate_inputs: bool = False
    show_schema: bool = True
    custom_style_function: StyleFunction | None = None
    keep_dot: bool = False
    group_by_module: bool = False
    tag_filter: Mapping[str, str | list[str] | None] | None = None
    hops: int | None = None

    def __post_init__(self) -> None:
        if self.orient not in ("LR", "RL", "TB", "BT"):
            raise RequestError(f"orient is {self.orient!r}; use 'LR', 'RL', 'TB' or 'BT'.")
        if self.custom_style_function is not None:
            kinds = {
                p.kind for p in inspect.signature(self.custom_style_function).parameters.values()
            }
            if kinds - {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}:
                raise RequestError(
                    "custom_style_function must take keyword-only arguments: "
                    "`def style(*, node, node_class): ...`."
                )

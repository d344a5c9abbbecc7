"""What a picture consists of, whatever it is written as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["KINDS", "STYLES", "Box", "Drawing", "Link"]

# The order of the legend.
KINDS = (
    "config",
    "input",
    "function",
    "cluster",
    "field",
    "output",
    "materializer",
    "override",
    "expand",
    "collect",
    "cached",
    "failed",
)

# Graphviz attributes by kind; the built-in writer reads the same ones.
STYLES: dict[str, dict[str, str]] = {
    "function": {"shape": "box", "style": "rounded,filled", "fillcolor": "#b4d8e4"},
    "input": {"shape": "box", "style": "dashed,filled", "fillcolor": "#ffffff"},
    "config": {"shape": "note", "style": "filled", "fillcolor": "#ffffff"},
    "output": {"style": "rounded,filled", "fillcolor": "#FFC857"},
    "override": {"style": "rounded,filled,diagonals"},
    "materializer": {"shape": "cylinder", "style": "filled", "fillcolor": "#b4d8e4"},
    "expand": {"peripheries": "2", "color": "#56E39F"},
    "collect": {"peripheries": "2", "color": "#EA5556"},
    "cached": {"penwidth": "3", "color": "#F06449"},
    "failed": {"fillcolor": "#f4b0a8"},
    "path": {"color": "red", "penwidth": "2"},
    "missing": {"color": "red"},
    "field": {
        "shape": "box",
        "style": "filled",
        "fillcolor": "#c8dae0",
        "fontname": "Courier",
    },
    "cluster": {"style": "dashed,filled", "color": "#000000", "fillcolor": "#649fb3"},
}


@dataclass(frozen=True)
class Box:
    """One box: its lines of text and how it looks.

    Attributes:
        key: Unique in the drawing.
        title: The bold line.
        lines: Further lines, ``(left, right)`` columns; a single text leaves the right one empty.
        kind: Which basic style it has.
        style: All graphviz attributes, overlays merged.
        fields: Columns of a frame, as ``(name, type)``.
        group: The module it is drawn with.
        classes: Kinds that the legend must explain.
    """

    key: str
    title: str
    lines: tuple[tuple[str, str], ...]
    kind: str
    style: dict[str, str]
    fields: tuple[tuple[str, str], ...] = ()
    group: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """One arrow between boxes."""

    source: str
    target: str
    style: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drawing:
    """Boxes, arrows and what applies to all of them."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    orient: str = "LR"
    legend: tuple[tuple[str, dict[str, str]], ...] = ()
    grouped: bool = False
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)

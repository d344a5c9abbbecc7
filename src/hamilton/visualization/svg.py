"""Drawings as SVG, without any program."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from html import escape

from hamilton.visualization.drawing import Box, Drawing
from hamilton.visualization.layout import Layout, Place, lay_out

__all__ = ["to_svg"]

_LINE = 17.0
_CHARACTER = 7.4
_PADDING = 12.0
_MARGIN = 12.0


def to_svg(drawing: Drawing) -> str:
    """Returns a drawing as one SVG document."""
    sizes = {box.key: _size(box, drawing.grouped) for box in drawing.boxes}
    layout = lay_out(sizes, [(a.source, a.target) for a in drawing.links], drawing.orient)
    legend, legend_width, legend_height = _legend(drawing)
    left = legend_width + _MARGIN if legend else 0.0
    width = layout.width + left + 2 * _MARGIN
    height = max(layout.height, legend_height) + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="Helvetica, Arial, sans-serif" '
        'font-size="13">',
        _DEFINITIONS,
        f'<rect width="{width:.1f}" height="{height:.1f}" fill="white"/>',
        f'<g transform="translate({_MARGIN},{_MARGIN})">{legend}</g>',
        f'<g transform="translate({_MARGIN + left:.1f},{_MARGIN})">',
        *_arrows(drawing, layout),
        *(_box(box, layout.places[box.key], drawing.grouped) for box in drawing.boxes),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts)


_DEFINITIONS = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
    'markerHeight="8" orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" '
    'fill="context-stroke"/></marker>'
    '<marker id="crow" viewBox="0 0 10 10" refX="1" refY="5" markerWidth="10" markerHeight="10" '
    'orient="auto-start-reverse"><path d="M0,5 L10,0 M0,5 L10,10 M0,5 L10,5" fill="none" '
    'stroke="context-stroke"/></marker>'
    '<pattern id="diagonals" width="8" height="8" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="2" height="8" fill="#000000" opacity="0.35"/>'
    "</pattern></defs>"
)


def _texts(box: Box, grouped: bool) -> list[tuple[str, str]]:
    """Returns the lines of a box as ``(text, style)``."""
    found = [(box.title, "font-weight:bold")] if box.title else []
    if box.kind == "input":
        found += [(f"{name}: {type_}", "") for name, type_ in box.lines]
    else:
        found += [(" ".join(line).strip(), "font-style:italic") for line in box.lines]
    if grouped and box.group:
        found.append((box.group, "fill:#666666;font-size:10px"))
    return found


def _size(box: Box, grouped: bool) -> tuple[float, float]:
    texts = _texts(box, grouped)
    fields = [f"{name}  {type_}" for name, type_ in box.fields]
    longest = max((len(t) for t in [*(t for t, _ in texts), *fields]), default=1)
    lines = len(texts) + 1.2 * len(fields)
    return longest * _CHARACTER + 2 * _PADDING, lines * _LINE + 2 * _PADDING * 0.8


def _box(box: Box, place: Place, grouped: bool) -> str:
    left, top = place.x - place.width / 2, place.y - place.height / 2
    parts = [f'<g class="{escape(box.kind)}"><title>{escape(box.title or box.key)}</title>']
    parts.append(_shape(box.style, left, top, place.width, place.height))
    y = top + _PADDING * 0.8 + _LINE * 0.75
    for text, style in _texts(box, grouped):
        parts.append(
            f'<text x="{place.x:.1f}" y="{y:.1f}" text-anchor="middle" style="{style}">'
            f"{escape(text)}</text>"
        )
        y += _LINE
    for name, type_ in box.fields:
        parts.append(
            f'<rect x="{left + 6:.1f}" y="{y - _LINE * 0.75:.1f}" width="{place.width - 12:.1f}" '
            f'height="{_LINE:.1f}" fill="#c8dae0" stroke="black"/>'
            f'<text x="{left + 10:.1f}" y="{y:.1f}" font-family="Courier, monospace">'
            f"{escape(name)}  {escape(type_)}</text>"
        )
        y += _LINE * 1.2
    return "".join([*parts, "</g>"])


def _shape(style: Mapping[str, str], x: float, y: float, w: float, h: float) -> str:
    """Returns the outline that graphviz attributes describe."""
    kinds = style.get("style", "").split(",")
    fill = style.get("fillcolor", "none") if "filled" in kinds else "none"
    dash = ' stroke-dasharray="5,3"' if "dashed" in kinds else ""
    look = (
        f'fill="{escape(fill)}" stroke="{escape(style.get("color", "black"))}" '
        f'stroke-width="{escape(style.get("penwidth", "1"))}"{dash}'
    )
    round_ = 8 if "rounded" in kinds else 0
    if style.get("shape") == "note":
        fold = f"M{x:.1f},{y:.1f} h{w - 10:.1f} l10,10 v{h - 10:.1f} h{-w:.1f} z m{w - 10:.1f},0"
        return f'<path d="{fold} v10 h10" {look}/>'
    if style.get("shape") == "cylinder":
        bend = f"a{w / 2:.1f},6 0 0 0 {w:.1f},0"
        sides = f"M{x:.1f},{y + 6:.1f} {bend} v{h - 12:.1f} a{w / 2:.1f},6 0 0 1 {-w:.1f},0 z"
        lid = f"M{x:.1f},{y + 6:.1f} a{w / 2:.1f},6 0 0 1 {w:.1f},0"
        return f'<path d="{sides}" {look}/><path d="{lid}" {look}/>'
    size = f'width="{w:.1f}" height="{h:.1f}" rx="{round_}"'
    shape = f'<rect x="{x:.1f}" y="{y:.1f}" {size} {look}/>'
    if "diagonals" in kinds:
        shape += f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="url(#diagonals)"/>'
    if style.get("peripheries") == "2":
        shape += (
            f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="{w + 8:.1f}" height="{h + 8:.1f}" '
            f'rx="{round_}" fill="none" stroke="{escape(style.get("color", "black"))}"/>'
        )
    return shape


def _arrows(drawing: Drawing, layout: Layout) -> list[str]:
    flat = drawing.orient in ("LR", "RL")
    found = []
    for link, route in zip(drawing.links, layout.routes, strict=True):
        points = list(route)
        points[0] = _edge(layout.places[link.source], points[1], flat)
        points[-1] = _edge(layout.places[link.target], points[-2], flat)
        color = escape(link.style.get("color", "black"))
        width = escape(link.style.get("penwidth", "1"))
        head = "crow" if link.style.get("arrowhead") == "crow" else "head"
        tail = ' marker-start="url(#crow)"' if link.style.get("arrowtail") == "crow" else ""
        found.append(
            f'<path d="{_curve(points, flat)}" fill="none" stroke="{color}" '
            f'stroke-width="{width}" marker-end="url(#{head})"{tail}/>'
        )
    return found


def _edge(place: Place, toward: tuple[float, float], flat: bool) -> tuple[float, float]:
    if flat:
        side = 1 if toward[0] > place.x else -1
        return place.x + side * place.width / 2, place.y
    side = 1 if toward[1] > place.y else -1
    return place.x, place.y + side * place.height / 2


def _curve(points: list[tuple[float, float]], flat: bool) -> str:
    text = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if flat:
            middle = (x0 + x1) / 2
            text += f" C{middle:.1f},{y0:.1f} {middle:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
        else:
            middle = (y0 + y1) / 2
            text += f" C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
    return text


def _legend(drawing: Drawing) -> tuple[str, float, float]:
    if not drawing.legend:
        return "", 0.0, 0.0
    width = max(len(name) for name, _ in drawing.legend) * _CHARACTER + 4 * _PADDING
    height = len(drawing.legend) * 40.0 + 34
    parts = [
        f'<rect width="{width:.1f}" height="{height:.1f}" fill="none" stroke="black"/>'
        f'<text x="{width / 2:.1f}" y="18" text-anchor="middle">Legend</text>'
    ]
    for i, (name, style) in enumerate(drawing.legend):
        top = 30 + i * 40.0
        parts.append(_shape(style, _PADDING, top, width - 2 * _PADDING, 28))
        parts.append(
            f'<text x="{width / 2:.1f}" y="{top + 18:.1f}" text-anchor="middle">'
            f"{escape(name)}</text>"
        )
    return "".join(parts), width, height

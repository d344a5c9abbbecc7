"""Drawings as text for terminals, as Mermaid and as a page to search in."""

from __future__ import annotations

from html import escape

from hamilton.visualization.drawing import Box, Drawing
from hamilton.visualization.svg import to_svg

__all__ = ["to_html", "to_mermaid", "to_text"]


def to_text(drawing: Drawing) -> str:
    """Returns one line for each box: its name and type, and what it takes."""
    boxes = {box.key: box for box in drawing.boxes}
    taken: dict[str, list[str]] = {key: [] for key in boxes}
    for link in drawing.links:
        taken[link.target].append(_name(boxes[link.source]))
    lines = []
    for key, box in boxes.items():
        if box.kind == "input":
            continue
        facts = ", ".join(" ".join(line).strip() for line in box.lines)
        marks = [k for k in box.classes if k not in ("function", "cluster", "field")]
        mark = f" [{', '.join(marks)}]" if marks else ""
        source = f" <- {', '.join(taken[key])}" if taken[key] else ""
        lines.append(f"{box.title}: {facts}{mark}{source}")
    return "\n".join(lines) + "\n"


def _name(box: Box) -> str:
    if box.kind == "input":
        return ", ".join(f"({name})" for name, _ in box.lines)
    return box.title


def to_mermaid(drawing: Drawing) -> str:
    """Returns a drawing as a Mermaid flow chart."""
    orient = "TB" if drawing.orient == "TB" else drawing.orient
    lines = [f"flowchart {orient}"]
    ids = {box.key: f"n{i}" for i, box in enumerate(drawing.boxes)}
    for box in drawing.boxes:
        texts = [f"<b>{_entity(box.title)}</b>"] if box.title else []
        texts += [_entity(": ".join(part for part in line if part)) for line in box.lines]
        opening, closing = _MERMAID_SHAPES.get(box.kind, ("(", ")"))
        lines.append(f'  {ids[box.key]}{opening}"{"<br/>".join(texts)}"{closing}')
        fill = box.style.get("fillcolor")
        if fill and fill.startswith("#"):
            dashed = ",stroke-dasharray:4" if "dashed" in box.style.get("style", "") else ""
            lines.append(f"  style {ids[box.key]} fill:{fill},stroke:#333{dashed}")
    lines += [f"  {ids[link.source]} --> {ids[link.target]}" for link in drawing.links]
    return "\n".join(lines) + "\n"


_MERMAID_SHAPES = {"input": ("[", "]"), "config": (">", "]"), "materializer": ("[(", ")]")}


def _entity(text: str) -> str:
    return escape(text).replace("[", "&#91;").replace("]", "&#93;")


def to_html(drawing: Drawing) -> str:
    """Returns a page of its own with the picture and a field that finds boxes by name."""
    return _PAGE.replace("%SVG%", to_svg(drawing))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Dataflow</title><style>
body { font-family: Helvetica, Arial, sans-serif; margin: 1em }
g.faded { opacity: 0.15 }
</style></head><body>
<label>Find <input id="find" type="search" autofocus></label>
<div>%SVG%</div>
<script>
const boxes = [...document.querySelectorAll("svg g[class]")];
document.getElementById("find").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const box of boxes)
    box.classList.toggle("faded", !box.textContent.toLowerCase().includes(wanted));
});
</script></body></html>
"""

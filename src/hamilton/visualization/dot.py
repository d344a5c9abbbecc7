"""Drawings as dot text, and images of it through the ``dot`` program."""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from hamilton.visualization.drawing import Box, Drawing

__all__ = ["DrawingError", "dot_program", "render_dot", "to_dot"]

_GRAPH = {
    "compound": "true",
    "concentrate": "true",
    "ranksep": "0.4",
    "fontname": "Helvetica",
}


class DrawingError(RuntimeError):
    """A picture cannot be made here."""


def to_dot(drawing: Drawing) -> str:
    """Returns a drawing as dot text; no program or package is needed."""
    extra = drawing.attributes
    graph = {**_GRAPH, "rankdir": drawing.orient, **extra.get("graph_attr", {})}
    node = {"fontname": "Helvetica", "margin": "0.15", **extra.get("node_attr", {})}
    lines = [
        "digraph {",
        f"  graph {_attributes(graph)};",
        f"  node {_attributes(node)};",
        f"  edge {_attributes(extra.get('edge_attr', {}))};",
    ]
    lines += _grouped(drawing) if drawing.grouped else _boxes(drawing.boxes, "  ")
    for link in drawing.links:
        lines.append(
            f"  {_quoted(link.source)} -> {_quoted(link.target)} {_attributes(link.style)};"
        )
    lines += _legend(drawing)
    return "\n".join([*lines, "}", ""])


def _grouped(drawing: Drawing) -> list[str]:
    lines = []
    modules = dict.fromkeys(box.group for box in drawing.boxes)
    for module in modules:
        boxes = [box for box in drawing.boxes if box.group == module]
        if not module:
            lines += _boxes(boxes, "  ")
            continue
        style = {"label": module, "style": "rounded", "color": "#888888", "fontname": "Helvetica"}
        lines += [f"  subgraph {_quoted('cluster_module_' + module)} {{"]
        lines += [f"    graph {_attributes(style)};", *_boxes(boxes, "    "), "  }"]
    return lines


def _boxes(boxes: Any, indent: str) -> list[str]:
    lines = []
    for box in boxes:
        statement = f"{_quoted(box.key)} [label={_label(box)} {_inner(box.style)}];"
        if not box.fields:
            lines.append(indent + statement)
            continue
        style = {"style": "dashed,filled", "fillcolor": "#649fb3", "label": "", "margin": "8"}
        lines += [
            f"{indent}subgraph {_quoted('cluster_' + box.key)} {{",
            f"{indent}  graph {_attributes(style)};",
            f"{indent}  {statement}",
        ]
        for name, type_ in box.fields:
            text = f"<{html.escape(name)}  <i>{html.escape(type_)}</i>>"
            lines.append(
                f"{indent}  {_quoted(box.key + ':' + name)} [label={text} shape=box "
                'style="filled" fillcolor="#c8dae0" fontname="Courier"];'
            )
        lines.append(f"{indent}}}")
    return lines


def _label(box: Box) -> str:
    if box.kind == "input":
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td><i>{html.escape(type_)}</i></td></tr>"
            for name, type_ in box.lines
        )
        return f'<<table border="0">{rows}</table>>'
    lines = "<br />".join(f"<i>{html.escape(' '.join(line).strip())}</i>" for line in box.lines)
    return f"<<b>{html.escape(box.title)}</b><br /><br />{lines}>"


def _legend(drawing: Drawing) -> list[str]:
    if not drawing.legend:
        return []
    lines = ["  subgraph cluster__legend {", '    graph [label="Legend" rank="same"];']
    for name, style in drawing.legend:
        lines.append(f"    {_quoted('_legend_' + name)} [label={_quoted(name)} {_inner(style)}];")
    return [*lines, "  }"]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _inner(attributes: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_quoted(str(value))}" for name, value in attributes.items())


def _attributes(attributes: Mapping[str, Any]) -> str:
    return f"[{_inner(attributes)}]"


def dot_program() -> str | None:
    """Returns the path of graphviz's ``dot`` program, or None."""
    return shutil.which("dot")


def render_dot(source: str, format: str) -> bytes:
    """Returns dot text as an image.

    Raises:
        DrawingError: The ``dot`` program is absent or refuses.
    """
    program = dot_program()
    if program is None:
        raise DrawingError(
            f"The format {format!r} needs graphviz's `dot` program, which is not installed; "
            "install graphviz with the system's package manager, or use 'svg', 'html', 'mmd' or "
            "'dot'."
        )
    done = subprocess.run(
        [program, f"-T{format}"], input=source.encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise DrawingError(f"`dot -T{format}` failed: {done.stderr.decode(errors='replace')}")
    return done.stdout

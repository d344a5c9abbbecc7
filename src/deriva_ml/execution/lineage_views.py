"""Ways to look at a lineage: text, HTML, Mermaid, Graphviz, networkx, pictures."""

from __future__ import annotations

import html
import io
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLValidationError

from .lineage_graph import GraphNode, LineageGraph

if TYPE_CHECKING:
    import networkx

__all__ = ["draw", "to_dot", "to_html", "to_mermaid", "to_networkx", "to_text"]

_FORMATS = ("svg", "png", "pdf")
_SHAPES = {"Execution": "box", "Dataset": "cylinder", "Asset": "note", "Feature": "ellipse"}
_COLORS = {
    "Execution": "#dbe9f6",
    "Dataset": "#dff0d8",
    "Asset": "#fdf3d1",
    "Feature": "#f3ddf0",
}
_MERMAID = {"Execution": '["{}"]', "Dataset": '[("{}")]', "Asset": '>"{}"]', "Feature": '(["{}"])'}
_LABEL = 40
_SHOWN_LINES = 500
_SHOWN_PICTURE = 60
_INSTALL = (
    "Install the programs of Graphviz (https://graphviz.org), or: pip install 'derivaml[lineage]'"
)


# --- trees ---------------------------------------------------------------------------


def to_text(headline: str, trees: Sequence[Any]) -> str:
    """The tree as lines: an execution, below it what it read or made, below that who is next."""
    lines = [headline]
    for depth, text in _lines(trees):
        lines.append("  " * depth + text)
    return "\n".join(lines)


def _lines(trees: Sequence[Any]) -> Iterator[tuple[int, str]]:
    waiting = [(1, node) for node in reversed(trees)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node.execution.title + (" (see above)" if node.already_shown else "")
        for mark, text in _artifact_lines(node):
            yield depth + 1, f"{mark} {text}"
        waiting += [(depth + 1, below) for below in reversed(node._below)]


def _artifact_lines(node: Any) -> Iterator[tuple[str, str]]:
    datasets, assets = node._artifacts
    for dataset in datasets:
        yield "=", " ".join(t for t in ("Dataset", dataset.key, dataset.description) if t)
    for asset in assets:
        yield "-", f"{asset.asset_table} {asset.rid} {asset.filename}"


def to_html(headline: str, trees: Sequence[Any], graph: LineageGraph) -> str:
    """The tree as HTML, with the picture above it when Graphviz is there and it is small."""
    lines = list(_lines(trees))
    shown = [
        f"<div style='margin-left:{depth}em'>{html.escape(text)}</div>"
        for depth, text in lines[:_SHOWN_LINES]
    ]
    if len(lines) > _SHOWN_LINES:
        shown.append(f"<div>... and {len(lines) - _SHOWN_LINES} lines more</div>")
    picture = ""
    if len(graph.nodes) <= _SHOWN_PICTURE and shutil.which("dot"):
        svg = _dot(graph, "svg").decode()
        picture = svg[svg.index("<svg") :]
    title = f"<b>{html.escape(headline)}</b>"
    return f"<div>{title}{picture}<details open>{''.join(shown)}</details></div>"


# --- graphs --------------------------------------------------------------------------


def to_networkx(graph: LineageGraph) -> networkx.DiGraph[str]:
    """A directed graph whose nodes have `kind`, `rid` and `label`."""
    try:
        import networkx
    except ImportError as error:
        raise DerivaMLConfigurationError(
            "The lineage becomes a graph of networkx, which is not installed. "
            "Install it: pip install 'derivaml[lineage]'"
        ) from error
    made: networkx.DiGraph[str] = networkx.DiGraph(root=graph.root)
    for node in graph.nodes:
        made.add_node(node.key, kind=node.kind, rid=node.rid, label=node.label)
    made.add_edges_from((e.source, e.target) for e in graph.edges)
    return made


def _caption(node: GraphNode) -> list[str]:
    text = node.label.removeprefix(node.key).strip()
    first = node.key if node.kind == "Execution" else f"{node.kind} {node.key}"
    short = text if len(text) <= _LABEL else f"{text[: _LABEL - 3]}..."
    return [first, short] if short else [first]


def to_mermaid(graph: LineageGraph) -> str:
    """The graph as Mermaid text."""
    numbers = {node.key: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        text = "<br/>".join(_for_mermaid(t) for t in _caption(node))
        lines.append(f"  {numbers[node.key]}{_MERMAID[node.kind].format(text)}")
    lines += [f"  {numbers[e.source]} --> {numbers[e.target]}" for e in graph.edges]
    if graph.root in numbers:
        lines.append(f"  style {numbers[graph.root]} stroke-width:3px")
    return "\n".join(lines) + "\n"


def _for_mermaid(text: str) -> str:
    """Text inside quotes: characters with a meaning are written by number."""
    return "".join(c if c.isalnum() or c in " .,-_()@/=+" else f"#{ord(c)};" for c in text)


def to_dot(graph: LineageGraph) -> str:
    """The graph in Graphviz' language."""
    lines = [
        "digraph lineage {",
        '  rankdir=LR; node [style=filled, fontname="sans-serif", fontsize=10];',
    ]
    for node in graph.nodes:
        text = "\\n".join(_for_dot(t) for t in _caption(node))
        width = 2.5 if node.key == graph.root else 1
        look = f'shape={_SHAPES[node.kind]}, fillcolor="{_COLORS[node.kind]}", penwidth={width}'
        lines.append(f'  "{_for_dot(node.key)}" [label="{text}", {look}];')
    for edge in graph.edges:
        lines.append(f'  "{_for_dot(edge.source)}" -> "{_for_dot(edge.target)}";')
    return "\n".join([*lines, "}", ""])


def _for_dot(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\r", " ")


# --- pictures ------------------------------------------------------------------------


def draw(graph: LineageGraph, path: Path | None) -> Path | str:
    """Draw the graph into a file, or give it as SVG text."""
    form = "svg" if path is None else path.suffix.removeprefix(".").lower()
    if form not in _FORMATS:
        raise DerivaMLValidationError(
            f"Pictures have the format svg, png or pdf; {str(path)!r} ends in none of these."
        )
    picture = _dot(graph, form) if shutil.which("dot") else _plot(graph, form)
    if path is None:
        return picture.decode()
    path.write_bytes(picture)
    return path


def _dot(graph: LineageGraph, form: str) -> bytes:
    try:
        done = subprocess.run(
            ["dot", f"-T{form}"], input=to_dot(graph).encode(), capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", b"") or b""
        raise DerivaMLConfigurationError(
            f"Graphviz could not draw {len(graph.nodes)} nodes: {error}. {told.decode()}".rstrip()
        ) from error
    return done.stdout


def _plot(graph: LineageGraph, form: str) -> bytes:
    """Draw with matplotlib: columns by distance, one node below the other."""
    try:
        import networkx
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DerivaMLConfigurationError(
            f"There is nothing to draw a lineage with. {_INSTALL}"
        ) from error
    made = to_networkx(graph)
    places = networkx.spring_layout(made, seed=0)
    if networkx.is_directed_acyclic_graph(made):
        for layer, keys in enumerate(networkx.topological_generations(made)):
            for key in keys:
                made.nodes[key]["layer"] = layer
        places = networkx.multipartite_layout(made, subset_key="layer")
    side = max(4.0, len(graph.nodes) ** 0.5 * 2)
    figure = Figure(figsize=(side * 1.5, side))
    axes = figure.add_subplot()
    axes.set_axis_off()
    networkx.draw_networkx(
        made,
        places,
        ax=axes,
        labels={node.key: "\n".join(_caption(node)) for node in graph.nodes},
        node_color=[_COLORS[node.kind] for node in graph.nodes],
        font_size=7,
    )
    target = io.BytesIO()
    figure.savefig(target, format=form)
    return target.getvalue()

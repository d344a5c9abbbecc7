"""From a graph to a drawing: which boxes, which arrows, how they look."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from hamilton.errors import short_repr
from hamilton.graph import FunctionGraph
from hamilton.graph_types import HamiltonNode
from hamilton.htypes import get_type_as_string
from hamilton.node import Node, NodeType, matches_query
from hamilton.visualization.drawing import KINDS, STYLES, Box, Drawing, Link
from hamilton.visualization.options import Options

__all__ = ["Marks", "NodeStatus", "make_drawing"]

_LONGEST_TYPE = 80
# Module prefixes inside a type, which say little and take much room.
_MODULES = re.compile(r"\b[A-Za-z_]\w*\.(?=[A-Za-z_])")
_SCHEMA_TAG = "hamilton.internal.schema_output"


@dataclass(frozen=True)
class NodeStatus:
    """How a node fared: ``ok``, ``failed`` or ``running``, and how long it took."""

    state: str
    seconds: float | None = None

    @property
    def text(self) -> str:
        """The status in a few characters."""
        if self.seconds is None:
            return self.state
        if self.seconds >= 1:
            return f"{self.state}, {self.seconds:.2f} s"
        return f"{self.state}, {self.seconds * 1000:.2f} ms"


@dataclass(frozen=True)
class Marks:
    """What to point out: requested, overridden, cached, on a path, missing; and how nodes fared."""

    outputs: Collection[str] = ()
    overrides: Collection[str] = ()
    cached: Collection[str] = ()
    path: Collection[str] = ()
    missing: Collection[str] = ()
    status: Mapping[str, NodeStatus] = field(default_factory=dict)


def make_drawing(
    graph: FunctionGraph, names: Iterable[str], marks: Marks, options: Options
) -> Drawing:
    """Returns the drawing of the named nodes of a graph."""
    drawn = [graph.nodes[n] for n in names if n in graph.nodes]
    if options.tag_filter:
        query = options.tag_filter
        drawn = [n for n in drawn if n.user_defined or matches_query(n.tags, query)]
    artist = _Artist(graph, marks, options)
    for node in drawn:
        if not node.user_defined or node.name in marks.overrides:
            artist.add_function(node)
        elif node.name in graph.config:
            artist.add_config(node)
    artist.link({n.name: n for n in drawn})
    return artist.drawing()


class _Artist:
    """Gathers boxes and arrows."""

    def __init__(self, graph: FunctionGraph, marks: Marks, options: Options) -> None:
        self._graph, self._marks, self._options = graph, marks, options
        self._boxes: dict[str, Box] = {}
        self._links: list[Link] = []
        self._custom: dict[str, dict[str, str]] = {}
        self._shared: dict[tuple[tuple[str, str], ...], str] = {}

    def add_function(self, node: Node) -> None:
        """Adds the box of a node that is computed or overridden."""
        marks, name = self._marks, node.name
        kinds = [_kind(node)]
        for kind, names in (
            ("output", marks.outputs),
            ("override", marks.overrides),
            ("cached", marks.cached),
            ("path", marks.path),
        ):
            if name in names:
                kinds.append(kind)
        status = marks.status.get(name)
        if status is not None and status.state == "failed":
            kinds.append("failed")
        style = dict(STYLES["function"])
        for kind in kinds:
            style.update(STYLES[kind])
        if "output" in kinds and "materializer" in kinds:
            style["style"] = "filled"
        style, legend = self._customised(node, kinds, style)
        lines = [(_type_text(node.type), "")]
        if status is not None:
            lines.append((status.text, ""))
        fields = _schema(node) if self._options.show_schema else ()
        shown = tuple(k for k in kinds if k in KINDS) if legend is None else ()
        if fields:
            shown = (*shown, "cluster", "field")
        self._boxes[name] = Box(
            name,
            _title(node),
            tuple(lines),
            kinds[0],
            style,
            fields,
            str(node.tags.get("module", "")),
            shown,
        )

    def _customised(
        self, node: Node, kinds: list[str], style: dict[str, str]
    ) -> tuple[dict[str, str], str | None]:
        custom = self._options.custom_style_function
        if custom is None:
            return style, None
        last = next((k for k in reversed(kinds) if k in KINDS), kinds[0])
        own, kind, legend = custom(node=HamiltonNode.from_node(node), node_class=last)
        merged = {**style, **STYLES.get(kind or "", {}), **{k: str(v) for k, v in own.items()}}
        if legend:
            self._custom[legend] = merged
        return merged, legend

    def add_config(self, node: Node) -> None:
        """Adds the note of a configuration value."""
        value = short_repr(self._graph.config[node.name])
        style = {**STYLES["config"], **(STYLES["output"] if self._requested(node) else {})}
        style["style"] = "filled"
        self._boxes[node.name] = Box(
            node.name, node.name, ((value, ""),), "config", style, classes=("config",)
        )

    def _requested(self, node: Node) -> bool:
        return node.name in self._marks.outputs

    def link(self, drawn: Mapping[str, Node]) -> None:
        """Adds the arrows between boxes, and a box for the external inputs of each consumer."""
        for node in drawn.values():
            if node.user_defined or node.name in self._marks.overrides:
                continue
            if node.name not in self._boxes:
                continue
            external = []
            for name, (type_, _) in node.input_types.items():
                if name in self._boxes:
                    self._links.append(Link(name, node.name, self._link_style(name, node)))
                elif name in drawn and drawn[name].user_defined:
                    external.append((name, _type_text(type_)))
            if external and not self._options.hide_inputs:
                self._add_inputs(node, tuple(sorted(external)))

    def _add_inputs(self, node: Node, lines: tuple[tuple[str, str], ...]) -> None:
        key = f"_{node.name}_inputs"
        if self._options.deduplicate_inputs:
            key = self._shared.setdefault(lines, key)
        if key not in self._boxes:
            style = dict(STYLES["input"])
            if any(name in self._marks.missing for name, _ in lines):
                style.update(STYLES["missing"])
                lines = tuple(
                    (n, f"{t} (missing)" if n in self._marks.missing else t) for n, t in lines
                )
            self._boxes[key] = Box(key, "", lines, "input", style, classes=("input",))
        self._links.append(Link(key, node.name))

    def _link_style(self, name: str, node: Node) -> dict[str, str]:
        style: dict[str, str] = {}
        producer = self._graph.nodes.get(name)
        if producer is not None and producer.node_role is NodeType.EXPAND:
            style.update(arrowhead="crow", dir="forward")
        if node.node_role is NodeType.COLLECT:
            style.update(dir="both", arrowtail="crow")
        if name in self._marks.path and node.name in self._marks.path:
            style.update(STYLES["path"])
        return style

    def drawing(self) -> Drawing:
        """Returns what was gathered."""
        present = {kind for box in self._boxes.values() for kind in box.classes}
        legend: list[tuple[str, dict[str, str]]] = []
        if self._options.show_legend:
            legend = [(k, {**STYLES["function"], **STYLES[k]}) for k in KINDS if k in present]
            legend += list(self._custom.items())
        extra = {k: dict(v) for k, v in (self._options.graphviz_kwargs or {}).items()}
        return Drawing(
            tuple(self._boxes.values()),
            tuple(self._links),
            self._options.orient,
            tuple(legend),
            self._options.group_by_module,
            extra,
        )


def _kind(node: Node) -> str:
    if "hamilton.data_loader" in node.tags or "hamilton.data_saver" in node.tags:
        return "materializer"
    if node.node_role is NodeType.EXPAND:
        return "expand"
    if node.node_role is NodeType.COLLECT:
        return "collect"
    return "function"


def _title(node: Node) -> str:
    title = str(node.tags.get("display_name", node.name))
    keys = _config_keys(node.function)
    return f"{title}: {', '.join(keys)}" if keys else title


def _config_keys(function: Callable[..., object] | None) -> list[str]:
    """Returns the configuration keys that decided that this function is the node."""
    if function is None:
        return []
    from hamilton.function_modifiers.base import NodeResolver, modifiers_of

    keys: list[str] = []
    for modifier in modifiers_of(function):
        if isinstance(modifier, NodeResolver):
            keys.extend(modifier.required_config() or ())
            keys.extend(getattr(modifier, "optional_config", dict)() or ())
    return sorted(dict.fromkeys(keys))


def _schema(node: Node) -> tuple[tuple[str, str], ...]:
    text = str(node.tags.get(_SCHEMA_TAG, ""))
    pairs = [part.partition("=") for part in text.split(",") if part]
    return tuple((name, type_) for name, _, type_ in pairs)


def _type_text(type_: object) -> str:
    # A graph that was read from an export has its types as texts.
    text = type_ if isinstance(type_, str) else get_type_as_string(type_) or str(type_)
    text = _MODULES.sub("", text)
    return text if len(text) <= _LONGEST_TYPE else text[:_LONGEST_TYPE] + "..."

"""The graph of a dataflow: functions of modules resolved to nodes and linked by name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hamilton._crawl import dataflow_functions
from hamilton._layout import Layout
from hamilton._matching import edge_accepts
from hamilton.errors import (
    DefinitionError,
    DuplicateNodeError,
    EdgeTypeError,
    UnknownNodesError,
    close_names,
    where,
)
from hamilton.lifecycle.base import LifecycleAdapterSet, ValidationException
from hamilton.node import DependencyType, Node, NodeType

__all__ = ["Excluded", "FunctionGraph", "unknown_nodes_error"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Excluded:
    """A function that a configuration keeps out: its node name and the condition to meet."""

    node: str
    function: Callable[..., Any]
    condition: str


class FunctionGraph:
    """Nodes by name, with the configuration they were resolved under.

    Attributes:
        nodes: Every node by name, external inputs and configuration values included.
        config: The configuration, a copy.
        excluded: Functions kept out by the configuration.
        cycle: One loop as a list of names, or an empty list.
        modules: The modules the functions came from.
    """

    def __init__(
        self,
        nodes: dict[str, Node],
        config: Mapping[str, Any],
        adapter: LifecycleAdapterSet,
        excluded: Collection[Excluded] = (),
        modules: tuple[ModuleType, ...] = (),
    ) -> None:
        self.nodes = nodes
        self.config = dict(config)
        self.adapter = adapter
        self.excluded = tuple(excluded)
        self.modules = modules
        self.cycle: list[str] = []
        self._dependents: dict[str, list[str]] | None = None
        self._layout: Layout | None = None

    @staticmethod
    def from_modules(
        *modules: ModuleType,
        config: Mapping[str, Any],
        adapter: LifecycleAdapterSet | None = None,
        allow_module_overrides: bool = False,
    ) -> FunctionGraph:
        """Builds, links and checks the graph of all functions of the modules.

        Raises:
            DefinitionError: A function cannot become a node, or a name is defined twice.
            EdgeTypeError: A producer and a consumer disagree on a type.
            ValidationException: A static validator of an adapter refuses.
        """
        adapters = adapter or LifecycleAdapterSet()
        excluded: list[Excluded] = []
        nodes = _nodes_of_modules(modules, config, excluded, allow_module_overrides)
        graph = FunctionGraph(nodes, config, adapters, excluded, modules)
        graph._link(list(nodes.values()))
        graph._add_config_nodes()
        graph._note_cycle()
        graph._validate()
        return graph

    def with_nodes(self, changed: Iterable[Node]) -> FunctionGraph:
        """Returns a graph in which nodes are added or replaced; this one stays as it is."""
        new = [node.copy_with(positional=node.positional) for node in changed]
        nodes = {**self.nodes, **{node.name: node for node in new}}
        graph = FunctionGraph(nodes, self.config, self.adapter, self.excluded, self.modules)
        graph._link(new)
        graph._note_cycle()
        return graph

    @property
    def layout(self) -> Layout:
        """The nodes as numbered slots with prepared calls."""
        if self._layout is None:
            self._layout = Layout(self.nodes, self.nodes)
        return self._layout

    def _link(self, new: Iterable[Node]) -> None:
        """Checks every edge into the new nodes and adds the external inputs they name."""
        nodes = self.nodes
        allowed = self.adapter.sync("do_check_edge_types_match")
        allow_async = self.adapter.resolves_awaitables
        inputs: dict[str, list[tuple[Node, Any]]] = {}
        for node in new:
            node._graph = self
            function = node._callable
            if not allow_async and _is_coroutine_function(function):
                raise _async_error(node)
            for name, (type_, _) in node.input_types.items():
                producer = nodes.get(name)
                if producer is None or producer._role is NodeType.EXTERNAL:
                    inputs.setdefault(name, []).append((node, type_))
                    continue
                given = producer.type
                if given is type_ or edge_accepts(given, type_):
                    continue
                if not any(ok(type_from=given, type_to=type_) for ok in allowed):
                    raise _edge_error(producer, node, name, type_)
        for name, uses in inputs.items():
            self._add_input(name, uses, allowed)
        self._dependents = None

    def _note_cycle(self) -> None:
        if self.layout.has_loop():
            self.cycle = find_cycle(self.nodes)
            logger.warning("The dataflow has a loop: %s.", self.describe_cycle(self.cycle))

    def _add_input(
        self, name: str, uses: list[tuple[Node, Any]], allowed: tuple[Callable[..., bool], ...]
    ) -> None:
        known = self.nodes.get(name)
        if known is None:
            type_, first = uses[0][1], uses[0][0]
        else:
            type_ = known.type
            users = self.dependents_of(name)
            first = users[0] if users else known
        for node, wanted in uses:
            if wanted is type_ or wanted is Any:
                continue
            if type_ is Any or not edge_accepts(type_, wanted):
                if not edge_accepts(wanted, type_):
                    if not any(ok(type_from=type_, type_to=wanted) for ok in allowed):
                        raise _input_type_error(name, first, type_, node, wanted)
                    continue
                type_, first = wanted, node
        if known is None or known.type is not type_:
            node = Node(name, type_, node_source=NodeType.EXTERNAL)
            node._graph = self
            self.nodes[name] = node

    def _add_config_nodes(self) -> None:
        for key in self.config:
            if key not in self.nodes:
                node = Node(key, Any, node_source=NodeType.EXTERNAL)
                node._graph = self
                self.nodes[key] = node

    def _validate(self) -> None:
        if not (self.adapter.sync("validate_node") or self.adapter.sync("validate_graph")):
            return
        problems = []
        for node in self.nodes.values():
            for ok, message in self.adapter.call_all_validators_sync(
                "validate_node", created_node=node
            ):
                if not ok:
                    problems.append(f"Node {node.name}: {message}")
        for ok, message in self.adapter.call_all_validators_sync(
            "validate_graph", graph=self, modules=list(self.modules), config=self.config
        ):
            if not ok:
                problems.append(f"Graph: {message}")
        if problems:
            raise ValidationException(
                f"{len(problems)} validation errors:\n  " + "\n  ".join(sorted(problems))
            )

    def get_nodes(self) -> list[Node]:
        """Returns all nodes."""
        return list(self.nodes.values())

    def dependents_of(self, name: str) -> list[Node]:
        """Returns the nodes that take the value of `name`, in order of definition."""
        if self._dependents is None:
            found: dict[str, list[str]] = {}
            for node in self.nodes.values():
                for dependency in node.input_types:
                    found.setdefault(dependency, []).append(node.name)
            self._dependents = found
        return [self.nodes[n] for n in self._dependents.get(name, ())]

    def get_upstream_nodes(
        self,
        final_vars: Iterable[str],
        inputs: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> tuple[set[Node], set[Node]]:
        """Returns what a request touches: all nodes, and the external ones among them.

        External inputs that are optional for every node on the path and were not supplied are
        left out. Nothing upstream of an override is included.
        """
        supplied = {**self.config, **(inputs or {})}
        order = self.upstream_order(final_vars, overrides or {})
        nodes = {self.nodes[n] for n in order if n in self.nodes}
        needed = {
            name
            for node in nodes
            if node.name not in (overrides or {})
            for name, (_, kind) in node.input_types.items()
            if kind is DependencyType.REQUIRED
        } | set(final_vars)
        external = {n for n in nodes if n.user_defined}
        unused = {n for n in external if n.name not in supplied and n.name not in needed}
        return nodes - unused, external - unused

    def upstream_order(self, final_vars: Iterable[str], stop_at: Collection[str] = ()) -> list[str]:
        """Returns names upstream of (and including) `final_vars`, dependencies first.

        Depth first from each name in order, dependencies in parameter order, without recursion.
        Names in `stop_at` are included but not looked behind. A loop is followed once. Names that
        are no nodes are left out.
        """
        layout = self.layout
        slot_of, nodes = layout.slot_of, layout.nodes
        finals = [slot_of[name] for name in final_vars if name in slot_of]
        stops = [slot_of[name] for name in stop_at if name in slot_of]
        found = [nodes[slot] for slot in layout.upstream(finals, stops)]
        return [node.name for node in found if node is not None]

    def downstream_order(self, names: Iterable[str]) -> list[str]:
        """Returns names downstream of (and including) `names`, dependencies first."""
        reached: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(node.name for node in self.dependents_of(name))
        return [n for n in self.upstream_order(sorted(reached)) if n in reached]

    def path_between(self, upstream: str, downstream: str) -> list[str]:
        """Returns the names on any way from `upstream` to `downstream`, both included."""
        below = set(self.downstream_order([upstream]))
        if downstream not in below:
            return []
        return [n for n in self.upstream_order([downstream]) if n in below]

    def describe_cycle(self, cycle: list[str]) -> str:
        """Returns a loop as text with the place of every function on it."""
        shown = cycle if len(cycle) <= 20 else [*cycle[:10], f"... {len(cycle) - 10} more ..."]
        names = " -> ".join([*shown, cycle[0]])
        places = ", ".join(where(self.nodes[n].function) for n in cycle[:10])
        return f"{names} ({places})"

    def conditions_for(self, name: str) -> list[str]:
        """Returns the configurations under which some function would provide `name`."""
        return [
            f"{e.condition} (function {where(e.function)})" for e in self.excluded if e.node == name
        ]


def _is_coroutine_function(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & 0x80)


def _nodes_of_modules(
    modules: Iterable[ModuleType],
    config: Mapping[str, Any],
    excluded: list[Excluded],
    allow_overrides: bool,
) -> dict[str, Node]:
    # Imported here: the modifiers' base stands on `node`, as this module does.
    from hamilton.function_modifiers.base import resolve_functions

    settled = dict(config)
    nodes: dict[str, Node] = {}
    for module in modules:
        own: dict[str, Node] = {}
        for resolved in resolve_functions(dataflow_functions(module), settled):
            fn = resolved.function
            if resolved.excluded_as is not None:
                excluded.append(Excluded(resolved.excluded_as, fn, resolved.condition))
            for node in resolved.nodes:
                name = node.name
                if name in config:
                    logger.info("Config key %r takes the place of %s.", name, where(fn))
                elif name in own or (name in nodes and not allow_overrides):
                    raise _duplicate_error(node, own.get(name) or nodes[name])
                else:
                    own[name] = node
        nodes.update(own)
    return nodes


def _duplicate_error(node: Node, other: Node) -> DuplicateNodeError:
    return DuplicateNodeError(
        f"Cannot define function {node.name} more than once. It is defined by "
        f"{where(other.function)} and by {where(node.function)}. Rename one of them, or allow "
        "the later module to win with allow_module_overrides.",
        node=node.name,
        function=node.function,
    )


def _async_error(node: Node) -> DefinitionError:
    return DefinitionError(
        f"{node.name!r} is an asynchronous function ({where(node.function)}), which this driver "
        "would not await. Use hamilton.async_driver, or write it without `async`.",
        node=node.name,
        function=node.function,
    )


def _edge_error(producer: Node, node: Node, name: str, wanted: Any) -> EdgeTypeError:
    return EdgeTypeError(
        f"Error: {node.name} is expecting {name}:{wanted}, but found {name}:{producer.type}. "
        f"{where(node.function)} takes it, {where(producer.function)} gives it. Make the "
        "annotations agree, or pass the adapter "
        "hamilton.lifecycle.NoEdgeAndInputTypeChecking() to relax the check.",
        node=node.name,
        function=node.function,
    )


def _input_type_error(
    name: str, first: Node, type_: Any, second: Node, wanted: Any
) -> EdgeTypeError:
    return EdgeTypeError(
        f"Error: Two or more functions are requesting {name}, but have incompatible types. "
        f"{where(first.function)} requires {name}:{type_}, {where(second.function)} requires "
        f"{name}:{wanted}. Make the annotations agree.",
        node=name,
        function=second.function,
    )


def unknown_nodes_error(graph: FunctionGraph, names: Iterable[str]) -> UnknownNodesError:
    """Returns the error for names that the graph does not know, with close matches."""
    unknown = sorted(names)
    lines = ",\n".join(unknown)
    hints = []
    candidates: list[str] = []
    for name in unknown[:10]:
        close = close_names(name, graph.nodes)
        candidates.extend(close)
        if close:
            hints.append(f"{name!r}: did you mean {' or '.join(map(repr, close))}?")
        for condition in graph.conditions_for(name):
            hints.append(f"{name!r} would be provided with the config {condition}.")
    message = f"Unknown nodes [{lines}] requested. Check for typos?"
    return UnknownNodesError(
        " ".join([message, *hints]), node=unknown[0], candidates=list(dict.fromkeys(candidates))
    )


def find_cycle(
    nodes: Mapping[str, Node], roots: Iterable[str] | None = None, stop_at: Collection[str] = ()
) -> list[str]:
    """Returns one loop among the nodes reachable from `roots` (default all), or an empty list."""
    finished: set[str] = set()
    for root in nodes if roots is None else roots:
        if root in finished or root not in nodes:
            continue
        path: dict[str, Iterator[str]] = {root: _inputs_of(nodes, root, stop_at)}
        while path:
            name = next(reversed(path))
            for dependency in path[name]:
                if dependency in path:
                    names = list(path)
                    return names[names.index(dependency) :][::-1]
                if dependency not in finished and dependency in nodes:
                    path[dependency] = _inputs_of(nodes, dependency, stop_at)
                    break
            else:
                del path[name]
                finished.add(name)
    return []


def _inputs_of(nodes: Mapping[str, Node], name: str, stop_at: Collection[str]) -> Iterator[str]:
    return iter(()) if name in stop_at else iter(nodes[name].input_types)

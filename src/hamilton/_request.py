"""Requests: what a caller wants of a graph, checked and compiled once per shape.

The shape of a request is its outputs with the names of its overrides and inputs. Requests of the
same shape share one compiled plan; only the supplied values are checked again each time.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from hamilton._matching import value_accepted
from hamilton._plan import Plan, compile_plan
from hamilton.errors import CycleError, InputError, RequestError, close_names, short_repr
from hamilton.graph import FunctionGraph, find_cycle, unknown_nodes_error
from hamilton.node import DependencyType, Node

__all__ = ["Request", "RequestCache", "requested_names"]

logger = logging.getLogger(__name__)

_MOST_CACHED = 256
# A graph of more slots than this many times those of a request is not worth starting from.
_SPARSE = 8


class Request:
    """A checked request of one shape.

    Attributes:
        graph: The graph it is for.
        outputs: Requested names in order, without repeats.
        overrides: Names of the values that replace nodes.
        needed: External inputs on the path, with their types, that get a supplied value.
        missing: For every required value that is not supplied, the nodes that need it.
        available: Names of all supplied values on the path.
        has_blocks: Whether a node that is computed opens or closes a parallel block.
        accepted: Whether an executor has looked at the nodes and can run them.
        compiled: What a task-based executor made of this request.
    """

    def __init__(
        self,
        graph: FunctionGraph,
        outputs: Sequence[str],
        supplied: frozenset[str],
        overrides: frozenset[str],
    ) -> None:
        self.graph = graph
        self.outputs = tuple(outputs)
        self.overrides = overrides
        layout = graph.layout
        slot_of = layout.slot_of
        extra: list[str] = []
        try:
            finals = list(map(slot_of.__getitem__, outputs))
        except KeyError:
            finals = [slot_of[name] for name in outputs if name in slot_of]
            extra = [name for name in outputs if name not in slot_of]
        unknown = [name for name in extra if name not in supplied]
        if unknown:
            raise unknown_nodes_error(graph, unknown)
        if graph.cycle:
            _refuse_cycle(graph, outputs, overrides)
        stops = {slot_of[name] for name in overrides if name in slot_of}
        self._path = layout.upstream(finals, stops)
        leaves = (layout.leaves | stops).intersection(self._path)
        self._slots = [slot for slot in self._path if slot not in leaves]
        self.has_blocks = bool(layout.blocks) and not layout.blocks.isdisjoint(self._slots)
        self.needed: list[tuple[str, Any]] = []
        self.missing: dict[str, list[str]] = {}
        self.available = set(extra)
        self._absent: set[str] = set()
        self._sort_leaves([self._node(slot) for slot in leaves], supplied)
        self._plan: Plan | None = None
        self.accepted = False
        self.compiled: Any = None

    def _node(self, slot: int) -> Node:
        node = self.graph.layout.nodes[slot]
        assert node is not None
        return node

    @functools.cached_property
    def path(self) -> list[Node]:
        """The nodes that the request touches, dependencies first."""
        return [self._node(slot) for slot in self._path]

    @functools.cached_property
    def order(self) -> list[Node]:
        """The nodes to compute, dependencies first."""
        return [self._node(slot) for slot in self._slots]

    def _sort_leaves(self, leaves: Iterable[Node], supplied: frozenset[str]) -> None:
        """Tells supplied values from absent ones, and those from missing ones."""
        absent = self._absent
        for node in leaves:
            name = node.name
            if name in self.overrides:
                self.available.add(name)
            elif name in supplied:
                self.needed.append((name, node.type))
                self.available.add(name)
            else:
                absent.add(name)
        if not absent:
            return
        for node in self.order:
            for name, (_, kind) in node.input_types.items():
                if name in absent and kind is DependencyType.REQUIRED:
                    self.missing.setdefault(name, []).append(node.name)
        for name in self.outputs:
            if name in absent:
                users = [n.name for n in self.graph.dependents_of(name)]
                self.missing.setdefault(name, users or [name])

    @property
    def plan(self) -> Plan:
        """The request as one flat plan, compiled when first asked for."""
        if self._plan is None:
            self._plan = self._compiled_plan()
        return self._plan

    def _compiled_plan(self) -> Plan:
        layout = self.graph.layout
        slot_of = layout.slot_of
        whole = len(self._slots) * _SPARSE > layout.size
        if whole and not self._absent and self.available <= slot_of.keys():
            feeds = [(slot_of[name], name) for name in self.available]
            return Plan(layout, self._slots, feeds, self.outputs)
        # Slots of its own: some parameters stay at their default, or most slots would be unused.
        return compile_plan(self.order, self.available, self.outputs)

    def check_values(self, supplied: Mapping[str, Any]) -> None:
        """Checks the supplied values of a run against the types of the external inputs.

        Raises:
            InputError: Values are missing or of the wrong type; all problems at once.
        """
        checks: tuple[Callable[..., bool], ...] = self.graph.adapter.sync("do_validate_input")
        problems = []
        for name, type_ in self.needed:
            value = supplied[name]
            if not checks and type(value) is type_:
                continue
            if checks:
                ok = any([check(node_type=type_, input_value=value) for check in checks])
            else:
                ok = value_accepted(type_, value)
            if not ok:
                users = [n.name for n in self.graph.dependents_of(name)]
                problems.append(
                    f"Error: Type requirement mismatch. Expected {name}:{type_} got "
                    f"{short_repr(value)}:{type(value)} instead. It is taken by nodes: {users}."
                )
        problems.extend(self._missing_line(name, supplied) for name in self.missing)
        if problems:
            problems.sort()
            text = "\n  ".join(problems)
            raise InputError(f"{len(problems)} errors encountered: \n  {text}", problems)

    def _missing_line(self, name: str, supplied: Mapping[str, Any]) -> str:
        line = f"Error: Required input {name} not provided for nodes: {self.missing[name]}."
        close = close_names(name, [n for n in supplied if n not in self.graph.nodes])
        if close:
            line += f" Given was {close[0]!r}: did you mean {name!r}?"
        for condition in self.graph.conditions_for(name):
            line += f" It would be provided with the config {condition}."
        return line


class RequestCache:
    """The requests made of one graph, by shape."""

    def __init__(self, graph: FunctionGraph) -> None:
        self.graph = graph
        self._config_keys = frozenset(graph.config)
        self._requests: dict[Any, Request] = {}
        self._warned: set[str] = set()

    def get(
        self, outputs: Sequence[str], inputs: Mapping[str, Any], overrides: Mapping[str, Any]
    ) -> Request:
        """Returns the request for these outputs and supplied names, compiling it at most once.

        Raises:
            RequestError: Inputs clash with the configuration or name functions, or outputs are
                unknown.
            CycleError: The requested path has a loop.
        """
        key = (tuple(outputs), frozenset(inputs), frozenset(overrides))
        request = self._requests.get(key)
        if request is None:
            self._check_names(inputs, overrides)
            names = list(dict.fromkeys(outputs))
            request = Request(self.graph, names, self._config_keys | key[1], key[2])
            if len(self._requests) >= _MOST_CACHED:
                self._requests.clear()
            self._requests[key] = request
        return request

    def _check_names(self, inputs: Mapping[str, Any], overrides: Mapping[str, Any]) -> None:
        nodes = self.graph.nodes
        clash = sorted(self._config_keys & inputs.keys())
        if clash:
            raise RequestError(
                "The following inputs are present in both config and inputs. They must be "
                f"mutually disjoint. {clash} "
            )
        functions = sorted(n for n in inputs if n in nodes and not nodes[n].user_defined)
        if functions:
            raise RequestError(
                f"The inputs {functions} name functions of the dataflow, which would still run. "
                "To replace what they compute, pass the values as `overrides`."
            )
        for name in overrides:
            if name not in nodes and name not in self._warned:
                self._warned.add(name)
                logger.warning(
                    "The override %r names no node and has no effect. Close: %s.",
                    name,
                    close_names(name, nodes),
                )


def _refuse_cycle(graph: FunctionGraph, outputs: Iterable[str], overrides: frozenset[str]) -> None:
    cycle = find_cycle(graph.nodes, outputs, overrides)
    if cycle:
        raise CycleError(
            f"Error: cycles detected in your graph: {graph.describe_cycle(cycle)}. Rename a "
            "parameter, or override a node on the loop.",
            cycle,
        )


def requested_names(final_vars: Any, modules: Iterable[ModuleType]) -> list[str]:
    """Returns the names behind what a caller requested: names, functions, variables.

    Raises:
        RequestError: An entry is none of these, or a bare string was passed.
    """
    if isinstance(final_vars, str):
        raise RequestError(
            f"final_vars is the string {final_vars!r}; pass a list of names: [{final_vars!r}]."
        )
    if final_vars is None:
        raise RequestError("final_vars is None; pass a list of names.")
    if set(map(type, final_vars)) <= {str}:
        return list(final_vars)
    known = {module.__name__ for module in modules}
    names, problems = [], []
    for entry in final_vars:
        if isinstance(entry, str):
            names.append(entry)
        elif callable(entry) and hasattr(entry, "__module__") and hasattr(entry, "__name__"):
            home = entry.__module__
            if any(home == m or home.startswith(m + ".") for m in known):
                names.append(entry.__name__)
            else:
                problems.append(
                    f"Function {home}.{entry.__name__} is a function not in a module given to "
                    f"the materializer. Valid choices are {sorted(known)}."
                )
        elif isinstance(getattr(entry, "name", None), str):
            names.append(entry.name)
        else:
            problems.append(
                f"Final var {short_repr(entry)} is not a string, a function, or a driver.Variable."
            )
    if problems:
        problems.sort()
        raise RequestError(f"{len(problems)} errors encountered:\n  " + "\n  ".join(problems))
    return names

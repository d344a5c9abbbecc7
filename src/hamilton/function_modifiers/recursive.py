"""Modifiers that put whole dataflows inside one node: sub-dags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any

from hamilton.errors import close_names, where
from hamilton.function_modifiers.base import (
    InvalidDecoratorException,
    NodeCreator,
    renamed_inputs,
    resolve_functions,
)
from hamilton.function_modifiers.dependencies import (
    LiteralDependency,
    ParametrizedDependency,
    UpstreamDependency,
    resolve_configuration,
)
from hamilton.node import NON_FINAL_TAG, Node, node_of_function

__all__ = ["collect_nodes", "parameterized_subdag", "prefixed", "subdag"]


def collect_functions(
    load_from: Collection[ModuleType | Callable[..., Any]],
) -> list[Callable[..., Any]]:
    """Returns the functions named by modules and functions.

    Raises:
        ValueError: There are none.
    """
    from hamilton._crawl import dataflow_functions

    functions: list[Callable[..., Any]] = []
    for member in load_from:
        if isinstance(member, ModuleType):
            functions.extend(dataflow_functions(member))
        elif callable(member):
            functions.append(member)
        else:
            raise ValueError(f"{member!r} is neither a module nor a function.")
    if not functions:
        raise ValueError("A sub-dag needs at least one function or module with functions.")
    return functions


def collect_nodes(
    load_from: Collection[ModuleType | Callable[..., Any]], config: dict[str, Any]
) -> list[Node]:
    """Returns the nodes of modules and functions under a configuration; config keys win."""
    nodes: dict[str, Node] = {}
    for resolved in resolve_functions(collect_functions(load_from), config):
        for node in resolved.nodes:
            if node.name in config:
                continue
            if node.name in nodes:
                raise InvalidDecoratorException(
                    f"Two functions of a sub-dag define {node.name!r}: "
                    f"{where(nodes[node.name].function)} and {where(node.function)}.",
                    node=node.name,
                )
            nodes[node.name] = node
    return list(nodes.values())


def prefixed(name: str, namespace: str) -> str:
    """Returns the name of a node inside a namespace."""
    return f"{namespace}.{name}"


class _Entry:
    """What one sub-dag is made of, its configuration references already checked."""

    def __init__(
        self,
        inputs: Mapping[str, Any] | None,
        config: Mapping[str, Any] | None,
        external_inputs: Collection[str] | None,
    ) -> None:
        self.inputs = dict(inputs or {})
        self.config = dict(config or {})
        self.external = frozenset(external_inputs or ())
        for name, bound in self.inputs.items():
            if not isinstance(bound, (UpstreamDependency, LiteralDependency)):
                raise InvalidDecoratorException(
                    f"Inputs of a sub-dag are source(...) or value(...); {name!r} is {bound!r}."
                )
        both = sorted(self.inputs.keys() & self.config.keys())
        if both:
            raise InvalidDecoratorException(
                f"{both} are given both as inputs and as config of a sub-dag; choose one."
            )

    def resolved_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns this sub-dag's own configuration as plain values."""
        found = {}
        for key, bound in self.config.items():
            if isinstance(bound, ParametrizedDependency):
                bound = resolve_configuration(bound, config)
                if not isinstance(bound, LiteralDependency):
                    raise InvalidDecoratorException(
                        f"Config of a sub-dag holds plain values, value(...) or "
                        f"configuration(...); {key!r} is {bound!r}."
                    )
                bound = bound.value
            found[key] = bound
        return found


def _value_node(name: str, namespace: str, value: Any, fn: Callable[..., Any]) -> Node:
    return Node(
        prefixed(name, namespace),
        Any if value is None else type(value),
        f"Value of {name} inside {namespace}.",
        lambda: value,
        tags={"module": fn.__module__, NON_FINAL_TAG: True},
        namespace=(namespace,),
        originating_functions=(fn,),
    )


def _input_node(name: str, namespace: str, bound: Any, type_: Any, fn: Callable[..., Any]) -> Node:
    if isinstance(bound, LiteralDependency):
        return _value_node(name, namespace, bound.value, fn)

    def passed(**kwargs: Any) -> Any:
        return kwargs[bound.source]

    return Node(
        prefixed(name, namespace),
        type_,
        f"{bound.source} as {name} inside {namespace}.",
        passed,
        input_types={bound.source: type_},
        tags={"module": fn.__module__, NON_FINAL_TAG: True},
        namespace=(namespace,),
        originating_functions=(fn,),
    )


def build_subdag(
    load_from: Collection[ModuleType | Callable[..., Any]],
    entry: _Entry,
    namespace: str,
    final_name: str,
    fn: Callable[..., Any],
    config: Mapping[str, Any],
) -> list[Node]:
    """Returns the nodes of a sub-dag: its values, inputs, inner nodes and final node."""
    own = entry.resolved_config(config)
    merged = {**config, **own}
    # A key that is passed as an input is decided by the input, not by the configuration.
    for name in entry.inputs:
        merged.pop(name, None)
    inner = [n for n in collect_nodes(load_from, merged) if n.name not in entry.inputs]
    types = {d: t for node in inner for d, (t, _) in node.input_types.items()}
    final = node_of_function(fn)
    for name, (type_, _) in final.input_types.items():
        types.setdefault(name, type_)
    known = {*(n.name for n in inner), *own, *entry.inputs}
    found = [_value_node(key, namespace, value, fn) for key, value in own.items()]
    found += [
        _input_node(name, namespace, bound, types.get(name, Any), fn)
        for name, bound in entry.inputs.items()
    ]
    for node in inner:
        rename = {d: prefixed(d, namespace) for d in node.input_types if d in known}
        moved = renamed_inputs(node, rename) if rename else node
        found.append(
            moved.copy_with(
                name=prefixed(node.name, namespace),
                tags={**node.tags, NON_FINAL_TAG: True},
                namespace=(namespace, *node.namespace),
                originating_functions=(*(node.originating_functions or ()), fn),
                positional=moved.positional,
            )
        )
    found.append(_final_node(final, final_name, namespace, known, entry.external))
    return found


def _final_node(
    final: Node, name: str, namespace: str, known: Collection[str], external: Collection[str]
) -> Node:
    rename = {}
    for dependency in final.input_types:
        if dependency in external:
            continue
        if dependency not in known and dependency not in final.default_parameter_values:
            raise InvalidDecoratorException(
                f"{where(final.function)} takes {dependency!r} from its sub-dag, but namespace "
                f"{namespace!r} has no such node. It has {sorted(known)[:10]}. Name it in "
                "external_inputs if it comes from outside.",
                node=name,
                function=final.function,
                candidates=close_names(dependency, known),
            )
        if dependency in known:
            rename[dependency] = prefixed(dependency, namespace)
    node = renamed_inputs(final, rename) if rename else final
    return node.copy_with(name=name, positional=node.positional)


class subdag(NodeCreator):
    """Puts the nodes of modules or functions into a namespace in front of a function.

    Args:
        *load_from: Modules and functions.
        inputs: ``{name inside: source(...) | value(...)}``.
        config: Configuration inside, merged over the driver's: plain values, ``value(...)`` or
            ``configuration("key")``.
        namespace: Prefix of the inner nodes; the function's name by default.
        final_node_name: Name of the function's own node; its name by default.
        external_inputs: Parameters of the function that come from outside the namespace.
    """

    def __init__(
        self,
        *load_from: ModuleType | Callable[..., Any],
        inputs: Mapping[str, ParametrizedDependency] | None = None,
        config: Mapping[str, Any] | None = None,
        namespace: str | None = None,
        final_node_name: str | None = None,
        external_inputs: Collection[str] | None = None,
    ) -> None:
        self.load_from = load_from
        collect_functions(load_from)
        self.entry = _Entry(inputs, config, external_inputs)
        self.namespace = namespace
        self.final_node_name = final_node_name

    def optional_config(self) -> dict[str, Any] | None:
        """Returns None: inner functions may look at any key."""
        return None

    def generate_nodes(self, fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
        """Returns the nodes of the sub-dag."""
        return build_subdag(
            self.load_from,
            self.entry,
            self.namespace or fn.__name__,
            self.final_node_name or fn.__name__,
            fn,
            config,
        )


class parameterized_subdag(NodeCreator):
    """Makes one sub-dag per keyword, whose namespace and final node have the keyword's name.

    Args:
        *load_from: Modules and functions.
        inputs: Shared by all; entries win.
        config: Shared by all; entries win.
        external_inputs: Shared by all; entries win.
        **parameterization: ``{name: {"inputs": ..., "config": ..., "external_inputs": ...}}``.
    """

    _keys = frozenset({"inputs", "config", "external_inputs"})

    def __init__(
        self,
        *load_from: ModuleType | Callable[..., Any],
        inputs: Mapping[str, ParametrizedDependency] | None = None,
        config: Mapping[str, Any] | None = None,
        external_inputs: Collection[str] | None = None,
        **parameterization: Mapping[str, Any],
    ) -> None:
        self.load_from = load_from
        collect_functions(load_from)
        self.entries: dict[str, _Entry] = {}
        for name, given in parameterization.items():
            unknown = sorted(given.keys() - self._keys)
            if unknown:
                raise InvalidDecoratorException(
                    f"@parameterized_subdag: {name!r} has the unknown keys {unknown}; known are "
                    f"{sorted(self._keys)}."
                )
            self.entries[name] = _Entry(
                {**(inputs or {}), **(given.get("inputs") or {})},
                {**(config or {}), **(given.get("config") or {})},
                given.get("external_inputs", external_inputs),
            )

    def optional_config(self) -> dict[str, Any] | None:
        """Returns None: inner functions may look at any key."""
        return None

    def generate_nodes(self, fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
        """Returns the nodes of all sub-dags."""
        found = []
        for name, entry in self.entries.items():
            found.extend(build_subdag(self.load_from, entry, name, name, fn, config))
        return found

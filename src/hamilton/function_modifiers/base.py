"""How function modifiers become nodes: kinds, their fixed order, and the resolution itself.

A modifier only records itself on the function, which stays callable as ordinary Python. When a
graph is built, `resolve_nodes` applies the recorded modifiers stage by stage::

    resolve   does the function take part, and under which name      (many)
    generate  the initial node or nodes                              (one)
    inject    nodes in front of the inputs                           (many, innermost first)
    expand    one node to many                                       (one)
    transform work on the final nodes or a target                    (many, innermost first)
    decorate  more metadata                                          (many)

Modifiers of the kind ``dynamic`` make another modifier out of the configuration before that.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hamilton.errors import DataflowError, close_names, where
from hamilton.node import NON_FINAL_TAG, Node, node_of_function

__all__ = [
    "DynamicResolver",
    "InvalidDecoratorException",
    "MissingConfigParametersException",
    "NodeCreator",
    "NodeDecorator",
    "NodeExpander",
    "NodeInjector",
    "NodeResolver",
    "NodeTransformLifecycle",
    "NodeTransformer",
    "Resolved",
    "TargetType",
    "adapted",
    "final_nodes",
    "node_targets",
    "resolve_functions",
    "resolve_nodes",
    "then",
]

F = TypeVar("F", bound=Callable[..., Any])
TargetType = str | Collection[str] | None | type(Ellipsis)
_ATTRIBUTE = "__dataflow_modifiers__"
_SINGLE_STAGES = ("generate", "expand")


class InvalidDecoratorException(DataflowError):
    """A function modifier is used in a way that cannot work."""


class MissingConfigParametersException(DataflowError):
    """A modifier declares configuration keys that the configuration does not hold."""


class NodeTransformLifecycle:
    """Base of all function modifiers: records itself on the function it decorates."""

    stage: str = ""

    def __call__(self, fn: F) -> F:
        """Checks the function and records this modifier on it; returns the same function."""
        self.validate(fn)
        record(fn, self)
        return fn

    def validate(self, fn: Callable[..., Any]) -> None:
        """Raises `InvalidDecoratorException` when the function cannot carry this modifier."""

    def required_config(self) -> list[str] | None:
        """Returns the configuration keys this modifier needs; None means the whole."""
        return []

    def optional_config(self) -> dict[str, Any] | None:
        """Returns configuration keys this modifier can use with their defaults; None means all."""
        return {}

    @property
    def name(self) -> str:
        """Name used in messages."""
        return type(self).__name__


class NodeResolver(NodeTransformLifecycle):
    """Decides whether a function takes part under a configuration."""

    stage = "resolve"

    @abc.abstractmethod
    def resolve(self, fn: Callable[..., Any], config: dict[str, Any]) -> Callable[..., Any] | None:
        """Returns the function when it takes part, else None."""

    def node_name(self, fn: Callable[..., Any]) -> str | None:
        """Returns the name the node shall have, or None when it stays as it is."""
        return None

    def describe(self) -> str:
        """Returns the condition as text for messages."""
        return self.name

    def tags(self) -> dict[str, Any]:
        """Returns tags for the nodes of a function that is kept."""
        return {}


class NodeCreator(NodeTransformLifecycle):
    """Makes the initial nodes of a function."""

    stage = "generate"

    @abc.abstractmethod
    def generate_nodes(self, fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
        """Returns the nodes that stand for the function."""


class NodeInjector(NodeTransformLifecycle):
    """Adds nodes in front of the inputs of a function."""

    stage = "inject"

    @abc.abstractmethod
    def inject_nodes(
        self, params: dict[str, Any], config: dict[str, Any], fn: Callable[..., Any]
    ) -> tuple[list[Node], dict[str, str]]:
        """Returns new nodes, and for each rewired parameter the node it takes instead."""


class NodeExpander(NodeTransformLifecycle):
    """Turns one node into many."""

    stage = "expand"

    @abc.abstractmethod
    def expand_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the nodes that take the place of `node_`."""


class NodeTransformer(NodeTransformLifecycle):
    """Works on the final nodes of a function, or on a target among its nodes."""

    stage = "transform"

    def __init__(self, target: Any = None) -> None:
        self.target = target

    @abc.abstractmethod
    def transform_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the nodes that take the place of `node_`."""

    def transform_dag(
        self, nodes: Collection[Node], config: dict[str, Any], fn: Callable[..., Any]
    ) -> list[Node]:
        """Returns all nodes of the function with the targeted ones replaced."""
        targets = {node.name for node in node_targets(nodes, self.target, fn)}
        found: list[Node] = []
        for node in nodes:
            found.extend(self.transform_node(node, config, fn) if node.name in targets else [node])
        return found


class NodeDecorator(NodeTransformer):
    """Gives nodes more metadata, one to one."""

    stage = "decorate"

    @abc.abstractmethod
    def decorate_node(self, node_: Node) -> Node:
        """Returns the node with more metadata."""

    def transform_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the decorated node alone."""
        return [self.decorate_node(node_)]


class DynamicResolver(NodeTransformLifecycle):
    """Makes another modifier once the configuration is known."""

    stage = "dynamic"

    @abc.abstractmethod
    def resolve(self, config: dict[str, Any], fn: Callable[..., Any]) -> NodeTransformLifecycle:
        """Returns the modifier that applies under this configuration."""


def record(fn: Callable[..., Any], modifier: NodeTransformLifecycle) -> None:
    """Adds a modifier to the function's record, innermost first.

    Raises:
        ValueError: The function already carries one of a kind that can be used once.
    """
    recorded: tuple[NodeTransformLifecycle, ...] = modifiers_of(fn)
    if modifier.stage in _SINGLE_STAGES and any(m.stage == modifier.stage for m in recorded):
        raise ValueError(
            f"Got multiple decorators for decorator @{type(modifier).__name__}. Only one allowed. "
            f"The function is {where(fn)}."
        )
    setattr(fn, _ATTRIBUTE, (*recorded, modifier))


def modifiers_of(fn: Callable[..., Any]) -> tuple[NodeTransformLifecycle, ...]:
    """Returns the modifiers recorded on a function, innermost first."""
    found: tuple[NodeTransformLifecycle, ...] = getattr(fn, _ATTRIBUTE, ())
    return found


def filter_config(config: Mapping[str, Any], modifier: NodeTransformLifecycle) -> dict[str, Any]:
    """Returns the part of the configuration that a modifier declares.

    Raises:
        MissingConfigParametersException: Required keys are missing.
    """
    required, optional = modifier.required_config(), modifier.optional_config()
    if required is None or optional is None:
        return dict(config)
    missing = sorted(key for key in required if key not in config)
    if missing:
        raise MissingConfigParametersException(
            f"@{modifier.name} requires the configuration keys {missing}, which were not given. "
            f"Given: {sorted(config)}.",
            candidates=[c for key in missing for c in close_names(key, config)],
        )
    found = {key: config[key] for key in required}
    found.update({key: config.get(key, default) for key, default in optional.items()})
    return found


def final_nodes(nodes: Collection[Node]) -> list[Node]:
    """Returns the nodes that no other node of the same function depends on."""
    used = {dep for node in nodes for dep in node.input_types if dep != node.name}
    return [n for n in nodes if n.name not in used and not n.tags.get(NON_FINAL_TAG)]


def node_targets(
    nodes: Collection[Node], target: Any, fn: Callable[..., Any] | None = None
) -> list[Node]:
    """Returns the nodes a target names: None the final ones, ``...`` all, else by name.

    Raises:
        InvalidDecoratorException: A name is not among the nodes of the function.
    """
    if target is None:
        return final_nodes(nodes)
    if target is Ellipsis:
        return list(nodes)
    wanted = [target] if isinstance(target, str) else list(target)
    by_name = {node.name: node for node in nodes}
    for name in wanted:
        if name not in by_name:
            raise InvalidDecoratorException(
                f"Could not find node {name} in {sorted(by_name)}; it is a target of a modifier "
                f"of {where(fn)}.",
                node=name,
                function=fn,
                candidates=close_names(name, by_name),
            )
    return [by_name[name] for name in wanted]


def adapted(
    callabl: Callable[..., Any], arguments: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[..., Any]:
    """Returns a callable that translates its keyword arguments before it calls `callabl`."""
    if inspect.iscoroutinefunction(callabl):

        async def call_async(**kwargs: Any) -> Any:
            return await callabl(**arguments(kwargs))

        return call_async

    def call(**kwargs: Any) -> Any:
        return callabl(**arguments(kwargs))

    return call


def then(callabl: Callable[..., Any], work: Callable[[Any], Any]) -> Callable[..., Any]:
    """Returns a callable that applies `work` to what `callabl` returns, asynchronous if it is."""
    if inspect.iscoroutinefunction(callabl):

        async def run_async(**kwargs: Any) -> Any:
            return work(await callabl(**kwargs))

        return run_async

    def run(**kwargs: Any) -> Any:
        return work(callabl(**kwargs))

    return run


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of one function: its nodes, none when its conditions kept it out."""

    function: Callable[..., Any]
    nodes: list[Node]
    excluded_as: str | None = None
    condition: str = ""


def resolve_functions(
    functions: Iterable[Callable[..., Any]], config: dict[str, Any]
) -> Iterator[Resolved]:
    """Resolves functions under a configuration; default variants come after all others."""
    fallbacks = []
    taken: set[str] = set()
    for fn in functions:
        if not modifiers_of(fn):
            yield Resolved(fn, [node_of_function(fn)])
        elif any(getattr(m, "is_fallback", False) for m in modifiers_of(fn)):
            fallbacks.append(fn)
        else:
            resolved = resolve_function(fn, config)
            if resolved.nodes:
                taken.add(_resolved_name(fn))
            yield resolved
    for fn in fallbacks:
        if _resolved_name(fn) not in taken:
            yield resolve_function(fn, config)


def _resolved_name(fn: Callable[..., Any]) -> str:
    names = [m.node_name(fn) for m in modifiers_of(fn) if isinstance(m, NodeResolver)]
    return next((n for n in reversed(names) if n is not None), fn.__name__)


def resolve_nodes(fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
    """Returns the nodes of a function under a configuration, none when it does not take part."""
    return resolve_function(fn, config).nodes


def resolve_function(fn: Callable[..., Any], config: dict[str, Any]) -> Resolved:
    """Applies the modifiers of a function under a configuration."""
    recorded = modifiers_of(fn)
    if not recorded:
        return Resolved(fn, [node_of_function(fn)])
    stages = _by_stage(fn, recorded, config)
    name: str | None = None
    tags: dict[str, Any] = {}
    for resolver in stages["resolve"]:
        name = resolver.node_name(fn) or name
        if resolver.resolve(fn, filter_config(config, resolver)) is None:
            condition = " and ".join(r.describe() for r in stages["resolve"])
            return Resolved(fn, [], name, condition)
        tags.update(resolver.tags())
    nodes = _apply(fn, name, stages, config)
    if tags:
        nodes = [n.copy_with(tags={**n.tags, **tags}, positional=n.positional) for n in nodes]
    return Resolved(fn, nodes)


def _by_stage(
    fn: Callable[..., Any], recorded: Sequence[NodeTransformLifecycle], config: dict[str, Any]
) -> dict[str, list[Any]]:
    stages: dict[str, list[Any]] = {
        s: [] for s in ("resolve", "generate", "inject", "expand", "transform", "decorate")
    }
    for modifier in recorded:
        while isinstance(modifier, DynamicResolver):
            modifier = modifier.resolve(filter_config(config, modifier), fn)
            modifier.validate(fn)
        stages[modifier.stage].append(modifier)
    return stages


def _apply(
    fn: Callable[..., Any],
    name: str | None,
    stages: Mapping[str, Sequence[Any]],
    config: dict[str, Any],
) -> list[Node]:
    nodes = _generated(fn, name, stages["generate"], config)
    for injector in stages["inject"]:
        nodes = _injected(nodes, injector, fn, config)
    for expander in stages["expand"]:
        part = filter_config(config, expander)
        expanded: list[Node] = []
        finals = {node.name for node in final_nodes(nodes)}
        for node in nodes:
            expanded.extend(expander.expand_node(node, part, fn) if node.name in finals else [node])
        nodes = expanded
    for modifier in (*_merged(stages["transform"]), *stages["decorate"]):
        nodes = list(modifier.transform_dag(nodes, filter_config(config, modifier), fn))
    return [node if node.originating_functions else _claimed(node, fn) for node in nodes]


def _generated(
    fn: Callable[..., Any], name: str | None, creators: Sequence[Any], config: dict[str, Any]
) -> list[Node]:
    if not creators:
        return [node_of_function(fn, name)]
    creator = creators[0]
    part = filter_config(config, creator)
    nodes: list[Node] = creator.generate_nodes(fn, part)
    if name is not None and name != fn.__name__:
        nodes = [n.copy_with(name=name) if n.name == fn.__name__ else n for n in nodes]
    return nodes


def _injected(
    nodes: list[Node], injector: NodeInjector, fn: Callable[..., Any], config: dict[str, Any]
) -> list[Node]:
    """Adds an injector's nodes and rewires the parameters of the function's final nodes."""
    found = []
    for node in nodes:
        if node.tags.get(NON_FINAL_TAG) or node not in final_nodes(nodes):
            found.append(node)
            continue
        params = {name: type_ for name, (type_, _) in node.input_types.items()}
        added, rename = injector.inject_nodes(params, filter_config(config, injector), fn)
        found.extend(added)
        found.append(renamed_inputs(node, rename) if rename else node)
    return found


def renamed_inputs(node: Node, rename: Mapping[str, str]) -> Node:
    """Returns a copy of a node whose dependencies are renamed, its callable adapted to that."""
    names = {old: rename.get(old, old) for old in node.input_types}
    defaults = node.default_parameter_values

    def arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
        return {old: kwargs[new] for old, new in names.items() if new in kwargs}

    return node.copy_with(
        callabl=adapted(node.callable, arguments),
        input_types={names[k]: v for k, v in node.input_types.items()},
        optional_values={names[k]: v for k, v in defaults.items() if k in names},
    )


def _merged(modifiers: Sequence[Any]) -> list[Any]:
    """Lets modifiers of a kind that can be merged (checks of one output) become one."""
    found: list[Any] = []
    for modifier in modifiers:
        merge = getattr(found[-1], "merged_with", None) if found else None
        combined = merge(modifier) if merge is not None else None
        if combined is None:
            found.append(modifier)
        else:
            found[-1] = combined
    return found


def _claimed(node: Node, fn: Callable[..., Any]) -> Node:
    return node.copy_with(originating_functions=(fn,), positional=node.positional)

"""Modifiers that load inputs and save outputs."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from hamilton.errors import close_names, where
from hamilton.function_modifiers.base import (
    InvalidDecoratorException,
    NodeCreator,
    NodeInjector,
    NodeTransformer,
)
from hamilton.function_modifiers.dependencies import (
    LiteralDependency,
    ParametrizedDependency,
    UpstreamDependency,
    as_dependency,
)
from hamilton.node import Node, node_of_function, resolved_annotations

__all__ = [
    "LoadFromDecorator",
    "SaveToDecorator",
    "adapter_names",
    "bound_arguments",
    "choose_adapter",
    "dataloader",
    "datasaver",
    "load_from",
    "loader_node",
    "save_to",
    "saver_node",
    "selector_node",
]

Arguments = dict[str, ParametrizedDependency]
_PATH_NAMES = (
    "path",
    "file",
    "source",
    "filepath_or_buffer",
    "path_or_buffer",
    "path_or_buf",
    "io",
    "buf",
    "workbook",
)


def choose_adapter(kind: str, key: str, type_: Any) -> Any:
    """Returns the adapter class under a key for a type: the most specific, then the latest.

    Raises:
        InvalidDecoratorException: None applies.
    """
    from hamilton import registry

    candidates = registry.adapters_for(kind, key)
    fit = [c for c in candidates if c.applies_to(type_)]
    if not fit:
        candidates = registry.load_all_for(kind, key)
        fit = [c for c in candidates if c.applies_to(type_)]
    if not fit:
        known = {c.__name__: [str(t) for t in c.applicable_types()] for c in candidates}
        raise InvalidDecoratorException(
            f"No {kind[:-1]} {key!r} applies to {type_!r}. Registered under that key: {known}."
        )
    ranked = sorted(enumerate(fit), key=lambda pair: (_specificity(pair[1], type_), pair[0]))
    return ranked[-1][1]


def _specificity(adapter: Any, type_: Any) -> int:
    """Ranks an adapter: exact type, then the closest base class, ``object`` and Any last."""
    if not isinstance(type_, type):
        type_ = typing.get_origin(type_) or type_
    best = -1000
    for candidate in adapter.applicable_types():
        if candidate is type_:
            return 1
        if candidate is Any:
            best = max(best, -999)
        elif candidate is object:
            best = max(best, -998)
        elif isinstance(candidate, type) and isinstance(type_, type):
            order = type_.__mro__ if issubclass(type_, candidate) else candidate.__mro__
            other = candidate if issubclass(type_, candidate) else type_
            best = max(best, -order.index(other) if other in order else -900)
        else:
            best = max(best, -900)
    return best


def bound_arguments(adapter: Any, given: Mapping[str, Any]) -> Arguments:
    """Returns the arguments of an adapter as dependencies, ``path`` standing for its first.

    Raises:
        InvalidDecoratorException: Arguments are missing or unknown.
    """
    required, optional = adapter.get_required_arguments(), adapter.get_optional_arguments()
    known = {**required, **optional}
    arguments = {name: as_dependency(value) for name, value in given.items()}
    if "path" in arguments and "path" not in known:
        first = next((name for name in known if name in _PATH_NAMES), None)
        if first is not None and first not in arguments:
            arguments[first] = arguments.pop("path")
    missing = sorted(required.keys() - arguments.keys())
    extra = sorted(arguments.keys() - known.keys())
    if missing or extra:
        problems = []
        if missing:
            problems.append(f"missing: {missing}")
        if extra:
            problems.append(f"unknown: {extra}")
        raise InvalidDecoratorException(
            f"Arguments of {adapter.__name__} ({adapter.name()!r}) do not fit; "
            f"{', '.join(problems)}. It takes {sorted(required)} and may take {sorted(optional)}.",
            candidates=[c for name in extra for c in close_names(name, known)],
        )
    wrong = {
        n: d
        for n, d in arguments.items()
        if not isinstance(d, (LiteralDependency, UpstreamDependency))
    }
    if wrong:
        raise InvalidDecoratorException(
            f"Arguments of {adapter.__name__} must be source(...), value(...) or literals: {wrong}."
        )
    return arguments


def _made(adapter: Any, arguments: Arguments, kwargs: Mapping[str, Any]) -> Any:
    return adapter(
        **{
            name: kwargs[bound.source] if isinstance(bound, UpstreamDependency) else bound.value  # type: ignore[attr-defined]
            for name, bound in arguments.items()
        }
    )


def _argument_types(adapter: Any, arguments: Arguments) -> dict[str, Any]:
    return {b.source: Any for b in arguments.values() if isinstance(b, UpstreamDependency)}


def loader_node(
    name: str,
    type_: Any,
    adapter: Any,
    arguments: Arguments,
    target: str,
    functions: tuple[Callable[..., Any], ...] | None,
) -> Node:
    """Returns the node that loads a value together with its metadata."""

    def load(**kwargs: Any) -> Any:
        return _made(adapter, arguments, kwargs).load_data(type_)

    return Node(
        name,
        tuple[type_, dict[str, Any]],
        f"Loads {target} with {adapter.__name__}.",
        load,
        input_types=_argument_types(adapter, arguments),
        tags={
            "hamilton.data_loader": True,
            "hamilton.data_loader.has_metadata": True,
            "hamilton.data_loader.source": adapter.name(),
            "hamilton.data_loader.classname": adapter.__qualname__,
            "hamilton.data_loader.node": target,
        },
        originating_functions=functions,
    )


def selector_node(
    name: str,
    type_: Any,
    loader: Node,
    target: str,
    functions: tuple[Callable[..., Any], ...] | None,
) -> Node:
    """Returns the node that takes the value out of what a loader node returns."""

    def select(**kwargs: Any) -> Any:
        return kwargs[loader.name][0]

    return Node(
        name,
        type_,
        f"The data that {loader.name} loads.",
        select,
        input_types={loader.name: loader.type},
        tags={
            **loader.tags,
            "hamilton.data_loader.has_metadata": False,
            "hamilton.data_loader.node": target,
        },
        originating_functions=functions,
    )


def saver_node(
    name: str,
    source: str,
    type_: Any,
    adapter: Any,
    arguments: Arguments,
    functions: tuple[Callable[..., Any], ...] | None,
) -> Node:
    """Returns the node that saves the value of another and gives metadata."""

    def save(**kwargs: Any) -> Any:
        return _made(adapter, arguments, kwargs).save_data(kwargs[source])

    return Node(
        name,
        dict[str, Any],
        f"Saves {source} with {adapter.__name__}.",
        save,
        input_types={source: type_, **_argument_types(adapter, arguments)},
        tags={
            "hamilton.data_saver": True,
            "hamilton.data_saver.sink": adapter.name(),
            "hamilton.data_saver.classname": adapter.__qualname__,
        },
        originating_functions=functions,
    )


def adapter_names(kind: str, key: str) -> None:
    """Raises `AttributeError` naming what exists when there is no such loader or saver key."""
    from hamilton import registry

    known = registry.adapter_keys(kind)
    if key not in known:
        close = close_names(key, known)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        for extension in registry.missing_for(kind, key):
            library = extension.library.partition(".")[0]
            hint = (
                f" It comes with {library}, which is not installed; run "
                f"`pip install 'derivaml[{extension.extra}]'`."
            )
        raise AttributeError(f"No {kind[:-1]} named {key!r}.{hint} Available: {known}.")


class LoadFromDecorator(NodeInjector):
    """Loads a parameter of a function.

    Args:
        key: Key of the loader.
        inject_: The parameter; needed when there are several.
        **arguments: Arguments of the loader: ``source(...)``, ``value(...)`` or literals.
    """

    def __init__(self, key: str, /, inject_: str | None = None, **arguments: Any) -> None:
        self.key = key
        self.inject = inject_
        self.arguments = arguments

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses functions without the parameter, and loaders that do not fit it."""
        name, type_ = self._parameter(fn)
        del name
        bound_arguments(choose_adapter("loaders", self.key, type_), self.arguments)

    def _parameter(self, fn: Callable[..., Any]) -> tuple[str, Any]:
        types = {n: t for n, t in resolved_annotations(fn).items() if n != "return"}
        if self.inject is None:
            if len(types) != 1:
                raise InvalidDecoratorException(
                    f"@load_from.{self.key}: {where(fn)} has the parameters {sorted(types)}; say "
                    "which one to load with inject_=.",
                    function=fn,
                )
            return next(iter(types.items()))
        if self.inject not in types:
            raise InvalidDecoratorException(
                f"@load_from.{self.key}: {where(fn)} has no parameter {self.inject!r}; it has "
                f"{sorted(types)}.",
                function=fn,
                candidates=close_names(self.inject, types),
            )
        return self.inject, types[self.inject]

    def inject_nodes(
        self, params: dict[str, Any], config: dict[str, Any], fn: Callable[..., Any]
    ) -> tuple[list[Node], dict[str, str]]:
        """Returns the loading and the selecting node, and the rewired parameter."""
        name, type_ = self._parameter(fn)
        adapter = choose_adapter("loaders", self.key, type_)
        arguments = bound_arguments(adapter, self.arguments)
        loader = loader_node(
            f"{fn.__name__}.load_data.{name}", type_, adapter, arguments, name, (fn,)
        )
        selector = selector_node(f"{fn.__name__}.select_data.{name}", type_, loader, name, (fn,))
        return [loader, selector], {name: selector.name}


class SaveToDecorator(NodeTransformer):
    """Saves what a function returns, when the saving node is requested.

    Args:
        key: Key of the saver.
        output_name_: Name of the saving node; ``save.<function>`` by default.
        target_: The output to save; the single final node by default.
        **arguments: Arguments of the saver: ``source(...)``, ``value(...)`` or literals.
    """

    def __init__(
        self,
        key: str,
        /,
        output_name_: str | None = None,
        target_: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(target_)
        self.key = key
        self.output_name = output_name_
        self.arguments = arguments

    def transform_dag(
        self, nodes: Collection[Node], config: dict[str, Any], fn: Callable[..., Any]
    ) -> list[Node]:
        """Returns all nodes and the saving one.

        Raises:
            InvalidDecoratorException: There are several outputs and no target is named.
        """
        from hamilton.function_modifiers.base import node_targets

        # Savers of the same function depend on its nodes without being its outputs.
        own = [n for n in nodes if not n.tags.get("hamilton.data_saver")]
        targets = node_targets(own, self.target, fn)
        if len(targets) != 1:
            raise InvalidDecoratorException(
                f"Expected a single node to transform, but got {len(targets)}. {where(fn)} gives "
                f"{[n.name for n in targets]}; say which one to save with target_=.",
                function=fn,
            )
        return [*nodes, *self.transform_node(targets[0], config, fn)]

    def transform_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the saving node."""
        adapter = choose_adapter("savers", self.key, node_.type)
        arguments = bound_arguments(adapter, self.arguments)
        name = self.output_name or f"save.{node_.name}"
        return [saver_node(name, node_.name, node_.type, adapter, arguments, (fn,))]


class _LoadFromMeta(type):
    def __getattr__(cls, key: str) -> Callable[..., LoadFromDecorator]:
        if key.startswith("__"):
            raise AttributeError(key)
        adapter_names("loaders", key)

        def made(inject_: str | None = None, **arguments: Any) -> LoadFromDecorator:
            return LoadFromDecorator(key, inject_, **arguments)

        return made


class load_from(metaclass=_LoadFromMeta):
    """``@load_from.<key>(inject_=None, **arguments)`` loads a parameter of a function."""


class _SaveToMeta(type):
    def __getattr__(cls, key: str) -> Callable[..., SaveToDecorator]:
        if key.startswith("__"):
            raise AttributeError(key)
        adapter_names("savers", key)

        def made(
            output_name_: str | None = None, target_: str | None = None, **arguments: Any
        ) -> SaveToDecorator:
            return SaveToDecorator(key, output_name_, target_, **arguments)

        return made


class save_to(metaclass=_SaveToMeta):
    """``@save_to.<key>(output_name_=None, target_=None, **arguments)`` saves an output."""


class dataloader(NodeCreator):
    """Marks a function that returns ``(data, metadata)``: ``f`` is the data, ``f.loader`` both."""

    def __init__(self, *misused: Any) -> None:
        _refuse_bare("dataloader", misused)

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses functions that do not return ``tuple[T, dict]``."""
        returned = resolved_annotations(fn).get("return")
        arguments = typing.get_args(returned)
        if typing.get_origin(returned) is not tuple or len(arguments) != 2:
            raise InvalidDecoratorException(
                f"@dataloader: {where(fn)} must return tuple[T, dict]; it returns {returned!r}.",
                function=fn,
            )
        _require_metadata(arguments[1], fn, "dataloader")

    def generate_nodes(self, fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
        """Returns the loading node and the data node."""
        node = node_of_function(fn)
        tags = {
            **node.tags,
            "hamilton.data_loader": True,
            "hamilton.data_loader.has_metadata": True,
            "hamilton.data_loader.source": "dataloader",
            "hamilton.data_loader.classname": fn.__qualname__,
            "hamilton.data_loader.node": node.name,
        }
        loader = node.copy_with(name=f"{node.name}.loader", tags=tags, positional=node.positional)
        data = selector_node(node.name, typing.get_args(node.type)[0], loader, node.name, (fn,))
        return [loader, data.copy_with(doc_string=node.documentation)]


class datasaver(NodeCreator):
    """Marks a function that saves something and returns metadata."""

    def __init__(self, *misused: Any) -> None:
        _refuse_bare("datasaver", misused)

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses functions that do not return a dictionary."""
        _require_metadata(resolved_annotations(fn).get("return"), fn, "datasaver")

    def generate_nodes(self, fn: Callable[..., Any], config: dict[str, Any]) -> list[Node]:
        """Returns the saving node."""
        node = node_of_function(fn)
        tags = {
            **node.tags,
            "hamilton.data_saver": True,
            "hamilton.data_saver.sink": "datasaver",
            "hamilton.data_saver.classname": fn.__qualname__,
        }
        return [node.copy_with(tags=tags, positional=node.positional)]


def _refuse_bare(name: str, misused: Sequence[Any]) -> None:
    if misused:
        given = misused[0]
        what = where(given) if inspect.isfunction(given) else repr(given)
        raise InvalidDecoratorException(f"Write @{name}() with parentheses on {what}.")


def _require_metadata(returned: Any, fn: Callable[..., Any], name: str) -> None:
    origin = typing.get_origin(returned) or returned
    arguments = typing.get_args(returned)
    if origin is not dict or (arguments and arguments[0] is not str):
        raise InvalidDecoratorException(
            f"@{name}: the metadata of {where(fn)} must be a dict with str keys; it is "
            f"{returned!r}.",
            function=fn,
        )

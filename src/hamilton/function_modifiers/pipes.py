"""Modifiers that put steps before or after a function: pipes and mutations."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any, Self

from hamilton.errors import close_names, where
from hamilton.function_modifiers.base import (
    InvalidDecoratorException,
    NodeInjector,
    NodeTransformer,
    filter_config,
    node_targets,
    record,
)
from hamilton.function_modifiers.configuration import config, hamilton_exclude
from hamilton.function_modifiers.dependencies import as_dependency, source
from hamilton.function_modifiers.expanders import bind
from hamilton.node import Node, node_of_function

__all__ = [
    "Applicable",
    "NotSameModuleError",
    "SingleTargetError",
    "apply_to",
    "mutate",
    "pipe",
    "pipe_input",
    "pipe_output",
    "step",
]


class SingleTargetError(Exception):
    """The target is given both for the whole pipe and for single steps."""


class NotSameModuleError(Exception):
    """A mutator is applied to a function of another module."""

    def __init__(self, fn: Callable[..., Any], target_fn: Callable[..., Any]) -> None:
        super().__init__(
            f"{where(fn)} can only mutate functions of its own module {fn.__module__!r}; "
            f"{where(target_fn)} is in {target_fn.__module__!r}."
        )


class Applicable:
    """One step: a function whose first parameter receives what is piped.

    Args:
        fn: The function.
        *args: Further arguments by position: ``source(...)``, ``value(...)`` or literals.
        **kwargs: Further arguments by name.
    """

    def __init__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if isinstance(fn, str) or not callable(fn):
            raise TypeError(f"A step is made of a function, not of {fn!r}.")
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.conditions: tuple[config, ...] = ()
        self.given_name: str | None = None
        self.namespace: Any = ...
        self.target: Any = None

    def _changed(self, **changes: Any) -> Self:
        new = copy.copy(self)
        new.__dict__.update(changes)
        return new

    def when(self, **key_values: Any) -> Self:
        """Returns the step, applied only when every key has the given value."""
        return self._changed(conditions=(*self.conditions, config.when(**key_values)))

    def when_not(self, **key_values: Any) -> Self:
        """Returns the step, applied only when no key has the given value."""
        return self._changed(conditions=(*self.conditions, config.when_not(**key_values)))

    def when_in(self, **key_value_group: Any) -> Self:
        """Returns the step, applied only when every key has one of the given values."""
        return self._changed(conditions=(*self.conditions, config.when_in(**key_value_group)))

    def when_not_in(self, **key_value_group: Any) -> Self:
        """Returns the step, applied only when no key has one of the given values."""
        return self._changed(conditions=(*self.conditions, config.when_not_in(**key_value_group)))

    def named(self, name: str, namespace: Any = ...) -> Self:
        """Returns the step under another name, and namespace when given."""
        changes = (
            {"given_name": name}
            if namespace is ...
            else {
                "given_name": name,
                "namespace": namespace,
            }
        )
        return self._changed(**changes)

    def namespaced(self, namespace: str | None) -> Self:
        """Returns the step in another namespace; None means none."""
        return self._changed(namespace=namespace)

    def on_output(self, target: Any) -> Self:
        """Returns the step, applied to this output of the function only."""
        return self._changed(target=target)

    def applies(self, given: dict[str, Any]) -> bool:
        """Returns whether the step is applied under a configuration."""
        return all(c.does_resolve(filter_config(given, c)) for c in self.conditions)

    def optional_config(self) -> dict[str, Any]:
        """Returns the configuration keys the step looks at."""
        found: dict[str, Any] = {}
        for condition in self.conditions:
            found.update(condition.optional_config() or {})
        return found

    def validate(self) -> None:
        """Refuses functions that cannot be called by keyword with what is bound."""
        signature = inspect.signature(self.fn)
        for name, parameter in signature.parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise InvalidDecoratorException(
                    f"Step {where(self.fn)}: parameter {name!r} cannot be passed by keyword.",
                    function=self.fn,
                )
        parameters = list(signature.parameters)
        if len(self.args) > len(parameters) - 1:
            raise InvalidDecoratorException(
                f"Step {where(self.fn)} takes {len(parameters)} parameters, the first of which is "
                f"piped; {len(self.args)} more are given.",
                function=self.fn,
            )
        unknown = [name for name in self.kwargs if name not in parameters]
        if unknown:
            raise InvalidDecoratorException(
                f"Step {where(self.fn)} has no parameters {unknown}; it has {parameters}.",
                function=self.fn,
                candidates=[c for name in unknown for c in close_names(name, parameters)],
            )
        node_of_function(self.fn)

    def node(self, name: str, piped: str) -> Node:
        """Returns the node of this step, which takes its first parameter from `piped`."""
        plain = node_of_function(self.fn)
        first, *rest = plain.input_types
        mapping = {first: source(piped)}
        mapping.update(zip(rest, map(as_dependency, self.args), strict=False))  # type: ignore[arg-type]
        mapping.update({k: as_dependency(v) for k, v in self.kwargs.items()})  # type: ignore[misc]
        return bind(plain, mapping, name=name)

    def node_name(self, default_namespace: str | None, taken: Collection[str]) -> str:
        """Returns a name that is not taken yet."""
        stem = self.given_name or f"with_{self.fn.__name__.lstrip('_')}"
        namespace = default_namespace if self.namespace is ... else self.namespace
        full = stem if namespace is None else f"{namespace}.{stem}"
        number, name = 0, full
        while name in taken:
            number += 1
            name = f"{full}_{number}"
        return name


def step(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Applicable:
    """Returns a step: `fn` with its first parameter piped and the others bound as given."""
    return Applicable(fn, *args, **kwargs)


class _Pipe:
    """What pipes before and after a function share."""

    def __init__(self, steps: Sequence[Applicable], namespace: Any, collapse: bool) -> None:
        if collapse:
            raise NotImplementedError("collapse=True is not available: steps are always nodes.")
        for one in steps:
            if not isinstance(one, Applicable):
                raise TypeError(f"Pipes are made of step(...), found {one!r}.")
        if namespace is not ... and any(one.namespace is not ... for one in steps):
            raise InvalidDecoratorException(
                "A namespace is given both for the whole pipe and for single steps; choose one."
            )
        self.steps = tuple(steps)
        self.namespace = namespace

    def keys(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in self.steps:
            found.update(one.optional_config())
        return found

    def chain(self, steps: Sequence[Applicable], piped: str, default_namespace: str) -> list[Node]:
        namespace = default_namespace if self.namespace is ... else self.namespace
        nodes: list[Node] = []
        taken: set[str] = set()
        for one in steps:
            name = one.node_name(namespace, taken)
            taken.add(name)
            nodes.append(one.node(name, piped))
            piped = name
        return nodes


class pipe_input(NodeInjector):
    """Puts steps between an input of a function and the function.

    Args:
        *transforms: Steps, first applied first.
        namespace: Prefix of the step nodes; the function's name by default, None for none.
        on_input: The parameter; the first by default.
        collapse: Not available.
    """

    def __init__(
        self,
        *transforms: Applicable,
        namespace: Any = ...,
        on_input: str | None = None,
        collapse: bool = False,
    ) -> None:
        self._pipe = _Pipe(transforms, namespace, collapse)
        self.on_input = on_input

    def optional_config(self) -> dict[str, Any]:
        """Returns the keys that steps look at."""
        return self._pipe.keys()

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses steps that cannot be called and functions without the input."""
        parameters = list(inspect.signature(fn).parameters)
        if not parameters or (self.on_input is not None and self.on_input not in parameters):
            raise InvalidDecoratorException(
                f"@{self.name}: {where(fn)} has no parameter "
                f"{self.on_input or 'to pipe into'}; it has {parameters}.",
                function=fn,
                candidates=close_names(self.on_input or "", parameters),
            )
        for one in self._pipe.steps:
            one.validate()

    def inject_nodes(
        self, params: dict[str, Any], config: dict[str, Any], fn: Callable[..., Any]
    ) -> tuple[list[Node], dict[str, str]]:
        """Returns the step nodes, and the input rewired to the last."""
        name = self.on_input or next(iter(inspect.signature(fn).parameters))
        piped = name
        if name not in params:  # an earlier injector has rewired it already
            piped = next(iter(params))
        steps = [one for one in self._pipe.steps if one.applies(config)]
        nodes = self._pipe.chain(steps, piped, fn.__name__)
        return nodes, ({piped: nodes[-1].name} if nodes else {})


class pipe(pipe_input):
    """Deprecated name of `pipe_input`."""

    def __init__(self, *transforms: Applicable, **options: Any) -> None:
        import warnings

        warnings.warn("@pipe is deprecated; use @pipe_input.", DeprecationWarning, stacklevel=2)
        super().__init__(*transforms, **options)


class pipe_output(NodeTransformer):
    """Puts steps after a function: ``f`` becomes ``f.raw``, the steps, then ``f``.

    Args:
        *transforms: Steps, first applied first.
        namespace: Prefix of the step nodes; the node's name by default, None for none.
        on_output: Name or names of the outputs; the final nodes by default.
        collapse: Not available.

    Raises:
        SingleTargetError: The target is given for the pipe and for steps.
        ValueError: `on_output` is ``...``.
    """

    def __init__(
        self,
        *transforms: Applicable,
        namespace: Any = ...,
        on_output: Any = None,
        collapse: bool = False,
    ) -> None:
        if on_output is ...:
            raise ValueError("on_output=... is not possible: steps of a pipe are nodes as well.")
        self._pipe = _Pipe(transforms, namespace, collapse)
        if on_output is not None and any(one.target is not None for one in transforms):
            raise SingleTargetError(
                "on_output is given both for the whole pipe and for single steps; choose one."
            )
        super().__init__(on_output)

    def merged_with(self, other: Any) -> pipe_output | None:
        """Returns one pipe of both, when the other follows it on the same outputs."""
        if type(other) is not type(self) or other.target != self.target:
            return None
        if other._pipe.namespace != self._pipe.namespace:
            return None
        return pipe_output(
            *self._pipe.steps,
            *other._pipe.steps,
            namespace=self._pipe.namespace,
            on_output=self.target,
        )

    def optional_config(self) -> dict[str, Any]:
        """Returns the keys that steps look at."""
        return self._pipe.keys()

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses steps that cannot be called."""
        for one in self._pipe.steps:
            one.validate()

    def transform_dag(
        self, nodes: Collection[Node], config: dict[str, Any], fn: Callable[..., Any]
    ) -> list[Node]:
        """Returns all nodes with the steps behind the targeted ones."""
        default = {n.name for n in node_targets(nodes, self.target, fn)}
        own: dict[str, list[Applicable]] = {}
        for one in self._pipe.steps:
            if one.applies(config):
                targets = (
                    default
                    if one.target is None
                    else {n.name for n in node_targets(nodes, one.target, fn)}
                )
                for name in targets:
                    own.setdefault(name, []).append(one)
        found: list[Node] = []
        for node in nodes:
            found.extend(self._piped(node, own[node.name]) if node.name in own else [node])
        return found

    def transform_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the raw node, the steps and the final node."""
        steps = [one for one in self._pipe.steps if one.applies(config)]
        return self._piped(node_, steps) if steps else [node_]

    def _piped(self, node: Node, steps: Sequence[Applicable]) -> list[Node]:
        raw = node.copy_with(name=f"{node.name}.raw", positional=node.positional)
        chain = self._pipe.chain(steps, raw.name, node.name)
        last = chain[-1]

        def result(**kwargs: Any) -> Any:
            return kwargs[last.name]

        final = node.copy_with(
            typ=last.type, callabl=result, input_types={last.name: last.type}, optional_values={}
        )
        return [raw, *chain, final]


class apply_to(Applicable):
    """A function to mutate, with conditions and arguments of its own.

    Args:
        fn_: The function whose output is mutated.
        **mutating_fn_kwargs: Arguments of the mutator for this target.
    """

    def __init__(self, fn_: Callable[..., Any], **mutating_fn_kwargs: Any) -> None:
        super().__init__(fn_, **mutating_fn_kwargs)

    def as_step(self, mutator: Callable[..., Any], shared: dict[str, Any]) -> Applicable:
        """Returns the step that applies the mutator to this target."""
        one = step(mutator, **{**shared, **self.kwargs})
        one.conditions = self.conditions
        one.given_name = self.given_name
        one.namespace = self.namespace
        one.target = self.target
        return one


class mutate:
    """Applies the decorated function to the outputs of others; it is no node of its own.

    Args:
        *target_functions: Functions of the same module, or ``apply_to(function, ...)``.
        **mutating_function_kwargs: Arguments of the mutator for all targets.
    """

    def __init__(
        self,
        *target_functions: Callable[..., Any] | apply_to,
        collapse: bool = False,
        **mutating_function_kwargs: Any,
    ) -> None:
        if collapse:
            raise NotImplementedError("collapse=True is not available: steps are always nodes.")
        self.targets = [t if isinstance(t, apply_to) else apply_to(t) for t in target_functions]
        self.kwargs = mutating_function_kwargs

    def __call__(self, mutator: Callable[..., Any]) -> Callable[..., Any]:
        """Adds the mutator to every target and returns it.

        Raises:
            NotSameModuleError: A target is in another module.
        """
        for target in self.targets:
            if target.fn.__module__ != mutator.__module__:
                raise NotSameModuleError(fn=mutator, target_fn=target.fn)
        for target in self.targets:
            made = pipe_output(target.as_step(mutator, self.kwargs))
            made.validate(target.fn)
            record(target.fn, made)
        return hamilton_exclude(mutator)

"""What a parameter can be bound to: another node, a literal, a group of these, a config value."""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamilton.function_modifiers.base import InvalidDecoratorException

__all__ = [
    "ConfigDependency",
    "GroupedDependency",
    "GroupedDictDependency",
    "GroupedListDependency",
    "LiteralDependency",
    "ParametrizedDependency",
    "UpstreamDependency",
    "as_dependency",
    "configuration",
    "group",
    "item_type",
    "resolve_configuration",
    "source",
    "value",
]


class ParametrizedDependency:
    """Base of what a parameter can be bound to."""


@dataclass(frozen=True)
class LiteralDependency(ParametrizedDependency):
    """A literal value."""

    value: Any


@dataclass(frozen=True)
class UpstreamDependency(ParametrizedDependency):
    """The value of another node."""

    source: str


@dataclass(frozen=True)
class ConfigDependency(ParametrizedDependency):
    """The value of a configuration key."""

    source: str


class GroupedDependency(ParametrizedDependency):
    """Base of groups."""


@dataclass(frozen=True)
class GroupedListDependency(GroupedDependency):
    """A list of literals and nodes."""

    sources: Sequence[ParametrizedDependency]


@dataclass(frozen=True)
class GroupedDictDependency(GroupedDependency):
    """A dictionary of literals and nodes."""

    sources: Mapping[str, ParametrizedDependency]


def source(dependency_on: Any) -> UpstreamDependency:
    """Returns a reference to the value of another node."""
    if isinstance(dependency_on, UpstreamDependency):
        return dependency_on
    if not isinstance(dependency_on, str):
        raise InvalidDecoratorException(
            f"source(...) takes the name of a node, not {dependency_on!r}."
        )
    return UpstreamDependency(dependency_on)


def value(literal_value: Any) -> LiteralDependency:
    """Returns a literal."""
    return (
        literal_value
        if isinstance(literal_value, LiteralDependency)
        else LiteralDependency(literal_value)
    )


def configuration(dependency_on: Any) -> ConfigDependency:
    """Returns a reference to a configuration value."""
    if isinstance(dependency_on, ConfigDependency):
        return dependency_on
    return ConfigDependency(dependency_on)


def group(*dependency_args: Any, **dependency_kwargs: Any) -> GroupedDependency:
    """Returns a list (positional) or a dictionary (keywords) of ``source`` and ``value``.

    Raises:
        InvalidDecoratorException: Both or neither kind of argument is given, or a member is
            neither a source nor a value.
    """
    if bool(dependency_args) == bool(dependency_kwargs):
        raise InvalidDecoratorException(
            "group(...) takes either positional arguments (a list) or keywords (a dictionary); "
            f"got {len(dependency_args)} positional and {len(dependency_kwargs)} keywords."
        )
    for member in (*dependency_args, *dependency_kwargs.values()):
        if not isinstance(member, (UpstreamDependency, LiteralDependency)):
            raise InvalidDecoratorException(
                f"Members of group(...) must be source(...) or value(...), found {member!r}."
            )
    if dependency_args:
        return GroupedListDependency(tuple(dependency_args))
    return GroupedDictDependency(dict(dependency_kwargs))


def as_dependency(bound: Any) -> ParametrizedDependency:
    """Returns a dependency as it is and anything else as a literal."""
    return bound if isinstance(bound, ParametrizedDependency) else LiteralDependency(bound)


def resolve_configuration(
    bound: ParametrizedDependency, config: Mapping[str, Any]
) -> ParametrizedDependency:
    """Returns a configuration reference as the literal it stands for.

    Raises:
        InvalidDecoratorException: The configuration has no such key.
    """
    if not isinstance(bound, ConfigDependency):
        return bound
    if bound.source not in config:
        raise InvalidDecoratorException(
            f"configuration({bound.source!r}) is not in the configuration: {sorted(config)}."
        )
    return LiteralDependency(config[bound.source])


def item_type(bound: GroupedDependency, annotation: Any) -> Any:
    """Returns ``T`` of the ``List[T]`` or ``Dict[str, T]`` that a group is bound to.

    Raises:
        InvalidDecoratorException: The annotation does not fit the group.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(bound, GroupedListDependency):
        wanted, fits = "List[T]", origin in (list, collections.abc.Sequence) and len(arguments) == 1
    else:
        wanted = "Dict[str, T]"
        fits = (
            origin in (dict, collections.abc.Mapping)
            and len(arguments) == 2
            and arguments[0] is str
        )
    if not fits:
        raise InvalidDecoratorException(
            f"A group is bound to a parameter annotated {annotation!r}; it must be {wanted}."
        )
    return arguments[-1]

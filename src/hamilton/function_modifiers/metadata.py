"""Modifiers that give nodes metadata: tags, output schemas, cache behaviour, Ray options."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hamilton.errors import where
from hamilton.function_modifiers.base import InvalidDecoratorException, NodeDecorator
from hamilton.node import Node

__all__ = [
    "RAY_REMOTE_TAG_NAMESPACE",
    "cache",
    "ray_remote_options",
    "schema",
    "tag",
    "tag_outputs",
]

RAY_REMOTE_TAG_NAMESPACE = "ray_remote"
_RESERVED = frozenset(
    {"hamilton", "data_quality", "gdpr", "ccpa", "dag", "module", RAY_REMOTE_TAG_NAMESPACE}
)
SCHEMA_TAG = "hamilton.internal.schema_output"


def _key_problem(key: str, bypass: bool) -> str | None:
    parts = key.split(".")
    if not all(part.isidentifier() for part in parts):
        return f"{key!r} is not made of identifiers separated by dots"
    if not bypass and parts[0] in _RESERVED:
        return f"{key!r} begins with the reserved namespace {parts[0]!r}"
    return None


def _value_problem(key: str, value: Any) -> str | None:
    if isinstance(value, str):
        return None
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return None if len(set(value)) == len(value) else f"{key!r} has repeated values: {value!r}"
    return f"{key!r} must be a string or a non-empty list of strings, found {value!r}"


class tag(NodeDecorator):
    """Gives nodes tags.

    Args:
        target_: None for the final nodes, ``...`` for all, or names.
        bypass_reserved_namespaces_: Accept keys in reserved namespaces.
        **tags: Strings, or non-empty lists of different strings; keys may hold dots.
    """

    def __init__(
        self,
        *,
        target_: Any = None,
        bypass_reserved_namespaces_: bool = False,
        **tags: str | list[str],
    ) -> None:
        super().__init__(target_)
        self.tags = tags
        self.bypass_reserved_namespaces = bypass_reserved_namespaces_

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses bad keys and values, all at once."""
        problems = [
            problem
            for key, value in self.tags.items()
            for problem in (
                _key_problem(key, self.bypass_reserved_namespaces),
                _value_problem(key, value),
            )
            if problem
        ]
        if problems:
            raise InvalidDecoratorException(
                f"Tags of {where(fn)} cannot be used: {'; '.join(problems)}.", function=fn
            )

    def decorate_node(self, node_: Node) -> Node:
        """Returns the node with the tags."""
        return node_.copy_with(tags={**node_.tags, **self.tags}, positional=node_.positional)


class tag_outputs(NodeDecorator):
    """Gives each named node its own tags; names that do not exist are ignored.

    Args:
        **tag_mapping: ``{node name: {key: value}}``.
    """

    def __init__(self, **tag_mapping: dict[str, Any]) -> None:
        super().__init__(...)
        self.tag_mapping = tag_mapping

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses bad keys and values."""
        for tags in self.tag_mapping.values():
            tag(**tags).validate(fn)

    def decorate_node(self, node_: Node) -> Node:
        """Returns the node with its tags."""
        tags = self.tag_mapping.get(node_.name)
        if not tags:
            return node_
        return node_.copy_with(tags={**node_.tags, **tags}, positional=node_.positional)


class SchemaOutput(NodeDecorator):
    """Records the columns of a dataframe a function returns."""

    def __init__(self, *fields: tuple[str, str], target_: Any = None) -> None:
        super().__init__(target_)
        for entry in fields:
            if not (
                isinstance(entry, tuple)
                and len(entry) == 2
                and all(isinstance(part, str) for part in entry)
            ):
                raise InvalidDecoratorException(
                    f"@schema.output takes (name, type) pairs of strings, found {entry!r}."
                )
        self.fields = fields

    def validate(self, fn: Callable[..., Any]) -> None:
        """Any function may carry a schema; the types of its nodes are checked at construction."""

    def decorate_node(self, node_: Node) -> Node:
        """Returns the node with the schema.

        Raises:
            InvalidDecoratorException: The node's type is no registered dataframe type.
        """
        from hamilton import registry

        try:
            registry.get_column_type_from_df_type(node_.type)
        except NotImplementedError as error:
            raise InvalidDecoratorException(
                f"@schema.output: node {node_.name!r} is {node_.type!r}, which is not a "
                f"registered dataframe type. {error}",
                node=node_.name,
                function=node_.function,
            ) from error
        text = ",".join(f"{name}={type_}" for name, type_ in self.fields)
        return node_.copy_with(tags={**node_.tags, SCHEMA_TAG: text}, positional=node_.positional)


class schema:
    """Holds the modifiers about schemas."""

    output = SchemaOutput


class cache(tag):
    """Says how a node is cached.

    Args:
        behavior: ``default``, ``recompute``, ``disable`` or ``ignore``.
        format: Key of the saver and loader that keep the value.
        target_: As for `tag`; all nodes of the function by default.
    """

    _behaviors = ("default", "recompute", "disable", "ignore")

    def __init__(
        self, *, behavior: str | None = None, format: str | None = None, target_: Any = ...
    ) -> None:
        tags = {"cache.behavior": behavior, "cache.format": format}
        if behavior is not None and behavior not in self._behaviors:
            raise InvalidDecoratorException(
                f"@cache: behavior must be one of {list(self._behaviors)}, found {behavior!r}."
            )
        super().__init__(target_=target_)
        self.tags = {key: value for key, value in tags.items() if value is not None}


class ray_remote_options(tag):
    """Gives the options with which Ray runs a node, as tags ``ray_remote.<option>``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(bypass_reserved_namespaces_=True)
        self.tags = {f"{RAY_REMOTE_TAG_NAMESPACE}.{k}": json.dumps(v) for k, v in options.items()}

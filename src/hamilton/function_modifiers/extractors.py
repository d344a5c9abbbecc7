"""Modifiers that give the parts of a result nodes of their own: columns, fields, elements."""

from __future__ import annotations

import abc
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

from hamilton.errors import close_names, where
from hamilton.function_modifiers.base import (
    InvalidDecoratorException,
    NodeTransformer,
    final_nodes,
)
from hamilton.node import NON_FINAL_TAG, Node, resolved_annotations

__all__ = ["extract_columns", "extract_fields", "unpack_fields"]


def _part(
    node: Node,
    name: str,
    type_: Any,
    doc: str,
    take: Callable[[Any], Any],
) -> Node:
    """Returns a node that takes one part out of the value of `node`."""

    def part(**kwargs: Any) -> Any:
        return take(kwargs[node.name])

    return Node(
        name,
        type_,
        doc,
        part,
        input_types={node.name: node.type},
        tags=dict(node.tags),
        namespace=node.namespace,
        originating_functions=node.originating_functions,
    )


class _Extractor(NodeTransformer):
    """Takes parts out of every final node of a fit type, or of a node already taken apart."""

    def __init__(self) -> None:
        super().__init__(None)

    @abc.abstractmethod
    def fits(self, type_: Any) -> bool:
        """Returns whether values of this type have the parts."""

    @abc.abstractmethod
    def parts(self, node_: Node, fn: Callable[..., Any]) -> list[Node]:
        """Returns one node per part."""

    def transform_node(
        self, node_: Node, config: dict[str, Any], fn: Callable[..., Any]
    ) -> Collection[Node]:
        """Returns the node and its parts."""
        return [node_, *self.parts(node_, fn)]

    def transform_dag(
        self, nodes: Collection[Node], config: dict[str, Any], fn: Callable[..., Any]
    ) -> list[Node]:
        """Adds the parts; with several nodes to take apart they are named ``<node>.<part>``."""
        own = [n for n in nodes if not n.tags.get(NON_FINAL_TAG)]
        whole = [n for n in final_nodes(nodes) if self.fits(n.type)] or [
            n for n in own if self.fits(n.type)
        ]
        if not whole:
            finals = final_nodes(nodes)
            raise InvalidDecoratorException(
                f"Expected a single node to transform, but got {len(finals)}. None of "
                f"{[n.name for n in finals]} has a type that @{self.name} can take apart; the "
                f"function is {where(fn)}.",
                function=fn,
            )
        found = list(nodes)
        for node in whole:
            for part in self.parts(node, fn):
                name = part.name if len(whole) == 1 else f"{node.name}.{part.name}"
                found.append(part.copy_with(name=name))
        return found


class extract_columns(_Extractor):
    """Makes a node of each named column of the dataframe a function returns.

    Args:
        *columns: Names, or ``(name, docstring)``.
        fill_with: Scalar for columns the frame lacks; None makes a missing column an error.
            Filling adds the column to the frame the function returned.
    """

    def __init__(self, *columns: str | tuple[str, str], fill_with: Any = None) -> None:
        super().__init__()
        if not columns:
            raise InvalidDecoratorException("@extract_columns needs at least one column name.")
        if any(isinstance(column, list) for column in columns):
            raise InvalidDecoratorException(
                "@extract_columns received a list; unpack it: @extract_columns(*columns)."
            )
        self.columns = columns
        self.fill_with = fill_with

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses functions whose return type is not a registered dataframe type."""
        from hamilton import registry

        returned = resolved_annotations(fn).get("return")
        try:
            registry.get_column_type_from_df_type(returned)
        except NotImplementedError as error:
            raise InvalidDecoratorException(
                f"@extract_columns: {where(fn)} does not output a type we know about. It returns "
                f"{returned!r}; registered dataframe types: "
                f"{sorted(registry.get_registered_dataframe_types())}. {error}",
                function=fn,
            ) from error

    def fits(self, type_: Any) -> bool:
        """Returns whether the type is a registered dataframe type."""
        from hamilton import registry

        try:
            registry.get_column_type_from_df_type(type_)
        except NotImplementedError:
            return False
        return True

    def parts(self, node_: Node, fn: Callable[..., Any]) -> list[Node]:
        """Returns one node per column."""
        from hamilton import registry

        column_type = registry.get_column_type_from_df_type(node_.type)
        found = []
        for column in self.columns:
            name, doc = column if isinstance(column, tuple) else (column, None)
            take = self._taker(name, node_.name)
            found.append(_part(node_, name, column_type, doc or node_.documentation, take))
        return found

    def _taker(self, name: str, node_name: str) -> Callable[[Any], Any]:
        fill_with = self.fill_with

        def take(frame: Any) -> Any:
            from hamilton import registry

            if name not in frame.columns:
                if fill_with is None:
                    raise InvalidDecoratorException(
                        f"No such column: {name} produced by {node_name}. It only produced "
                        f"{[str(c) for c in frame.columns]}.",
                        node=node_name,
                        candidates=close_names(name, map(str, frame.columns)),
                    )
                frame = registry.fill_with_scalar(frame, name, fill_with)
            return registry.get_column(frame, name)

        return take


class extract_fields(_Extractor):
    """Makes a node of each field of the dictionary a function returns.

    Args:
        *fields: A dictionary ``{name: type}``, a list of names, or names. Names alone need a
            return type that tells the types: ``dict[K, V]`` or a ``TypedDict``. A ``TypedDict``
            needs nothing: all its fields are extracted.
        fill_with: Value for fields the result lacks; None makes a missing field an error.
    """

    def __init__(self, *fields: Any, fill_with: Any = None) -> None:
        super().__init__()
        self.given = fields
        self.fill_with = fill_with
        self._check_given()

    def _check_given(self) -> None:
        first = self.given[0] if self.given else None
        if len(self.given) == 1 and isinstance(first, (dict, list)):
            if not first:
                raise InvalidDecoratorException("@extract_fields received no fields.")
            names: Collection[Any] = first
            if isinstance(first, dict) and not all(_is_type(t) for t in first.values()):
                raise InvalidDecoratorException(
                    f"@extract_fields takes {{name: type}}; found {first!r}."
                )
        else:
            names = self.given
        if not all(isinstance(name, str) for name in names):
            raise InvalidDecoratorException(
                f"@extract_fields takes names of fields, found {list(names)!r}."
            )

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses return types that are no dictionaries, and fields without a type."""
        self._field_types(resolved_annotations(fn).get("return"), fn)

    def _field_types(self, returned: Any, fn: Callable[..., Any]) -> dict[str, Any]:
        first = self.given[0] if self.given else None
        types: dict[str, Any] | None = first if isinstance(first, dict) else None
        names = first if isinstance(first, list) else list(self.given)
        if typing.is_typeddict(returned):
            return self._typed_dict_fields(returned, types, names, fn)
        origin = typing.get_origin(returned) or returned
        if not (isinstance(origin, type) and issubclass(origin, (dict, Mapping))):
            raise InvalidDecoratorException(
                f"@extract_fields needs a function that returns a dict or a TypedDict; "
                f"{where(fn)} returns {returned!r}.",
                function=fn,
            )
        if types is not None:
            return dict(types)
        arguments = typing.get_args(returned)
        if not names or len(arguments) != 2:
            raise InvalidDecoratorException(
                f"@extract_fields cannot tell the types of the fields of {where(fn)}: give "
                "{name: type}, or annotate the return as dict[str, T] and give names.",
                function=fn,
            )
        return dict.fromkeys(names, arguments[1])

    def _typed_dict_fields(
        self,
        returned: Any,
        types: dict[str, Any] | None,
        names: list[str],
        fn: Callable[..., Any],
    ) -> dict[str, Any]:
        from hamilton.htypes import custom_subclass_check

        declared = typing.get_type_hints(returned)
        for name in types or names:
            if name not in declared:
                raise InvalidDecoratorException(
                    f"{name!r} is not a field of {returned.__name__}, which {where(fn)} returns. "
                    f"Fields: {sorted(declared)}.",
                    function=fn,
                    candidates=close_names(name, declared),
                )
            if types and not custom_subclass_check(declared[name], types[name]):
                raise InvalidDecoratorException(
                    f"Field {name!r} of {returned.__name__} is {declared[name]!r}, but "
                    f"@extract_fields says {types[name]!r}.",
                    function=fn,
                )
        if types:
            return dict(types)
        return {n: declared[n] for n in names} if names else declared

    def fits(self, type_: Any) -> bool:
        """Returns whether the type is a dictionary."""
        origin = typing.get_origin(type_) or type_
        is_mapping = isinstance(origin, type) and issubclass(origin, (dict, Mapping))
        return typing.is_typeddict(type_) or is_mapping

    def parts(self, node_: Node, fn: Callable[..., Any]) -> list[Node]:
        """Returns one node per field."""
        return [
            _part(node_, name, type_, node_.documentation, self._taker(name, node_.name))
            for name, type_ in self._field_types(node_.type, fn).items()
        ]

    def _taker(self, name: str, node_name: str) -> Callable[[Any], Any]:
        fill_with = self.fill_with

        def take(fields: Any) -> Any:
            if name in fields:
                return fields[name]
            if fill_with is not None:
                return fill_with
            raise InvalidDecoratorException(
                f"No such field: {name} produced by {node_name}. It only produced "
                f"{[str(key) for key in fields]}.",
                node=node_name,
                candidates=close_names(name, map(str, fields)),
            )

        return take


def _is_type(candidate: Any) -> bool:
    return (
        inspect.isclass(candidate)
        or candidate is Any
        or typing.get_origin(candidate) is not None
        or isinstance(candidate, (typing.TypeVar, typing.NewType))
    )


class unpack_fields(_Extractor):
    """Makes a node of each element of the tuple a function returns, by position.

    Args:
        *fields: Names of the first elements; there may be fewer names than elements.
    """

    def __init__(self, *fields: str) -> None:
        super().__init__()
        if not fields or not all(isinstance(name, str) for name in fields):
            raise InvalidDecoratorException(
                f"@unpack_fields takes names for the elements, found {fields!r}."
            )
        self.fields = fields

    def validate(self, fn: Callable[..., Any]) -> None:
        """Refuses return types that are no tuples, and more names than elements."""
        self._element_types(resolved_annotations(fn).get("return"), fn)

    def _element_types(self, returned: Any, fn: Callable[..., Any]) -> list[Any]:
        arguments = typing.get_args(returned)
        if typing.get_origin(returned) is not tuple or not arguments:
            raise InvalidDecoratorException(
                f"@unpack_fields needs a function that returns Tuple[...] with its element "
                f"types; {where(fn)} returns {returned!r}.",
                function=fn,
            )
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return [arguments[0]] * len(self.fields)
        if len(self.fields) > len(arguments):
            raise InvalidDecoratorException(
                f"@unpack_fields names {len(self.fields)} elements, but {where(fn)} returns "
                f"{len(arguments)}.",
                function=fn,
            )
        return list(arguments[: len(self.fields)])

    def fits(self, type_: Any) -> bool:
        """Returns whether the type is a tuple with element types."""
        return typing.get_origin(type_) is tuple

    def parts(self, node_: Node, fn: Callable[..., Any]) -> list[Node]:
        """Returns one node per element."""
        types = self._element_types(node_.type, fn)
        found = []
        for position, (name, type_) in enumerate(zip(self.fields, types, strict=True)):
            take = _element_taker(position)
            found.append(_part(node_, name, type_, node_.documentation, take))
        return found


def _element_taker(position: int) -> Callable[[Any], Any]:
    def take(elements: Any) -> Any:
        return elements[position]

    return take

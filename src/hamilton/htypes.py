"""Type markers (`Parallelizable`, `Collect`, `column`) and the type-matching functions.

The functions keep the narrow, documented answers; the wider rules by which the driver accepts
edges and inputs are in `hamilton._matching`.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar, Union

__all__ = [
    "Collect",
    "InvalidTypeException",
    "Parallelizable",
    "check_input_type",
    "check_instance",
    "column",
    "custom_subclass_check",
    "get_type_as_string",
    "get_type_information",
    "is_parallelizable_type",
    "types_match",
    "validate_type_annotation",
]

column = Annotated

_Item = TypeVar("_Item", covariant=True)
_Gathered = TypeVar("_Gathered", covariant=True)
_COLUMN_SCALARS = (int, float, str, bool)


class InvalidTypeException(Exception):
    """A ``column[...]`` annotation is not made of a column type and one scalar type."""


class Parallelizable(collections.abc.Iterable[_Item], Protocol[_Item]):
    """Marks the return of a function whose items are worked on one by one, possibly in parallel."""


class Collect(collections.abc.Iterable[_Gathered], Generic[_Gathered]):
    """Marks a parameter that receives the results of every branch as a list in item order."""


def is_parallelizable_type(type_: Any) -> bool:
    """Returns whether a return annotation opens a parallel block."""
    return type_ is Parallelizable or typing.get_origin(type_) is Parallelizable


def is_collect_type(type_: Any) -> bool:
    """Returns whether a parameter annotation gathers the branches of a parallel block."""
    return type_ is Collect or typing.get_origin(type_) is Collect


def is_union(type_: Any) -> bool:
    """Returns whether a type is ``Union[...]`` or written with ``|``."""
    origin = typing.get_origin(type_)
    return origin is Union or origin is types.UnionType


def without_annotation(type_: Any) -> Any:
    """Returns ``T`` for ``Annotated[T, ...]`` and any other type as it is."""
    return typing.get_args(type_)[0] if typing.get_origin(type_) is Annotated else type_


def first_argument(type_: Any) -> Any:
    """Returns the first type argument, or ``Any`` when there is none."""
    arguments = typing.get_args(type_)
    return arguments[0] if arguments else Any


def _is_plain_class(type_: Any) -> bool:
    return isinstance(type_, type) and typing.get_origin(type_) is None


def custom_subclass_check(requested_type: Any, param_type: Any) -> bool:
    """Returns whether a value of `requested_type` (producer) may feed `param_type` (consumer)."""
    requested_type, param_type = without_annotation(requested_type), without_annotation(param_type)
    if param_type is Any or requested_type == param_type:
        return True
    if is_union(param_type):
        return any(custom_subclass_check(requested_type, m) for m in typing.get_args(param_type))
    if is_parallelizable_type(requested_type) and not is_parallelizable_type(param_type):
        return custom_subclass_check(first_argument(requested_type), param_type)
    if is_collect_type(param_type):
        return custom_subclass_check(requested_type, first_argument(param_type))
    if _is_plain_class(requested_type) and _is_plain_class(param_type):
        return issubclass(requested_type, param_type)
    return _generic_subclass(requested_type, param_type)


def _generic_subclass(requested_type: Any, param_type: Any) -> bool:
    requested = typing.get_origin(requested_type) or requested_type
    wanted = typing.get_origin(param_type) or param_type
    if not (isinstance(requested, type) and isinstance(wanted, type)):
        return False
    if not issubclass(requested, wanted):
        return False
    given, required = typing.get_args(requested_type), typing.get_args(param_type)
    return not given or not required or given == required


def types_match(param_type: Any, required_node_type: Any) -> bool:
    """Returns whether the producer type `required_node_type` fits the parameter `param_type`."""
    if required_node_type is Any:
        return True
    if isinstance(param_type, TypeVar) or isinstance(required_node_type, TypeVar):
        return param_type is required_node_type
    if required_node_type == param_type:
        return True
    return custom_subclass_check(required_node_type, param_type)


def check_input_type(node_type: Any, value: Any) -> bool:
    """Returns whether a supplied value fits an input's type; containers by their first element."""
    node_type = without_annotation(node_type)
    if value is None or node_type is Any or isinstance(node_type, TypeVar):
        return True
    if _is_plain_class(node_type):
        return isinstance(value, node_type)
    if is_union(node_type):
        return any(check_input_type(member, value) for member in typing.get_args(node_type))
    origin = typing.get_origin(node_type)
    if origin is Literal:
        return value in typing.get_args(node_type)
    if origin is None:
        return bool(type(value) == node_type)  # noqa: E721 - not every type is a class
    return _check_generic_value(node_type, origin, value)


def _check_generic_value(node_type: Any, origin: Any, value: Any) -> bool:
    if not isinstance(origin, type):
        return False
    ordered = (list, tuple, collections.abc.Sequence)
    unordered = (set, frozenset, collections.abc.Set, collections.abc.Iterable)
    if origin not in ordered and origin not in unordered:
        return type(value) is origin
    if not isinstance(value, origin) or isinstance(value, (str, bytes)):
        return False
    if not isinstance(value, collections.abc.Collection):
        return True
    first = next(iter(value), None)
    return first is None or check_input_type(first_argument(node_type), first)


def check_instance(obj: Any, type_: Any) -> bool:
    """Returns whether a value fits a type all the way down into its containers."""
    type_ = without_annotation(type_)
    if type_ is Any or isinstance(type_, TypeVar):
        return True
    if type_ is None:
        return obj is None
    if is_union(type_):
        return any(check_instance(obj, member) for member in typing.get_args(type_))
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is Literal:
        return obj in arguments
    if origin is None:
        return isinstance(obj, type_) if isinstance(type_, type) else True
    if not isinstance(origin, type) or not isinstance(obj, origin):
        return False
    return _check_items(obj, arguments)


def _check_items(obj: Any, arguments: tuple[Any, ...]) -> bool:
    if not arguments or isinstance(obj, (str, bytes)):
        return True
    if isinstance(obj, tuple):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(check_instance(item, arguments[0]) for item in obj)
        return len(obj) == len(arguments) and all(map(check_instance, obj, arguments))
    if isinstance(obj, collections.abc.Mapping) and len(arguments) == 2:
        key, item = arguments
        return all(check_instance(k, key) and check_instance(v, item) for k, v in obj.items())
    if isinstance(obj, (list, set, frozenset, collections.abc.Sequence)):
        return all(check_instance(item, arguments[0]) for item in obj)
    return True


def get_type_as_string(type_: Any) -> str | None:
    """Returns a short readable name of a type, ``Annotated`` unwrapped."""
    type_ = without_annotation(type_)
    if _is_plain_class(type_):
        return str(type_.__name__)
    if typing.get_origin(type_) is not None and not is_union(type_):
        return repr(type_).replace("typing.", "")
    name = getattr(type_, "__name__", None)
    return str(name) if name and not is_union(type_) else repr(type_).replace("typing.", "")


def get_type_information(some_type: Any) -> tuple[Any, list[Any]]:
    """Returns ``(T, [annotations])`` of ``Annotated[T, ...]``, or ``(some_type, [])``."""
    if typing.get_origin(some_type) is not Annotated:
        return some_type, []
    return typing.get_args(some_type)[0], list(some_type.__metadata__)


def validate_type_annotation(annotation: Any) -> None:
    """Checks a ``column[...]`` annotation; other annotations pass.

    Raises:
        InvalidTypeException: The first part is no registered column type, or there is not exactly
            one scalar type (``int``, ``float``, ``str``, ``bool``) behind it.
    """
    original, annotations = get_type_information(annotation)
    if not annotations and typing.get_origin(annotation) is not Annotated:
        return
    from hamilton import registry

    known = registry.column_types_for(original)
    if not (isinstance(original, type) and issubclass(original, known)):
        raise InvalidTypeException(
            f"{annotation!r} annotates {original!r}, which is not a registered column type. "
            f"Known column types: {sorted(t.__name__ for t in known)}."
        )
    if len(annotations) != 1:
        raise InvalidTypeException(
            f"{annotation!r} needs exactly one scalar type, found {len(annotations)}: {annotations}"
        )
    scalar = annotations[0]
    if not (isinstance(scalar, type) and issubclass(scalar, _COLUMN_SCALARS)):
        raise InvalidTypeException(
            f"{annotation!r}: the scalar type must be a subclass of int, float, str or bool, "
            f"found {scalar!r}."
        )

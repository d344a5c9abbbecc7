"""The rules by which the driver accepts an edge between two nodes, and a value for an input.

Wider than `hamilton.htypes` where the narrow rule only refuses code that works: unions member by
member, ``Any`` inside generics, literals, ``NewType``, callables, the numeric tower.
"""

from __future__ import annotations

import collections.abc
import logging
import typing
from typing import Any, Literal, NewType, TypeVar

from hamilton.htypes import (
    check_input_type,
    first_argument,
    is_collect_type,
    is_parallelizable_type,
    is_union,
    without_annotation,
)

__all__ = ["edge_accepts", "value_accepted"]

logger = logging.getLogger(__name__)


def edge_accepts(producer: Any, consumer: Any) -> bool:
    """Returns whether a node of type `producer` may feed a parameter of type `consumer`."""
    if producer is consumer or producer is Any or consumer is Any:
        return True
    if isinstance(producer, TypeVar) or isinstance(consumer, TypeVar):
        return False
    if producer == consumer:
        return True
    return _fits(producer, consumer)


def _fits(producer: Any, consumer: Any) -> bool:
    producer, consumer = without_annotation(producer), without_annotation(consumer)
    if consumer is Any or producer == consumer:
        return True
    if is_collect_type(consumer):
        return edge_accepts(_item_of(producer), first_argument(consumer))
    if is_parallelizable_type(producer):
        return edge_accepts(first_argument(producer), consumer)
    if is_union(producer):
        return all(_fits(member, consumer) for member in typing.get_args(producer))
    if is_union(consumer):
        return any(_fits(producer, member) for member in typing.get_args(consumer))
    if isinstance(producer, NewType):
        return _fits(producer.__supertype__, consumer)
    if typing.get_origin(producer) is Literal:
        return all(_fits_literal(value, consumer) for value in typing.get_args(producer))
    return _fits_class(producer, consumer)


def _item_of(producer: Any) -> Any:
    return first_argument(producer) if is_parallelizable_type(producer) else producer


def _fits_literal(value: Any, consumer: Any) -> bool:
    if typing.get_origin(consumer) is Literal:
        return value in typing.get_args(consumer)
    return _fits(type(value), consumer)


def _fits_class(producer: Any, consumer: Any) -> bool:
    given = typing.get_origin(producer) or producer
    wanted = typing.get_origin(consumer) or consumer
    if not (isinstance(given, type) and isinstance(wanted, type)):
        return False
    try:
        if not issubclass(given, wanted):
            return False
    except TypeError:
        # A protocol that is not runtime-checkable: undecidable, so the edge is allowed.
        logger.debug("Cannot decide whether %r provides %r; accepted.", producer, consumer)
        return True
    return _arguments_fit(typing.get_args(producer), typing.get_args(consumer))


def _arguments_fit(given: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    if not given or not wanted or given == wanted:
        return True
    if len(given) != len(wanted):
        return False
    return all(
        a == b or a is Any or b is Any or _same_with_any(a, b)
        for a, b in zip(given, wanted, strict=True)
    )


def _same_with_any(given: Any, wanted: Any) -> bool:
    """Compares nested type arguments, where ``Any`` on either side accepts."""
    origin = typing.get_origin(given)
    if origin is None or origin is not typing.get_origin(wanted):
        return False
    return _arguments_fit(typing.get_args(given), typing.get_args(wanted))


def value_accepted(type_: Any, value: Any) -> bool:
    """Returns whether a supplied value fits the type of an external input."""
    if value is None or type(value) is type_ or type_ is Any:
        return True
    type_ = without_annotation(type_)
    try:
        if check_input_type(type_, value):
            return True
    except TypeError:
        logger.debug("Cannot decide whether a %s is %r; accepted.", type(value), type_)
        return True
    return _accepted_widely(type_, value)


def _accepted_widely(type_: Any, value: Any) -> bool:
    if is_union(type_):
        return any(value_accepted(member, value) for member in typing.get_args(type_))
    if isinstance(type_, NewType):
        return value_accepted(type_.__supertype__, value)
    if type_ is float:
        return isinstance(value, int)
    if type_ is complex:
        return isinstance(value, (int, float))
    origin = typing.get_origin(type_) or type_
    if origin is collections.abc.Callable:
        return callable(value)
    if is_parallelizable_type(type_) or is_collect_type(type_):
        return isinstance(value, collections.abc.Iterable)
    if origin in (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable):
        return isinstance(value, origin) and _first_fits(type_, value)
    return edge_accepts(type(value), type_)


def _first_fits(type_: Any, value: Any) -> bool:
    if isinstance(value, (str, bytes)) or not isinstance(value, collections.abc.Collection):
        return True
    first = next(iter(value), None)
    return value_accepted(first_argument(type_), first)

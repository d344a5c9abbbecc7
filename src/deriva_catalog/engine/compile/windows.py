"""Sorting, paging and limits.

Ascending order puts NULL last, descending order first.

Source: ERMrest, "Sorting, paging, limits and query parameters".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...errors import BadRequest, Conflict, UnknownName
from ...model.lookup import near_misses
from ...model.types import text_encoder
from ...path.ast import SortKey, Window
from ..dialect import Expressions, Test, Value, bound
from .outputs import Output


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key over some relation: what is compared, and the output it comes from."""

    value: Value
    output: Output
    descending: bool


def sort_keys(
    window: Window, outputs: Sequence[Output], expressions: Expressions, *, entity: bool
) -> list[Key]:
    """The keys of a window over these outputs.

    Raises:
        UnknownName: an entity query is sorted by a column that its table lacks.
        BadRequest: another query is sorted by something that it does not return.
        Conflict: an output has no order.
    """
    by_name = {output.name: output for output in outputs}
    return [_key(key, by_name, expressions, entity) for key in window.sort]


def _key(key: SortKey, by_name: dict[str, Output], expressions: Expressions, entity: bool) -> Key:
    output = by_name.get(key.name)
    if output is None:
        message = f"The result is sorted by {key.name!r}, which is not one of its columns."
        hint = near_misses(key.name, by_name)
        if entity:
            raise UnknownName(message, hint=hint, column=key.name)
        raise BadRequest(message, hint=hint, column=key.name)
    if output.is_bin:
        return Key(expressions.bin_key(output.value), output, key.descending)
    if output.type is None:
        raise Conflict(
            f"The result is sorted by {key.name!r}, a JSON value, which has no order.",
            hint="Sort by a column or by a function that gives a number or a text.",
            column=key.name,
        )
    return Key(expressions.order_key(output.value, output.type), output, key.descending)


def order_by(keys: Sequence[Key], *, backwards: bool = False) -> list[sa.ColumnElement[Any]]:
    """The ORDER BY terms, or those of the opposite order."""
    terms: list[sa.ColumnElement[Any]] = []
    for key in keys:
        descending = key.descending is not backwards
        term = key.value.desc() if descending else key.value.asc()
        if key.output.nullable:
            term = term.nulls_first() if descending else term.nulls_last()
        terms.append(term)
    return terms


def page_tests(window: Window, keys: Sequence[Key], expressions: Expressions) -> list[Test]:
    """The conditions of ``@after`` and ``@before``."""
    tests = []
    for position, flipped in ((window.after, False), (window.before, True)):
        if position is None:
            continue
        if len(position) != len(keys):
            raise BadRequest(
                f"A page position has {len(position)} values for {len(keys)} sort keys.",
                hint="Give one value for each sort key.",
            )
        bounds = [_bound(k, v, expressions) for k, v in zip(keys, position, strict=True)]
        tests.append(_beyond(keys, bounds, flipped))
    return tests


def is_last_page(window: Window) -> bool:
    """Whether the result is the last rows before a position."""
    return window.before is not None and window.after is None


def _bound(key: Key, literal: str | None, expressions: Expressions) -> Value | None:
    if literal is None:
        return None
    if key.output.type is None:
        raise BadRequest(
            f"A page position is given for {key.output.name!r}, which is a bin.",
            hint="Page by another key.",
        )
    encoded = text_encoder(key.output.type, key.output.name)(literal)
    value = expressions.literal_key(encoded, key.output.type)
    return bound(value)


def _beyond(keys: Sequence[Key], bounds: Sequence[Value | None], flipped: bool) -> Test:
    """Strictly after a position; `flipped`: strictly before it.

    ``(a, b)`` is after ``(x, y)`` when a is not before x, and is after x or else b is after y.
    The first of these lets an index on a alone be used.
    """
    key, at = keys[0], bounds[0]
    descending = key.descending is not flipped
    after = _after(key, at, descending)
    if len(keys) == 1:
        return after
    later = sa.or_(after, _beyond(keys[1:], bounds[1:], flipped))
    return sa.and_(_not_before(key, at, descending), later)


def _after(key: Key, at: Value | None, descending: bool) -> Test:
    if descending:
        return key.value.is_not(None) if at is None else key.value < at
    if at is None:
        return sa.false()
    return _or_null(key, key.value > at)


def _not_before(key: Key, at: Value | None, descending: bool) -> Test:
    if descending:
        return sa.true() if at is None else key.value <= at
    if at is None:
        return key.value.is_(None)
    return _or_null(key, key.value >= at)


def _or_null(key: Key, test: Test) -> Test:
    return sa.or_(test, key.value.is_(None)) if key.output.nullable else test

"""The edges of histogram bins, in the form in which values are stored.

Source: ERMrest, "Functions", ``bin``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil, isfinite
from typing import Any

from ..errors import BadRequest, CatalogError
from ..model.elements import ColumnType
from ..model.types import Family, family, text_encoder
from ..snaptime import canonical_iso

__all__ = ["answers_of", "bounds_of"]

MOST_BINS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def bounds_of(column_type: ColumnType, count: int, lower: str, upper: str) -> list[Any]:
    """The `count` + 1 edges of equal bins between two literals.

    Edges of whole numbers, dates and times are rounded up to a value of the type, which puts
    every value into the same bin as the exact edge would.

    Raises:
        BadRequest: the literals are not values of the type, or not in order; too many bins.
    """
    if not 1 <= count <= MOST_BINS:
        raise BadRequest(
            f"bin() is given {count} bins, expected a number from 1 to {MOST_BINS}.", count=count
        )
    low, high = _number(column_type, lower), _number(column_type, upper)
    if low >= high:
        raise BadRequest(
            f"bin() is given the range from {lower!r} to {upper!r}.",
            hint="The lower end must be less than the upper end.",
        )
    shape = _shape(column_type)
    return [shape(low + (high - low) * i / count) for i in range(count + 1)]


def answers_of(edges: Sequence[Any]) -> list[str]:
    """The JSON texts ``[bucket, lower, upper]``, by the number of edges that a value has passed."""
    ends: list[Any] = [None, *edges, None]
    return [
        json.dumps([i, ends[i], ends[i + 1]], separators=(",", ":")) for i in range(len(edges) + 1)
    ]


def _number(column_type: ColumnType, literal: str) -> Fraction:
    kind = family(column_type)
    if kind is Family.INTEGER:
        column_type = ColumnType("float8")
    try:
        value = text_encoder(column_type)(literal)
    except CatalogError as error:
        raise BadRequest(f"An end of bin() is {literal!r}. {error.message}") from None
    if isinstance(value, (int, float)) and isfinite(value):
        return Fraction(value)
    if isinstance(value, str) and kind is Family.DATE:
        return Fraction(date.fromisoformat(value).toordinal())
    if isinstance(value, str) and kind in (Family.TIMESTAMP, Family.TIMESTAMPTZ):
        when = datetime.fromisoformat(value)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return Fraction((when - _EPOCH) // _MICROSECOND)
    raise BadRequest(f"An end of bin() is {literal!r}, expected a finite value.")


def _shape(column_type: ColumnType) -> Callable[[Fraction], Any]:
    match family(column_type):
        case Family.INTEGER:
            return ceil
        case Family.DATE:
            return lambda edge: date.fromordinal(ceil(edge)).isoformat()
        case Family.TIMESTAMPTZ:
            return lambda edge: canonical_iso(_EPOCH + ceil(edge) * _MICROSECOND)
        case Family.TIMESTAMP:
            return lambda edge: canonical_iso(
                (_EPOCH + ceil(edge) * _MICROSECOND).replace(tzinfo=None)
            )
        case _:
            return float

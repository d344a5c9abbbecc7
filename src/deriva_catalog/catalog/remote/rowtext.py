"""Rows as the JSON of a request, in pieces, and back.

What may stand in a row is what the embedded catalog takes: plain JSON values, and the dates,
decimals and scalars of Python's and NumPy's libraries.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from ...errors import BadRequest
from ...model.intervals import Interval
from ...model.values import json_default
from .connection import Content

__all__ = ["document_text", "rows_content"]

_PIECE = 2_000
"""Rows in a piece of a long body."""


def document_text(document: Any) -> bytes:
    """A JSON document.

    Raises:
        BadRequest: it has a value that JSON has not.
    """
    try:
        return _dumps(document).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRequest(f"This cannot be sent as JSON: {error}.") from error


def rows_content(rows: Sequence[Mapping[str, Any]]) -> Content:
    """Rows as a JSON array: whole if they are few, else in pieces that are made on the way.

    Raises:
        BadRequest: a row is no mapping, or has a value that JSON has not.
    """
    if len(rows) <= _PIECE:
        return b"".join(_pieces(rows))
    return _pieces(rows)


def _pieces(rows: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    source = iter(rows)
    opening = b"["
    while some := list(islice(source, _PIECE)):
        yield opening + _rows_text(some)[1:-1].encode()
        opening = b",\n"
    yield b"]\n" if opening != b"[" else b"[]\n"


def _rows_text(rows: list[Mapping[str, Any]]) -> str:
    try:
        text = _dumps(rows)
    except ValueError:
        text = _with_special_numbers(rows)
    except TypeError as error:
        raise _no_json(rows, error) from error
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise _no_json(rows, error) from error
    return text


def _with_special_numbers(rows: list[Mapping[str, Any]]) -> str:
    """NaN and the infinities are texts in the protocol, for columns of numbers."""
    try:
        return _dumps([{name: _named(value) for name, value in row.items()} for row in rows])
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _no_json(rows, error) from error


def _named(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # nan, inf, -inf
    if isinstance(value, list):
        return [_named(item) for item in value]
    return value


def _no_json(rows: list[Any], error: Exception) -> BadRequest:
    for row in rows:
        if not isinstance(row, Mapping):
            return BadRequest(f"A row is a mapping of column names to values, not {row!r:.80}.")
        for name, value in row.items():
            try:
                _dumps(_named(value)).encode()
            except (ValueError, TypeError, RecursionError):
                return BadRequest(
                    f"The value {value!r:.80} of column {name!r} cannot be sent.",
                    hint="Rows hold JSON values, dates and numbers.",
                    column=name,
                )
    return BadRequest(f"The rows cannot be sent as JSON: {error}.")


def _default(value: Any) -> Any:
    if isinstance(value, timedelta):
        micros = value.seconds * 1_000_000 + value.microseconds
        return str(Interval(days=value.days, microseconds=micros))
    return json_default(value)


_dumps = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default
).encode

"""Rows that were written, in the representations of the protocol.

What is read is serialised by the database. The rows of an insert or an update are already at
hand in their JSON form, and asking the database for them again would take longer.

Source: ERMrest, "Representations".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from ...model.elements import ColumnType
from ...model.literals import array_text
from ...model.types import Family, family
from .inputs import CSV, JSON

__all__ = ["Shown", "serialised"]

Shown = Mapping[str, ColumnType]
"""The members of rows in their order, each with its type."""

_INTEGRAL = 1e15
_QUOTES = str.maketrans(dict.fromkeys(',"\r\n', " "))


def serialised(rows: Sequence[Mapping[str, Any]], shown: Shown, media_type: str) -> bytes:
    """Rows as a body of one of the media types.

    Args:
        rows: Rows of JSON values.
        shown: Their members, which are the header of CSV; a row may lack some of them.
        media_type: JSON, a JSON stream or CSV.
    """
    if media_type == CSV:
        return _csv(rows, shown)
    if media_type == JSON:
        return b"[" + _objects(rows, b",\n ") + b"]\n"
    return _objects(rows, b"\n") + (b"\n" if rows else b"")


def _objects(rows: Sequence[Mapping[str, Any]], separator: bytes) -> bytes:
    """Rows as objects with a separator between them."""
    try:
        whole = orjson.dumps(rows)[1:-1]
    except (TypeError, ValueError):  # see `_object`
        whole = b""
    # Usually no text and no array of objects has these three characters in it; then they are
    # what is between rows, and replacing them is several times as fast as a call for each row.
    if whole and whole.count(b"},{") == len(rows) - 1:
        return whole.replace(b"},{", b"}" + separator + b"{")
    return separator.join(map(_object, rows))


def _object(row: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(row)
    except (TypeError, ValueError):  # whole numbers beyond 64 bits, which jsonb may hold
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


# --- CSV ---------------------------------------------------------------------------------


def _csv(rows: Sequence[Mapping[str, Any]], shown: Shown) -> bytes:
    lines = [",".join(map(_quoted, shown))]
    if rows:
        columns = [_fields(kind, [row.get(name) for row in rows]) for name, kind in shown.items()]
        lines += map(",".join, zip(*columns, strict=True))
    return ("\n".join(lines) + "\n").encode()


def _fields(kind: ColumnType, values: list[Any]) -> list[str]:
    """The fields of a column."""
    first = values[0]
    if type(first) is str and first == values[-1] and values.count(first) == len(values):
        return [_TEXTS.get(family(kind), _other)(first)] * len(values)
    quick = _QUICK.get(family(kind))
    if quick is not None:
        is_full = None not in values
        present = values if is_full else [value for value in values if value is not None]
        found = quick(present) if present else []
        if found is not None:
            if is_full:
                return found
            following = iter(found)
            return ["" if value is None else next(following) for value in values]
    text = _TEXTS.get(family(kind), _other)
    return ["" if value is None else text(value) for value in values]


def _unquoted(values: list[Any]) -> list[str] | None:
    """Texts none of which needs quotes."""
    if "" in values:
        return None
    whole = "".join(values)
    return values if whole.translate(_QUOTES) == whole else None


def _floats(values: list[Any]) -> list[str] | None:
    """Ordinary floats; see `_float`."""
    if set(map(type, values)) != {float} or max(map(abs, values)) > _INTEGRAL:
        return None
    # Adding 0.0 takes the sign of a zero away, as the database does.
    texts = [repr(value + 0.0) for value in values]
    return [text[:-2] if text.endswith(".0") else text for text in texts]


def _moments(values: list[Any]) -> list[str]:
    return "\n".join(values).replace("T", " ").split("\n")


def _zoned_moments(values: list[Any]) -> list[str]:
    return "\n".join(values).replace("T", " ").replace("+00:00", "+00").split("\n")


_QUICK: Mapping[Family, Callable[[list[Any]], list[str] | None]] = {
    Family.TEXT: _unquoted,
    Family.DATE: _unquoted,
    Family.INTEGER: lambda values: list(map(str, values)),
    Family.FLOAT: _floats,
    Family.BOOLEAN: lambda values: ["t" if value else "f" for value in values],
    Family.TIMESTAMP: _moments,
    Family.TIMESTAMPTZ: _zoned_moments,
}
"""What does the same as `_TEXTS` for all values of a column but NULLs; None if it cannot."""


def _quoted(text: str) -> str:
    if text and text.translate(_QUOTES) == text:
        return text
    return '"' + text.replace('"', '""') + '"'


def _other(value: Any) -> str:
    return _quoted(value if isinstance(value, str) else str(value))


def _flag(value: Any) -> str:
    return "t" if value else "f"


def _float(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _INTEGRAL:
        return str(int(value))
    return str(value)


def _moment(value: str) -> str:
    return value.replace("T", " ")


def _zoned_moment(value: str) -> str:
    return value.replace("T", " ")[:-3]


def _json(value: Any) -> str:
    return _quoted(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _array(value: Sequence[Any]) -> str:
    return _quoted(array_text(value))


_TEXTS: Mapping[Family, Callable[[Any], str]] = {
    Family.BOOLEAN: _flag,
    Family.INTEGER: str,
    Family.FLOAT: _float,
    Family.TIMESTAMP: _moment,
    Family.TIMESTAMPTZ: _zoned_moment,
    Family.JSON: _json,
    Family.ARRAY: _array,
}

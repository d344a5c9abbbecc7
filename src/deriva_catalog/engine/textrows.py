"""Rows given as texts, column by column, as CSV has them; and their stored form.

A batch of texts is converted a column at a time. What an ordinary column holds is recognised as a
whole, by a few passes in C; anything unusual goes through the encoder of its type, one value
after the other.

Source: ERMrest, "Column types and values" (CSV forms).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, overload

from ..model.batches import all_canonical
from ..model.elements import Column, ColumnType
from ..model.types import Family, TextEncoder, family, text_encoder

__all__ = ["TextRows", "encoded_texts"]

Texts = Sequence[str | None]


class TextRows(Sequence[Mapping[str, str | None]]):
    """Rows of texts; None is NULL, the empty text is itself. All columns are equally long."""

    def __init__(self, columns: Mapping[str, Texts], count: int) -> None:
        self.columns = columns
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Mapping[str, str | None]: ...

    @overload
    def __getitem__(self, index: slice) -> TextRows: ...

    def __getitem__(self, index: int | slice) -> Mapping[str, str | None] | TextRows:
        if isinstance(index, slice):
            return self.chosen(range(*index.indices(self._count)))
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return {name: texts[index] for name, texts in self.columns.items()}

    def __iter__(self) -> Iterator[Mapping[str, str | None]]:
        return (self[n] for n in range(self._count))

    def column(self, name: str) -> Texts:
        """The texts of a column; NULL everywhere if there is no such column."""
        return self.columns[name] if name in self.columns else [None] * self._count

    def chosen(self, numbers: Sequence[int]) -> TextRows:
        """The rows of these numbers."""
        columns = {name: [t[n] for n in numbers] for name, t in self.columns.items()}
        return TextRows(columns, len(numbers))


def encoded_texts(column: Column, texts: Texts) -> list[Any]:
    """The stored form of a column's texts.

    Raises:
        BadRequest: a text is no number, for a numeric column.
        Conflict: a text is no value of another type.
    """
    quick = _QUICK.get(family(column.type))
    if quick is not None:
        is_full = None not in texts
        present = texts if is_full else [text for text in texts if text is not None]
        values = quick(column.type, present)  # type: ignore[arg-type]
        if values is not None:
            if is_full:
                return values
            following = iter(values)
            return [None if text is None else next(following) for text in texts]
    encode = _encoder(column.type, column.name)
    return [None if text is None else encode(text) for text in texts]


@lru_cache(maxsize=4096)
def _encoder(column_type: ColumnType, name: str) -> TextEncoder:
    return text_encoder(column_type, name)


# --- whole columns: None stands for "look at each of them" ---------------------------------

_DIGITS = str.maketrans("", "", "0123456789-")
_NUMERALS = str.maketrans("", "", "0123456789-+.eE")
_TRUTH = {
    **dict.fromkeys(("t", "true", "True", "TRUE", "1"), True),
    **dict.fromkeys(("f", "false", "False", "FALSE", "0"), False),
}
"""How programs write them; the encoder knows more."""


def _integers(column_type: ColumnType, texts: list[str]) -> list[Any] | None:
    if "".join(texts).translate(_DIGITS):
        return None
    try:
        values = list(map(int, texts))
    except ValueError:
        return None
    return values if all_canonical(column_type, values) else None


def _floats(column_type: ColumnType, texts: list[str]) -> list[Any] | None:
    if column_type.storage != "float8" or "".join(texts).translate(_NUMERALS):
        return None
    try:
        values = list(map(float, texts))
    except ValueError:
        return None
    return values if math.isfinite(sum(values)) else None


def _booleans(column_type: ColumnType, texts: list[str]) -> list[Any] | None:
    values = list(map(_TRUTH.get, texts))
    return None if None in values else values


def _as_they_are(column_type: ColumnType, texts: list[str]) -> list[Any] | None:
    return texts if all_canonical(column_type, texts) else None


def _zoned_times(column_type: ColumnType, texts: list[str]) -> list[Any] | None:
    """Those in the form of CSV, ``2026-11-20 21:08:50+00``, or in that of JSON."""
    if any(text[10:11] != " " for text in texts):
        return _as_they_are(column_type, texts)
    return _as_they_are(column_type, [f"{text[:10]}T{text[11:]}:00" for text in texts])


def _times(column_type: ColumnType, texts: list[str]) -> list[Any] | None:
    return _as_they_are(column_type, [f"{text[:10]}T{text[11:]}" for text in texts])


_QUICK: Mapping[Family, Callable[[ColumnType, list[str]], list[Any] | None]] = {
    Family.INTEGER: _integers,
    Family.FLOAT: _floats,
    Family.BOOLEAN: _booleans,
    Family.TEXT: _as_they_are,
    Family.DATE: _as_they_are,
    Family.TIMESTAMPTZ: _zoned_times,
    Family.TIMESTAMP: _times,
}

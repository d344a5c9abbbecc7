"""Rows between their JSON form and their stored form, column by column.

Batches are encoded a column at a time: an ordinary column is recognised as a whole, and else the
loop over rows is a list comprehension that calls one function. Either is several times faster
than a loop over the cells of each row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from ..errors import NotNullViolation
from ..model.batches import all_canonical
from ..model.elements import Column, ColumnType, Table
from ..model.types import Encoder, Family, encoder, family
from .textrows import TextRows, encoded_texts

Decoder = Callable[[Any], Any]


@lru_cache(maxsize=4096)
def cached_encoder(column_type: ColumnType, name: str) -> Encoder:
    """The encoder of a column, made once."""
    return encoder(column_type, name)


def encoded_column(column: Column, values: list[Any]) -> list[Any]:
    """The stored form of a column's values; the list itself when nothing is to be changed."""
    if all_canonical(column.type, values):
        return values
    encode = cached_encoder(column.type, column.name)
    return [encode(value) for value in values]


def decoder(column_type: ColumnType) -> Decoder:
    """The function that turns a stored value into its JSON form; None stays None."""
    kind = family(column_type)
    if kind is Family.BOOLEAN:
        return lambda value: None if value is None else bool(value)
    if kind in (Family.JSON, Family.ARRAY):
        return lambda value: None if value is None else json.loads(value)
    return lambda value: value


def decoded_column(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    """The JSON form of a column's stored values."""
    kind = family(column.type)
    if kind is Family.BOOLEAN and all_canonical(column.type, values):
        return values  # just encoded: the database would have given 0 and 1
    if kind in (Family.BOOLEAN, Family.JSON, Family.ARRAY):
        decode = decoder(column.type)
        return [decode(value) for value in values]
    return values


def json_rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows from columns."""
    return named_rows(tuple(columns), zip(*columns.values(), strict=True))


def named_rows(names: tuple[str, ...], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows as dictionaries, from the names of their values."""
    return _row_maker(names)(rows)


@lru_cache(maxsize=256)
def _row_maker(names: tuple[str, ...]) -> Callable[[Iterable[Sequence[Any]]], list[dict[str, Any]]]:
    """What `named_rows` does for some names: a display takes half the time of `dict(zip(...))`."""
    values = [f"v{n}" for n in range(len(names))]
    members = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
    targets = "".join(f"{value}, " for value in values)
    maker: Callable[[Iterable[Sequence[Any]]], list[dict[str, Any]]] = eval(
        f"lambda rows: [{{{members}}} for ({targets}) in rows]"
    )
    return maker


def members(rows: Sequence[Mapping[str, Any]], column: Column, member: str) -> list[Any]:
    """The values that rows give for a column; a missing member is NULL, or an empty array."""
    if set(map(type, rows)) == {dict}:
        try:
            return list(map(itemgetter(member), rows))
        except KeyError:  # some rows leave it out
            pass
    if column.type.is_array:
        return [row.get(member, ()) for row in rows]
    return [row.get(member) for row in rows]


def encoded_members(
    rows: Sequence[Mapping[str, Any]], column: Column, member: str
) -> Sequence[Any]:
    """The stored form of the values that rows give for a column.

    Raises:
        BadRequest, Conflict: a value is none of the column's type.
    """
    if isinstance(rows, TextRows):
        return encoded_texts(column, rows.column(member))
    return encoded_column(column, members(rows, column, member))


def chosen_rows(
    rows: Sequence[Mapping[str, Any]], numbers: Sequence[int]
) -> Sequence[Mapping[str, Any]]:
    """The rows of these numbers."""
    return rows.chosen(numbers) if isinstance(rows, TextRows) else [rows[n] for n in numbers]


def refuse_nulls(table: Table, column: Column, values: Sequence[Any]) -> None:
    """Raise when a column that must have values has a NULL.

    Raises:
        NotNullViolation: one of `values` is None.
    """
    if column.nullok or None not in values:
        return
    raise NotNullViolation(
        f'Input data violates model. ERROR:  null value in column "{column.name}" of relation '
        f'"{table.name}" violates not-null constraint',
        table=table.qualified,
        column=column.name,
        row=values.index(None),
    )


def serial_sequence(column: Column) -> str:
    """The name of the sequence that a serial column takes its values from."""
    return f"serial:{column.rid}"

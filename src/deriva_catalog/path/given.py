"""Rows that a user hands to the builder, checked before anything is sent.

The protocol ignores members that name no column. In a program that is a slip of the pen, and
what was meant to be stored would be lost without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import BadRequest
from ..model.elements import Table
from .names import unknown

Rows = list[Mapping[str, Any]]


def rows_of(given: Iterable[Mapping[str, Any]], act: str) -> Rows:
    """The rows as a list.

    Raises:
        BadRequest: This is one row, or something else that is no rows.
    """
    if isinstance(given, Mapping):
        raise BadRequest(f"{act}() is given one row.", hint="It takes several: put it in a list.")
    rows = list(given)
    for kind in set(map(type, rows)):
        if not issubclass(kind, Mapping):
            raise BadRequest(
                f"{act}() is given rows of type {kind.__name__}.",
                hint="A row is a dictionary of column names to values.",
            )
    return rows


def check_columns(rows: Rows, table: Table) -> None:
    """Refuse rows with values for columns that the table does not have.

    Raises:
        UnknownName: There is no such column; near names are suggested.
    """
    strangers = set().union(*rows).difference(table.by_name)
    if strangers:
        name = min(strangers, key=str)
        raise unknown("column", name, f"Table {table.qualified!r}", table.by_name)


def check_keys(rows: Rows, keys: Sequence[str]) -> None:
    """Refuse rows that do not say which row of the table they are about.

    Raises:
        BadRequest: A row does not have one of the `keys`.
    """
    for key in keys:
        for number, row in enumerate(rows, 1):
            if isinstance(key, str) and key not in row:
                raise BadRequest(
                    f"Row {number} of the update has no {key!r}, by which rows are found.",
                    hint="Give it, or name the columns that tell rows apart: keys=[...].",
                )

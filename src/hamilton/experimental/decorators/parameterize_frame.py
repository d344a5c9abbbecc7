"""Parameterizations listed in a frame."""

from __future__ import annotations

from typing import Any

from hamilton.function_modifiers import (
    ParameterizedExtract,
    parameterize_extract_columns,
    source,
    value,
)
from hamilton.function_modifiers.base import InvalidDecoratorException

__all__ = ["parameterize_frame"]


class parameterize_frame(parameterize_extract_columns):
    """Makes one parameterization of each row of a frame.

    Args:
        parameterization: A DataFrame whose columns have two levels: the argument's name and its
            kind, ``out`` (a column of the result to extract), ``source`` or ``value``.

    Raises:
        InvalidDecoratorException: There is no ``out`` column.
        ValueError: A kind is none of the three.
    """

    def __init__(self, parameterization: Any) -> None:
        super().__init__(*_rows(parameterization))


def _rows(frame: Any) -> list[ParameterizedExtract]:
    columns = [tuple(c) if isinstance(c, tuple) else (c,) for c in frame.columns]
    wrong = sorted({str(c[-1]) for c in columns if c[-1] not in ("out", "source", "value")})
    if not any(c[-1] == "out" for c in columns):
        raise InvalidDecoratorException(
            f"parameterize_frame needs a column of the kind 'out'; found {columns}."
        )
    if wrong:
        raise ValueError(
            f"parameterize_frame knows the kinds 'out', 'source' and 'value', not {wrong}."
        )
    make = {"source": source, "value": value}
    found = []
    for row in frame.itertuples(index=False, name=None):
        outs = [cell for column, cell in zip(columns, row, strict=True) if column[-1] == "out"]
        arguments = {
            str(column[0]): make[column[-1]](cell)
            for column, cell in zip(columns, row, strict=True)
            if column[-1] != "out"
        }
        found.append(ParameterizedExtract(tuple(outs), arguments))
    return found

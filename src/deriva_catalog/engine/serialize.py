"""Results of compiled queries: as JSON, JSON lines and CSV, made by the database, or as rows.

Source: ERMrest, "Representations".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any

import sqlalchemy as sa

from ..errors import BadRequest
from .budget import Budget, budget_of
from .compile import Compiled
from .dialect import Expressions
from .rows import named_rows

__all__ = ["csv_header", "csv_rows", "fetch", "form_of", "json_rows", "serialised", "stream"]

_PIECE = 256 * 1024
"""About how many characters are gathered before they are handed on."""

_MOST_ROWS = 2000
_SEPARATORS = {
    "application/json": ("[", ",\n ", "]\n"),
    "application/x-json-stream": ("", "\n", "\n"),
    "text/csv": ("", "\n", "\n"),
}


def json_rows(compiled: Compiled) -> sa.Select[Any]:
    """The statement with one text column: a compact JSON object for each row."""
    return compiled.select.with_only_columns(compiled.expressions.json_object(compiled.fields))


def csv_rows(compiled: Compiled, *, arrays_json: bool = False) -> sa.Select[Any]:
    """The statement with one text column: a line of CSV, without its end, for each row."""
    line = compiled.expressions.csv_line(compiled.fields, arrays_json=arrays_json)
    return compiled.select.with_only_columns(line)


def csv_header(compiled: Compiled) -> str:
    """The first line of CSV, with its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(column.name for column in compiled.columns)
    return text.getvalue()


def serialised(compiled: Compiled, media_type: str, arrays_json: bool) -> sa.Select[Any]:
    """The statement with one text for each row, in the form of a media type."""
    if media_type == "text/csv":
        return csv_rows(compiled, arrays_json=arrays_json)
    return json_rows(compiled)


def form_of(compiled: Compiled, media_type: str) -> tuple[str, str, str]:
    """What stands before the rows, between them, and after them if there are any.

    Raises:
        BadRequest: another media type.
    """
    if media_type not in _SEPARATORS:
        raise BadRequest(
            f"Results cannot be represented as {media_type!r}.",
            hint=f"Ask for one of {', '.join(_SEPARATORS)}.",
        )
    opening, separator, end = _SEPARATORS[media_type]
    return csv_header(compiled) if media_type == "text/csv" else opening, separator, end


def stream(
    connection: sa.Connection,
    compiled: Compiled,
    media_type: str,
    *,
    arrays_json: bool = False,
    parameters: Mapping[str, Any] | None = None,
    few: bool = False,
) -> Iterator[bytes]:
    """The serialised result in pieces of some hundred KiB; the statement runs on the first.

    Args:
        connection: A connection that stays open until the last piece was taken.
        compiled: The query.
        media_type: ``application/json``, ``application/x-json-stream`` or ``text/csv``.
        arrays_json: In CSV, write arrays as JSON instead of ``{a,b}``.
        parameters: Values of the statement's named parameters.
        few: Whether there are few rows, for which nothing needs to be prepared.

    Raises:
        BadRequest: another media type.
    """
    opening, separator, end = form_of(compiled, media_type)
    if not few:
        lines = compiled.expressions.lines(
            connection,
            compiled.select,
            compiled.fields,
            csv=media_type == "text/csv",
            arrays_json=arrays_json,
            parameters=parameters,
        )
        if lines is not None:
            return _from_lines(lines, opening.encode(), separator.encode())
    statement = serialised(compiled, media_type, arrays_json)
    run = partial(connection.execute, statement, parameters)
    budget = budget_of(connection)
    return _pieces(run, compiled.expressions, budget, opening, separator, end)


def _from_lines(lines: Iterator[bytes], opening: bytes, separator: bytes) -> Iterator[bytes]:
    """Whole lines between an opening and an end; only JSON arrays have other separators."""
    if opening != b"[":
        if opening:
            yield opening
        yield from lines
        return
    head = opening
    for piece in lines:
        yield head + piece[:-1].replace(b"\n", separator)
        head = separator
    yield b"[]\n" if head == opening else b"]\n"


def _pieces(
    run: Callable[[], sa.CursorResult[Any]],
    expressions: Expressions,
    budget: Budget | None,
    opening: str,
    separator: str,
    end: str,
) -> Iterator[bytes]:
    waiting, size, any_row = [opening], len(opening), False
    count = 64
    with expressions.reporting(), closing(run()) as result:
        cursor = _cursor(result)
        while rows := cursor.fetchmany(count):
            if any_row:
                waiting.append(separator)
            any_row = True
            text = separator.join([text for (text,) in rows])
            waiting.append(text)
            size += len(text)
            count = max(1, min(_MOST_ROWS, _PIECE * len(rows) // (len(text) + 1)))
            if size >= _PIECE:
                yield "".join(waiting).encode()
                waiting, size = [], 0
            if budget is not None:
                budget.start()
    if any_row or opening == "[":
        waiting.append(end)
    if text := "".join(waiting):
        yield text.encode()


def fetch(
    connection: sa.Connection, compiled: Compiled, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """All rows as dictionaries of JSON values, in output order."""
    expressions = compiled.expressions
    run = partial(connection.execute, compiled.select, parameters)
    with expressions.reporting(), closing(run()) as result:
        rows = _cursor(result).fetchall()
    decoders = [expressions.decoder(column.type) for column in compiled.columns]
    if rows and any(decoders):
        columns = [
            values if decode is None else [None if v is None else decode(v) for v in values]
            for values, decode in zip(zip(*rows, strict=True), decoders, strict=True)
        ]
        rows = zip(*columns, strict=True)
    return named_rows(tuple(column.name for column in compiled.columns), rows)


def _cursor(result: sa.CursorResult[Any]) -> Any:
    """The driver's cursor: what it gives needs no more work, which costs more than fetching."""
    assert result.cursor is not None, "a SELECT has a cursor"
    return result.cursor

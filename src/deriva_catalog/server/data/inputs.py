"""Rows in the body of a request: a JSON array, a JSON stream, or CSV.

All three are read strictly: what is refused is told with its place, and nothing is guessed. An
object with two members of one name, NaN, text that is not UTF-8, a record of another length than
the header, or a quote inside an unquoted field is no input.

Source: ERMrest, "Representations" and "Writing".
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from ...engine.textrows import TextRows
from ...errors import BadRequest
from ...interface import MediaType

__all__ = ["CSV", "JSON", "JSON_STREAM", "MEDIA_TYPES", "Rows", "parse_rows"]

JSON: MediaType = "application/json"
JSON_STREAM: MediaType = "application/x-json-stream"
CSV: MediaType = "text/csv"
MEDIA_TYPES: tuple[MediaType, ...] = (JSON, JSON_STREAM, CSV)

Rows = Sequence[Mapping[str, Any]]

_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\Z)')
_SPACES = " \t\r\n"


def parse_rows(body: BinaryIO, media_type: MediaType) -> Rows:
    """The rows in a body of one of the `MEDIA_TYPES`.

    Raises:
        BadRequest: it is malformed; the message says where.
    """
    text = _text(body.read())
    if media_type == JSON:
        return _json_rows(text)
    if media_type == JSON_STREAM:
        return _json_stream_rows(text)
    return csv_rows(text)


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"The body is not UTF-8: {error.reason} at byte {error.start}.",
            hint="Send text in UTF-8.",
        ) from None
    return text.removeprefix("\ufeff")


# --- JSON --------------------------------------------------------------------------------


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} occurs twice in one object")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value; write it as a text")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_refuse_constant)


def _json_rows(text: str) -> Rows:
    try:
        rows = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is no JSON: {error}.") from error
    if not isinstance(rows, list):
        raise BadRequest(
            f"The body is {_kind(rows)}, not an array of objects.",
            hint="Put a single row into brackets.",
        )
    _refuse_other_than_objects(rows)
    return rows


def _refuse_other_than_objects(rows: list[Any]) -> None:
    if set(map(type, rows)) <= {dict}:
        return
    number, other = next((n, row) for n, row in enumerate(rows) if type(row) is not dict)
    raise BadRequest(f"Row {number + 1} of the body is {_kind(other)}, not an object.")


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {dict: "an object", list: "an array", str: "a text"}
    return kinds.get(type(value), json.dumps(value))


def _json_stream_rows(text: str) -> Rows:
    """One object on each line; lines of blanks are skipped."""
    rows: list[Any] = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(_SPACES)
        if not stripped:
            continue
        try:
            row, end = _DECODER.raw_decode(stripped)
        except (ValueError, RecursionError) as error:
            raise _broken_line(number, str(error)) from error
        if end != len(stripped):
            raise _broken_line(number, "something follows the object")
        if type(row) is not dict:
            raise _broken_line(number, f"it is {_kind(row)}, not an object")
        rows.append(row)
    return rows


def _broken_line(number: int, problem: str) -> BadRequest:
    return BadRequest(f"Line {number} of the JSON stream: {problem}.")


# --- CSV ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Grid:
    """Records of CSV, the header apart, by column."""

    columns: list[list[str | None]]
    count: int


def csv_rows(text: str) -> TextRows:
    """The rows of CSV, whose first record names the columns.

    An empty field is NULL, and a quoted empty field the empty text. Lines end in LF or CR LF.

    Raises:
        BadRequest: there is no header, it names a column twice, a record has another number of
            fields, or a quote is misplaced.
    """
    header, start = _header(text)
    if '"' not in text[start:]:
        grid = _unquoted(text, start, len(header))
    elif '""' not in text:
        grid = _quoted(text, start, len(header)) or _any(text, start, len(header))
    else:
        grid = _any(text, start, len(header))
    return TextRows(dict(zip(header, grid.columns, strict=True)), grid.count)


def _header(text: str) -> tuple[list[str], int]:
    """The names of the columns, and where the first record after them begins."""
    if not text.strip(_SPACES):
        raise BadRequest(
            "The CSV has no header.", hint="Its first line names the columns, with commas between."
        )
    fields, start = _record(text, 0, 1)
    names = [field or "" for field in fields]
    for number, name in enumerate(names, start=1):
        if not name:
            raise BadRequest(f"Column {number} of the CSV has no name in the header.")
        if names.index(name) != number - 1:
            raise BadRequest(f"The header of the CSV names the column {name!r} twice.")
    return names, start


def _unquoted(text: str, start: int, width: int) -> _Grid:
    """Records without any quote: nearly every upload."""
    body = text[start:]
    if "\r" in body:
        body = body.replace("\r\n", "\n")
        if "\r" in body:
            number = 2 + body.count("\n", 0, body.index("\r"))
            raise _misplaced(number, "a carriage return that ends no line")
    if not body:
        return _Grid([[] for _ in range(width)], 0)
    body = body.removesuffix("\n")
    lines = body.split("\n")
    if body.count(",") != (width - 1) * len(lines) or any(
        line.count(",") != width - 1 for line in lines
    ):
        number, line = next((n, x) for n, x in enumerate(lines) if x.count(",") != width - 1)
        raise _wrong_width(number + 2, line.count(",") + 1, width)
    fields: list[str | None] = [field or None for field in body.replace("\n", ",").split(",")]
    return _Grid([fields[n::width] for n in range(width)], len(lines))


def _quoted(text: str, start: int, width: int) -> _Grid | None:
    """Records with quotes, but with none inside a field and no quoted empty one.

    Returns None when there is something that only the slower reading can tell exactly.
    """
    try:
        lines = io.StringIO(text[start:], newline="\n")  # which ends lines at LF and nowhere else
        records = list(csv.reader(lines, strict=True))
    except csv.Error:
        return None
    if not records or set(map(len, records)) != {width}:
        return None
    columns: list[list[str | None]] = []
    for column in zip(*records, strict=True):
        if '"' in "".join(column):
            return None
        columns.append([field or None for field in column])
    return _Grid(columns, len(records))


def _any(text: str, start: int, width: int) -> _Grid:
    """Records of any kind, field by field."""
    records: list[list[str | None]] = []
    line = 1 + text.count("\n", 0, start)
    while start < len(text):
        fields, end = _record(text, start, line)
        if len(fields) != width:
            raise _wrong_width(line, len(fields), width)
        records.append(fields)
        line += text.count("\n", start, end)
        start = end
    columns = list(map(list, zip(*records, strict=True))) if records else [[] for _ in range(width)]
    return _Grid(columns, len(records))


def _record(text: str, start: int, line: int) -> tuple[list[str | None], int]:
    """The fields of the record that begins at `start`, and where the next one begins."""
    fields: list[str | None] = []
    while True:
        found = _FIELD.match(text, start)
        if found is None:
            raise _misplaced(line, f"the quotes of field {len(fields) + 1} are misplaced")
        quoted, plain, end = found.groups()
        fields.append((plain or None) if quoted is None else quoted.replace('""', '"'))
        start = found.end()
        if end != ",":
            return fields, start


def _misplaced(line: int, problem: str) -> BadRequest:
    return BadRequest(
        f"The body is no CSV: in the record of line {line}, {problem}.",
        hint="A field with quotes, commas or line ends stands in quotes, its quotes doubled.",
    )


def _wrong_width(line: int, found: int, expected: int) -> BadRequest:
    fields = "1 field" if found == 1 else f"{found} fields"
    return BadRequest(
        f"The record of line {line} of the CSV has {fields}, and its header {expected}."
    )

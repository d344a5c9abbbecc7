"""Tables of files as columns of typed values: CSV, Parquet, JSON lines."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from deriva_catalog.model.elements import SYSTEM_COLUMNS
from deriva_ml.core.definitions import BuiltinTypes
from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
    some_of,
)

__all__ = ["Columns", "column_type", "comparable", "json_value", "read_columns"]

Columns = dict[str, list[Any]]
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)?(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|-?inf|nan", re.I)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUTH = {"true": True, "false": False}


def read_columns(path: Path, texts: Collection[str] = ()) -> Columns:
    """The columns of a table in a file, by name; the type of a column fits all of its values.

    CSV tells no types, so text is taken for a number, a truth value, a day or a time only if
    every value of its column is one in its usual spelling: ``007`` stays a text. An empty field
    is no value. Whole numbers that no column of numbers can hold to the last digit are texts.

    Args:
        path: The file.
        texts: Columns whose values stay the texts that a CSV file has, whatever these spell.

    Raises:
        DerivaMLNotFoundError: There is no such file.
        DerivaMLValidationError: It is none of these formats, or damaged, or the names of its
            columns cannot be those of a table.
        DerivaMLConfigurationError: pyarrow, which reads Parquet, is not installed.
    """
    readers: Mapping[str, Callable[[Path], Columns]] = {
        ".csv": partial(_read_csv, texts=texts),
        ".tsv": partial(_read_csv, texts=texts),
        ".parquet": _read_parquet,
        ".jsonl": _read_lines,
        ".ndjson": _read_lines,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DerivaMLValidationError(
            f"{str(path)!r} is none of the tables that can be read: {', '.join(readers)}."
        )
    if not path.is_file():
        raise DerivaMLNotFoundError(f"There is no file {str(path)!r} to be imported.")
    columns = {name: _exact(values) for name, values in reader(path).items()}
    _check_names(columns, path)
    return columns


def _exact(values: list[Any]) -> list[Any]:
    """The values; numbers as texts where some would lose digits in a column of numbers."""
    given = [v for v in values if v is not None]
    if any(type(v) not in (int, float) for v in given):
        return values
    whole = [v for v in given if isinstance(v, int)]
    fits = _fits if len(whole) == len(given) else _fits_float
    return values if all(map(fits, whole)) else [None if v is None else str(v) for v in values]


def _fits(number: int) -> bool:
    """Whether an int8 holds a number."""
    return -(2**63) <= number < 2**63


def _fits_float(number: int) -> bool:
    """Whether a float8 holds a number that an int8 holds, too."""
    return _fits(number) and int(float(number)) == number


def _check_names(columns: Mapping[str, Any], path: Path) -> None:
    if not columns:
        raise DerivaMLValidationError(f"{str(path)!r} has no columns.")
    wrong = [
        name
        for name in columns
        if not name.strip() or len(name.encode()) > 63 or name in SYSTEM_COLUMNS
    ]
    if wrong:
        raise DerivaMLValidationError(
            f"Columns of {str(path)!r} cannot be called {some_of(wrong)}: a name has 1 to 63 bytes "
            f"and is none of {', '.join(SYSTEM_COLUMNS)}. Rename them."
        )


# --- CSV ---------------------------------------------------------------------------------


def _read_csv(path: Path, texts: Collection[str]) -> Columns:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise DerivaMLValidationError(
            f"{str(path)!r} is not a CSV file in UTF-8: {error}. Save it in that encoding."
        ) from error
    except csv.Error as error:
        raise DerivaMLValidationError(f"{str(path)!r} is not a CSV file: {error}.") from error
    header, *records = [row for row in rows if row] or [[]]
    _check_delimiter(path, header, records)
    if len(set(header)) < len(header):
        raise DerivaMLValidationError(f"{str(path)!r} has a column twice: {some_of(header)}.")
    for number, record in enumerate(records, start=2):
        if len(record) != len(header):
            raise DerivaMLValidationError(
                f"Record {number} of {str(path)!r} has {len(record)} fields, the header "
                f"{len(header)}."
            )
    cells = zip(*records, strict=True) if records else [()] * len(header)
    return {
        name: [text or None for text in values] if name in texts else _typed(values)
        for name, values in zip(header, cells, strict=True)
    }


def _check_delimiter(path: Path, header: Sequence[str], records: Sequence[Sequence[str]]) -> None:
    """Refuse a table that something else separates, as spreadsheets of some countries do."""
    for other in ";\t,":
        cells = [record[0] for record in (header, *records) if len(record) == 1]
        if len(cells) == len(records) + 1 and all(other in cell for cell in cells):
            raise DerivaMLValidationError(
                f"The columns of {str(path)!r} are separated by {other!r}. Save it with commas as "
                ".csv, or with tabs as .tsv."
            )


def _typed(texts: Sequence[str]) -> list[Any]:
    """Values of the narrowest type that every text spells."""
    given = {text for text in texts if text}
    for convert in (_truth, _integer, _number, _day, _moment):
        try:
            known = {text: convert(text) for text in given}
        except ValueError:
            continue
        return [known[text] if text else None for text in texts]
    return [text or None for text in texts]


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError(text)
    return _TRUTH[text.lower()]


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    number = int(text)
    if not _fits(number):
        raise ValueError(text)
    return number


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    if _INTEGER.fullmatch(text) and not _fits_float(int(text)):
        raise ValueError(text)
    return float(text)


def _day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _moment(text: str) -> datetime:
    if len(text) < 16 or not _DAY.fullmatch(text[:10]) or text[10] not in "T ":
        raise ValueError(text)
    return datetime.fromisoformat(text)


# --- Parquet, JSON lines -----------------------------------------------------------------


def _read_parquet(path: Path) -> Columns:
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ImportError as error:
        raise DerivaMLConfigurationError(
            "Parquet files need pyarrow, which is not installed. Install it: pip install "
            "'derivaml[dataflow]'"
        ) from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.lib.ArrowException, OSError) as error:
        raise DerivaMLValidationError(f"{str(path)!r} is not a Parquet file: {error}.") from error
    names = table.column_names
    if len(set(names)) < len(names):
        raise DerivaMLValidationError(f"{str(path)!r} has a column twice: {some_of(names)}.")
    return {name: table.column(name).to_pylist() for name in names}


def _read_lines(path: Path) -> Columns:
    records = []
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise DerivaMLValidationError(
                            f"Line {number} of {str(path)!r} is not a JSON object."
                        )
                    records.append(record)
    except (ValueError, UnicodeDecodeError) as error:
        if isinstance(error, DerivaMLValidationError):
            raise
        raise DerivaMLValidationError(f"{str(path)!r} is not JSON lines: {error}.") from error
    names = list(dict.fromkeys(name for record in records for name in record))
    return {name: [record.get(name) for record in records] for name in names}


# --- types -------------------------------------------------------------------------------

_SCALARS: tuple[tuple[type[Any] | tuple[type[Any], ...], BuiltinTypes], ...] = (
    (bool, BuiltinTypes.boolean),
    (int, BuiltinTypes.int8),
    ((int, float, Decimal), BuiltinTypes.float8),
    (str, BuiltinTypes.text),
    (date, BuiltinTypes.date),
)


def column_type(name: str, values: Iterable[Any]) -> BuiltinTypes:
    """The type of a column that holds all of the values; without any, text.

    Raises:
        DerivaMLValidationError: There is none, as for raw bytes.
    """
    given = [v for v in values if v is not None]
    if not given:
        return BuiltinTypes.text
    if all(isinstance(v, datetime) for v in given):
        zoned = [v.tzinfo is not None for v in given]
        return BuiltinTypes.timestamptz if all(zoned) else BuiltinTypes.timestamp
    if all(type(v) is int for v in given) and not all(map(_fits, given)):
        return BuiltinTypes.text
    for kind, found in _SCALARS:
        if all(isinstance(v, kind) and _is_plain(v, found) for v in given):
            return found
    if all(isinstance(v, dict | list | str | bool | int | float) for v in given):
        return BuiltinTypes.jsonb
    if all(isinstance(v, time) for v in given):
        return BuiltinTypes.text
    kinds = sorted({type(v).__name__ for v in given})
    raise DerivaMLValidationError(
        f"Column {name!r} holds values of {some_of(kinds)}, which no column of a catalog can."
    )


def _is_plain(value: Any, found: BuiltinTypes) -> bool:
    """Whether a value is of a type itself, not of one that Python derives from it."""
    if isinstance(value, bool):
        return found is BuiltinTypes.boolean
    if found is BuiltinTypes.int8:
        return _fits(value)
    return not (isinstance(value, datetime) and found is BuiltinTypes.date)


def json_value(value: Any) -> Any:
    """A value in the JSON form that a catalog takes."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def comparable(value: Any) -> Any:
    """A value in a form that can be compared and hashed; a time as a moment, however written."""
    if isinstance(value, str) and _MOMENT.match(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value

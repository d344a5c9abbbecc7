"""The table of results as CSV, JSON or Parquet: a row for each task."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flexlock.errors import ConfigError, MissingExtraError
from flexlock.files import write_atomically
from flexlock.tasks.encoding import encode
from flexlock.tasks.queue.records import TaskRow

__all__ = ["check_export", "export_rows", "strict_table_of", "table_of"]

_FIRST = ("index", "name", "state", "attempt", "directory")
_LAST = ("reason", "error", "wall_s", "peak_bytes", "started", "ended", "run", "id")


def check_export(path: Path) -> None:
    """Refuse a file that `export_rows` would refuse, before there is anything to write.

    Raises:
        ConfigError: Its suffix is no kind of table, or it is a folder.
        MissingExtraError: Parquet is asked for and pyarrow is not installed.
    """
    if path.suffix.lower() not in _WRITERS:
        message = f"A table cannot be written as {path.suffix or 'a file without a suffix'!r}."
        raise ConfigError(message, hint="Name the file .csv, .json or .parquet.", path=path)
    if path.is_dir():
        message = f"The table {str(path)!r} cannot be written: it is a folder."
        raise ConfigError(message, hint="Choose another file with --export.", path=path)
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise _no_parquet()


def export_rows(rows: Sequence[TaskRow], path: Path) -> None:
    """Write rows as a table; the suffix says how: ``.csv``, ``.json`` or ``.parquet``.

    JSON has null for values that are NaN or infinite.

    Raises:
        ConfigError: The suffix is another one, or the file cannot be written.
        MissingExtraError: Parquet is asked for and pyarrow is not installed.
    """
    check_export(path)
    content = _WRITERS[path.suffix.lower()](table_of(rows))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as cause:
        message = f"The table {str(path)!r} cannot be written: {cause.strerror or cause}."
        raise ConfigError(message, hint="Choose another file with --export.", path=path) from cause


def table_of(rows: Iterable[TaskRow]) -> list[dict[str, Any]]:
    """Return one flat dictionary for each row, all with the same keys in the same order.

    Values of the task have names such as ``values.lr``, what it returned ``result`` or, for a
    dictionary, ``result.loss``. Times are seconds since 1970.
    """
    flat = [_flat(row) for row in rows]
    middle = dict.fromkeys(
        key for kind in ("values.", "result") for row in flat for key in row if key.startswith(kind)
    )
    columns = [*_FIRST, *middle, *_LAST]
    return [{column: row.get(column) for column in columns} for row in flat]


def strict_table_of(rows: Iterable[TaskRow]) -> list[dict[str, Any]]:
    """Return the same for JSON, which has no NaN and no infinity: these are None."""
    return _finite(table_of(rows))


def _finite(table: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            column: None if isinstance(cell, float) and not math.isfinite(cell) else cell
            for column, cell in row.items()
        }
        for row in table
    ]


def _flat(row: TaskRow) -> dict[str, Any]:
    cells: dict[str, Any] = {name: getattr(row, name) for name in (*_FIRST, "id")}
    cells |= {f"values.{key}": _cell(value) for key, value in row.values.items()}
    outcome = row.outcome
    if outcome is None:
        return cells
    cells |= {name: getattr(outcome, name) for name in _LAST if name != "id"}
    if isinstance(outcome.result, Mapping):
        cells |= {f"result.{key}": _cell(value) for key, value in outcome.result.items()}
    elif outcome.result is not None:
        cells["result"] = _cell(outcome.result)
    return cells


def _cell(value: Any) -> Any:
    """Return a scalar as it is, anything else as JSON."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else encode(value)


def _csv(table: list[dict[str, Any]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, fieldnames=list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return buffer.getvalue()


def _json(table: list[dict[str, Any]]) -> str:
    return json.dumps(_finite(table), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _parquet(table: list[dict[str, Any]]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as cause:
        raise _no_parquet() from cause
    columns = list(table[0]) if table else []
    arrays = [_array(pa, [row[column] for row in table]) for column in columns]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=columns), sink)
    return sink.getvalue()


def _no_parquet() -> MissingExtraError:
    hint = "Install it with: pip install 'derivaml[dataflow]'"
    return MissingExtraError("Parquet needs the library pyarrow.", hint=hint)


def _array(pa: Any, values: list[Any]) -> Any:
    """Return a column; values of several types, and numbers of more than 64 bits, become text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) <= 1:
        with suppress(OverflowError):
            return pa.array(
                [float(v) if kinds == {int, float} and v is not None else v for v in values]
            )
    return pa.array([None if value is None else str(value) for value in values])


_WRITERS: dict[str, Callable[[list[dict[str, Any]]], str | bytes]] = {
    ".csv": _csv,
    ".json": _json,
    ".parquet": _parquet,
}

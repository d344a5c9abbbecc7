"""Rows in the JSON form of the protocol as typed pandas and Arrow tables."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ..model.elements import ColumnType
from .executor import Row

if TYPE_CHECKING:
    import pandas as pd

_INTEGERS = {
    "int2": "int16",
    "int4": "int32",
    "int8": "int64",
    "serial2": "int16",
    "serial4": "int32",
    "serial8": "int64",
}
_FLOATS = {"float4": "float32", "float8": "float64"}
_ZONED = "timestamptz"


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a result; without a type its values decide."""

    name: str
    type: ColumnType | None

    @property
    def storage(self) -> str:
        """The name of the type that values are converted by; empty when it is not known."""
        return "" if self.type is None or self.type.is_array else self.type.storage


def data_frame(rows: Sequence[Row], outputs: Sequence[Output]) -> pd.DataFrame:
    """Rows as a frame with one column for each output, also when there are no rows."""
    return frame_of([[row.get(o.name) for row in rows] for o in outputs], outputs)


def frame_of(columns: Sequence[list[Any]], outputs: Sequence[Output]) -> pd.DataFrame:
    """Values in the JSON form as a frame, a list for each output."""
    import pandas as pd

    pairs = zip(outputs, columns, strict=True)
    data = {o.name: _series(values, o.storage) for o, values in pairs}
    return pd.DataFrame(data, columns=[o.name for o in outputs])


def _series(values: list[Any], storage: str) -> Any:
    import pandas as pd

    missing = any(v is None for v in values)
    if storage in _INTEGERS:
        return pd.Series(values, dtype="Int64" if missing else "int64")
    if storage in _FLOATS:
        return pd.Series([None if v is None else float(v) for v in values], dtype="float64")
    if storage == "boolean":
        return pd.Series(values, dtype="boolean" if missing else "bool")
    if storage in (_ZONED, "timestamp", "date"):
        zoned = storage == _ZONED
        return pd.Series(pd.to_datetime(values, utc=zoned, format="ISO8601", errors="raise"))
    return pd.Series(values, dtype=None if storage == "" and values else "object")


def arrow_table(rows: Sequence[Row], outputs: Sequence[Output]) -> Any:
    """Rows as a ``pyarrow.Table`` with one column for each output; JSON becomes text.

    Raises:
        ImportError: pyarrow is not installed.
    """
    return arrow_of([[row.get(o.name) for row in rows] for o in outputs], outputs)


def arrow_of(columns: Sequence[list[Any]], outputs: Sequence[Output]) -> Any:
    """Values in the JSON form as a ``pyarrow.Table``, a list for each output.

    Raises:
        ImportError: pyarrow is not installed.
    """
    try:
        arrow = importlib.import_module("pyarrow")
    except ImportError:
        raise ImportError(
            "Arrow tables need the package pyarrow, which is not installed. "
            "Install it: pip install pyarrow"
        ) from None
    pairs = zip(outputs, columns, strict=True)
    arrays = [_arrow_array(arrow, values, o) for o, values in pairs]
    return arrow.table(arrays, names=[o.name for o in outputs])


def _arrow_array(arrow: Any, values: list[Any], output: Output) -> Any:
    if output.type is None:
        return _inferred(arrow, values)
    if output.type.is_array and output.type.base is not None:
        element = output.type.base.storage
        lists = [None if v is None else [_arrow_value(x, element) for x in v] for v in values]
        return arrow.array(lists, arrow.list_(_arrow_type(arrow, element)))
    storage = output.storage
    return arrow.array([_arrow_value(v, storage) for v in values], _arrow_type(arrow, storage))


def _inferred(arrow: Any, values: list[Any]) -> Any:
    """Values without a declared type as Arrow sees them; as JSON text when they are mixed."""
    try:
        return arrow.array(values)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError):
        return arrow.array([_arrow_value(v, "json") for v in values], arrow.string())


def _arrow_type(arrow: Any, storage: str) -> Any:
    if storage in (_ZONED, "timestamp"):
        return arrow.timestamp("us", tz="UTC" if storage == _ZONED else None)
    names = {**_INTEGERS, **_FLOATS, "boolean": "bool_", "date": "date32"}
    return getattr(arrow, names.get(storage, "string"))()


def _arrow_value(value: Any, storage: str) -> Any:
    if value is None:
        return None
    if storage in _FLOATS:
        return float(value)
    if storage == "date":
        return date.fromisoformat(value)
    if storage in (_ZONED, "timestamp"):
        return datetime.fromisoformat(value)
    return json.dumps(value, ensure_ascii=False) if storage in ("json", "jsonb") else value

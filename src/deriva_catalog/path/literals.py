"""Python values as the literal text of a path.

Source: ERMrest, "Supported types" (JSON forms) and "Filters".
"""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from ..errors import BadRequest
from ..model.elements import ColumnType

_JSON = ("json", "jsonb")
_NULLS = ("NaTType", "NAType")


def literal(value: object, type: ColumnType | None = None) -> str | None:
    """The text of `value` where it is compared with a column of `type`; None for NULL.

    Times without a zone are taken as UTC. Numbers of numpy and times of pandas are
    understood, their missing values are NULL. A NaN is a number, not NULL. On a JSON column
    every value but None is written as JSON; on an array column `value` is one element.

    Raises:
        BadRequest: There is no literal for a value of this Python type.
    """
    value = _plain(value)
    if value is None:
        return None
    element = type.base if type is not None and type.is_array else type
    storage = element.storage if element is not None else ""
    if storage in _JSON:
        return _json(value)
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | UUID() | Decimal():
            return str(value)
        case float():
            return _float(value)
        case datetime():
            return _datetime(value, storage)
        case date() | time():
            return value.isoformat()
        case _:
            raise _no_literal(value)


def required(value: object, type: ColumnType | None, where: str) -> str:
    """The text of `value`, which `where` does not allow to be NULL.

    Raises:
        BadRequest: It is NULL, or there is no literal for it.
    """
    text = literal(value, type)
    if text is None:
        raise BadRequest(f"{where} is given {value!r}, which is no value.", hint="Use is_null().")
    return text


def _plain(value: Any) -> Any:
    """Scalars of numpy and missing values of pandas as plain Python values."""
    if value.__class__.__name__ in _NULLS:
        return None
    if value.__class__.__name__ == "datetime64":
        return value.astype("datetime64[us]").item()
    if hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return value


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


def _datetime(value: datetime, storage: str) -> str:
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if storage == "date":
        return moment.date().isoformat()
    if storage == "timestamp":
        moment = moment.replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds").replace(".000000", "")


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"The value {value!r} cannot be written as JSON: {error}.") from None


def _no_literal(value: object) -> BadRequest:
    if isinstance(value, list | tuple | set | frozenset):
        hint = "Compare with several values by any_of(...) or all_of(...)."
    else:
        hint = "Use text, numbers, bool, date, datetime, time, UUID, or convert it to text."
    return BadRequest(f"A {type(value).__name__} cannot be compared with a column.", hint=hint)

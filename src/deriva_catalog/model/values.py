"""From values that callers give to the canonical values that are stored.

An encoder takes one JSON value, or the Python value that a person would naturally pass for it,
and returns what the database keeps: numbers as ``int`` and ``float`` (NaN and the infinities as
the texts ``NaN``, ``Infinity`` and ``-Infinity``), booleans as ``bool``, dates and times as
ISO 8601 text in UTC, json, jsonb and arrays as compact JSON text, all else as text. None is
NULL for every type. Values that are canonical already pass through unchanged, JSON apart.

Encoders run once for every cell of a batch, so each starts with the one check that decides the
ordinary case; everything unusual is left to a slower function.

Source: ERMrest, "Column types and values".
"""

from __future__ import annotations

import json
import math
import re
import struct
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from ..errors import BadRequest, CatalogError, Conflict
from ..snaptime import canonical_iso
from .elements import ColumnType
from .intervals import Interval, canonical_interval
from .typenames import Family, family, is_numeric

__all__ = ["Encoder", "Refuse", "Scalar", "encoder", "json_default", "refusal"]

Scalar = None | bool | int | float | str
Encoder = Callable[[Any], Scalar]
Refuse = Callable[[Any], CatalogError]

_INTEGER_BITS = {"2": 16, "4": 32, "8": 64}
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_FLOAT = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
MOST_LEVELS = 256
"""How deep a JSON value may nest: what reads it may go down a level at a time."""

_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_TRUE = frozenset({"true", "t", "1", "yes", "y", "on"})
_FALSE = frozenset({"false", "f", "0", "no", "n", "off"})
_SPECIAL_FLOATS = {
    **{"nan": "NaN", "infinity": "Infinity", "inf": "Infinity", "+infinity": "Infinity"},
    **{"+inf": "Infinity", "-infinity": "-Infinity", "-inf": "-Infinity"},
}
_EXPECTED = {
    Family.BOOLEAN: "true or false",
    Family.FLOAT: "a number, or NaN, Infinity or -Infinity",
    Family.TEXT: "text that can be written in UTF-8, without NUL characters",
    Family.DATE: "a date such as 2026-11-20",
    Family.TIMESTAMPTZ: "a time such as 2026-11-20T21:08:50+00:00, in the years 1 to 9999",
    Family.TIMESTAMP: "a time such as 2026-11-20T21:08:50, in the years 1 to 9999",
    Family.TIME: "a time of day such as 12:30:00",
    Family.TIMETZ: "a time of day such as 12:30:00+00:00",
    Family.INTERVAL: "an interval such as '1 day 02:00:00'",
    Family.JSON: "a JSON value of at most 256 levels, without NaN, infinities and NUL characters",
    Family.UUID: "a UUID such as 5e8dd9b3-7fc9-4ff4-9b6a-0f6f0f0c3c55",
    Family.ARRAY: "a list with one dimension",
}


def encoder(column_type: ColumnType, column: str | None = None) -> Encoder:
    """The function that turns a caller's value into the stored value of a `column_type`.

    Args:
        column_type: The type of the column.
        column: The column's name, for messages.

    Raises (the returned function):
        BadRequest: a numeric column was given something else, or a number out of range.
        Conflict: another column was given something that is no value of its type.
    """
    refuse = refusal(column_type, column)
    kind = family(column_type)
    if kind is Family.ARRAY:
        return _array_encoder(column_type, column, refuse)
    if kind is Family.INTEGER:
        return _integer_encoder(column_type, refuse)
    if kind is Family.FLOAT:
        return _float_encoder(column_type, refuse)
    if kind is Family.JSON:
        return _json_encoder(column_type, refuse)
    if column_type.typename == "color_rgb_hex":
        return _color_encoder(refuse)
    maker = _SIMPLE.get(kind)
    if maker is None:
        raise Conflict(f'Unsupported type "{column_type.typename}"', column=column)
    return maker(refuse)


def refusal(column_type: ColumnType, column: str | None = None) -> Refuse:
    """The function that makes the error for a value which is not of `column_type`."""
    kind = family(column_type)
    expected = _EXPECTED.get(kind, f"a value of type {column_type.typename}")
    if kind is Family.INTEGER:
        low, high = _integer_range(column_type)
        expected = f"a whole number from {low} to {high}"
    elif column_type.typename == "color_rgb_hex":
        expected = "a colour such as #00AAFF"
    error = BadRequest if is_numeric(column_type) else Conflict

    def refuse(value: Any) -> CatalogError:
        subject = f"Column {column!r} takes" if column is not None else "Expected is"
        missing = isinstance(value, float) and math.isnan(value)
        return error(
            f"Invalid {column_type.typename}: {_shown(value)}",
            hint=f"{subject} {expected}" + ("; a missing value is None." if missing else "."),
            column=column,
            value=value,
        )

    return refuse


def _shown(value: Any) -> str:
    try:
        if type(value) is str:  # half of a surrogate pair cannot be printed
            text = json.dumps(value, ensure_ascii=not _is_unicode(value))
        else:
            text = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} that nests too deep"
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(value: Any) -> Any:
    """Unwrap enumeration members and the scalars of array libraries."""
    if isinstance(value, Enum):
        value = value.value
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        if getattr(getattr(value, "dtype", None), "kind", "") == "M":
            value = value.astype("datetime64[us]")  # finer units unwrap to integers
        value = value.item()
    return value


# --- numbers and booleans ----------------------------------------------------------------


def _integer_range(column_type: ColumnType) -> tuple[int, int]:
    bits = _INTEGER_BITS[column_type.storage[-1]]
    return -(1 << bits - 1), (1 << bits - 1) - 1


def _integer_encoder(column_type: ColumnType, refuse: Refuse) -> Encoder:
    low, high = _integer_range(column_type)

    def encode(value: Any) -> Scalar:
        if type(value) is int and low <= value <= high:
            return value
        if value is None:
            return None
        number = _to_integer(_plain(value))
        if number is None or not low <= number <= high:
            raise refuse(value)
        return number

    return encode


def _to_integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (float, Decimal)):
        return int(value) if math.isfinite(value) and value == int(value) else None
    if isinstance(value, str) and len(value) < 64 and _INTEGER.fullmatch(value):
        return int(value)
    return None


def _float_encoder(column_type: ColumnType, refuse: Refuse) -> Encoder:
    single = column_type.storage == "float4"

    def encode(value: Any) -> Scalar:
        if type(value) is float and value - value == 0.0:  # finite
            number = value
        elif value is None:
            return None
        else:
            converted = _to_float(_plain(value))
            if converted is None:
                raise refuse(value)
            if isinstance(converted, str):
                return converted
            number = converted
        if not single:
            return number
        try:
            return _single(number)
        except OverflowError:
            raise refuse(value) from None

    return encode


def _to_float(value: Any) -> float | str | None:
    """A finite number, the text of a special one, or None when it is neither."""
    if isinstance(value, str):
        special = _SPECIAL_FLOATS.get(value.strip().lower())
        if special is not None:
            return special
        if not _FLOAT.fullmatch(value):
            return None
    elif isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    elif not isinstance(value, int) and not math.isfinite(value):
        return _SPECIAL_FLOATS[str(float(value))]
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _single(number: float) -> float:
    """The shortest decimal that single precision reads as `number`."""
    packed = struct.pack("<f", number)
    for digits in range(6, 9):
        shortest = float(f"{number:.{digits}g}")
        if struct.pack("<f", shortest) == packed:
            return shortest
    return float(f"{struct.unpack('f', packed)[0]:.9g}")


def _boolean_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if value is None or value is True or value is False:
            return value
        plain = _plain(value)
        if isinstance(plain, (bool, int)) and plain in (0, 1):
            return bool(plain)
        if isinstance(plain, str):
            word = plain.strip().lower()
            if word in _TRUE:
                return True
            if word in _FALSE:
                return False
        raise refuse(value)

    return encode


# --- text --------------------------------------------------------------------------------


def _text_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if type(value) is str:
            text = value
        elif value is None:
            return None
        else:
            converted = _to_text(_plain(value))
            if converted is None:
                raise refuse(value)
            text = converted
        if "\0" in text or not (text.isascii() or _is_unicode(text)):
            raise refuse(value)
        return text

    return encode


def _to_text(value: Any) -> str | None:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return canonical_iso(_pure(value))
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else None
    if isinstance(value, (int, Decimal, uuid.UUID)):
        return str(value)
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _color_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        plain = _plain(value)
        if not isinstance(plain, str) or not _COLOR.fullmatch(plain):
            raise refuse(value)
        return plain

    return encode


def _uuid_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        plain = _plain(value)
        if isinstance(plain, uuid.UUID):
            return str(plain)
        if isinstance(plain, str) and not plain.startswith("urn:"):
            try:
                return str(uuid.UUID(plain))
            except ValueError:
                pass
        raise refuse(value)

    return encode


# --- dates and times ---------------------------------------------------------------------


def _pure(when: datetime) -> datetime:
    """A plain datetime: subclasses may print more digits than microseconds."""
    return (
        when if type(when) is datetime else datetime.combine(when.date(), when.time(), when.tzinfo)
    )


def _read_datetime(text: str) -> datetime:
    if len(text) > 10 and text[4] == "-" and text[10] not in "Tt ":
        raise ValueError("no separator between date and time")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text.strip().upper())


def _to_datetime(value: Any) -> datetime | None:
    """A UTC datetime, naive when the value was; None when it is no date and time."""
    if type(value) is str and value[10:11] == "T":  # the canonical form comes by the million
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            if when.tzinfo is None or when.tzinfo is UTC:
                return when
    plain = _plain(value)
    try:
        if isinstance(plain, str):
            when = _read_datetime(plain)
        elif isinstance(plain, datetime):
            when = _pure(plain)
        elif isinstance(plain, date):
            when = datetime.combine(plain, time())
        else:
            return None
        return when if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _timestamptz_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        when = _to_datetime(value)
        if when is None:
            raise refuse(value)
        return canonical_iso(when if when.tzinfo is UTC else when.replace(tzinfo=UTC))

    return encode


def _timestamp_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        when = _to_datetime(value)
        if when is None:
            raise refuse(value)
        return canonical_iso(when.replace(tzinfo=None))

    return encode


def _date_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if type(value) is str:
            try:
                return date.fromisoformat(value).isoformat()
            except ValueError:
                pass
        elif value is None:
            return None
        plain = _plain(value)
        try:
            if isinstance(plain, str):
                return _read_datetime(plain).date().isoformat()
            if isinstance(plain, datetime):
                return _pure(plain).date().isoformat()
        except (ValueError, TypeError, IndexError):
            raise refuse(value) from None
        if not isinstance(plain, date):
            raise refuse(value)
        return plain.isoformat()

    return encode


def _read_time(value: Any) -> time | None:
    plain = _plain(value)
    if isinstance(plain, time):
        return plain
    try:
        return time.fromisoformat(plain.strip().upper()) if isinstance(plain, str) else None
    except ValueError:
        return None


def _trimmed(moment: time) -> str:
    text = moment.isoformat()
    if moment.microsecond and moment.microsecond % 10 == 0:
        head, tail = text.split(".")
        return f"{head}.{tail[:6].rstrip('0')}{tail[6:]}"
    return text


def _time_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        moment = _read_time(value)
        if moment is None:
            raise refuse(value)
        return _trimmed(moment.replace(tzinfo=None))

    return encode


def _timetz_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        moment = _read_time(value)
        if moment is None:
            raise refuse(value)
        if moment.tzinfo is not None:
            offset = moment.utcoffset() or timedelta()
            shifted = datetime.combine(date(2000, 1, 2), moment.replace(tzinfo=None)) - offset
            moment = shifted.time()
        return _trimmed(moment.replace(tzinfo=UTC))

    return encode


def _interval_encoder(refuse: Refuse) -> Encoder:
    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        plain = _plain(value)
        try:
            if isinstance(plain, timedelta):
                micros = plain.seconds * 1_000_000 + plain.microseconds
                return str(Interval(days=plain.days, microseconds=micros))
            if isinstance(plain, str):
                return canonical_interval(plain)
        except ValueError:
            pass
        raise refuse(value)

    return encode


# --- JSON and arrays ---------------------------------------------------------------------


def json_default(value: Any) -> Any:
    """What stands in JSON for a value that is none: a date, a decimal, an array, a scalar.

    Raises:
        TypeError: nothing does.
    """
    plain = _plain(value)
    if isinstance(plain, Decimal):
        return int(plain) if plain == int(plain) else float(plain)
    if plain is not value:
        return plain
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    text = _to_text(value)
    if text is None:
        raise TypeError(f"no JSON value: {type(value).__name__}")
    return text


_dumps = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=json_default
).encode


def _json_encoder(column_type: ColumnType, refuse: Refuse) -> Encoder:
    ordered = column_type.storage == "jsonb"

    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        try:
            text = _dumps(value)
            if ordered and "{" in text:
                text = _dumps(_ordered(json.loads(text)))
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise refuse(value) from None
        if ("\\u0000" in text and _holds_nul(json.loads(text))) or not _is_unicode(text):
            raise refuse(value)
        if _nests_deeper(text, MOST_LEVELS):
            raise refuse(value)
        return text

    return encode


def _nests_deeper(text: str, levels: int) -> bool:
    """Whether a compact JSON text nests lists and objects deeper than that."""
    if text.count("[") + text.count("{") <= levels:
        return False  # nearly always, and looked up in no time
    depth = 0
    for mark in _NESTING.findall(text):
        depth += 1 if mark in "[{" else -1 if mark in "]}" else 0
        if depth > levels:
            return True
    return False


def _ordered(value: Any) -> Any:
    """The value with members in the order of jsonb, so that equal values are equal texts."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode(errors="surrogatepass")), name))
        return {name: _ordered(value[name]) for name in names}
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    return value


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for item in value.items() for part in item)
    return isinstance(value, list) and any(map(_holds_nul, value))


def _array_encoder(column_type: ColumnType, column: str | None, refuse: Refuse) -> Encoder:
    base = column_type.base
    if base is None:
        raise Conflict(f'Unsupported type "{column_type.typename}"', column=column)
    embedded = family(base) is Family.JSON
    element = encoder(base, column)

    def encode(value: Any) -> Scalar:
        if value is None:
            return None
        items = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(items, (list, tuple)):
            raise refuse(value)
        if embedded:  # elements are JSON texts already
            return "[" + ",".join([str(element(i) or "null") for i in items]) + "]"
        return _dumps([element(i) for i in items])

    return encode


_SIMPLE: dict[Family, Callable[[Refuse], Encoder]] = {
    Family.BOOLEAN: _boolean_encoder,
    Family.TEXT: _text_encoder,
    Family.UUID: _uuid_encoder,
    Family.DATE: _date_encoder,
    Family.TIMESTAMPTZ: _timestamptz_encoder,
    Family.TIMESTAMP: _timestamp_encoder,
    Family.TIME: _time_encoder,
    Family.TIMETZ: _timetz_encoder,
    Family.INTERVAL: _interval_encoder,
}

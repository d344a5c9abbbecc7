"""Snapshot times: microseconds since 1970-01-01T00:00Z, their text form and ISO 8601.

A time without a zone is read as UTC. Output is always UTC.

Source: ERMrest, "Identifiers in time and space"; "Column types and values" for ISO output.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from . import rid
from .errors import BadRequest

__all__ = [
    "canonical_iso",
    "decode",
    "encode",
    "from_datetime",
    "from_iso",
    "now",
    "parse",
    "to_datetime",
    "to_iso",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:$|[Tt ])")


def now() -> int:
    """The clock of this machine, in microseconds since 1970."""
    return time.time_ns() // 1000


def encode(microseconds: int) -> str:
    """The text form of a snapshot time, such as ``3DD-EWED-7318``."""
    return rid.encode(microseconds)


def decode(text: str) -> int:
    """The microseconds that a snapshot's text form stands for.

    Raises:
        BadRequest: `text` is not a snapshot time.
    """
    try:
        return rid.decode(text)
    except BadRequest as error:
        raise BadRequest(f"Invalid snapshot time {text!r}: {error}", snaptime=text) from None


def to_datetime(microseconds: int) -> datetime:
    """The time as a datetime in UTC.

    Raises:
        BadRequest: the time lies outside the years 1 to 9999.
    """
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise BadRequest(
            f"{microseconds} microseconds since 1970 is outside the years 1 to 9999."
        ) from None


def from_datetime(when: datetime) -> int:
    """Microseconds since 1970 of a datetime; one without a zone is read as UTC."""
    aware = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def canonical_iso(when: datetime) -> str:
    """ISO 8601 text without trailing zeros in the fraction, and without one that is zero.

    The zone is written as `when` has it; pass a datetime in UTC for the canonical form of a
    timestamp with time zone.
    """
    text = when.isoformat()
    if when.microsecond and when.microsecond % 10 == 0:
        return text[:20] + text[20:26].rstrip("0") + text[26:]
    return text


def to_iso(microseconds: int) -> str:
    """Canonical ISO 8601 text in UTC: ``2026-11-20T21:08:50.362572+00:00``."""
    return canonical_iso(to_datetime(microseconds))


def from_iso(text: str) -> int:
    """Microseconds since 1970 of ISO 8601 text; a date alone is its first moment.

    Raises:
        BadRequest: `text` is not ISO 8601 or not a possible date and time.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(
            f"Invalid time {text!r}: {error}.",
            hint="Write it as 2026-11-20T21:08:50+00:00.",
        ) from None
    return from_datetime(when)


def parse(when: str | datetime) -> int:
    """Microseconds since 1970 of what a person may write for a snapshot.

    Args:
        when: A snapshot's text form, ISO 8601 text (recognised by its leading
            ``YYYY-MM-DD``), or a datetime.

    Raises:
        BadRequest: it is none of these.
    """
    if isinstance(when, datetime):
        return from_datetime(when)
    given: object = when
    if not isinstance(given, str):
        raise BadRequest(
            f"Invalid time {given!r}: it is of type {type(given).__name__}.",
            hint="Give a text such as 2026-11-20T21:08:50+00:00, a snapshot's text, or a datetime.",
        )
    text = given.strip()
    if _ISO_DATE.match(text) or ":" in text:
        return from_iso(text)
    return decode(text)

"""Parts of content.

Source: Hatrac, "Ranges"; RFC 9110, section 14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .refusals import BadRange, NoSuchRange

__all__ = ["requested_range", "whole_number"]

_ONE = re.compile(r"(\d*)-(\d*)")
_DIGITS = 19
"""More than any length or number of chunks has."""


def whole_number(digits: str) -> int:
    """The number that decimal digits spell, or a larger one than any that occurs.

    Python does not read numbers of thousands of digits.
    """
    return int(digits.lstrip("0")[:_DIGITS] or 0)


def requested_range(headers: Mapping[str, str], length: int, etag: str) -> tuple[int, int] | None:
    """The first and last byte that are asked for; None for all of `length` bytes.

    What is no range is ignored, and so is a range of content that has changed (``If-Range``).

    Raises:
        BadRange: There are several ranges, or their unit is not bytes.
        NoSuchRange: It begins after the end.
    """
    header = headers.get("range")
    if header is None or headers.get("if-range", etag) != etag:
        return None
    unit, equals, text = header.partition("=")
    if not equals:
        return None
    if unit.strip().lower() != "bytes":
        raise BadRange(f"Ranges in units of {unit.strip()!r} are not implemented.")
    if "," in text:
        raise BadRange("Several ranges in one request are not implemented.")
    found = _ONE.fullmatch(text.strip())
    if found is None:
        return None
    return _clipped(found[1], found[2], length)


def _clipped(begin: str, end: str, length: int) -> tuple[int, int] | None:
    if not begin:
        count = whole_number(end)
        if count == 0 or count >= length:
            return None
        return length - count, length - 1
    first, last = whole_number(begin), whole_number(end) if end else length - 1
    if end and last < first:
        return None
    if first >= length:
        raise NoSuchRange(
            f"The content has {length} bytes, so none from {first} on.", length=length
        )
    last = min(last, length - 1)
    return None if (first, last) == (0, length - 1) else (first, last)

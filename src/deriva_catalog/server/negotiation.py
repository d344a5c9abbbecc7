"""Choosing a representation by what a request accepts.

Source: RFC 9110, section 12 (``Accept``, ``Accept-Encoding``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

__all__ = ["preferred_encoding", "preferred_type", "wants_html"]


def preferred_type(accept: str | None, offered: Sequence[str]) -> str | None:
    """The media type among those `offered` that is liked best; the first one wins a tie.

    Returns None when none of them is acceptable. Without an ``Accept`` header all are.
    """
    if not accept:
        return offered[0]
    ranges = _weights(accept)
    best, best_weight = None, 0.0
    for media_type in offered:
        weight = _weight_of(media_type, ranges)
        if weight > best_weight:
            best, best_weight = media_type, weight
    return best


def wants_html(accept: str | None) -> bool:
    """Whether HTML is preferred to plain text, as by a browser's address bar.

    Scripts in a browser send ``application/json, text/plain, */*``, and get plain text.
    """
    return accept is not None and preferred_type(accept, ("text/plain", "text/html")) == "text/html"


def preferred_encoding(accept_encoding: str | None, offered: Sequence[str]) -> str | None:
    """The content coding among those `offered` that is liked best; None for none."""
    if not accept_encoding:
        return None
    weights = dict(_weights(accept_encoding))
    best, best_weight = None, 0.0
    for coding in offered:
        weight = weights.get(coding, weights.get("*", 0.0))
        if weight > best_weight:
            best, best_weight = coding, weight
    return best


@lru_cache(maxsize=512)
def _weights(header: str) -> tuple[tuple[str, float], ...]:
    found = []
    for item in header.split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                weight = _number(value)
        if name:
            found.append((name.lower(), weight))
    return tuple(found)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0


def _weight_of(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The weight of the most specific range that covers a type."""
    main = media_type.partition("/")[0]
    for wanted in (media_type, f"{main}/*", "*/*"):
        for name, weight in ranges:
            if name == wanted:
                return weight
    return 0.0

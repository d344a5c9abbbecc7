"""Moments and durations as the catalog keeps them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["duration_text", "now", "seconds_between"]


def now() -> str:
    """The present moment in UTC, as ISO 8601 text with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def seconds_between(start: str, stop: str) -> float:
    """The seconds from one moment to another, both in ISO 8601."""
    return (datetime.fromisoformat(stop) - datetime.fromisoformat(start)).total_seconds()


def duration_text(seconds: float) -> str:
    """A duration as people read it.

    Example:
        >>> duration_text(3725.26)
        '1H 2min 5.3sec'
    """
    tenths = round(max(seconds, 0.0) * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    return f"{hours}H {minutes}min {rest / 10}sec"

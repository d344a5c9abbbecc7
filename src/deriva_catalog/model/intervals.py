"""Intervals: months, days and microseconds, in the spelling of PostgreSQL.

Months and days are kept apart from the clock time because their length varies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

__all__ = ["Interval", "canonical_interval", "parse_interval"]

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_MONTH = 30 * _DAY
_MONTHS = {"millennium": 12000, "century": 1200, "decade": 120, "year": 12, "month": 1, "mon": 1}
_DAYS = {"week": 7, "day": 1}
_MICROSECONDS = {
    "hour": 3600 * _SECOND,
    "minute": 60 * _SECOND,
    "min": 60 * _SECOND,
    "second": _SECOND,
    "sec": _SECOND,
    "millisecond": 1000,
    "microsecond": 1,
}
_IRREGULAR = {
    **{"millennia": "millennium", "centuries": "century", "y": "year", "mons": "mon"},
    **{"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"},
    **{"hr": "hour", "hrs": "hour", "yr": "year", "yrs": "year"},
}
_ISO = re.compile(
    r"P(?=.)(?:(?P<year>-?\d+)Y)?(?:(?P<month>-?\d+)M)?(?:(?P<week>-?\d+)W)?(?:(?P<day>-?\d+)D)?"
    r"(?:T(?=.)(?:(?P<hour>-?\d+)H)?(?:(?P<minute>-?\d+)M)?(?:(?P<second>-?\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_CLOCK = re.compile(r"([+-]?)(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?", re.ASCII)
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time: calendar months, days and microseconds, each with its own sign."""

    months: int = 0
    days: int = 0
    microseconds: int = 0

    @property
    def length(self) -> int:
        """Its length in microseconds; a month counts as 30 days, as PostgreSQL compares them."""
        return self.months * _MONTH + self.days * _DAY + self.microseconds

    def __str__(self) -> str:
        """Return the canonical spelling, such as ``1 year 2 mons 3 days 04:05:06.5``."""
        years, months = divmod(abs(self.months), 12)
        sign = -1 if self.months < 0 else 1
        parts = [
            f"{n} {unit if abs(n) == 1 and n > 0 else unit + 's'}"
            for n, unit in ((sign * years, "year"), (sign * months, "mon"), (self.days, "day"))
            if n
        ]
        if self.microseconds or not parts:
            parts.append(self._clock())
        return " ".join(parts)

    def _clock(self) -> str:
        seconds, micros = divmod(abs(self.microseconds), _SECOND)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        sign = "-" if self.microseconds < 0 else ""
        fraction = f".{micros:06d}".rstrip("0") if micros else ""
        return f"{sign}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def parse_interval(text: str) -> Interval:
    """Read ``1 day 02:00:00``, ``3 hours 5 min``, ``-2 mons``, ``P1DT2H`` and the like.

    Raises:
        ValueError: `text` is no interval.
    """
    cleaned = text.strip()
    iso = _ISO.fullmatch(cleaned)
    if iso:
        return _total({unit: Decimal(n) for unit, n in iso.groupdict().items() if n})
    rest = cleaned.lower()
    back = rest.endswith(" ago")
    rest = rest.removesuffix(" ago").removeprefix("@ ")
    if not rest:
        raise ValueError(f"no interval: {text!r}")
    amounts: dict[str, Decimal] = {}
    while rest:
        clock = _CLOCK.fullmatch(rest)
        if clock:
            rest = ""
            _add_clock(amounts, clock)
            break
        quantity = _QUANTITY.match(rest)
        if not quantity:
            raise ValueError(f"no interval: {text!r}")
        unit = _unit(quantity[2])
        amounts[unit] = amounts.get(unit, Decimal(0)) + Decimal(quantity[1])
        rest = rest[quantity.end() :]
    return _total({unit: -n if back else n for unit, n in amounts.items()})


def canonical_interval(text: str) -> str:
    """The canonical spelling of an interval.

    Raises:
        ValueError: `text` is no interval.
    """
    return str(parse_interval(text))


def _unit(word: str) -> str:
    unit = _IRREGULAR.get(word, word)
    for spelling in (unit, unit.removesuffix("s")):
        if spelling in _MONTHS or spelling in _DAYS or spelling in _MICROSECONDS:
            return spelling
    raise ValueError(f"no unit of time: {word!r}")


def _add_clock(amounts: dict[str, Decimal], clock: re.Match[str]) -> None:
    sign = -1 if clock[1] == "-" else 1
    if int(clock[3]) > 59 or Decimal(clock[4] or 0) >= 60:
        raise ValueError(f"no time of day: {clock[0]!r}")
    for unit, number in (("hour", clock[2]), ("minute", clock[3]), ("second", clock[4] or "0")):
        amounts[unit] = amounts.get(unit, Decimal(0)) + sign * Decimal(number)


def _total(amounts: dict[str, Decimal]) -> Interval:
    try:
        months = sum(n * _MONTHS[u] for u, n in amounts.items() if u in _MONTHS)
        days = sum(n * _DAYS[u] for u, n in amounts.items() if u in _DAYS)
        micros = Decimal(0) + sum(
            n * _MICROSECONDS[u] for u, n in amounts.items() if u in _MICROSECONDS
        )
        whole_months, whole_days = int(months), int(days + (months - int(months)) * 30)
        micros = micros + (days + (months - int(months)) * 30 - whole_days) * 86400 * _SECOND
        total = Interval(whole_months, whole_days, int(micros.to_integral_value()))
    except (InvalidOperation, OverflowError) as error:
        raise ValueError(f"interval out of range: {error}") from None
    if max(abs(total.months), abs(total.days)) >= 1 << 31 or abs(total.microseconds) >= 1 << 63:
        raise ValueError("interval out of range")
    return total

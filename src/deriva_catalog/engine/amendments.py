"""Which parts of history were rewritten afterwards, and the version that each part has since.

A snapshot stays what it was, unless an owner amends what is recorded of it (see `amending` and
`redaction`). Each such act gives its range of time an *amendment version*, so that what was kept
of a snapshot before is not taken for what it is now. Ranges are half-open and the newest act
wins: the whole is a step function of time, kept as one fact about the catalog.

Source: ERMrest, "History control".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa

from .tables import META
from .transaction import Writing

_FACT = "amendments"
RECORDED = sa.select(META.c.value).where(META.c.name == _FACT)
"""The recorded amendments as text; no row when there never was one."""


@dataclass(frozen=True, slots=True)
class Amendment:
    """The snapshots from `begin` on and before `end` are those of the amendment `version`."""

    begin: int
    end: int
    version: int


Amendments = tuple[Amendment, ...]


@lru_cache(maxsize=16)
def read(text: str | None) -> Amendments:
    """The amendments that a recorded text tells of, in the order of time."""
    return () if text is None else tuple(Amendment(*part) for part in json.loads(text))


def amended_at(amendments: Amendments, at: int) -> int | None:
    """The amendment version of a snapshot; None when it is as it was recorded first."""
    return next((a.version for a in amendments if a.begin <= at < a.end), None)


def newest_within(amendments: Amendments, begin: int, end: int) -> int | None:
    """The newest amendment version of any time from `begin` on and before `end`."""
    versions = [a.version for a in amendments if a.begin < end and begin < a.end]
    return max(versions, default=None)


def record(writing: Writing, begin: int, end: int) -> int:
    """Give a range the next amendment version, which is returned."""
    known = read(writing.run(RECORDED).scalar())
    version = max([writing.time, *(a.version + 1 for a in known)])
    _store(writing, _overlaid(known, Amendment(begin, end, version)))
    return version


def forget(writing: Writing, horizon: int) -> None:
    """Drop what is said about times before the oldest snapshot that is kept."""
    known = read(writing.run(RECORDED).scalar())
    kept = tuple(a for a in known if a.end > horizon)
    if kept != known:
        _store(writing, kept)


def _overlaid(known: Amendments, new: Amendment) -> Amendments:
    parts = [new]
    for old in known:
        if old.begin < new.begin:
            parts.append(Amendment(old.begin, min(old.end, new.begin), old.version))
        if new.end < old.end:
            parts.append(Amendment(max(old.begin, new.end), old.end, old.version))
    return tuple(sorted(parts, key=lambda a: a.begin))


def _store(writing: Writing, amendments: Amendments) -> None:
    text = json.dumps([(a.begin, a.end, a.version) for a in amendments], separators=(",", ":"))
    writing.run(sa.delete(META).where(META.c.name == _FACT))
    if amendments:
        writing.run(sa.insert(META).values(name=_FACT, value=text))

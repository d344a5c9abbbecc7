"""Collecting bytes that nothing needs any more, while others go on storing and naming.

What is needed are the bytes of versions that are there, and of those that were deleted not long
ago: they can be restored. Bytes that never had a name are left alone for some days as well, since
somebody may be about to give them one.

An upload may find bytes in the store, so that it need not send them, just before they are
collected. So the digests to be collected are written down first, in a transaction of their own;
the bytes are deleted in a second one that looks again whether they are needed. Who names bytes
looks whether they were written down, and if so whether they are there. Only one transaction
writes at a time, so one of the two comes first, and a process that dies in between leaves digests
that are written down, and no name without bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from .. import snaptime
from .content import Progress
from .idle import give_up, idle, lengths
from .jobs import IDLE
from .store import ObjectStore
from .tables import COLLECTED, VERSION
from .versions import chunks

_AT_ONCE = 500
_REMEMBERED = timedelta(days=365)
"""How long digests stay written down. No upload takes longer."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long what nobody sees any more is kept.

    Attributes:
        deleted: Bytes of deleted versions, which can be restored until then.
        unnamed: Bytes that never had a name, and what dead processes left on its way.
        uploads: Uploads in chunks that nobody goes on with.
    """

    deleted: timedelta = timedelta(days=30)
    unnamed: timedelta = timedelta(days=7)
    uploads: timedelta = IDLE


@dataclass(frozen=True, slots=True)
class Garbage:
    """What was collected, or would be; and what waits in the trash. Lengths are in bytes."""

    contents: int = 0
    content_bytes: int = 0
    uploads: int = 0
    upload_bytes: int = 0
    left_behind: int = 0
    left_behind_bytes: int = 0
    trash: int = 0
    trash_bytes: int = 0

    def __add__(self, other: Garbage) -> Garbage:
        """Both together."""
        return Garbage(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))

    @property
    def bytes(self) -> int:
        """How many bytes are freed."""
        return self.content_bytes + self.upload_bytes + self.left_behind_bytes


def collect(
    store: ObjectStore,
    keeping: Keeping | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Garbage:
    """Delete the bytes that nothing needs; others may use the store meanwhile.

    Args:
        store: The objects of one catalog, or of a service.
        keeping: How long what is deleted, unnamed or idle is kept.
        dry_run: Only say what would be deleted.
        progress: Told the bytes that were deleted, again and again.

    Raises:
        Unavailable: The store or the database failed. What was not deleted is the next time.

    Cost: One listing of the store, whose digests are held in memory; two short transactions for
    each 500 contents that are deleted.
    """
    keep = keeping or Keeping()
    found = _uploads(store, keep, dry_run=dry_run)
    since = snaptime.now() - int(keep.deleted / timedelta(microseconds=1))
    garbage, trash = _candidates(store, keep, since)
    found = replace(found, trash=len(trash), trash_bytes=sum(trash.values()))
    if dry_run:
        return replace(found, contents=len(garbage), content_bytes=sum(garbage.values()))
    for some in chunks(sorted(garbage), _AT_ONCE):
        gone = _collect(store, some, since)
        freed = sum(garbage[sha256] for sha256 in gone)
        found += Garbage(contents=len(gone), content_bytes=freed)
        if progress is not None:
            progress(freed)
    _forget_old(store)
    return found


def _candidates(
    store: ObjectStore, keep: Keeping, since: int
) -> tuple[dict[str, int], dict[str, int]]:
    """What nothing needs, and what only deleted versions need, as lengths by digest."""
    limit = datetime.now(UTC) - keep.unnamed
    # The listing comes first: what is named later is found among the names.
    stored = [(each.name, each.length, each.modified <= limit) for each in store.content.stored()]
    with store.database.reading() as reading:
        named = set(reading.connection.execute(_needed()).scalars())
        kept = set(reading.connection.execute(_needed(since)).scalars())
        known = sa.select(VERSION.c.sha256).distinct()
        ever = set(reading.connection.execute(known).scalars())
    garbage = {
        sha256: length
        for sha256, length, rested in stored
        if sha256 not in kept and (rested or sha256 in ever)
    }
    trash = {s: length for s, length, _ in stored if s in kept and s not in named}
    return garbage, trash


def _needed(since: int | None = None) -> sa.Select[Any]:
    """The digests of versions that are there, or were deleted after a time."""
    wanted: sa.ColumnElement[bool] = ~VERSION.c.deleted
    if since is not None:
        wanted = wanted | (VERSION.c.removed > since)
    return sa.select(VERSION.c.sha256).where(wanted).distinct()


def _collect(store: ObjectStore, digests: Sequence[str], since: int) -> list[str]:
    """Delete bytes in the two steps; returns the digests of those that were not needed."""
    with store.database.writing() as writing:
        connection = writing.connection
        garbage = _unneeded(connection, digests, since)
        if not garbage:
            return []
        known = sa.select(COLLECTED.c.sha256).where(COLLECTED.c.sha256.in_(garbage))
        before = set(connection.execute(known).scalars())
        now = snaptime.now()
        rows = [{"sha256": sha256, "time": now} for sha256 in garbage if sha256 not in before]
        if rows:
            connection.execute(sa.insert(COLLECTED), rows)
    with store.database.writing() as writing:
        garbage = _unneeded(writing.connection, garbage, since)
        store.content.remove(garbage)
    return garbage


def _unneeded(connection: sa.Connection, digests: Sequence[str], since: int) -> list[str]:
    asked = _needed(since).where(VERSION.c.sha256.in_(digests))
    needed = set(connection.execute(asked).scalars())
    return [sha256 for sha256 in digests if sha256 not in needed]


def _forget_old(store: ObjectStore) -> None:
    limit = snaptime.now() - int(_REMEMBERED / timedelta(microseconds=1))
    with store.database.writing() as writing:
        writing.connection.execute(sa.delete(COLLECTED).where(COLLECTED.c.time < limit))


def _uploads(store: ObjectStore, keep: Keeping, *, dry_run: bool) -> Garbage:
    """Give up idle uploads, and what dead processes left on its way."""
    rested = idle(store, keep.uploads)
    come = lengths(store, [*rested.known, *rested.unknown])
    left = store.content.arriving(keep.unnamed)
    found = Garbage(
        uploads=len(rested.known) + len(rested.unknown),
        upload_bytes=sum(come.values()),
        left_behind=len(left),
        left_behind_bytes=sum(entry.length for entry in left),
    )
    if not dry_run:
        give_up(store, rested, keep.uploads)
        store.content.sweep(keep.unnamed)
    return found

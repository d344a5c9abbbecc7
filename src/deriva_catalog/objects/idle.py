"""Uploads that nobody goes on with: found, given up, and told to administrators."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ..errors import NotFound
from .chunks import ChunkStore
from .jobs import IDLE
from .store import ObjectStore
from .tables import JOB, NAME

_UNKNOWN = timedelta(days=1)
"""How long chunks of jobs that are not in the tables are left alone."""


def tidy(store: ObjectStore, idle_for: timedelta = IDLE) -> None:
    """`expire` jobs and sweep what dead processes left, once in a while; cheap to call often."""
    if store.is_due():
        expire(store, idle_for)
        store.content.sweep()


def expire(store: ObjectStore, idle_for: timedelta = IDLE) -> int:
    """Give up the jobs that rested for `idle_for`; returns how many."""
    found = idle(store, idle_for)
    give_up(store, found, idle_for)
    return len(found.known)


@dataclass(frozen=True, slots=True)
class IdleJobs:
    """Jobs that rested for long.

    Attributes:
        known: Jobs in the tables.
        unknown: Chunks of others, which a process left that died between the two steps of ending
            a job, or of a deleted object.
    """

    known: tuple[str, ...]
    unknown: tuple[str, ...]


def idle(store: ObjectStore, idle_for: timedelta) -> IdleJobs:
    """The jobs that rested for `idle_for`; unknown ones for a day, if that is less."""
    chunks, now = ChunkStore(store.content), datetime.now(UTC)
    there = chunks.jobs()  # before the tables are read: what is begun meanwhile is none of these
    with store.database.reading() as reading:
        rows = reading.connection.execute(sa.select(JOB.c.job, JOB.c.created))
        known: dict[str, int] = {job: created for job, created in rows}
    old: list[str] = []
    for job, created in known.items():
        latest = datetime.fromtimestamp(created / 1e6, UTC)
        if now - latest >= idle_for and now - (chunks.touched(job) or latest) >= idle_for:
            old.append(job)
    left = []
    for job in sorted(there - known.keys()):
        touched = chunks.touched(job)
        if touched is None or now - touched >= min(idle_for, _UNKNOWN):
            left.append(job)
    return IdleJobs(tuple(old), tuple(left))


def lengths(store: ObjectStore, jobs: Collection[str]) -> dict[str, int]:
    """How many bytes have come of each job."""
    chunks = ChunkStore(store.content)
    return {job: sum(chunks.received(job).values()) for job in jobs}


def give_up(store: ObjectStore, found: IdleJobs, idle_for: timedelta) -> None:
    """Remove idle jobs with their chunks, but not those that somebody went on with meanwhile."""
    chunks = ChunkStore(store.content)
    again = set(idle(store, idle_for).known) if found.known else set()
    gone = [job for job in found.known if job in again]
    with store.database.writing() as writing:
        for job in gone:
            writing.connection.execute(sa.delete(JOB).where(JOB.c.job == job))
    for job in (*gone, *found.unknown):
        chunks.remove(job)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job as an administrator sees it: `begun` in microseconds since 1970, lengths in bytes."""

    job: str
    name: str | None
    owner: str | None
    begun: int
    length: int
    received: int


def every(store: ObjectStore) -> list[Waiting]:
    """All jobs that go on, oldest first."""
    columns = (JOB.c.job, NAME.c.path, JOB.c.owner, JOB.c.created, JOB.c.content_length)
    statement = sa.select(*columns).join_from(JOB, NAME, JOB.c.name_id == NAME.c.id, isouter=True)
    with store.database.reading() as reading:
        rows = reading.connection.execute(statement.order_by(JOB.c.id)).all()
    have = lengths(store, [row[0] for row in rows])
    return [Waiting(*row, have[row[0]]) for row in rows]


def cancel_any(store: ObjectStore, job_id: str) -> None:
    """Give up a job whoever began it. Raises `NotFound` if there is none."""
    with store.database.writing() as writing:
        gone = writing.connection.execute(sa.delete(JOB).where(JOB.c.job == job_id)).rowcount
    if gone != 1:
        raise NotFound(f"There is no upload {job_id}.", hint="It was finished or given up.")
    ChunkStore(store.content).remove(job_id)

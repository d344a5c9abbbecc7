"""Uploads in chunks: jobs that begin, take chunks, and end as one version, or not at all.

The bytes of a job are hashed when it ends, outside of any transaction, or while they come (see
`Assemblies`). A process that dies at any point leaves the job as it was: its sender sends what is
missing, or it expires.

A job without a name stores bytes that are named later; see `ObjectStore.register`.

Source: Hatrac, "Chunked upload".
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, BinaryIO

import sqlalchemy as sa

from .. import snaptime
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from .acls import owned_by
from .asking import ROOT, Asker
from .assembling import Assemblies
from .chunks import ChunkStore
from .content import Content, pieces
from .hashing import LazyHasher
from .names import ObjectName
from .naming import claim_names, granting_to
from .store import ObjectStore
from .tables import JOB
from .versions import ObjectVersion, Upload, declared, fresh_version

MOST_CHUNKS = 100_000
IDLE = timedelta(days=30)
"""How long a job may rest before it expires, unless the deployment says otherwise."""


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What is to be uploaded; lengths in bytes, digests in hexadecimal as far as declared."""

    chunk_length: int
    content_length: int
    content_type: str | None = None
    filename: str | None = None
    md5: str | None = None
    sha256: str | None = None

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return math.ceil(self.content_length / self.chunk_length)

    def length_of(self, number: int) -> int:
        """The length of one chunk."""
        return min(self.chunk_length, self.content_length - number * self.chunk_length)


@dataclass(frozen=True, slots=True)
class Job:
    """An upload that goes on. `name` is None for bytes without a name."""

    id: str
    name: ObjectName | None
    owner: str | None
    created: int
    plan: JobPlan

    @property
    def url(self) -> str:
        """``/hatrac/a/b;upload/JOB``."""
        return f"{'' if self.name is None else self.name.path};upload/{self.id}"


# --- beginning ---------------------------------------------------------------------------


def begin(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName | None,
    plan: JobPlan,
    *,
    parents: bool = False,
) -> Job:
    """Begin an upload; an object that does not exist is made, without content.

    Raises:
        BadRequest: The lengths make no sense.
        Conflict, NotFound, NotAuthenticated, Forbidden: As for a `writing.put` of the object.
    """
    _check_plan(plan)
    job = Job(fresh_version(), name, asker.client.id, snaptime.now(), plan)
    with store.database.writing() as writing:
        name_id = None
        if name is None:
            root = asker.line(writing.connection, ROOT)
            asker.require_login(job.url)
            asker.require("create", root.place.acls, (), job.url)
        else:
            name_id = claim_names(
                writing.connection,
                [name],
                now=job.created,
                parents=parents,
                acls=owned_by(asker.client.id),
                granting=granting_to(asker),
            )[name.path]
        # Room first: a row whose folder is missing would be a job that takes no chunks.
        ChunkStore(store.content).begin(job.id)
        writing.connection.execute(sa.insert(JOB).values(**_row(job, name_id)))
    return job


def _check_plan(plan: JobPlan) -> None:
    if plan.chunk_length <= 0 or plan.content_length < 0:
        raise BadRequest(
            f"An upload of {plan.content_length} bytes in chunks of {plan.chunk_length} is none.",
            hint="Lengths are positive integers.",
        )
    if plan.chunks > MOST_CHUNKS:
        raise BadRequest(
            f"An upload of {plan.chunks} chunks has more than {MOST_CHUNKS} of them.",
            hint="Use longer chunks.",
        )


def _row(job: Job, name_id: int | None) -> dict[str, Any]:
    plan = job.plan
    return {
        "job": job.id,
        "name_id": name_id,
        "owner": job.owner,
        "chunk_length": plan.chunk_length,
        "content_length": plan.content_length,
        "content_type": plan.content_type,
        "filename": plan.filename,
        "md5": plan.md5,
        "sha256": plan.sha256,
        "created": job.created,
    }


# --- finding -----------------------------------------------------------------------------

_SELECT = sa.select(
    JOB.c.job,
    JOB.c.owner,
    JOB.c.created,
    JOB.c.chunk_length,
    JOB.c.content_length,
    JOB.c.content_type,
    JOB.c.filename,
    JOB.c.md5,
    JOB.c.sha256,
)


def _from_row(row: Any, name: ObjectName | None) -> Job:
    return Job(row[0], name, row[1], row[2], JobPlan(*row[3:9]))


def _of(asker: Asker, connection: sa.Connection, name: ObjectName | None) -> Any:
    if name is None:
        return JOB.c.name_id.is_(None)
    return JOB.c.name_id == asker.line(connection, name).object.id


def _find(connection: sa.Connection, asker: Asker, name: ObjectName | None, job_id: str) -> Job:
    here = _of(asker, connection, name)
    row = connection.execute(_SELECT.where(here, JOB.c.job == job_id)).first()
    if row is None:
        raise NotFound(
            f"Upload {job_id} not found.", hint="It is finished, cancelled or expired.", job=job_id
        )
    job = _from_row(row, name)
    if asker.client.is_anonymous:
        raise asker.denied(job.url)
    if job.owner != asker.client.id:
        raise Forbidden(f"Access to {job.url} forbidden.", hint="Another client began it.")
    return job


def find(store: ObjectStore, asker: Asker, name: ObjectName | None, job_id: str) -> Job:
    """A job of the client.

    Raises:
        NotFound: There is none of that name, or not any more.
        NotAuthenticated, Forbidden: It is another client's.
    """
    with store.database.reading() as reading:
        return _find(reading.connection, asker, name, job_id)


def find_all(store: ObjectStore, asker: Asker, name: ObjectName | None) -> list[Job]:
    """The jobs of the client for an object; all jobs for its owner."""
    with store.database.reading() as reading:
        connection = reading.connection
        chosen = _SELECT.where(_of(asker, connection, name)).order_by(JOB.c.id)
        owner = False
        if name is not None:
            line = asker.line(connection, name)
            owner = asker.may("owner", line.object.acls, line.lists_above)
        if not owner:
            asker.require_login(";upload" if name is None else f"{name.path};upload")
            chosen = chosen.where(JOB.c.owner == asker.client.id)
        return [_from_row(row, name) for row in connection.execute(chosen)]


def received(store: ObjectStore, job: Job) -> list[tuple[int, int]]:
    """Which chunks are there, as ranges of numbers, both ends included."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(ChunkStore(store.content).received(job.id)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


# --- going on ----------------------------------------------------------------------------


def put_chunk(
    store: ObjectStore,
    job: Job,
    number: int,
    source: BinaryIO,
    *,
    md5: str | None = None,
    sha256: str | None = None,
    assemblies: Assemblies | None = None,
) -> None:
    """Keep one chunk, a file that is given away; the last write of a chunk counts.

    With `assemblies` the job is put together while its chunks come.

    Raises:
        Conflict: There is no chunk of that number, or it has another length.
        BadRequest: The bytes do not have the digest given.
        NotFound: The job is gone.
    """
    if number >= job.plan.chunks:
        raise Conflict(
            f"Upload {job.id} has {job.plan.chunks} chunks, so there is no chunk {number}."
        )
    expected, length = job.plan.length_of(number), source.seek(0, os.SEEK_END)
    if length != expected:
        raise Conflict(
            f"Chunk {number} of upload {job.id} has {length} bytes instead of {expected}.",
            hint="All chunks but the last have the length that was agreed.",
        )
    if md5 is not None or sha256 is not None:
        source.seek(0)
        with LazyHasher() as hasher:
            for _ in hasher.passing(pieces(source)):
                pass
            declared(Upload(f"{job.url}/{number}", md5=md5, sha256=sha256), hasher.content)
    ChunkStore(store.content).write(job.id, number, source, length)
    if assemblies is not None:
        assemblies.came(store.content, job.id, number)


# --- ending ------------------------------------------------------------------------------


def store_bytes(store: ObjectStore, job: Job, assemblies: Assemblies | None = None) -> Content:
    """Bring the bytes of a complete job into the store of content; the job stays.

    Raises:
        Conflict: Chunks are missing, or the bytes are not what was declared.
        NotFound: The job was finished or cancelled meanwhile.
    """
    chunks, plan = ChunkStore(store.content), job.plan
    have = chunks.received(job.id)
    missing = [n for n in range(plan.chunks) if have.get(n) != plan.length_of(n)]
    if missing:
        _require_going_on(store, job)
        shown = ", ".join(map(str, missing[:10])) + (" ..." if len(missing) > 10 else "")
        raise Conflict(
            f"Upload {job.id} is not complete: {len(missing)} of its {plan.chunks} chunks are "
            f"missing ({shown}).",
            hint="Send them, then finish again.",
        )
    content = None if assemblies is None else _assembled(store, job, assemblies)
    if content is None:
        content = store.content.add(
            chunks.read(job.id, plan.chunks),
            check=partial(_check_whole, job),
            sha256=plan.sha256,
            length=plan.content_length,
        )
    store.content.flush([content.sha256])
    return content


def _assembled(store: ObjectStore, job: Job, assemblies: Assemblies) -> Content | None:
    """Store what was put together while the chunks came; None if that is not the whole job.

    Of several who finish a job, one gets it.
    """
    assembly = assemblies.take(job.id)
    if assembly is None:
        return None
    with assembly:
        whole = assembly.whole(job.plan.chunks)
        if whole is None:
            return None
        file, content = whole
        _check_whole(job, content)
        return content if store.content.keep(file, content) else None


def _check_whole(job: Job, content: Content) -> None:
    plan = job.plan
    for what, expected, found in (
        ("length", plan.content_length, content.length),
        ("MD5", plan.md5, content.md5),
        ("SHA-256", plan.sha256, content.sha256),
    ):
        if expected is not None and expected != found:
            raise Conflict(
                f"The bytes of upload {job.id} have the {what} {found}, not {expected}.",
                hint="Send the chunks that are wrong again, then finish again.",
            )


def finish(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    job_id: str,
    assemblies: Assemblies | None = None,
) -> ObjectVersion:
    """Make a version of a complete job, with what `assemblies` has of it.

    Raises:
        NotFound: There is no such job, or it was finished meanwhile.
        Conflict: Chunks are missing, or the bytes are not what was declared; the job stays.
        NotAuthenticated, Forbidden: The client may not write the object any more.
    """
    job = find(store, asker, name, job_id)
    plan = job.plan
    content = store_bytes(store, job, assemblies)
    upload = Upload(
        name.path,
        content=content,
        content_type=plan.content_type,
        filename=plan.filename,
        md5=plan.md5,
        sha256=plan.sha256,
    )
    with store.database.writing() as writing:
        _end(writing.connection, job)
        version = store.register(
            [upload], acls=owned_by(asker.client.id), granting=granting_to(asker)
        )[0]
    ChunkStore(store.content).remove(job.id)
    return version


def finish_bytes(
    store: ObjectStore, asker: Asker, job_id: str, assemblies: Assemblies | None = None
) -> Content:
    """Store the bytes of a complete job that has no name; see `finish` for what is raised."""
    job = find(store, asker, None, job_id)
    content = store_bytes(store, job, assemblies)
    with store.database.writing() as writing:
        _end(writing.connection, job)
    ChunkStore(store.content).remove(job.id)
    return content


def cancel(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName | None,
    job_id: str,
    assemblies: Assemblies | None = None,
) -> None:
    """Give a job up. Raises `NotFound` if there is none, `Forbidden` if it is another's."""
    with store.database.writing() as writing:
        job = _find(writing.connection, asker, name, job_id)
        _end(writing.connection, job)
    ChunkStore(store.content).remove(job.id)
    assembly = None if assemblies is None else assemblies.take(job.id)
    if assembly is not None:
        assembly.end()


def _end(connection: sa.Connection, job: Job) -> None:
    if connection.execute(sa.delete(JOB).where(JOB.c.job == job.id)).rowcount != 1:
        raise _ended(job)


def _require_going_on(store: ObjectStore, job: Job) -> None:
    """Refuse a job whose chunks are gone because somebody else has ended it."""
    with store.database.reading() as reading:
        known = sa.select(JOB.c.job).where(JOB.c.job == job.id)
        if reading.connection.execute(known).first() is None:
            raise _ended(job)


def _ended(job: Job) -> NotFound:
    return NotFound(f"Upload {job.id} was finished or cancelled meanwhile.", job=job.id)

"""Uploads put together while their chunks come: of the bytes that the chunks have in the end."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from deriva_catalog.access import Client
from deriva_catalog.catalog import create_local
from deriva_catalog.errors import Conflict, NotFound
from deriva_catalog.objects import Asker, ObjectStore, ObjectVersion, jobs
from deriva_catalog.objects.assembling import Assemblies
from deriva_catalog.objects.hashing import LARGE, Content
from deriva_catalog.objects.names import parse_name

KIM = Asker(Client("kim"), {"owner": ("kim",), "subtree-owner": ("kim",)})
NAME = parse_name("/hatrac/a")
DATA = b"first.second3rd"
CHUNK = 6
OTHER = b"other."

pytestmark = pytest.mark.skipif(
    not hasattr(os, "O_TMPFILE"), reason="the system has no files without names"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    catalog = create_local(tmp_path / "catalog")
    yield catalog.object_store
    catalog.close()


@pytest.fixture
def here() -> Iterator[Assemblies]:
    made = Assemblies()
    yield made
    made.close()


def begun(store: ObjectStore, data: bytes = DATA, chunk: int = CHUNK, **more: str) -> jobs.Job:
    return jobs.begin(store, KIM, NAME, jobs.JobPlan(chunk, len(data), **more))


def send(
    store: ObjectStore,
    job: jobs.Job,
    assemblies: Assemblies | None,
    numbers: tuple[int, ...] = (1, 0, 2),
    data: bytes = DATA,
) -> None:
    """Send chunks, and wait until those are taken that can be."""
    size = job.plan.chunk_length
    for number in numbers:
        part = io.BytesIO(data[number * size : (number + 1) * size])
        jobs.put_chunk(store, job, number, part, assemblies=assemblies)
    going_on = assemblies and assemblies.came(store.content, job.id, numbers[-1])
    if going_on:
        going_on.result()


def finish(store: ObjectStore, job: jobs.Job, assemblies: Assemblies) -> ObjectVersion:
    return jobs.finish(store, KIM, NAME, job.id, assemblies)


def content_of(data: bytes) -> Content:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Content(len(data), md5, hashlib.sha256(data).hexdigest())


def unfinished(store: ObjectStore) -> list[Path]:
    """The files of the store that hold no content."""
    top = store.content.directory
    assert top is not None
    return [p for p in top.rglob("*") if p.is_file() and "sha256" not in p.parts]


@pytest.mark.parametrize("size", [15, LARGE + 1])
def test_what_was_put_together_becomes_the_content(
    store: ObjectStore, here: Assemblies, size: int
) -> None:
    data = os.urandom(2 * size + 3)
    job = begun(store, data, size)
    send(store, job, here, data=data)
    assembly = here.take(job.id)
    assert assembly is not None
    with assembly:
        whole = assembly.whole(3)
        assert whole is not None
        file, content = whole
        assert content == content_of(data)
        assert store.content.keep(file, content)
        inode = os.fstat(file.fileno()).st_ino
    path = store.content.path(content.sha256)
    assert path is not None
    assert path.stat().st_ino == inode
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_job_is_finished_with_it(store: ObjectStore, here: Assemblies) -> None:
    job = begun(store)
    send(store, job, here)

    version = finish(store, job, here)
    assert (version.content, store.read(NAME.path)) == (content_of(DATA), DATA)
    assert (len(here), unfinished(store)) == (0, [])


def test_a_chunk_that_another_process_replaces_counts(store: ObjectStore, here: Assemblies) -> None:
    job = begun(store)
    send(store, job, here)
    jobs.put_chunk(store, job, 0, io.BytesIO(OTHER))
    version = finish(store, job, here)
    assert store.read(NAME.path) == OTHER + DATA[CHUNK:]
    assert version.content == content_of(OTHER + DATA[CHUNK:])


def test_a_chunk_that_is_sent_again_here_counts(store: ObjectStore, here: Assemblies) -> None:
    job = begun(store)
    send(store, job, here)
    send(store, job, here, (0,), OTHER)
    finish(store, job, here)
    assert store.read(NAME.path) == OTHER + DATA[CHUNK:]


def test_one_of_two_who_finish_makes_the_version(store: ObjectStore, here: Assemblies) -> None:
    job = begun(store)
    send(store, job, here)
    together = Barrier(2)

    def end(_: int) -> bool:
        together.wait()
        try:
            finish(store, job, here)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(end, range(2))) == [False, True]
    assert len(store.versions(NAME.path)) == 1
    assert store.read(NAME.path) == DATA
    assert unfinished(store) == []


def test_a_restart_in_between_is_gone_on_from(store: ObjectStore, here: Assemblies) -> None:
    job = begun(store)
    send(store, job, here, (0, 1))
    here.close()
    after = Assemblies()
    send(store, job, after, (2,))
    assert len(after) == 0
    assert finish(store, job, after).content == content_of(DATA)
    after.close()


def test_wrong_bytes_are_refused_and_the_job_stays(store: ObjectStore, here: Assemblies) -> None:
    job = begun(store, sha256=hashlib.sha256(DATA).hexdigest())
    send(store, job, here)
    send(store, job, here, (0,), OTHER)
    with pytest.raises(Conflict, match="SHA-256"):
        finish(store, job, here)
    wrong = begun(store, sha256="0" * 64)
    send(store, wrong, here)
    with pytest.raises(Conflict, match="SHA-256"):
        finish(store, wrong, here)
    assert list(store.content.digests()) == []
    send(store, job, here, (0,))
    assert finish(store, job, here).content == content_of(DATA)


def test_an_incomplete_job_is_gone_on_with(store: ObjectStore, here: Assemblies) -> None:
    job = begun(store)
    send(store, job, here, (2, 0))
    with pytest.raises(Conflict, match="not complete"):
        finish(store, job, here)
    send(store, job, here, (1,))
    assert len(here) == 1
    assert finish(store, job, here).content == content_of(DATA)


def test_the_latest_jobs_are_kept(store: ObjectStore) -> None:
    with_room = Assemblies(most=1)
    first, second = begun(store), begun(store)
    send(store, first, with_room)
    send(store, second, with_room)
    assert len(with_room) == 1
    assert with_room.came(store.content, first.id, 2) is None
    assert finish(store, first, with_room).content == content_of(DATA)
    assert finish(store, second, with_room).content == content_of(DATA)
    with_room.close()


def test_what_rests_is_given_up(store: ObjectStore) -> None:
    impatient = Assemblies(idle_s=0.01)
    job = begun(store)
    send(store, job, impatient)
    limit = time.monotonic() + 10
    while len(impatient):
        assert time.monotonic() < limit
        time.sleep(0.001)
    assert finish(store, job, impatient).content == content_of(DATA)
    impatient.close()


def test_a_cancelled_job_leaves_nothing(store: ObjectStore, here: Assemblies) -> None:
    job = begun(store)
    send(store, job, here)
    jobs.cancel(store, KIM, NAME, job.id, here)
    assert (len(here), unfinished(store)) == (0, [])

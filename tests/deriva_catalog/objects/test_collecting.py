"""Collecting what nothing needs, and restoring what was deleted, over directories and buckets."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from deriva_catalog.access import Client
from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.errors import Conflict, NotFound, Unavailable
from deriva_catalog.objects import (
    Asker,
    ContentStore,
    ObjectStore,
    ObjectVersion,
    Upload,
    jobs,
)
from deriva_catalog.objects.checking import verify
from deriva_catalog.objects.chunks import ChunkStore
from deriva_catalog.objects.collected import ContentGone
from deriva_catalog.objects.collecting import Garbage, Keeping, collect
from deriva_catalog.objects.idle import cancel_any, every, expire
from deriva_catalog.objects.names import parse_name
from deriva_catalog.objects.restoring import restore, trash
from deriva_catalog.objects.stores import FileStore

NOTHING = timedelta(0)
NOW = Keeping(deleted=NOTHING, unnamed=NOTHING, uploads=NOTHING)
A, B, C = b"bytes of a", b"those of b!", b"and of c"
KIM = Asker(Client("kim"), {"owner": ("kim",), "subtree-owner": ("kim",)})


@pytest.fixture(params=["file", "s3"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalCatalog]:
    """A catalog whose objects lie in a directory or in a bucket."""
    url = request.getfixturevalue("bucket").url() if request.param == "s3" else None
    made = create_local(tmp_path / "catalog", objects=url)
    yield made
    made.close()


@pytest.fixture
def store(catalog: LocalCatalog) -> ObjectStore:
    return catalog.object_store


@pytest.fixture
def local(tmp_path: Path) -> Iterator[ObjectStore]:
    with_directory = create_local(tmp_path / "local")
    yield with_directory.object_store
    with_directory.close()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def stored(store: ObjectStore) -> set[str]:
    return {digest for digest, _ in store.content.digests()}


def begun(store: ObjectStore, data: bytes, name: str | None = "/hatrac/job") -> jobs.Job:
    """An upload whose chunks have all come."""
    plan = jobs.JobPlan(5, len(data))
    job = jobs.begin(store, KIM, None if name is None else parse_name(name), plan)
    for number in range(plan.chunks):
        part = data[number * 5 : number * 5 + 5]
        jobs.put_chunk(store, job, number, io.BytesIO(part))
    return job


# --- collecting --------------------------------------------------------------------------


def test_what_a_version_names_stays_and_the_rest_goes(store: ObjectStore) -> None:
    first = store.put("/hatrac/a", A)
    store.put("/hatrac/same", A)
    gone = store.put("/hatrac/b", B)
    store.content.add(C)
    store.delete(gone.url)
    store.delete(first.url)

    planned = collect(store, NOW, dry_run=True)
    assert (planned.contents, planned.content_bytes) == (2, len(B) + len(C))
    assert stored(store) == {sha256(A), sha256(B), sha256(C)}

    told: list[int] = []
    assert collect(store, NOW, progress=told.append) == planned
    assert sum(told) == len(B) + len(C)
    assert stored(store) == {sha256(A)}
    assert store.read("/hatrac/same") == A
    assert collect(store, NOW) == Garbage()


def test_what_was_deleted_or_stored_lately_is_kept(store: ObjectStore) -> None:
    store.put("/hatrac/a", A)
    store.delete("/hatrac/a")
    store.content.add(B)
    found = collect(store)
    assert (found.contents, found.trash, found.trash_bytes) == (0, 1, len(A))
    assert stored(store) == {sha256(A), sha256(B)}
    assert collect(store, Keeping(deleted=NOTHING)).contents == 1
    assert stored(store) == {sha256(B)}
    assert collect(store, Keeping(unnamed=NOTHING)).contents == 1


def test_idle_uploads_and_what_dead_processes_left_go_as_well(local: ObjectStore) -> None:
    begun(local, A)
    incoming = local.content.directory / "incoming"
    incoming.mkdir(exist_ok=True)
    (incoming / "left").write_bytes(B)
    unknown = ChunkStore(local.content)
    unknown.begin("unknown")
    unknown.write("unknown", 0, io.BytesIO(C), len(C))
    assert collect(local, dry_run=True).bytes == 0
    planned = collect(local, NOW, dry_run=True)
    assert (planned.uploads, planned.upload_bytes) == (2, len(A) + len(C))
    assert (planned.left_behind, planned.left_behind_bytes) == (1, len(B))
    assert planned.bytes == len(A) + len(B) + len(C)
    assert len(every(local)) == 1
    assert collect(local, NOW) == planned
    assert every(local) == []
    assert [p for p in local.content.directory.rglob("*") if p.is_file()] == []


def test_chunks_of_a_running_upload_are_needed(store: ObjectStore) -> None:
    job = begun(store, A)
    collect(store, Keeping(deleted=NOTHING, unnamed=NOTHING))
    assert jobs.finish(store, KIM, job.name, job.id).sha256 == sha256(A)
    assert store.read("/hatrac/job") == A


def test_bytes_that_were_collected_before_they_got_a_name_are_missed(store: ObjectStore) -> None:
    content = store.content.add(A)
    collect(store, NOW)
    upload = Upload("/hatrac/a", content=content)
    with pytest.raises(ContentGone, match="Send the bytes again"):
        store.register([upload])
    assert store.names() == []
    store.content.add(A)
    store.register([upload])
    assert store.read("/hatrac/a") == A
    store.content.remove([content.sha256])  # by hand: it is not written down as collected
    store.register([Upload("/hatrac/b", content=content)])


def test_a_put_stores_again_what_is_collected_under_its_hands(
    store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(A)
    for n, source in enumerate((A, tmp_path / "file")):
        store.content.add(A)
        collected: list[Garbage] = []

        def collect_once(_: int, collected: list[Garbage] = collected) -> None:
            if not collected:  # the bytes were found in the store, and have no name yet
                collected.append(collect(store, NOW))

        store.put(f"/hatrac/{n}", source, progress=collect_once)
        assert collected[0].contents == 1
        assert store.read(f"/hatrac/{n}") == A
        store.delete(f"/hatrac/{n}")
        collect(store, NOW)


class CollectedAtOnce(ContentStore):
    """Content that is collected as soon as it is stored, before it has a name."""

    def flush(self, digests: Collection[str]) -> None:
        super().flush(digests)
        collect(ObjectStore(self.database, self), NOW)


def test_what_can_be_read_only_once_is_not_stored_empty(store: ObjectStore) -> None:
    content = CollectedAtOnce(store.content.keys)
    content.database = store.database
    unlucky = ObjectStore(store.database, content)
    for source in (iter([A]), io.BytesIO(A), A):
        with pytest.raises(ContentGone):
            unlucky.put("/hatrac/a", source)
    assert store.names() == []


def test_collecting_beside_writers_never_takes_what_they_name(catalog: LocalCatalog) -> None:
    store, ended = catalog.object_store, threading.Event()
    datas = [b"content %d" % n for n in range(5)]
    acknowledged: list[tuple[str, bytes]] = []

    def put_until_it_holds(name: str, data: bytes) -> ObjectVersion:
        for _ in range(1000):
            with suppress(ContentGone, Unavailable):  # nobody collects as eagerly as we do here
                return store.put(name, data)
        raise AssertionError(f"{name} was refused again and again")

    def write(seed: int) -> None:
        choice = random.Random(seed)
        for n in range(12):
            data = choice.choice(datas)
            put = put_until_it_holds(f"/hatrac/w{seed}/{n}", data)
            if choice.random() < 0.5:
                store.delete(put.url)
            else:
                acknowledged.append((put.url, data))

    def keep_collecting() -> int:
        runs = 0
        while not ended.is_set():
            collect(store, NOW)
            runs += 1
        return runs

    with ThreadPoolExecutor(4) as pool:
        collecting = pool.submit(keep_collecting)
        try:
            for written in [pool.submit(write, seed) for seed in range(3)]:
                written.result()
        finally:
            ended.set()
        assert collecting.result() > 0
    collect(store, NOW)
    assert len(acknowledged) > 5
    assert verify(store) == []
    for url, data in acknowledged:
        assert store.read(url) == data
    assert stored(store) == {sha256(data) for _, data in acknowledged}


class DyingFiles(FileStore):
    """Files of a process that ends right after it deleted some."""

    def remove(self, keys: Collection[str]) -> None:
        super().remove(keys)
        if any(key.startswith("sha256/") for key in keys):
            raise KeyboardInterrupt


def test_a_process_that_died_while_it_collected_left_no_name_without_bytes(
    local: ObjectStore,
) -> None:
    content = local.content.add(A)
    dying = ObjectStore(local.database, ContentStore(DyingFiles(local.content.directory)))
    with pytest.raises(KeyboardInterrupt):
        collect(dying, NOW)
    assert stored(local) == set()
    with pytest.raises(ContentGone):
        local.register([Upload("/hatrac/a", content=content)])
    assert local.put("/hatrac/a", A).sha256 == content.sha256
    assert collect(local, NOW).contents == 0


# --- restoring ---------------------------------------------------------------------------


def test_a_deleted_version_comes_back(store: ObjectStore) -> None:
    first, second = store.put("/hatrac/a", A), store.put("/hatrac/a", B)
    store.delete(second.url)
    assert [d.url for d in trash(store)] == [second.url]
    with pytest.raises(Conflict, match="not deleted"):
        restore(store, first.url)
    assert restore(store, second.url) == [second.url]
    assert store.read("/hatrac/a") == B
    assert [v.url for v in store.versions("/hatrac/a")] == [second.url, first.url]
    assert trash(store) == []


def test_a_deleted_namespace_comes_back_as_it_was(store: ObjectStore) -> None:
    a, b = store.put("/hatrac/ns/deep/a", A), store.put("/hatrac/ns/deep/b", B)
    early = store.put("/hatrac/ns/deep/b", C)
    store.delete(early.url)
    store.put("/hatrac/ns/earlier", C)
    store.delete("/hatrac/ns/earlier")
    store.delete("/hatrac/ns")
    with pytest.raises(Conflict):
        store.put("/hatrac/ns/deep/a", A)
    assert restore(store, "/hatrac/ns") == [a.url, b.url]
    assert store.names("/hatrac/ns") == ["/hatrac/ns/deep"]
    assert [v.url for v in store.versions("/hatrac/ns/deep/b")] == [b.url]
    assert store.put("/hatrac/ns/deep/a", C).sha256 == sha256(C)


def test_an_object_comes_back_alone_from_a_deleted_namespace(store: ObjectStore) -> None:
    store.put("/hatrac/ns/a", A)
    kept = store.put("/hatrac/ns/b", B)
    store.delete("/hatrac/ns")
    assert restore(store, "/hatrac/ns/b") == [kept.url]
    assert store.names("/hatrac/ns") == ["/hatrac/ns/b"]
    assert store.read(kept.url) == B


def test_what_is_collected_cannot_come_back(store: ObjectStore) -> None:
    a, b = store.put("/hatrac/ns/a", A), store.put("/hatrac/ns/b", B)
    store.put("/hatrac/other", B)
    store.delete("/hatrac/ns")
    collect(store, NOW)
    assert {(d.url, d.is_stored) for d in trash(store)} == {(a.url, False), (b.url, True)}
    with pytest.raises(Conflict, match="bytes of 1 of its 2 versions are gone"):
        restore(store, "/hatrac/ns")
    with pytest.raises(NotFound):
        store.stat(b.url)
    assert restore(store, b.url) == [b.url]
    for never in ("/hatrac/never", "/hatrac/ns/a:ABC", "/hatrac/never:ABC"):
        with pytest.raises(NotFound, match="never"):
            restore(store, never)


def test_what_came_back_is_needed_again(store: ObjectStore) -> None:
    put = store.put("/hatrac/a", A)
    store.delete("/hatrac/a")
    restore(store, "/hatrac/a")
    assert collect(store, NOW).contents == 0
    assert store.read(put.url) == A


# --- uploads -----------------------------------------------------------------------------


def test_uploads_are_told_and_given_up_by_an_administrator(store: ObjectStore) -> None:
    job, other = begun(store, A), begun(store, B, None)
    told = every(store)
    assert [(w.job, w.name, w.owner, w.length, w.received) for w in told] == [
        (job.id, "/hatrac/job", "kim", len(A), len(A)),
        (other.id, None, "kim", len(B), len(B)),
    ]
    cancel_any(store, job.id)
    with pytest.raises(NotFound):
        cancel_any(store, job.id)
    assert ChunkStore(store.content).jobs() == {other.id}
    assert expire(store, timedelta(days=1)) == 0
    assert expire(store, NOTHING) == 1
    assert ChunkStore(store.content).jobs() == set()

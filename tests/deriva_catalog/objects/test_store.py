"""Objects: named and versioned, stored once, visible only when complete."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.errors import BadRequest, Conflict, Corrupted, NotFound, Unavailable
from deriva_catalog.objects import (
    ContentStore,
    ObjectStore,
    Upload,
    create_tables,
    encode_part,
    parse_name,
)
from deriva_catalog.objects.checking import unreferenced, verify
from deriva_catalog.objects.content import PIECE


class Connection:
    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection


class SqliteDatabase:
    """A plain database with the two methods that an object store asks for."""

    def __init__(self, path: Path) -> None:
        self.engine = sa.create_engine(f"sqlite:///{path}")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield Connection(connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield Connection(connection)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "rows.db")
    with database.writing() as writing:
        create_tables(writing.connection)
    yield database
    database.engine.dispose()


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, database: SqliteDatabase) -> ObjectStore:
    if request.param == "local":
        return ObjectStore(database, ContentStore.local(tmp_path / "objects"))
    return ObjectStore(database, ContentStore.from_url("memory://"))


@pytest.fixture
def local(tmp_path: Path, database: SqliteDatabase) -> ObjectStore:
    return ObjectStore(database, ContentStore.local(tmp_path / "objects"))


def test_bytes_come_back_with_their_digests(store: ObjectStore) -> None:
    put = store.put("/hatrac/models/best.pt", b"weights", content_type="x/y", filename="best.pt")

    assert store.read(put.url) == b"weights"
    assert store.stat("/hatrac/models/best.pt") == put
    assert put.md5 == hashlib.md5(b"weights").hexdigest()
    assert put.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (put.length, put.content_type, put.filename) == (7, "x/y", "best.pt")


def test_a_put_makes_a_new_version_and_the_old_one_stays(store: ObjectStore) -> None:
    first = store.put("/hatrac/a", b"1")
    second = store.put("/hatrac/a", b"2")

    assert [v.url for v in store.versions("/hatrac/a")] == [second.url, first.url]
    assert store.read(first.url) == b"1"
    assert store.read("/hatrac/a") == b"2"


@pytest.mark.parametrize(
    "make",
    [bytes, io.BytesIO, lambda data: iter([data[:3], data[3:]])],
    ids=["bytes", "file", "iterable"],
)
def test_every_kind_of_source_is_stored(store: ObjectStore, make) -> None:
    put = store.put("/hatrac/a", make(b"0123456789"))
    assert store.read(put.url) == b"0123456789"


def test_a_path_is_stored_and_may_change_afterwards(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"before")
    put = store.put("/hatrac/a", source)
    source.write_bytes(b"after")
    assert store.read(put.url) == b"before"


def test_equal_bytes_are_stored_once(store: ObjectStore) -> None:
    store.put("/hatrac/a", b"same")
    store.put("/hatrac/b", b"same")
    assert len(list(store.content.digests())) == 1


def test_reuse_keeps_the_version_of_equal_bytes(store: ObjectStore) -> None:
    first = store.put("/hatrac/a", b"same")
    again, other = store.put_many(
        [Upload("/hatrac/a", b"same"), Upload("/hatrac/b", b"same")], reuse=True
    )
    assert again == first
    assert other.name == "/hatrac/b"
    changed = store.put_many([Upload("/hatrac/a", b"new")], reuse=True)[0]
    assert changed.version != first.version


@pytest.mark.parametrize("digest", [{"md5": "0" * 32}, {"sha256": "f" * 64}])
def test_a_wrong_digest_is_refused_and_leaves_nothing_visible(
    store: ObjectStore, digest: dict[str, str]
) -> None:
    with pytest.raises(BadRequest, match="not"):
        store.put("/hatrac/ns/a", b"data", **digest)
    with pytest.raises(NotFound):
        store.stat("/hatrac/ns/a")
    assert store.names() == []


def test_a_text_is_neither_bytes_nor_a_path(store: ObjectStore) -> None:
    with pytest.raises(BadRequest, match=r"Give a Path for a file"):
        store.put("/hatrac/a", "a.txt")  # type: ignore[arg-type]


def test_a_source_that_fails_leaves_nothing(store: ObjectStore) -> None:
    def failing() -> Iterator[bytes]:
        yield b"x" * 100
        raise OSError("the network went away")

    with pytest.raises((Unavailable, OSError)):
        store.put("/hatrac/a", failing())
    assert store.names() == []
    assert list(store.content.digests()) == []
    assert store.content.sweep(timedelta(0)) == 0


def test_names_are_listed_and_kinds_do_not_mix(store: ObjectStore) -> None:
    store.put("/hatrac/a/b/c", b"1")
    assert store.names() == ["/hatrac/a"]
    assert store.names("/hatrac/a") == ["/hatrac/a/b"]
    with pytest.raises(Conflict, match="namespace"):
        store.put("/hatrac/a/b", b"2")
    with pytest.raises(Conflict, match="below"):
        store.put("/hatrac/a/b/c/d", b"2")
    with pytest.raises(NotFound, match="/hatrac/x"):
        store.put("/hatrac/x/y", b"2", parents=False)


def test_one_batch_cannot_use_a_name_as_object_and_namespace(store: ObjectStore) -> None:
    with pytest.raises(Conflict):
        store.put_many([Upload("/hatrac/a", b"1"), Upload("/hatrac/a/b", b"2")])
    assert store.names() == []


def test_a_deleted_name_stays_taken(store: ObjectStore) -> None:
    store.put("/hatrac/a", b"1")
    store.delete("/hatrac/a")
    with pytest.raises(NotFound):
        store.read("/hatrac/a")
    with pytest.raises(Conflict, match="deleted"):
        store.put("/hatrac/a", b"2")
    assert hashlib.sha256(b"1").hexdigest() in unreferenced(store)


def test_deleting_a_version_brings_back_the_one_before(store: ObjectStore) -> None:
    first = store.put("/hatrac/a", b"1")
    second = store.put("/hatrac/a", b"2")
    store.delete(second.url)
    assert store.stat("/hatrac/a") == first


@pytest.mark.parametrize(
    "name", ["/hatrac/../x", "/hatrac/a//b", "/hatrac/a b", "/other/a", "/hatrac/a:1", "/hatrac/."]
)
def test_bad_names_are_refused(store: ObjectStore, name: str) -> None:
    with pytest.raises(BadRequest):
        store.put(name, b"")


@given(st.lists(st.text(min_size=1).filter(lambda t: t not in {".", ".."}), min_size=1))
def test_any_text_makes_a_name_that_is_read_back(parts: list[str]) -> None:
    parts = [p.replace("\0", "_").encode("utf-8", "ignore").decode() or "x" for p in parts]
    parts = [p if p not in {".", ".."} else "x" for p in parts]
    path = "/hatrac/" + "/".join(encode_part(p) for p in parts)
    assert parse_name(path).parts == tuple(parts)
    assert parse_name(path).path == path


@pytest.mark.parametrize("link", [False, True])
def test_get_writes_the_whole_file(store: ObjectStore, tmp_path: Path, link: bool) -> None:
    put = store.put("/hatrac/a", b"data")
    target = tmp_path / "deep" / "copy.bin"
    assert store.get(put.url, target, link=link).read_bytes() == b"data"


def test_a_linked_file_is_the_stored_one_and_read_only(
    local: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    put = local.put("/hatrac/a", b"data")
    target = local.get(put.url, tmp_path / "linked", link=True)
    stored = local.content.path(put.sha256)
    assert stored is not None
    assert target.stat().st_ino == stored.stat().st_ino
    assert target.stat().st_mode & 0o222 == 0
    assert local.get(put.url, target, link=True) == target
    (tmp_path / "folder").mkdir()
    for link in (True, False):
        with pytest.raises(Unavailable, match="folder"):
            local.get(put.url, tmp_path / "folder", link=link)
    assert list((tmp_path / "folder").iterdir()) == []
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.skipif(os.name == "nt", reason="there is no superuser whom modes do not hold")
def test_the_superuser_does_not_write_through_links(
    local: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for size in (4, PIECE + 1):
        data = b"x" * size
        put = local.put("/hatrac/a", data)
        target = local.get(put.url, tmp_path / "asked-for-a-link", link=True)
        assert local.content.link(put.sha256, tmp_path / f"copy-{size}") == (size < PIECE)
        assert not local.content.link(put.sha256, target)
        target.chmod(0o644)
        target.write_bytes(b"changed")
        assert local.read(put.url) == data
    small = tmp_path / "copy-4"
    assert (small.read_bytes(), small.stat().st_nlink) == (b"xxxx", 1)
    stored = local.content.path(hashlib.sha256(b"xxxx").hexdigest())
    assert stored is not None
    stored.chmod(0o644)
    stored.write_bytes(b"XXXX")
    with pytest.raises(Corrupted, match="damaged"):
        local.content.link(stored.name, tmp_path / "damaged")
    assert not (tmp_path / "damaged").exists()


def test_damage_is_found_and_never_handed_out(local: ObjectStore, tmp_path: Path) -> None:
    good = local.put("/hatrac/good", b"good")
    bad = local.put("/hatrac/bad", b"data")
    gone = local.put("/hatrac/gone", b"gone")
    damaged = local.content.path(bad.sha256)
    missing = local.content.path(gone.sha256)
    assert damaged is not None
    assert missing is not None
    damaged.chmod(0o644)
    damaged.write_bytes(b"DATA")
    missing.unlink()

    assert {f.name for f in verify(local)} == {bad.url, gone.url}
    with pytest.raises(Corrupted, match="damaged"):
        local.get(bad.url, tmp_path / "out")
    with pytest.raises(NotFound):
        local.get(gone.url, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert local.read(good.url) == b"good"


def test_many_urls_are_looked_up_at_once(store: ObjectStore) -> None:
    put = store.put_many([Upload(f"/hatrac/n/{i}", b"%d" % i) for i in range(50)])
    found = store.stat_many([v.url for v in put] + ["/hatrac/n/0:NOSUCHVERSION"])
    assert found == {v.url: v for v in put}


def test_progress_counts_every_byte(store: ObjectStore, tmp_path: Path) -> None:
    seen: list[int] = []
    source = tmp_path / "file"
    source.write_bytes(b"x" * 3_000_000)
    store.put("/hatrac/a", source, progress=seen.append)
    assert sum(seen) == 3_000_000


@pytest.mark.slow
def test_a_killed_put_leaves_nothing_visible(local: ObjectStore, tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from deriva_catalog.objects import ContentStore
        def endless():
            yield b"x" * (16 << 20)
            print("half", flush=True)
            sys.stdin.read()
        ContentStore.local(Path({str(tmp_path / "objects")!r})).add(endless())
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == b"half\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    child.stdin.close()

    assert list(local.content.digests()) == []
    local.content.sweep(timedelta(0))
    assert [p for p in (tmp_path / "objects").rglob("*") if p.is_file()] == []


def test_a_namespace_is_deleted_with_all_below_it(store: ObjectStore) -> None:
    store.put("/hatrac/a_/b/c", b"1")
    store.put("/hatrac/ab/c", b"2")
    store.put("/hatrac/A_/b", b"3")
    store.delete("/hatrac/a_")
    assert store.names() == ["/hatrac/A_", "/hatrac/ab"]
    assert store.names("/hatrac/A_") == ["/hatrac/A_/b"]
    for gone in ("/hatrac/a_", "/hatrac/a_/b/c", "/hatrac/a_/new"):
        with pytest.raises(Conflict, match="deleted"):
            store.put(gone, b"")
    assert store.read("/hatrac/ab/c") == b"2"


def test_an_object_without_versions_is_there_without_content(store: ObjectStore) -> None:
    put = store.put("/hatrac/a", b"1")
    store.delete(put.url)
    assert store.versions("/hatrac/a") == []
    with pytest.raises(Conflict, match="no content"):
        store.read("/hatrac/a")
    with pytest.raises(NotFound):
        store.read(put.url)
    again = store.put("/hatrac/a", b"2")
    assert store.versions("/hatrac/a") == [again]
    store.delete("/hatrac/a")
    with pytest.raises(NotFound):
        store.versions("/hatrac/a")


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_files_of_every_size_are_read_once_and_whole(
    store: ObjectStore, tmp_path: Path, size: int
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    put = store.put("/hatrac/a", source)
    assert store.put("/hatrac/b", source).sha256 == put.sha256
    assert store.read(put.url) == source.read_bytes()
    assert len(list(store.content.digests())) == 1
    assert store.content.sweep(timedelta(0)) == 0


def test_a_store_is_named_by_a_url(database: SqliteDatabase, tmp_path: Path) -> None:
    place = tmp_path / "with space"
    by_url = ObjectStore(database, ContentStore.from_url(place.as_uri()))
    put = by_url.put("/hatrac/a", b"data")
    assert by_url.content.path(put.sha256) == place / "sha256" / put.sha256[:2] / put.sha256
    in_memory = ObjectStore(database, ContentStore.from_url("memory:///"))
    assert in_memory.read(in_memory.put("/hatrac/b", b"data").url) == b"data"
    with pytest.raises(BadRequest, match="bogus"):
        ContentStore.from_url("bogus://x")


def test_a_link_into_a_missing_directory_is_not_taken_for_missing_content(
    local: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    put = local.put("/hatrac/a", b"data")
    with pytest.raises(FileNotFoundError):
        local.content.link(put.sha256, tmp_path / "nowhere" / "x")
    with pytest.raises(NotFound):
        local.content.link("0" * 64, tmp_path / "x")


def test_a_name_at_the_limit_of_the_file_system_is_got(local: ObjectStore, tmp_path: Path) -> None:
    put = local.put("/hatrac/a", b"data")
    for link in (False, True):
        target = tmp_path / (str(int(link)) * 255)
        assert local.get(put.url, target, link=link).read_bytes() == b"data"


@pytest.mark.slow
def test_two_processes_that_put_one_name_make_versions_of_one_content(tmp_path: Path) -> None:
    catalog = create_local(tmp_path / "catalog")
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from deriva_catalog.catalog import open_local
        catalog = open_local(Path(sys.argv[1]))
        print("ready", flush=True)
        sys.stdin.readline()
        for n in range(20):
            catalog.objects.put("/hatrac/ns/same", b"%d" % (n % 5) * 1000)
        """
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(catalog.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
    for child in children:
        child.communicate(b"go\n")
        assert child.returncode == 0

    assert len(catalog.objects.versions("/hatrac/ns/same")) == 40
    assert len(list(catalog.objects.content.digests())) == 5
    assert verify(catalog.objects) == []
    assert catalog.objects.content.sweep(timedelta(0)) == 0
    catalog.close()


@pytest.mark.slow
def test_a_process_killed_in_a_put_leaves_the_names_as_they_were(tmp_path: Path) -> None:
    catalog = create_local(tmp_path / "catalog")
    kept = catalog.objects.put("/hatrac/ns/kept", b"kept")
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from deriva_catalog.catalog import open_local
        def endless():
            yield b"x" * 100_000
            print("half", flush=True)
            sys.stdin.read()
        open_local(Path(sys.argv[1])).objects.put("/hatrac/ns/new", endless())
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(catalog.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)

    assert catalog.objects.names("/hatrac/ns") == [kept.name]
    assert unreferenced(catalog.objects) == []
    assert catalog.objects.content.sweep(timedelta(hours=1)) == 0
    assert catalog.objects.content.sweep(timedelta(0)) == 1
    catalog.close()


def test_an_object_rolls_back_with_the_transaction_it_was_put_in(tmp_path: Path) -> None:
    catalog = create_local(tmp_path / "catalog")

    def put_and_fail(catalog: LocalCatalog) -> None:
        with catalog.transaction():
            catalog.objects.put("/hatrac/a", b"1")
            raise RuntimeError("something else failed")

    with pytest.raises(RuntimeError):
        put_and_fail(catalog)
    assert catalog.objects.names() == []
    assert len(unreferenced(catalog.objects)) == 1
    catalog.close()


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="the system has no files without names")
def test_a_file_without_a_name_that_is_given_away_becomes_the_stored_one(
    local: ObjectStore, tmp_path: Path
) -> None:
    data = b"x" * 3_000_000
    with os.fdopen(os.open(tmp_path, os.O_RDWR | os.O_TMPFILE), "w+b") as file:
        file.write(data)
        file.seek(0)
        content = local.content.add(file, take=True)
        stored = local.content.path(content.sha256)
        assert stored is not None
        assert stored.stat().st_ino == os.fstat(file.fileno()).st_ino
    assert stored.read_bytes() == data
    assert stored.stat().st_mode & 0o777 == 0o444


def test_a_file_with_a_name_is_copied_also_when_given_away(
    local: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"data" * 1000)
    with (tmp_path / "file").open("r+b") as file:
        content = local.content.add(file, take=True)
        file.seek(0)
        file.write(b"changed")
    assert b"".join(local.content.read(content.sha256)) == b"data" * 1000


def test_refused_bytes_leave_nothing(local: ObjectStore, tmp_path: Path) -> None:
    def refuse(content: object) -> None:
        raise BadRequest("not these")

    for source in (b"small", b"large" * 1_000_000, iter([b"pieces"])):
        with pytest.raises(BadRequest, match="not these"):
            local.content.add(source, check=refuse)
    assert list(local.content.digests()) == []
    assert list((tmp_path / "objects").glob("incoming/*")) == []


def test_long_and_short_contents_have_the_same_kind_of_digests(local: ObjectStore) -> None:
    for length in (0, 1, 8 << 20, (8 << 20) + 1, 20 << 20):
        data = hashlib.shake_128(b"x").digest(length)
        content = local.content.add(iter([data[:100], data[100:]]))
        assert content.md5 == hashlib.md5(data).hexdigest()
        assert content.sha256 == hashlib.sha256(data).hexdigest()
        assert content.length == length

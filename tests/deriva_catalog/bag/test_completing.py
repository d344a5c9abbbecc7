"""Files of bags that lie elsewhere: several sources each, damage noticed, nothing done twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bagit
import pytest

from deriva_catalog.bag import (
    BagWriter,
    FetchEntry,
    Fetcher,
    content_fetcher,
    export_bag,
    first_of,
    materialize,
    object_fetcher,
    read_bag,
    url_fetcher,
    validate,
)
from deriva_catalog.bag.seen import Seen
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.errors import BadRequest, Corrupted, Forbidden, NotFound, Unavailable
from deriva_catalog.objects import Content, ContentStore


class Site:
    """A web site on this machine: what it has by path, and what it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, list[tuple[int, bytes]]] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                answers = site.pages.get(self.path, [(404, b"")])
                status, data = answers.pop(0) if len(answers) > 1 else answers[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", data.decode())
                    data = b""
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def _site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def site(_site: Site) -> Site:
    _site.pages.clear()
    _site.asked.clear()
    return _site


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore.local(tmp_path / "objects")


def listing(place: Path, store: ContentStore, files: dict[str, tuple[bytes, list[str]]]) -> Path:
    """A bag that lists files."""
    with BagWriter(place) as bag:
        bag.add("data/here", b"here")
        for path, (data, urls) in files.items():
            made = store.add(data)
            bag.add_fetch(path, urls, length=made.length, md5=made.md5, sha256=made.sha256)
    return place


# --- several sources ---------------------------------------------------------------------


def test_several_sources_are_lines_that_come_back_in_order(
    tmp_path: Path, store: ContentStore
) -> None:
    urls = ["https://z/1", "https://a/2", "file:///m/3"]
    bag = listing(tmp_path / "bag", store, {"data/x": (b"x", urls), "data/a": (b"a", urls[:1])})
    assert (bag / "fetch.txt").read_text().splitlines() == [
        "https://z/1\t1\tdata/a",
        *(f"{url}\t1\tdata/x" for url in urls),
    ]
    assert {e.path: list(e.sources) for e in read_bag(bag).fetch} == {
        "data/x": urls,
        "data/a": urls[:1],
    }
    assert bagit.Bag(str(bag)).files_to_be_fetched()
    assert validate(bag).to_fetch == ("data/a", "data/x")


def test_a_file_without_source_or_with_two_lengths_is_refused(
    tmp_path: Path, store: ContentStore
) -> None:
    with pytest.raises(BadRequest, match="without a URL"):
        listing(tmp_path / "bag", store, {"data/x": (b"x", [])})
    bag = listing(tmp_path / "bag", store, {"data/x": (b"x", ["https://h/x"])})
    (bag / "fetch.txt").write_text("https://h/x\t1\tdata/x\nhttps://h/y\t2\tdata/x\n")
    with pytest.raises(Corrupted, match="with 1 and with 2 bytes"):
        read_bag(bag)


def test_sources_are_tried_until_one_has_the_right_bytes(
    tmp_path: Path, store: ContentStore, site: Site
) -> None:
    data = b"the right bytes"
    site.pages = {
        "/wrong": [(200, b"the wrong bytes")],
        "/short": [(200, b"short")],
        "/secret": [(403, b"")],
        "/moved": [(302, b"/right")],
        "/right": [(200, data)],
    }
    names = ["gone", "wrong", "short", "secret", "moved", "right"]
    urls = [f"{site.url}/{name}" for name in names]
    bag = listing(tmp_path / "bag", store, {"data/x": (data, urls)})
    done = materialize(bag, url_fetcher())
    assert (done.fetched, done.length) == (1, len(data))
    assert site.asked == ["/gone", "/wrong", "/short", "/secret", "/moved", "/right"]
    assert validate(bag).complete
    bagit.Bag(str(bag)).validate()


def test_when_no_source_has_it_each_failure_is_told(
    tmp_path: Path, store: ContentStore, site: Site
) -> None:
    site.pages = {"/wrong": [(200, b"y")], "/secret": [(401, b"")]}
    urls = [f"{site.url}/{name}" for name in ("gone", "secret", "wrong")]
    bag = listing(tmp_path / "bag", store, {"data/x": (b"x", urls)})
    with pytest.raises(
        Corrupted, match=r"None of the 3 sources of 'data/x'.*404.*401.*(sha256|md5)"
    ):
        materialize(bag, url_fetcher())
    assert not (bag / "data/x").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    tmp_path: Path, store: ContentStore, site: Site
) -> None:
    site.pages = {"/x": [(503, b""), (200, b"x")], "/forbidden": [(403, b"")]}
    bag = listing(tmp_path / "bag", store, {"data/x": (b"x", [f"{site.url}/x"])})
    assert materialize(bag, url_fetcher()).fetched == 1
    other = listing(tmp_path / "other", store, {"data/x": (b"x", [f"{site.url}/forbidden"])})
    with pytest.raises(Forbidden):
        materialize(other, url_fetcher())
    assert site.asked == ["/x", "/x", "/forbidden"]


def test_files_of_this_machine_are_only_read_where_that_is_allowed(
    tmp_path: Path, store: ContentStore
) -> None:
    (tmp_path / "a%20file é").write_bytes(b"x")
    url = (tmp_path / "a%20file é").as_uri()
    bag = listing(tmp_path / "bag", store, {"data/x": (b"x", [url])})
    with pytest.raises(NotFound, match="only read where that is allowed"):
        materialize(bag, url_fetcher())
    assert materialize(bag, url_fetcher(local_files=True)).fetched == 1
    (tmp_path / "a%20file é").unlink()
    (bag / "data/x").unlink()
    with pytest.raises(NotFound, match="no file at"):
        materialize(bag, url_fetcher(local_files=True))


def test_objects_of_a_catalog_are_found_by_content_or_by_name(
    tmp_path: Path, catalog: LocalCatalog
) -> None:
    put = catalog.objects.put("/hatrac/f/x.txt", b"x")
    bag = tmp_path / "bag"
    with BagWriter(bag) as writer:
        host = "https://old.example.org"
        writer.add_fetch("data/x", f"{host}{put.url}", length=1, md5=put.md5)
        writer.add_fetch("data/y", "https://elsewhere/y", length=1, md5=put.md5, sha256=put.sha256)
    fetcher = first_of(
        content_fetcher(catalog.objects.content), object_fetcher(catalog.objects, [host])
    )
    assert materialize(bag, fetcher).fetched == 2
    assert validate(bag).complete


def test_a_list_need_not_tell_lengths(tmp_path: Path, store: ContentStore) -> None:
    kept, fetch = store.add(b"some bytes"), content_fetcher(store, link=False)
    entry = FetchEntry("https://h/x", None, "data/x", {"sha256": kept.sha256})
    got = fetch(entry, tmp_path / "x")
    assert got is not None
    assert (got.length, (tmp_path / "x").read_bytes()) == (10, b"some bytes")
    with pytest.raises(NotFound, match="data/y"):
        fetch(FetchEntry("https://h/y", None, "data/y", {"sha256": "0" * 64}), tmp_path / "y")


def test_nowhere_to_go_is_told(tmp_path: Path, store: ContentStore) -> None:
    bag = listing(tmp_path / "bag", store, {"data/x": (b"x", ["s3://bucket/x"])})
    with pytest.raises(NotFound, match="no way to 's3://bucket/x'"):
        materialize(bag, url_fetcher())
    closed = listing(tmp_path / "b", store, {"data/x": (b"x", ["http://127.0.0.1:9/x"])})
    with pytest.raises(Unavailable, match="cannot be fetched"):
        materialize(closed, url_fetcher(connect_s=1, read_s=1))


# --- what is known to be right -----------------------------------------------------------


class Counted:
    """A fetcher that remembers what it was asked for."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.asked: list[str] = []
        self._fetcher = fetcher

    def __call__(self, entry: FetchEntry, destination: Path) -> Content | None:
        self.asked.append(entry.path)
        return self._fetcher(entry, destination)


@pytest.fixture
def holey(tmp_path: Path, store: ContentStore) -> Path:
    files = {f"data/f/{n}": (b"file %d" % n, [f"https://h/{n}"]) for n in range(6)}
    return listing(tmp_path / "place/bag", store, files)


def test_with_a_record_damage_is_noticed_and_repaired(
    holey: Path, store: ContentStore, tmp_path: Path
) -> None:
    record, fetcher = tmp_path / "place/seen.json", Counted(content_fetcher(store, link=False))
    materialize(holey, fetcher, seen=record)
    assert Seen.load(record) == Seen.of(holey, complete=True)
    fetcher.asked.clear()
    (holey / "data/f/1").write_bytes(b"FILE 1")  # of the same length
    (holey / "data/f/2").write_bytes(b"longer than before")
    (holey / "data/f/3").unlink()
    os.utime(holey / "data/f/4", (1, 1))  # only touched
    done = materialize(holey, fetcher, seen=record)
    assert (done.fetched, done.present, done.damaged) == (3, 3, 2)
    assert sorted(fetcher.asked) == ["data/f/1", "data/f/2", "data/f/3"]
    assert validate(holey).complete
    again = materialize(holey, fetcher, seen=record)
    assert (again.fetched, again.present, again.damaged) == (0, 6, 0)


def test_what_is_known_to_be_right_is_not_read(holey: Path, store: ContentStore) -> None:
    record = holey.with_name("seen.json")
    materialize(holey, content_fetcher(store, link=False), seen=record)
    victim = holey / "data/f/1"
    look = victim.stat()
    victim.write_bytes(b"FILE 1")
    os.utime(victim, ns=(look.st_atime_ns, look.st_mtime_ns))  # as if nobody had been there
    assert materialize(holey, content_fetcher(store), seen=record).damaged == 0
    assert not validate(holey).valid


def test_what_was_verified_before_a_failure_is_remembered(holey: Path, store: ContentStore) -> None:
    record, fetch = holey.with_name("seen.json"), content_fetcher(store)

    def failing(entry: FetchEntry, destination: Path) -> Content | None:
        if entry.path == "data/f/4":
            raise Unavailable("The network was lost.")
        return fetch(entry, destination)

    with pytest.raises(Unavailable, match="lost"):
        materialize(holey, failing, concurrency=1, seen=record)
    seen = Seen.load(record)
    assert seen is not None
    assert not seen.complete
    assert "data/f/3" in seen.looks
    assert 4 <= materialize(holey, fetch, seen=record).present < 6
    assert Seen.load(record) == Seen.of(holey, complete=True)


def test_an_export_lists_where_a_catalog_is_served_as_well(
    tmp_path: Path, catalog: LocalCatalog
) -> None:
    rows = {("S", "Image"): "all"}
    addresses = ["https://one.example.org/", "https://two.example.org"]
    export_bag(catalog, tmp_path / "bag", rows, files="list", addresses=addresses)  # type: ignore[arg-type]
    urls = {row["URL"] for row in catalog.fetch("entity/S:Image")}
    for entry in read_bag(tmp_path / "bag").fetch:
        own, first, second = entry.sources
        assert own.startswith("file:///")
        assert first.removeprefix("https://one.example.org") in urls
        assert second.removeprefix("https://two.example.org") in urls
    bagit.Bag(str(tmp_path / "bag")).validate_fetch()
    assert materialize(tmp_path / "bag", url_fetcher(local_files=True)).fetched == 3
    bagit.Bag(str(tmp_path / "bag")).validate()

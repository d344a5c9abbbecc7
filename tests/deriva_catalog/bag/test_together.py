"""Small files of a served catalog come many at a time, and one by one where that cannot be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from catalog_server import Served, serving
from deriva_catalog.bag import (
    BagWriter,
    FetchEntry,
    ManyFetcher,
    cached_fetcher,
    content_fetcher,
    fetch_together,
    first_of,
    materialize,
    object_fetcher,
    read_bag,
    validate,
)
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.catalog.remote import connection as connecting
from deriva_catalog.catalog.remote import parse_host
from deriva_catalog.catalog.remote.connection import Connection
from deriva_catalog.catalog.remote.link import Link
from deriva_catalog.catalog.remote.objects import FEATURE, RemoteObjectStore
from deriva_catalog.errors import Corrupted, Forbidden, NotFound, Unavailable
from deriva_catalog.objects import ObjectVersion, Upload
from deriva_catalog.objects.cache import ContentCache

DATAS = [b"picture %d " % n * (n + 1) for n in range(40)] + [b"large" * 100_000]
HOST = "https://old.example.org"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    catalog = Registry(home).create(catalog_id="zoo")
    with catalog.store.writing() as writing:
        acls = {"owner": (default_client(),), "enumerate": ("lee",)}
        writing.adopt(replace(writing.model, acls=acls))
    catalog.close()
    with serving(home) as running:
        yield running


def open_as(served: Served, name: str, *, packs: bool = True) -> RemoteObjectStore:
    credential = {"bearer-token": served.tokens.add(name)}
    link = Link(Connection(parse_host(served.url), credential=credential), "zoo")
    if not packs:
        link.features = {n: have for n, have in link.features.items() if n != FEATURE}
    return RemoteObjectStore(link)


@pytest.fixture(scope="module")
def objects(served: Served) -> RemoteObjectStore:
    return open_as(served, default_client())


@pytest.fixture(scope="module")
def made(objects: RemoteObjectStore) -> list[ObjectVersion]:
    return objects.put_many(Upload(f"/hatrac/p/{n}", data) for n, data in enumerate(DATAS))


@pytest.fixture
def bag(made: list[ObjectVersion], tmp_path: Path) -> Path:
    """A bag that lists all files, the first one twice."""
    with BagWriter(tmp_path / "bag") as writer:
        for n, v in enumerate([*made, made[0]]):
            url = f"{HOST}{v.url}"
            writer.add_fetch(f"data/{n}", url, length=v.length, md5=v.md5, sha256=v.sha256)
    return tmp_path / "bag"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, made: list[ObjectVersion]) -> list[str]:
    """The requests that are made: method and the end of the path."""
    found: list[str] = []
    send = httpx.Client.send

    def noted(client: httpx.Client, request: httpx.Request, *, stream: bool) -> httpx.Response:
        target = request.extensions["target"].decode()
        found.append(f"{request.method} {target.partition('/hatrac/')[2]}")
        return send(client, request, stream=stream)

    monkeypatch.setattr(httpx.Client, "send", noted)
    monkeypatch.setattr(connecting, "_FIRST_PAUSE_S", 0.001)
    return found


def entries_of(bag: Path, directory: Path) -> list[tuple[FetchEntry, Path]]:
    return [(entry, directory / Path(entry.path).name) for entry in read_bag(bag).fetch]


def test_groups_are_small_and_equal_files_are_in_one() -> None:
    def entry(length: int | None, sha256: str) -> FetchEntry:
        return FetchEntry(f"https://h/{sha256}", length, f"data/{sha256}", {"sha256": sha256})

    fetcher = ManyFetcher(lambda entry, path: None, lambda wanted: {}, 1 << 20)
    small = [entry(10, str(n % 90)) for n in range(100)]
    assert [len(group) for group in fetcher.groups(small, 1)] == [100]
    assert fetcher.groups(small, 2) == [
        [n for m in range(45) for n in range(m, 100, 90)],
        list(range(45, 90)),
    ]
    large = [entry(1 << 20, str(n)) for n in range(9)]
    assert fetcher.groups(large, 1) == [[0, 1, 2, 3], [4, 5, 6, 7]]  # the last by itself
    assert fetcher.groups([entry(None, "a"), entry((1 << 20) + 1, "b")] * 2, 1) == []


def test_small_files_come_together_and_each_once(
    objects: RemoteObjectStore, bag: Path, asked: list[str], tmp_path: Path
) -> None:
    fetcher = content_fetcher(objects.content)
    told: list[int] = []
    done = materialize(bag, fetcher, concurrency=2, progress=told.append)
    assert (done.fetched, sum(told)) == (len(DATAS) + 1, sum(map(len, [*DATAS, DATAS[0]])))
    assert validate(bag).complete
    assert sorted(asked) == [
        f"GET ;content/{hashlib.sha256(DATAS[-1]).hexdigest()}",
        "POST ;content/get",
        "POST ;content/get",
    ]


def test_what_is_kept_here_is_not_asked_for(
    objects: RemoteObjectStore, bag: Path, asked: list[str], tmp_path: Path
) -> None:
    kept = ContentCache(tmp_path / "cache")
    fetcher = cached_fetcher(kept, first_of(content_fetcher(objects.content)))
    (first, *_), places = entries_of(bag, tmp_path), entries_of(bag, tmp_path / "got")
    fetcher(*first)
    asked.clear()
    materialize(bag, fetcher)
    assert asked.count("POST ;content/get") == 2
    assert len(asked) == 3
    assert validate(bag).complete
    assert len(kept.contents()) == len(DATAS)
    asked.clear()
    assert len(fetch_together(fetcher, places)) == len(DATAS)  # all but the large one
    assert asked == []


def test_files_are_found_by_their_names_with_an_md5_alone(
    objects: RemoteObjectStore, made: list[ObjectVersion], tmp_path: Path, asked: list[str]
) -> None:
    bag = tmp_path / "listed"
    with BagWriter(bag) as writer:
        for n, v in enumerate(made):
            writer.add_fetch(f"data/{n}", f"{HOST}{v.url}", length=v.length, md5=v.md5)
    materialize(bag, object_fetcher(objects, [HOST]), concurrency=1)
    assert validate(bag).complete
    # With a question for the digests, and the large one by itself.
    assert asked[:3] == ["POST ;stat", "POST ;content/get", "POST ;stat"]
    assert len(asked) == 4


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_file_is_named_and_the_others_come(
    objects: RemoteObjectStore, served: Served, asked: list[str], bag: Path, damage: str
) -> None:
    put = objects.put("/hatrac/damaged", b"will be damaged, " + damage.encode())
    with BagWriter(bag.with_name("other")) as writer:
        for entry in read_bag(bag).fetch[:40]:
            writer.add_fetch(entry.path, entry.url, length=entry.length, **entry.digests)
        writer.add_fetch(
            "data/damaged", f"{HOST}{put.url}", length=put.length, md5=put.md5, sha256=put.sha256
        )
    (stored,) = served.tokens.path.parent.rglob(put.sha256)
    stored.chmod(0o644)
    data = stored.read_bytes()
    if damage == "gone":
        stored.unlink()
    else:
        stored.write_bytes(b"X" + data[1:] if damage == "changed" else data[:-3])
    asked.clear()
    with pytest.raises((Corrupted, NotFound), match=put.sha256):
        materialize(bag.with_name("other"), content_fetcher(objects.content), concurrency=1)
    found = [p for p in (bag.with_name("other") / "data").iterdir()]
    assert len(found) == 40
    assert len(asked) < 14
    stored.write_bytes(data)
    again = materialize(bag.with_name("other"), content_fetcher(objects.content))
    assert (again.fetched, again.present) == (1, 40)


def test_servers_without_packs_are_asked_for_one_at_a_time(
    served: Served, bag: Path, asked: list[str]
) -> None:
    plain = open_as(served, default_client(), packs=False)
    fetcher = first_of(content_fetcher(plain.content), object_fetcher(plain, [HOST]))
    assert not isinstance(fetcher, ManyFetcher)
    materialize(bag, fetcher)
    assert validate(bag).complete
    assert not any("content/get" in each for each in asked)


def test_who_may_not_read_all_gets_nothing_by_a_digest(
    served: Served, bag: Path, tmp_path: Path, asked: list[str]
) -> None:
    lee = open_as(served, "lee")
    for fetcher in (content_fetcher(lee.content), object_fetcher(lee, [HOST])):
        assert fetch_together(fetcher, entries_of(bag, tmp_path / "got")) == {}
        with pytest.raises(Forbidden):
            materialize(bag, fetcher)
    assert not (tmp_path / "got").exists()
    assert list((bag / "data").iterdir()) == []


def test_a_server_that_is_gone_is_not_asked_for_each_file(
    served: Served, bag: Path, asked: list[str]
) -> None:
    gone = open_as(served, default_client())
    fetcher = content_fetcher(gone.content)
    gone._link.connection.host = parse_host("http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        materialize(bag, fetcher, concurrency=1)
    assert len(asked) <= 10

"""The cache of downloaded bytes: kept once, never half, never more than allowed."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from deriva_catalog.errors import BadRequest, Corrupted, Unavailable
from deriva_catalog.objects.cache import ContentCache, Wanted
from deriva_catalog.objects.content import ContentStore
from deriva_catalog.objects.hashing import Content

SEED = 20_261_126


def content_of(data: bytes) -> Content:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Content(len(data), md5, hashlib.sha256(data).hexdigest())


def by_sha256(data: bytes) -> Wanted:
    return Wanted(sha256=content_of(data).sha256)


def by_md5(data: bytes) -> Wanted:
    return Wanted(md5=content_of(data).md5, length=len(data))


class Source:
    """Gives bytes, and counts how often it was asked."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked = 0

    def __call__(self, path: Path) -> None:
        self.asked += 1
        path.write_bytes(self.data)


def never(path: Path) -> NoReturn:
    raise AssertionError(f"{path} was fetched")


@pytest.fixture
def cache(tmp_path: Path) -> ContentCache:
    return ContentCache(tmp_path / "cache")


def kept_files(cache: ContentCache) -> list[Path]:
    return [p for p in (cache.root / "sha256").rglob("*") if p.is_file()]


def test_bytes_for_many_places_are_fetched_once(cache: ContentCache, tmp_path: Path) -> None:
    source = Source(b"picture")
    places = [tmp_path / f"dataset{n}" / "picture.png" for n in range(10)]
    for place in places:
        assert cache.get(by_sha256(b"picture"), place, source) == content_of(b"picture")
    assert source.asked == 1
    assert {place.read_bytes() for place in places} == {b"picture"}
    assert len(kept_files(cache)) == 1
    assert all(place.stat().st_mode & 0o222 == 0 for place in places)


def test_what_is_not_here_is_fetched_together(cache: ContentCache, tmp_path: Path) -> None:
    datas = {n: b"picture %d" % n for n in range(5)}
    by_key = {one.key: data for data in datas.values() for one in (by_sha256(data), by_md5(data))}
    asked: list[list[str]] = []

    def fetch(missing: Mapping[Wanted, Path]) -> dict[Path, Content | None]:
        asked.append([one.key for one in missing])
        for one, path in missing.items():
            path.write_bytes(by_key[one.key])
        return {path: None for path in missing.values() if path.read_bytes() != b"picture 4"}

    cache.get(by_sha256(datas[0]), tmp_path / "first", Source(datas[0]))
    by_key[by_sha256(datas[3]).key] = b"is not it"
    wanted = [(by_sha256(data), tmp_path / f"a{n}") for n, data in datas.items()]
    wanted += [(by_sha256(datas[1]), tmp_path / "again"), (by_md5(datas[2]), tmp_path / "md5")]
    found = cache.get_many(wanted, fetch)
    names = {"a0": 0, "a1": 1, "a2": 2, "again": 1, "md5": 2}
    assert found == {tmp_path / name: content_of(datas[n]) for name, n in names.items()}
    assert {p.name: p.read_bytes() for p in tmp_path.glob("a*")} == {
        name: datas[n] for name, n in names.items() if name != "md5"
    }
    assert len(asked[0]) == 5  # each once; one is asked for by its MD5 as well
    assert list((cache.root / "incoming").iterdir()) == []
    assert cache.get_many(wanted[:3], lambda missing: never(tmp_path)) == {
        tmp_path / f"a{n}": content_of(datas[n]) for n in range(3)
    }
    assert len(kept_files(cache)) == 3


def test_bytes_known_by_their_sha256_are_found_by_their_md5(
    cache: ContentCache, tmp_path: Path
) -> None:
    cache.get(by_sha256(b"picture"), tmp_path / "one", Source(b"picture"))
    assert cache.get(by_md5(b"picture"), tmp_path / "two", never) == content_of(b"picture")
    assert cache.find(Wanted(md5=content_of(b"picture").md5, length=8)) is None


def test_a_file_that_may_be_written_leaves_the_cache_as_it_is(
    cache: ContentCache, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    cache.get(by_sha256(b"picture"), mine, Source(b"picture"), link=False)
    mine.write_bytes(b"changed")
    cache.get(by_sha256(b"picture"), tmp_path / "other", never)
    assert (tmp_path / "other").read_bytes() == b"picture"


def test_a_file_in_the_place_is_replaced(cache: ContentCache, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.write_bytes(b"old")
    for _ in range(2):
        cache.get(by_sha256(b"new"), place, Source(b"new"))
    assert place.read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "place"]


@pytest.mark.parametrize("wanted", [by_sha256(b"right"), by_md5(b"right")])
def test_bytes_that_differ_are_refused_and_not_kept(
    cache: ContentCache, tmp_path: Path, wanted: Wanted
) -> None:
    with pytest.raises(Corrupted, match="fetched have the"):
        cache.get(wanted, tmp_path / "place", Source(b"wrong"))
    assert not (tmp_path / "place").exists()
    assert cache.contents() == []
    assert kept_files(cache) == []
    assert list((cache.root / "incoming").iterdir()) == []


def test_digests_that_a_source_claims_are_compared(cache: ContentCache, tmp_path: Path) -> None:
    def claiming(path: Path) -> Content:
        path.write_bytes(b"wrong")
        return content_of(b"wrong")

    with pytest.raises(Corrupted, match="SHA-256"):
        cache.get(by_sha256(b"right"), tmp_path / "place", claiming)


def test_a_touched_file_is_hashed_and_fetched_again_when_it_is_damaged(
    cache: ContentCache, tmp_path: Path
) -> None:
    source = Source(b"picture")
    cache.get(by_sha256(b"picture"), tmp_path / "one", source)
    (file,) = kept_files(cache)
    os.utime(file, ns=(1, 1))
    cache.get(by_sha256(b"picture"), tmp_path / "two", never)
    file.chmod(0o644)
    file.write_bytes(b"damaged")
    cache.get(by_sha256(b"picture"), tmp_path / "three", source)
    assert source.asked == 2
    assert (tmp_path / "three").read_bytes() == b"picture"


def test_a_file_that_was_removed_by_hand_is_fetched_again(
    cache: ContentCache, tmp_path: Path
) -> None:
    source = Source(b"picture")
    cache.get(by_md5(b"picture"), tmp_path / "one", source)
    kept_files(cache)[0].unlink()
    assert cache.find(by_md5(b"picture")) is None
    assert cache.contents() == []
    cache.get(by_md5(b"picture"), tmp_path / "two", source)
    assert source.asked == 2


def test_without_its_index_a_cache_still_knows_its_files_by_their_names(
    cache: ContentCache, tmp_path: Path
) -> None:
    cache.get(by_sha256(b"picture"), tmp_path / "one", Source(b"picture"))
    cache.close()
    for file in cache.root.glob("index.sqlite*"):
        file.unlink()
    (cache.root / "index.sqlite").write_bytes(b"no data base" * 1000)
    cache.get(by_sha256(b"picture"), tmp_path / "two", never)
    cache.get(by_md5(b"picture"), tmp_path / "three", never)  # entered again by then
    assert {(tmp_path / name).read_bytes() for name in ("two", "three")} == {b"picture"}


def test_the_least_recently_used_leave_a_full_cache(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "cache", limit_bytes=250)
    datas = [bytes([n]) * 100 for n in range(4)]
    for n, data in enumerate(datas):
        cache.get(by_sha256(data), tmp_path / str(n), Source(data))
    assert [c.content for c in cache.contents()] == [content_of(d) for d in datas[2:]]
    assert len(kept_files(cache)) == 2
    assert [(tmp_path / str(n)).read_bytes() for n in range(4)] == datas  # all came where they go


def test_what_is_used_stays_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ContentCache(tmp_path / "cache", limit_bytes=250)
    now = time.time()
    for n in (1, 2, 3):
        data = bytes([n]) * 100
        monkeypatch.setattr(time, "time", lambda later=n: now + 200 * later)
        cache.get(by_sha256(data), tmp_path / str(n), Source(data))
        monkeypatch.setattr(time, "time", lambda later=n: now + 200 * later + 100)
        cache.place(by_sha256(bytes([1]) * 100), tmp_path / "again")
    assert [c.content.sha256 for c in cache.contents()] == [
        content_of(bytes([n]) * 100).sha256 for n in (3, 1)
    ]


def test_what_is_larger_than_the_limit_passes_through(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "cache", limit_bytes=50)
    cache.get(by_sha256(b"s" * 40), tmp_path / "small", Source(b"s" * 40))
    cache.get(by_sha256(b"b" * 100), tmp_path / "big", Source(b"b" * 100))
    assert (tmp_path / "big").read_bytes() == b"b" * 100
    assert [c.content.length for c in cache.contents()] == [40]


def test_trimming_says_what_it_freed(cache: ContentCache, tmp_path: Path) -> None:
    cache.get(by_sha256(b"linked"), tmp_path / "linked", Source(b"linked"))
    cache.get(by_sha256(b"gone"), tmp_path / "gone", Source(b"gone"))
    shared = (tmp_path / "linked").stat().st_nlink > 1  # not where blocks are shared instead
    (tmp_path / "gone").unlink()
    assert cache.total_bytes() == 10
    assert cache.trim(10).removed == 0
    trimmed = cache.trim(0)
    assert (trimmed.removed, trimmed.bytes_freed) == (2, 4 if shared else 10)
    assert (tmp_path / "linked").read_bytes() == b"linked"
    assert cache.remove(content_of(b"linked").sha256).removed == 0


def test_what_broken_attempts_left_goes_in_time(cache: ContentCache, tmp_path: Path) -> None:
    cache.get(by_sha256(b"x"), tmp_path / "x", Source(b"x"))
    old, young = (cache.root / "incoming" / name for name in (".old", ".young"))
    for left in (old, young):
        left.write_bytes(b"part")
    os.utime(old, (1, 1))
    cache.trim(1 << 30)
    assert not old.exists()
    assert young.exists()


def test_threads_that_ask_for_the_same_bytes_fetch_them_once(
    cache: ContentCache, tmp_path: Path
) -> None:
    together = threading.Barrier(8)
    source = Source(b"picture" * 1000)

    def ask(number: int) -> bytes:
        together.wait()
        cache.get(by_md5(source.data), tmp_path / str(number), source)
        return (tmp_path / str(number)).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {source.data}
    assert source.asked == 1


def test_nothing_is_asked_for_without_a_digest() -> None:
    with pytest.raises(BadRequest, match="SHA-256 or their MD5"):
        Wanted(length=3)


@pytest.mark.parametrize(
    "wanted",
    [{"sha256": "../../precious"}, {"sha256": "A" * 64}, {"md5": "../../precious"}],
)
def test_what_is_no_digest_names_no_file(wanted: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="in lower-case hexadecimal"):
        Wanted(**wanted)


def test_content_with_a_name_that_leads_elsewhere_is_not_linked(tmp_path: Path) -> None:
    store = ContentStore.local(tmp_path / "store")
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(BadRequest, match="is no SHA-256"):
        store.link("../../../precious", tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_a_place_that_cannot_be_written_is_said(cache: ContentCache, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot be filled from the cache"):
        cache.get(by_sha256(b"x"), tmp_path / "file" / "below", Source(b"x"))


# --- processes that die ------------------------------------------------------------------

FETCHING = """
import hashlib, os, random, signal, sys, time
from pathlib import Path
from deriva_catalog.objects.cache import ContentCache, Wanted

root, places, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
cache = ContentCache(root, limit_bytes=8 * 30_000)

def data_of(number):
    return random.Random(number).randbytes(30_000)

def fetch(number):
    def write(path):
        with path.open("wb", buffering=0) as out:
            data = data_of(number)
            for begin in range(0, len(data), 3000):
                out.write(data[begin:begin + 3000])
        with (root / "fetched").open("a") as log:
            log.write(f"{number}\\n")
    return write

def run(which, seed):
    order = list(range(count))
    random.Random(seed).shuffle(order)
    for number in order:
        digest = hashlib.sha256(data_of(number)).hexdigest()
        cache.get(Wanted(sha256=digest), places / str(which) / str(number), fetch(number))

def forked(which, seed):
    pid = os.fork()
    if pid == 0:
        run(which, seed)
        os._exit(0)
    return pid

# Each line: how many processes, and after how many seconds they are killed, or "end".
for line in sys.stdin:
    many, when = line.split()
    pids = [forked(which, f"{which} {line}") for which in range(int(many))]
    if when != "end":
        time.sleep(float(when))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    print(*(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids), flush=True)
"""


class Fetching:
    """Processes that fetch, and are killed when they are told to."""

    def __init__(self, root: Path, places: Path, count: int) -> None:
        root.mkdir()
        command = [sys.executable, "-c", FETCHING, str(root), str(places), str(count)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Fetching:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, many: int, when: float | str) -> list[int]:
        """Start `many`, kill them after so many seconds; returns how each ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{many} {when}\n")
        self._process.stdin.flush()
        return [int(code) for code in self._process.stdout.readline().split()]


def data_of(number: int) -> bytes:
    return random.Random(number).randbytes(30_000)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@needs_fork
def test_killed_processes_leave_whole_files_or_none(tmp_path: Path) -> None:
    rng, count = random.Random(SEED), 40
    root, places = tmp_path / "cache", tmp_path / "places"
    with Fetching(root, places, count) as fetching:
        for _ in range(20):
            fetching.run(2, rng.uniform(0.0, 0.03))
            for file in places.rglob("*"):
                if file.is_file() and not file.name.startswith("."):
                    assert file.read_bytes() == data_of(int(file.name))
            for file in (root / "sha256").rglob("*"):
                if file.is_file():
                    assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name
        assert fetching.run(2, "end") == [0, 0]
    for which in "01":
        found = [(places / which / str(n)).read_bytes() for n in range(count)]
        assert found == [data_of(n) for n in range(count)]
    assert ContentCache(root).total_bytes() <= 8 * 30_000


@needs_fork
def test_processes_that_ask_at_once_fetch_once(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    with Fetching(root, tmp_path / "places", 4) as fetching:
        assert fetching.run(3, "end") == [0, 0, 0]
    assert sorted((root / "fetched").read_text().split()) == ["0", "1", "2", "3"]


def test_a_file_system_without_links_gets_copies(
    cache: ContentCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "link", no_links)
    copied: Callable[[Path], None] = Source(b"picture")
    for name in ("one", "two"):
        cache.get(by_sha256(b"picture"), tmp_path / name, copied)
        assert (tmp_path / name).stat().st_nlink == 1
        assert (tmp_path / name).stat().st_mode & 0o222 == 0

"""Bags that are read: damage is found, tricks are refused, holes are filled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deriva_catalog.bag import (
    BagWriter,
    FetchEntry,
    content_fetcher,
    materialize,
    read_bag,
    validate,
)
from deriva_catalog.errors import Corrupted, NotFound
from deriva_catalog.objects import Content, ContentStore


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add("data/a.txt", b"aaa")
        writer.add("data/sub/b.txt", b"bbb")
    return tmp_path / "bag"


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore.local(tmp_path / "objects")


@pytest.fixture
def holey(tmp_path: Path, store: ContentStore) -> Path:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add("data/here", b"here")
        for n in range(20):
            content = store.add(b"file %d" % n)
            writer.add_fetch(
                f"data/f/{n}",
                f"https://host/{n}",
                length=content.length,
                md5=content.md5,
                sha256=content.sha256,
            )
    return tmp_path / "bag"


def remove(bag: Path) -> None:
    (bag / "data/a.txt").unlink()


def change(bag: Path) -> None:
    (bag / "data/a.txt").write_bytes(b"AAA")


def add(bag: Path) -> None:
    (bag / "data/new").touch()


def link(bag: Path) -> None:
    (bag / "data/link").symlink_to("/etc/hostname")


def link_directory(bag: Path) -> None:
    (bag / "data/sub/b.txt").unlink()
    (bag / "data/sub").rmdir()
    (bag / "data/sub").symlink_to(bag / "data")


def change_tag(bag: Path) -> None:
    (bag / "bag-info.txt").write_text("Payload-Oxum: 6.2\nX: y\n")


def escape(bag: Path) -> None:
    manifest = bag / "manifest-md5.txt"
    manifest.write_text(manifest.read_text() + "0" * 32 + "  data/../../outside\n")


def absolute(bag: Path) -> None:
    (bag / "fetch.txt").write_text("https://host/x\t1\t/etc/passwd\n")


def exaggerate(bag: Path) -> None:
    (bag / "fetch.txt").write_text(f"https://host/x\t{'9' * 5_000}\tdata/a.txt\n")


def forget(bag: Path) -> None:
    manifest = bag / "manifest-md5.txt"
    manifest.write_text(manifest.read_text().splitlines(keepends=True)[0])


def undeclare(bag: Path) -> None:
    (bag / "bagit.txt").unlink()


def shorten(bag: Path) -> None:
    manifest = bag / "manifest-md5.txt"
    manifest.write_text(manifest.read_text()[1:])


def garble(bag: Path) -> None:
    (bag / "manifest-md5.txt").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (remove, "missing"),
        (change, "damaged"),
        (add, "unexpected"),
        (link, "unsafe"),
        (link_directory, "unsafe"),
        (change_tag, "damaged"),
        (escape, "unsafe"),
        (absolute, "unsafe"),
        (exaggerate, "structure"),
        (forget, "structure"),
        (undeclare, "structure"),
        (garble, "structure"),
        (shorten, "structure"),
    ],
)
def test_every_harm_is_found(bag: Path, harm: Callable[[Path], None], kind: str) -> None:
    harm(bag)
    report = validate(bag)
    assert not report.valid
    assert kind in {finding.kind for finding in report.findings}


def test_the_fast_validation_reads_no_payload_but_counts(bag: Path) -> None:
    change(bag)
    assert {f.kind for f in validate(bag, fast=True).findings} == set()
    (bag / "data/a.txt").write_bytes(b"longer")
    assert {f.kind for f in validate(bag, fast=True).findings} == {"damaged"}


def test_no_bag_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no directory"):
        validate(tmp_path / "nothing")


def test_manifests_of_other_tools_are_understood(bag: Path) -> None:
    text = (bag / "manifest-md5.txt").read_text()
    lines = [line.split("  ") for line in text.splitlines()]
    (bag / "manifest-md5.txt").write_bytes(
        "".join(f"{d.upper()}\t*./{p}\r\n" for d, p in lines).replace("\t*", " *").encode()
    )
    assert set(read_bag(bag).payload) == {"data/a.txt", "data/sub/b.txt"}


def test_a_path_is_no_digest(bag: Path) -> None:
    (bag / "manifest-sha256.txt").write_text("../../precious  data/a.txt\n")
    with pytest.raises(Corrupted, match="which is no sha256 digest"):
        read_bag(bag)


def test_missing_files_are_fetched_once(holey: Path, store: ContentStore) -> None:
    seen: list[int] = []
    done = materialize(holey, content_fetcher(store), progress=seen.append)
    assert (done.fetched, done.present) == (20, 0)
    assert sum(seen) == done.length
    assert validate(holey).complete
    again = materialize(holey, content_fetcher(store))
    assert (again.fetched, again.present) == (0, 20)
    assert sorted(p.name for p in holey.parent.iterdir()) == ["bag", "objects"]


def test_an_interrupted_fetch_is_continued(holey: Path, store: ContentStore) -> None:
    fetch, count, lock = content_fetcher(store), iter(range(100)), threading.Lock()

    def failing(entry: FetchEntry, destination: Path) -> Content | None:
        with lock:
            number = next(count)
        if number == 7:
            raise NotFound(f"The network lost {entry.url!r}.")
        return fetch(entry, destination)

    with pytest.raises(NotFound, match="lost"):
        materialize(holey, failing, concurrency=2)
    assert validate(holey).valid
    rest = materialize(holey, fetch)
    assert 0 < rest.present < 20
    assert validate(holey).complete


@pytest.mark.parametrize("data", [b"file 0 and more", b"FILE 0"])
def test_what_differs_from_the_manifest_is_not_kept(holey: Path, data: bytes) -> None:
    def wrong(entry: FetchEntry, destination: Path) -> None:
        destination.write_bytes(data)

    with pytest.raises(Corrupted, match="data/f/"):
        materialize(holey, wrong)
    assert not list((holey / "data").rglob("f/*"))


def test_a_link_in_the_bag_is_not_followed_when_fetching(
    holey: Path, store: ContentStore, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (holey / "data/f").symlink_to(tmp_path / "outside")
    with pytest.raises(Corrupted, match="symbolic link"):
        materialize(holey, content_fetcher(store))
    assert list((tmp_path / "outside").iterdir()) == []

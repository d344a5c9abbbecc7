"""Bags that are changed: their tag files stay true, all of it happens or nothing."""

from __future__ import annotations

import warnings
from pathlib import Path

import bagit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_catalog.bag import BagWriter, read_bag, update_bag, validate
from deriva_catalog.errors import BadRequest, Conflict, Corrupted, NotFound
from deriva_catalog.objects import hash_file

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from bdbag import bdbag_api


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    with BagWriter(tmp_path / "bag", {"Contact-Name": "Kim"}) as writer:
        writer.add("data/a.txt", b"aaa")
        writer.add("data/sub/b.txt", b"bbb")
        writer.add_fetch("data/far", "https://host/far", length=3, md5="0" * 32, sha256="0" * 64)
    return tmp_path / "bag"


def contents(bag: Path) -> dict[str, bytes]:
    return {p.relative_to(bag).as_posix(): p.read_bytes() for p in bag.rglob("*") if p.is_file()}


def test_files_and_labels_come_and_go(bag: Path, tmp_path: Path) -> None:
    kept = (bag / "data/sub/b.txt").stat().st_ino
    with update_bag(bag) as update:
        update.add("data/new/c.bin", iter([b"c" * 10, b"d"]))
        update.add("data/a.txt", b"AAAA", overwrite=True)
        update.remove("data/far")
        update.info["Contact-Name"] = "Sam"
        update.info["Note"] = "changed"
        assert update.paths == ["data/a.txt", "data/new/c.bin", "data/sub/b.txt"]
        assert (bag / "data/a.txt").read_bytes() == b"aaa"  # nothing has changed yet
    assert validate(bag).complete
    bdbag_api.validate_bag(str(bag), fast=False)
    found = read_bag(bag)
    assert (found.fetch, (bag / "fetch.txt").exists()) == ((), False)
    assert found.info == {"Contact-Name": "Sam", "Note": "changed", "Payload-Oxum": "18.3"}
    assert (bag / "data/a.txt").read_bytes() == b"AAAA"
    assert (bag / "data/sub/b.txt").stat().st_ino == kept  # it was neither copied nor read
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]


def test_a_changed_bag_is_the_bag_that_would_have_been_written(bag: Path, tmp_path: Path) -> None:
    with update_bag(bag) as update:
        update.remove("data/far")
        update.add("data/new", b"new")
    with BagWriter(tmp_path / "other", {"Contact-Name": "Kim"}) as writer:
        writer.add("data/new", b"new")
        writer.add("data/sub/b.txt", b"bbb")
        writer.add("data/a.txt", b"aaa")
    assert contents(bag) == contents(tmp_path / "other")


def test_what_is_fetched_stays_true(bag: Path) -> None:
    with update_bag(bag) as update:
        update.add_source("data/far", "https://other/far")
        update.add_source("data/a.txt", "https://host/a")
        digests = {"md5": "1" * 32, "sha256": "1" * 64}
        update.add_fetch("data/z", ["https://host/z"], length=7, digests=digests)
    assert {e.path: (e.sources, e.length) for e in read_bag(bag).fetch} == {
        "data/a.txt": (("https://host/a",), 3),
        "data/far": (("https://host/far", "https://other/far"), 3),
        "data/z": (("https://host/z",), 7),
    }
    assert validate(bag).to_fetch == ("data/far", "data/z")
    bdbag_api.validate_bag_structure(str(bag))
    with update_bag(bag) as update:
        update.add("data/z", b"z is here", overwrite=True)
    assert [e.path for e in read_bag(bag).fetch] == ["data/a.txt", "data/far"]


def test_bags_of_other_tools_keep_their_algorithms_and_tag_files(tmp_path: Path) -> None:
    bag = tmp_path / "made"
    bag.mkdir()
    (bag / "a").write_bytes(b"a")
    bagit.make_bag(str(bag), {"Contact-Name": "Kim"}, checksums=["sha1", "sha512"])
    (bag / "notes").mkdir()
    (bag / "notes/one.txt").write_text("a note")
    found = bagit.Bag(str(bag))
    found.save(manifests=True)
    with update_bag(bag) as update:
        update.add("data/b", b"b")
    again = bagit.Bag(str(bag))
    again.validate()
    assert set(again.algorithms) == {"sha1", "sha512"}
    assert "notes/one.txt" in again.tagfile_entries()
    assert (bag / "notes/one.txt").read_text() == "a note"


def test_an_error_changes_nothing(bag: Path, tmp_path: Path) -> None:
    before = contents(bag)

    def fail_half_way() -> None:
        with update_bag(bag) as update:
            update.add("data/new", b"new")
            update.remove("data/a.txt")
            raise RuntimeError("something else failed")

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert contents(bag) == before
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]


def test_changes_that_cannot_be_are_refused(bag: Path) -> None:
    before = contents(bag)
    with update_bag(bag) as update:
        with pytest.raises(Conflict, match="already has"):
            update.add("data/a.txt", b"")
        with pytest.raises(NotFound, match="no file 'data/none'"):
            update.remove("data/none")
        with pytest.raises(BadRequest):
            update.add("data/../x", b"")
        with pytest.raises(BadRequest, match="without its sha256"):
            update.add_fetch("data/x", "https://h/x", length=1, digests={"md5": "0" * 32})
        with pytest.raises(BadRequest, match="absolute"):
            update.add_source("data/a.txt", "somewhere")
    assert contents(bag) == before
    with pytest.raises(Conflict, match="letter case"), update_bag(bag) as update:
        update.add("data/A.txt", b"")
    with pytest.raises(Conflict, match="the folder of"), update_bag(bag) as update:
        update.add("data/a.txt/x", b"")
    for label, value in (("Two\nLines", "x"), ("With: colon", "x"), ("", "x"), ("Number", 1)):
        with pytest.raises(BadRequest, match="label"), update_bag(bag) as update:
            update.info[label] = value  # type: ignore[assignment]
        with pytest.raises(BadRequest, match="label"):
            BagWriter(bag.with_name("new"), {label: value})  # type: ignore[dict-item]
    assert contents(bag) == before


def test_a_bag_that_is_damaged_is_not_changed(bag: Path) -> None:
    (bag / "data/a.txt").unlink()
    with pytest.raises(Corrupted, match="listed but missing"), update_bag(bag):
        pass


def test_a_kill_between_two_renames_loses_nothing(bag: Path) -> None:
    before = contents(bag)
    bag.rename(bag.with_name(f".bag.{'0' * 32}.old"))  # as a killed process leaves it
    with update_bag(bag):
        pass
    assert contents(bag) == before
    with pytest.raises(NotFound), update_bag(bag.with_name("nothing")):
        pass


NAMES = st.sampled_from([f"data/{name}" for name in ("a", "b", "sub/c", "sub/d", "e f", "é")])
CHANGES = st.lists(st.tuples(NAMES, st.one_of(st.none(), st.binary(max_size=20))), max_size=12)


@settings(max_examples=20, deadline=None)
@given(CHANGES)
def test_any_changes_leave_a_valid_bag_of_what_was_asked_for(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, bytes | None]]
) -> None:
    bag = tmp_path_factory.mktemp("bags") / "bag"
    with BagWriter(bag) as writer:
        writer.add("data/a", b"first")
    wanted = {"data/a": b"first"}
    with update_bag(bag) as update:
        for path, data in changes:
            if data is not None:
                update.add(path, data, overwrite=True)
                wanted[path] = data
            elif path in wanted:
                update.remove(path)
                del wanted[path]
    assert {p: d for p, d in contents(bag).items() if p.startswith("data/")} == wanted
    assert validate(bag).complete
    assert read_bag(bag).payload == {
        path: {"md5": (made := hash_file(bag / path)).md5, "sha256": made.sha256} for path in wanted
    }

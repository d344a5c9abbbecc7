"""Bags that are written: whole or not at all, equal bytes, accepted by the field's own tools."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deriva_catalog.bag import BagWriter, portable_name, read_bag, validate
from deriva_catalog.bag.names import payload_path
from deriva_catalog.errors import BadRequest, Conflict, Unavailable
from deriva_catalog.objects import ContentStore

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from bdbag import bdbag_api


def write_sample(place: Path, *, reverse: bool = False) -> Path:
    payload = {"data/a.txt": b"a", "data/sub dir/é#1.bin": b"x" * 100, "data/empty": b""}
    with BagWriter(place, {"External-Description": "two\nlines"}) as bag:
        for path in sorted(payload, reverse=reverse):
            bag.add(path, payload[path])
    return place


def contents(bag: Path) -> dict[str, bytes]:
    return {p.relative_to(bag).as_posix(): p.read_bytes() for p in bag.rglob("*") if p.is_file()}


def test_the_field_s_own_validator_accepts_a_complete_bag(tmp_path: Path) -> None:
    place = write_sample(tmp_path / "bag")
    bdbag_api.validate_bag(str(place), fast=False)
    bdbag_api.validate_bag(str(place), fast=True)
    assert validate(place).complete


def test_the_field_s_own_validator_accepts_the_structure_of_a_holey_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add("data/a", b"a")
        md5, sha256 = "0" * 32, "0" * 64
        bag.add_fetch("data/b", "https://host/b?x=%20", length=3, md5=md5, sha256=sha256)
    bdbag_api.validate_bag_structure(str(tmp_path / "bag"))
    report = validate(tmp_path / "bag")
    assert report.valid
    assert not report.complete
    assert report.to_fetch == ("data/b",)


def test_a_file_without_sha256_makes_a_bag_of_the_older_version(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add("data/a", b"a")
        bag.add_fetch("data/b", "https://host/b", length=3, md5="0" * 32)
    assert read_bag(tmp_path / "bag").version == (0, 97)
    bdbag_api.validate_bag_structure(str(tmp_path / "bag"))
    assert validate(tmp_path / "bag").valid


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    first = write_sample(tmp_path / "one")
    second = write_sample(tmp_path / "two", reverse=True)
    assert contents(first) == contents(second)


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError), BagWriter(tmp_path / "bag") as bag:
        bag.add("data/a", failing())
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    write_sample(tmp_path / "bag")
    with pytest.raises(Conflict, match="exists"):
        write_sample(tmp_path / "bag")
    with BagWriter(tmp_path / "other") as bag:
        bag.add("data/a", b"a")
        with pytest.raises(Conflict, match="already has"):
            bag.add("data/a", b"b")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="writing the bag"):
        write_sample(tmp_path / "file" / "bag")


def test_stored_content_is_linked_and_counts_as_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)  # whom a mode holds
    store = ContentStore.local(tmp_path / "objects")
    content = store.add(b"stored")
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_stored("data/x", store, content, url="deriva://localhost/1/hatrac/x:V")
        bag.add_stored("data/y", store, content, link=False)
    stored = store.path(content.sha256)
    assert stored is not None
    assert (tmp_path / "bag/data/x").stat().st_ino == stored.stat().st_ino
    assert (tmp_path / "bag/data/y").stat().st_ino != stored.stat().st_ino
    bdbag_api.validate_bag(str(tmp_path / "bag"), fast=False)


@pytest.mark.parametrize(
    "path",
    [
        "a", "/data/a", "data/../a", "data//a", "data/a/", "data/./a", "data/a\nb", "data/a\\b",
        "data/%0Ab", "data/%25", "data/ a", "data/a\u2028", "data/" + "x" * 256, "data/\ud800",
    ],
)  # fmt: skip
def test_paths_that_tools_read_differently_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadRequest), BagWriter(tmp_path / "bag") as bag:
        bag.add(path, b"")


@pytest.mark.parametrize("url", ["/hatrac/a", "a", "https://h/a b", "https://h/é", "tag:x"])
def test_urls_that_are_not_absolute_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadRequest), BagWriter(tmp_path / "bag") as bag:
        bag.add_fetch("data/a", url, length=0, md5="0" * 32)


@given(st.text())
def test_every_name_has_a_portable_form_that_stays_as_it_is(name: str) -> None:
    portable = portable_name(name)
    assert portable_name(portable) == portable
    assert payload_path(f"data/{portable}")
    assert len(portable.encode()) <= 255


@given(st.text(min_size=1, max_size=400).map(lambda t: t + "é" * 90 + ".png"))
def test_a_long_name_keeps_its_ending(name: str) -> None:
    assert portable_name(name).endswith(".png")


@settings(max_examples=10, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=12).map(portable_name), st.binary(max_size=50)))
def test_any_portable_names_and_contents_make_a_valid_bag(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    place = tmp_path_factory.mktemp("bags") / "bag"
    with BagWriter(place) as bag:
        for name, data in files.items():
            bag.add(f"data/{name}", data)
    assert validate(place).complete
    bdbag_api.validate_bag(str(place), fast=False)
    assert {p: d for p, d in contents(place).items() if p.startswith("data/")} == {
        f"data/{name}": data for name, data in files.items()
    }


@pytest.mark.slow
def test_a_killed_writer_leaves_nothing_that_looks_like_a_bag(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from deriva_catalog.bag import BagWriter
        with BagWriter(Path({str(tmp_path / "bag")!r})) as bag:
            bag.add("data/a", b"a")
            print("half", flush=True)
            sys.stdin.read()
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "bag").exists()
    (left,) = tmp_path.iterdir()
    os.utime(left, (0, 0))
    write_sample(tmp_path / "bag")
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]

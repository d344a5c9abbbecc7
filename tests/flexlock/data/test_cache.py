"""The cache file itself: where it lies, and what becomes of a bad one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexlock.data import cache as module
from flexlock.data.cache import HashCache, TreeRow, open_cache
from strangers import open_folder

STAMP = (1, 2**63 + 5, 3, -4, 5)
KNOWN = {"a": (STAMP, b"x" * 32), "é\udcff": ((1, 2, 3, 4, 5), b"y" * 32)}
ROW = TreeRow(b"f", "hash", 7, 2, ("note",))


def opened(directory: Path | None = None) -> HashCache:
    cache = open_cache(directory)
    assert cache is not None
    return cache


def test_what_is_stored_is_found_by_a_later_process(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        cache.store("blake3", {(1, 2**64 - 1): KNOWN, (1, 3): {}}, {"key": ROW})
    with opened(tmp_path) as cache:
        ids = [(1, 2**64 - 1), (1, 3), (9, 9)]
        assert cache.folders(ids, "blake3") == {(1, 2**64 - 1): KNOWN, (1, 3): {}}
        assert cache.folders(ids, "sha256") == {}
        assert cache.tree("key") == ROW
        assert cache.tree("other") is None


names = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1)
unsigned, signed = st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)
stamps = st.tuples(unsigned, unsigned, st.integers(0, 2**63 - 1), signed, signed)


@given(st.dictionaries(names, st.tuples(stamps, st.binary(min_size=16, max_size=16))))
def test_packing_keeps_everything(known: module.Known) -> None:
    assert module._unpack(module._pack(known)) == known


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXLOCK_CACHE", str(tmp_path / "own"))
    opened().close()
    assert [p.name for p in (tmp_path / "own/flexlock").iterdir()] == ["hashes-1.sqlite"]
    monkeypatch.delenv("FLEXLOCK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    opened().close()
    assert (tmp_path / "xdg/flexlock/hashes-1.sqlite").exists()


@pytest.mark.parametrize(("value", "used"), [("1", False), ("yes", False), ("0", True), ("", True)])
def test_it_can_be_switched_off(
    value: str, used: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLEXLOCK_NO_CACHE", value)
    cache = open_cache(tmp_path)
    assert (cache is not None) is used
    if cache is not None:
        cache.close()


@pytest.mark.parametrize("damage", [b"no database", b"", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_thrown_away(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "hashes-1.sqlite").write_bytes(damage)
    with opened(tmp_path) as cache:
        cache.store("blake3", {(1, 3): KNOWN}, {})
        assert cache.folders([(1, 3)], "blake3") == {(1, 3): KNOWN}


def test_damage_in_the_middle_never_gives_a_wrong_answer(tmp_path: Path) -> None:
    path = tmp_path / "hashes-1.sqlite"
    many = {f"f{n}": (STAMP, bytes(32)) for n in range(3_000)}
    with opened(tmp_path) as cache:
        cache.store("blake3", {(1, n): many for n in range(3)}, {"key": ROW})
    whole = path.read_bytes()
    for start in range(4_000, len(whole), len(whole) // 12):
        path.write_bytes(whole[:start] + b"\xaa" * 500 + whole[start + 500 :])
        with opened(tmp_path) as cache:
            found = cache.folders([(1, n) for n in range(3)], "blake3")
            assert all(known == many for known in found.values())
            assert cache.tree("key") in (None, ROW)


def test_a_locked_or_read_only_file_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUSY_S", 0.01)
    opened(tmp_path).close()
    other = sqlite3.connect(tmp_path / "hashes-1.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    cache = open_cache(tmp_path)
    assert cache is None or cache.tree("key") is None
    other.close()


def test_a_read_only_home_is_done_without() -> None:
    source = str(Path(__file__).parents[3] / "src")
    code = f"import os, sys; sys.path.insert(0, {source!r})\n"
    # Everything is imported before the rights go: the interpreter may lie where nobody may read.
    code += "from flexlock.data.tracking import hash_data; hash_data(sys.argv[1])\n"
    if os.geteuid() == 0:
        code += "os.setgid(65534); os.setuid(65534)\n"
    code += "print(hash_data(sys.argv[1]))"
    environment = {**os.environ, "FLEXLOCK_CACHE": "/proc/nowhere"}
    with open_folder() as folder:
        data = folder / "data"
        data.write_text("x")
        data.chmod(0o644)
        done = subprocess.run(
            [sys.executable, "-c", code, str(data)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (len(done.stdout.strip()), done.stderr) == (64, "")


def test_rows_that_nobody_asked_for_go(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        cache.store("blake3", {(1, 1): KNOWN}, {"old": ROW})
        cache._today += 91
        cache.store("blake3", {(2, 2): KNOWN}, {"new": ROW})
        assert cache.tree("old") is None
        assert list(cache.folders([(1, 1), (2, 2)], "blake3")) == [(2, 2)]

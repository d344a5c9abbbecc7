"""Sheets as files: what is written is read back, whoever wrote it."""

import datetime
from dataclasses import replace
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flexlock.errors import CorruptLockError, LockNotFoundError, NewerLockError
from flexlock.lock.document import LARGEST, read_lock, to_document, write_lock
from flexlock.lock.record import (
    Caller,
    DataState,
    EnvState,
    OutputState,
    PrevState,
    RepoState,
    RunLock,
    Scope,
    Skipped,
)

FULL = RunLock(
    id="01" + "A" * 24,
    timestamp="2026-11-20T21:02:52.191218+00:00",
    status="complete",
    caller=Caller("process", "main", "process.py", "main", ("process.py", "-o", "a", "1"), "/w"),
    config={"a": 1, "rate": 1e-05, "name": "no", "digits": "1e-3", "when": "2026-01-01"},
    config_raw={"a": "${b}"},
    repos={
        "main": RepoState(
            "/w", "git@host:x.git", "main", "c" * 40, "t" * 40, "b" * 40, True,
            Scope(("src",), ("*.md",)),
            (Skipped("big.bin", 20_000_000, "It is larger than the limit.", "blake3:00"),),
            {"lib": RepoState("lib", commit="d" * 40, is_dirty=False)},
        ),
        "none": RepoState("/x", reason="It is not in a git repository."),
    },
    data={
        "input": DataState("in.csv", "file", "blake3", "0f" * 32, 12, 1),
        "dir": DataState("d", "dir", "sha256", "0f" * 32, 12, 3, include=("*.png",)),
    },
    env=EnvState("3.11.7", cpus=2, gpus=("A100",), lockfiles={"main/uv.lock": "00"}),
    prevs={
        "prep": PrevState(
            "/w/prep", "02", "blake3:11", "complete", {"input": "out"}, ("raw",), lock={"a": [1]}
        )
    },
    outputs={"report": OutputState("out.txt", "file", "blake3", "00", 5, 1)},
    result={"accuracy": 0.5, "list": [1, None, True]},
    parent="03",
    note="first",
    warnings=("careful",),
    extra={"of_tomorrow": {"x": [1]}},
)  # fmt: skip


def test_everything_is_read_back(tmp_path: Path) -> None:
    write_lock(tmp_path, FULL)
    assert read_lock(tmp_path) == FULL
    assert read_lock(tmp_path / "run.lock") == FULL


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    write_lock(tmp_path / "a.lock", FULL)
    write_lock(tmp_path / "b.lock", read_lock(tmp_path / "a.lock"))
    assert (tmp_path / "a.lock").read_bytes() == (tmp_path / "b.lock").read_bytes()


def test_people_can_read_it(tmp_path: Path) -> None:
    write_lock(tmp_path, RunLock("X", "T", config={"name": "Zoë", "a": {"b": [1, 2]}}))
    text = (tmp_path / "run.lock").read_text(encoding="utf-8")
    assert text.splitlines()[:4] == ["run_lock: 1", "id: X", "timestamp: T", "status: recorded"]
    assert "config:\n  name: Zoë\n  a:\n    b:\n    - 1\n    - 2\n" in text
    assert "warnings" not in text
    assert "commit: null" not in text


def test_what_is_not_known_of_a_repository_is_explicit(tmp_path: Path) -> None:
    write_lock(tmp_path, RunLock("X", "T", repos={"main": RepoState("/w", reason="none")}))
    repo = yaml.safe_load((tmp_path / "run.lock").read_text())["repos"]["main"]
    assert repo["commit"] is None
    assert repo["reason"] == "none"
    assert "skipped" not in repo


class Color(Enum):
    RED = 1


def test_values_that_yaml_cannot_say_are_kept_as_text_and_listed(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    config = {"color": Color.RED, "deep": {"set": {1}, "loop": loop}, "fn": print}
    write_lock(tmp_path, RunLock("X", "T", config=config))
    lock = read_lock(tmp_path)
    assert lock.config["color"] == "Color.RED"
    places = {warning.split()[0] for warning in lock.warnings}
    assert places == {"config.color", "config.deep.set", "config.deep.loop[0]", "config.fn"}
    assert "color: !repr Color.RED\n" in (tmp_path / "run.lock").read_text()
    first = (tmp_path / "run.lock").read_bytes()
    write_lock(tmp_path, lock)
    assert (tmp_path / "run.lock").read_bytes() == first


def test_values_of_other_libraries_become_plain(tmp_path: Path) -> None:
    config = {
        "path": PurePosixPath("a/b"),
        "day": datetime.date(2026, 1, 2),
        "int": np.int64(3),
        "float": np.float32(0.5),
        "tuple": (1, 2),
    }
    write_lock(tmp_path, RunLock("X", "T", config=config))
    lock = read_lock(tmp_path)
    expected = {"path": "a/b", "day": "2026-01-02", "int": 3, "float": 0.5, "tuple": [1, 2]}
    assert lock.config == expected
    assert lock.warnings == ()


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=8)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@given(config=st.dictionaries(st.text(), VALUES), note=st.text() | st.none())
def test_any_plain_config_comes_back(
    config: dict[str, Any], note: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sheet")
    lock = RunLock("X", "T", config=config, note=note)
    write_lock(folder, lock, sync=False)
    read = read_lock(folder)
    assert read == lock
    assert repr(read.config) == repr(config)  # equal is not enough: 1 == 1.0 == True
    yaml_1_1 = yaml.safe_load((folder / "run.lock").read_text(encoding="utf-8"))["config"]
    assert repr(yaml_1_1) == repr(config)


def test_keys_of_a_newer_writer_are_kept(tmp_path: Path) -> None:
    write_lock(tmp_path, FULL)
    text = (tmp_path / "run.lock").read_text() + "later: [1, 2]\n"
    (tmp_path / "run.lock").write_text(text)
    lock = read_lock(tmp_path)
    write_lock(tmp_path, replace(lock, note="second"))
    assert yaml.safe_load((tmp_path / "run.lock").read_text())["later"] == [1, 2]


def test_a_long_sheet_keeps_links_only(tmp_path: Path) -> None:
    prevs = {
        str(n): PrevState(f"/r/{n}", str(n), "blake3:0", lock={"fill": "x" * 300_000})
        for n in range(5)
    }
    write_lock(tmp_path, RunLock("X", "T", prevs=prevs))
    lock = read_lock(tmp_path)
    assert [prev.lock for prev in lock.prevs.values()] == [None] * 5
    assert [prev.id for prev in lock.prevs.values()] == list("01234")
    assert "too long" in lock.warnings[0]
    assert (tmp_path / "run.lock").stat().st_size < LARGEST


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{half", "not YAML"),
        ("", "no mapping"),
        ("- 1", "no mapping"),
        ("a: 1", "neither"),
        ("run_lock: one\nid: x\ntimestamp: t\n", "version number"),
        ("run_lock: 1\nid: x\n", "timestamp is missing"),
        ("run_lock: 1\nid: x\ntimestamp: t\nrepos: 5\n", "repos"),
        ("run_lock: 1\nid: x\ntimestamp: t\ndata: {a: {path: p, bytes: many}}\n", "data.a.bytes"),
        ("run_lock: 1\nid: x\ntimestamp: t\nwarnings: no\n", "warnings"),
    ],
)
def test_a_damaged_sheet_says_what_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "run.lock").write_text(text)
    with pytest.raises(CorruptLockError, match=why) as caught:
        read_lock(tmp_path)
    assert str(tmp_path / "run.lock") in str(caught.value)


def test_binary_rubbish_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(CorruptLockError):
        read_lock(tmp_path)


def test_a_newer_format_is_refused_by_number(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("run_lock: 2\nid: x\n")
    with pytest.raises(NewerLockError, match="format 2"):
        read_lock(tmp_path)


def test_no_sheet_is_an_error_that_python_knows(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        read_lock(tmp_path)
    with pytest.raises(LockNotFoundError):
        read_lock(tmp_path / "none" / "run.lock")


def test_the_document_is_in_a_fixed_order() -> None:
    keys = list(to_document(FULL))
    assert keys[:6] == ["run_lock", "id", "timestamp", "status", "caller", "config"]
    assert keys[-1] == "of_tomorrow"


# --- older kinds ----------------------------------------------------------------------------

FIRST = """
caller: {module: process, function: main, filepath: process.py, repo: main}
repos: {main: 3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c3f1c}
config: {param: 1, save_dir: results/process}
data: {input: 8a0b8a0b8a0b8a0b}
prevs:
  /abs/prep: {caller: null, repos: {main: aaaa}, config: {x: 2}, data: {}}
"""
SECOND = """
timestamp: 2026-03-16T10:00:00.123456
parent: /r/sweep/run.lock
repos:
  main: {commit: c0, tree: t0, is_dirty: true, include: [src], exclude: [], path: /w}
data: {input: 00112233445566ff}
lineage:
  prep: {path: /r/prep, info: {config: {x: 2}, timestamp: '2026-03-15', repos: {}, parent: null}}
config: {param: 1}
"""
THIRD = """
timestamp: '2026-10-01T10:00:00+00:00'
note: second try
fingerprint: 00ff
repos: {main: {commit: c0, tree: t0, is_dirty: false, path: /w}}
source_scope: {main: {path: /w, include: [process.py], exclude: []}}
env: {main/uv.lock: 00aa}
data: {input: 00112233445566ff}
data_identity: {input: {path: /w/in.csv, method: content, algorithm: xxh64}}
lineage: {}
config: {param: 1}
result: {score: 0.5}
result_storage: record
"""


def older(tmp_path: Path, text: str) -> RunLock:
    (tmp_path / "run.lock").write_text(text)
    lock = read_lock(tmp_path)
    assert read_lock(tmp_path).id == lock.id
    assert len(lock.id) == 26
    return lock


def test_the_first_kind_is_read(tmp_path: Path) -> None:
    lock = older(tmp_path, FIRST)
    assert lock.caller == Caller("process", "main", "process.py", "main")
    assert lock.repos["main"].commit == "3f1c" * 10
    assert lock.data["input"] == DataState("input", algorithm="xxh3-64", hash="8a0b" * 4)
    assert lock.prevs["/abs/prep"].path == "/abs/prep"
    assert lock.prevs["/abs/prep"].lock == {
        "caller": None, "repos": {"main": "aaaa"}, "config": {"x": 2}, "data": {}
    }  # fmt: skip
    assert lock.timestamp.startswith("20")


def test_the_second_kind_is_read(tmp_path: Path) -> None:
    lock = older(tmp_path, SECOND)
    assert lock.timestamp == "2026-03-16T10:00:00.123456"
    assert lock.repos["main"].tree == "t0"
    assert lock.repos["main"].scope == Scope(("src",))
    assert lock.data["input"].algorithm == "xxh64"
    assert lock.prevs["prep"].path == "/r/prep"
    assert lock.prevs["prep"].lock is not None
    assert lock.prevs["prep"].lock["config"] == {"x": 2}
    assert lock.parent == "/r/sweep/run.lock"


def test_the_third_kind_is_read(tmp_path: Path) -> None:
    lock = older(tmp_path, THIRD)
    assert lock.data["input"].path == "/w/in.csv"
    assert lock.repos["main"].scope == Scope(("process.py",))
    assert (lock.note, lock.result) == ("second try", {"score": 0.5})
    assert lock.extra["fingerprint"] == "00ff"
    assert lock.env == EnvState(lockfiles={"main/uv.lock": "00aa"})


@pytest.mark.parametrize("text", [FIRST, SECOND, THIRD])
def test_an_older_sheet_written_again_is_one_of_ours(tmp_path: Path, text: str) -> None:
    lock = older(tmp_path, text)
    write_lock(tmp_path / "new.lock", lock)
    read = read_lock(tmp_path / "new.lock")
    assert read == lock

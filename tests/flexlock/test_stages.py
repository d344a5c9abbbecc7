"""Stages as dictionaries."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flexlock.errors import LineageError, LockNotFoundError
from flexlock.stages import load_stage, load_stage_from_path
from flexlock_projects import make_project, record


def write(folder: Path, document: dict[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.lock").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def test_run_and_its_ancestors_each_without_theirs(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"process.py": ""})
    raw = record(project, "raw", note="first")
    left = record(project, "left", prevs=[raw])
    right = record(project, "right")
    join = record(project, "join", prevs=[left, right], config={"lr": 0.1})
    found = load_stage_from_path(join)
    assert list(found) == ["join", "left", "raw", "right"], "depth first"
    assert found["join"]["config"]["lr"] == 0.1
    assert found["raw"]["note"] == "first"
    assert not any("prevs" in stage for stage in found.values())
    assert load_stage(join / "run.lock") == found["join"]


def test_same_names_are_whole_paths(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"process.py": ""})
    x, y = record(project, "x/run"), record(project, "y/run")
    found = load_stage_from_path(record(project, "z", prevs=[x, y]))
    assert list(found) == ["z", str(x), str(y)]


def test_oldest_kind_is_flat_under_absolute_paths(tmp_path: Path) -> None:
    earlier = {"config": {"lr": 1}, "repos": {"main": "a" * 40}, "data": {}}
    folder = write(
        tmp_path / "train",
        {"caller": {"module": "m"}, "config": {}, "prevs": {"/far/away/prep": earlier}},
    )
    found = load_stage_from_path(folder)
    assert list(found) == ["train", "prep"]
    assert found["prep"]["config"] == {"lr": 1}


@pytest.mark.parametrize("key", ["lineage", "prevs"])
def test_later_kinds_keep_one_level_and_follow_paths(tmp_path: Path, key: str) -> None:
    first = {"timestamp": "2026-01-01T00:00:00", "config": {"n": 0}, "repos": {}}
    write(tmp_path / "first", first)
    second = write(
        tmp_path / "second",
        {**first, "config": {"n": 1}, key: {"first": {"path": str(tmp_path / "first")}}},
    )
    info = {"config": {"n": 1, "save_dir": str(second)}, "timestamp": "x", "repos": {}}
    third = write(tmp_path / "third", {**first, "config": {"n": 2}, key: {"s": {"info": info}}})
    found = load_stage_from_path(third)
    assert [(name, stage["config"]["n"]) for name, stage in found.items()] == [
        ("third", 2),
        ("second", 1),
        ("first", 0),
    ]


def test_circle_ends(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        place = {"path": str(tmp_path / other), "config": {}}
        write(tmp_path / name, {"timestamp": "x", "config": {}, "lineage": {other: place}})
    assert list(load_stage_from_path(tmp_path / "a")) == ["a", "b"]


def test_what_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LockNotFoundError):
        load_stage_from_path(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_stage(tmp_path / "nothing")
    nowhere = write(
        tmp_path / "run",
        {"timestamp": "x", "config": {}, "lineage": {"prep": {"info": {"config": {"n": 1}}}}},
    )
    with pytest.raises(LineageError, match="'prep' lies"):
        load_stage_from_path(nowhere)

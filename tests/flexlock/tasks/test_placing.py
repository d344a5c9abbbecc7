"""Each task writes into a directory of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flexlock.config.building import to_config
from flexlock.config.resolving import pin
from flexlock.errors import ConfigError
from flexlock.tasks.lists import make_tasks
from flexlock.tasks.placing import merge_task, place_tasks, stored_directory, sweep_root


def places(base: dict[str, Any], items: list[Any], key: str | None = None) -> list[str]:
    tasks = make_tasks(items, key=key)
    config = pin(to_config(base), frozenset(name for task in tasks for name in task.values))
    root = sweep_root(config) or Path("nowhere")
    return [str(path) for path in place_tasks(config, tasks, root)]


def test_usually_a_directory_of_the_tasks_name_below_save_dir() -> None:
    base = {"param": 1, "save_dir": "results/fit"}
    assert places(base, [1, 2], "param") == ["results/fit/param=1", "results/fit/param=2"]


def test_where_save_dir_contains_what_the_task_sets() -> None:
    base = {"param": 1, "deep": {"a": 0}, "name": "x${param}", "save_dir": "results/${name}/fit"}
    assert places(base, [1, 2], "param") == ["results/x1/fit", "results/x2/fit"]
    assert places(base, [{"deep": {"a": 1}}]) == ["results/x1/fit/deep.a=1"]


def test_where_the_task_itself_says() -> None:
    base = {"param": 1, "save_dir": "results"}
    items = [{"param": 1, "save_dir": "a/b"}, {"param": 2}]
    assert places(base, items) == ["a/b", "results/param=2"]


def test_tasks_that_would_share_a_directory_get_their_own_below_it() -> None:
    base = {"group": "g", "param": 1, "save_dir": "results/${group}"}
    items = [{"group": "a", "param": 1}, {"group": "a", "param": 2}, {"group": "b", "param": 1}]
    assert places(base, items) == [
        "results/a/group=a,param=1",
        "results/a/group=a,param=2",
        "results/b",
    ]


@pytest.mark.parametrize(
    ("save_dir", "root"),
    [
        ("results/fit", "results/fit"),
        ("results/${param}/fit", "results"),
        ("results/run_${param}", "results"),
        ("${param}/fit", "."),
        ("${stem}/${param}", "out/deep"),
    ],
)
def test_the_root_does_not_depend_on_the_tasks(save_dir: str, root: str) -> None:
    base = to_config({"param": 1, "stem": "out/deep", "save_dir": save_dir})
    assert sweep_root(pin(base, frozenset({"param"}))) == Path(root)


def test_without_save_dir_there_is_no_root() -> None:
    assert sweep_root(to_config({"param": 1})) is None
    assert places({"param": 1}, [1], "param") == ["nowhere/param=1"]


def test_a_save_dir_that_is_no_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a path"):
        places({"param": 1, "save_dir": "x"}, [{"save_dir": None}])
    with pytest.raises(ConfigError, match="cannot be evaluated"):
        places({"param": 1, "save_dir": "${param}/${nothing}"}, [1], "param")


def test_a_merged_config_has_the_values_and_the_directory_of_the_same_type() -> None:
    base = to_config({"a": {"b": 1}, "save_dir": Path("out")})
    merged = merge_task(base, {"a.b": [1, 2], "new.key": "x"}, Path("out/t"))
    assert merged.a.b == [1, 2]
    assert merged.new.key == "x"
    assert merged.save_dir == Path("out/t")
    assert base.a.b == 1
    assert merge_task(to_config({"save_dir": "out"}), {}, Path("out/t")).save_dir == "out/t"
    assert merge_task(to_config({"a": 1}), {"a": 2}, Path("out/t")) == {"a": 2}


def test_directories_below_the_root_are_kept_relative_to_it(tmp_path: Path) -> None:
    assert stored_directory(tmp_path / "out" / "a" / ".." / "b", tmp_path / "out") == "b"
    assert stored_directory(tmp_path / "else", tmp_path / "out") == str(tmp_path / "else")

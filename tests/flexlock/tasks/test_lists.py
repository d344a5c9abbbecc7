"""Task lists in every format become tasks."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import pytest

from flexlock.errors import ConfigError
from flexlock.tasks.lists import make_tasks, read_tasks


def values(path: Path, text: str, key: str | None = None) -> list[object]:
    path.write_text(text, encoding="utf-8")
    return [dict(task.values) for task in read_tasks([path], key=key)]


def test_lines_are_scalars_without_blanks_and_comments(tmp_path: Path) -> None:
    text = "1\n\n# a comment\n 1e-3 \nno\n'1'\n[1, 2]\nname with spaces\nnull\n"
    found = values(tmp_path / "tasks.txt", text, "param")
    assert [v["param"] for v in found] == [1, 0.001, "no", "1", [1, 2], "name with spaces", None]


def test_one_line_with_escaped_breaks_is_split_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("1\\n2\\n3\\n4\\n5\n")
    with pytest.warns(UserWarning, match="read as 5 lines"):
        tasks = read_tasks([path], key="param")
    assert [task.values["param"] for task in tasks] == [1, 2, 3, 4, 5]


def test_escaped_breaks_in_one_of_several_lines_stay(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = values(tmp_path / "tasks.txt", "a\\nb\nc\n", "param")
    assert found == [{"param": "a\\nb"}, {"param": "c"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.txt", "a\u2028b\x85c\nd\n"),
        ("t.jsonl", '"a\u2028b\x85c"\n"d"\n'),
        ("t.csv", "param\na\u2028b\x85c\nd\n"),
    ],
)
def test_only_line_ends_end_a_line(tmp_path: Path, name: str, text: str) -> None:
    found = values(tmp_path / name, text, None if name == "t.csv" else "param")
    assert found == [{"param": "a\u2028b\x85c"}, {"param": "d"}]


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_yaml_list_of_scalars_and_mappings(tmp_path: Path, suffix: str) -> None:
    text = "- 1e-3\n- no\n- 2024-01-01\n"
    found = values(tmp_path / f"t{suffix}", text, "param")
    assert [v["param"] for v in found] == [0.001, "no", "2024-01-01"]
    nested = values(tmp_path / f"m{suffix}", "- {a: 1, b: {c: 2, d: [3]}}\n")
    assert nested == [{"a": 1, "b.c": 2, "b.d": [3]}]
    assert values(tmp_path / f"m{suffix}", "- {a: 1}\n", "model") == [{"model.a": 1}]


def test_json_and_json_lines(tmp_path: Path) -> None:
    assert values(tmp_path / "t.json", '[1, "1e-3", null]', "x") == [
        {"x": 1},
        {"x": "1e-3"},
        {"x": None},
    ]
    assert values(tmp_path / "t.jsonl", '{"a": 1}\n\n{"a": {"b": 2}}\n') == [{"a": 1}, {"a.b": 2}]


def test_csv_rows_are_tasks_and_empty_cells_leave_the_configuration_alone(tmp_path: Path) -> None:
    text = 'model.lr,name\n1e-3,"a, b"\n,c\n0.5,\n'
    assert values(tmp_path / "t.csv", text) == [
        {"model.lr": 0.001, "name": "a, b"},
        {"name": "c"},
        {"model.lr": 0.5},
    ]
    assert values(tmp_path / "t.tsv", "lr\tn\n1\t2\n", "model") == [{"model.lr": 1, "model.n": 2}]


def test_standard_input_and_several_files_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("1\n2\n")
    (tmp_path / "b.json").write_text("[4]")
    monkeypatch.setattr("sys.stdin", io.StringIO("3\n"))
    tasks = read_tasks([tmp_path / "a.txt", "-", tmp_path / "b.json"], key="x")
    assert [(task.index, task.values["x"]) for task in tasks] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_standard_input_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for errors in ("strict", "surrogateescape"):
        given = io.TextIOWrapper(io.BytesIO(b"a\n\xff\n"), encoding="utf-8", errors=errors)
        monkeypatch.setattr("sys.stdin", given)
        with pytest.raises(ConfigError, match="standard input cannot be read"):
            read_tasks(["-"], key="x")


def test_equal_tasks_run_once_unless_duplicates_are_allowed() -> None:
    assert len(make_tasks([1, 1, 2, 1], key="x")) == 2
    tasks = make_tasks([1, 1, 2, 1], key="x", allow_duplicates=True)
    assert [task.values["x"] for task in tasks] == [1, 1, 2, 1]
    assert len({task.id for task in tasks}) == len({task.name for task in tasks}) == 4


def test_declared_type_wins_over_the_look_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("007\n")
    tasks = read_tasks([tmp_path / "t.txt"], key="code", convert=lambda key, value: str(value))
    assert tasks[0].values == {"code": "007"}


@pytest.mark.parametrize(
    ("name", "content", "key", "says"),
    [
        ("t.txt", "1\n", None, "--task_to"),
        ("t.yaml", "a: 1\n", "x", "not a list"),
        ("t.yaml", "- [1\n", "x", r"t\.yaml"),
        ("t.json", "[1,", "x", "not JSON"),
        ("t.jsonl", "1\n{\n", "x", "line 2"),
        ("t.csv", "a,b\n1\n", None, "line 2 has 1 cells"),
        ("t.csv", "a,a\n1,2\n", None, "each column once"),
        ("t.csv", 'a\n"b"c\n', None, "line 2"),
        ("t.yaml", "- {}\n", None, "empty mapping"),
    ],
)
def test_bad_lists_are_refused_with_what_is_wrong(
    tmp_path: Path, name: str, content: str, key: str | None, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        values(tmp_path / name, content, key)


def test_missing_and_undecodable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.txt.*does not exist"):
        read_tasks([tmp_path / "nowhere.txt"], key="x")
    (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_tasks([tmp_path / "latin.txt"], key="x")


@pytest.mark.parametrize("name", ["t.txt", "t.yaml", "t.csv", "t.jsonl"])
def test_empty_lists_have_no_tasks(tmp_path: Path, name: str) -> None:
    assert values(tmp_path / name, "\n", "x") == []


def test_byte_order_mark_is_not_part_of_the_first_value(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([1]).encode())
    assert read_tasks([path], key="x")[0].values == {"x": 1}

"""Two runs side by side."""

from dataclasses import replace
from pathlib import Path

import pytest

from flexlock.comparing import RunDiff, code_diff, compare
from flexlock.errors import CodeError
from flexlock.lock.document import read_lock
from flexlock_projects import git, make_project, record


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {"process.py": "a = 1\n", "lib/helper.py": "b = 1\n", "notes.md": "hello\n"}
    root = make_project(tmp_path / "project", files)
    (root / "data").mkdir()
    (root / "data" / "in.csv").write_text("1\n")
    return root


def test_two_runs_of_the_same_are_the_same(project: Path) -> None:
    data = {"input": str(project / "data/in.csv")}
    one = read_lock(record(project, "one", data=data, config={"lr": 0.1}))
    two = read_lock(record(project, "two", data=data, config={"lr": 0.1}))
    found = compare(one, two)
    assert found.is_match
    assert str(found) == "the same code, configuration, data, environment and result"


def test_another_commit_with_the_same_files_is_the_same_code(project: Path) -> None:
    one = read_lock(record(project, "one"))
    git(project, "commit", "--quiet", "--allow-empty", "-m", "Nothing")
    two = read_lock(record(project, "two"))
    assert one.repos["main"].commit != two.repos["main"].commit
    assert compare(one, two).is_match


def test_changed_files_are_named(project: Path) -> None:
    one = read_lock(record(project, "one"))
    (project / "lib/helper.py").write_text("b = 2\n")
    (project / "new.py").write_text("")
    (project / "notes.md").unlink()
    two = read_lock(record(project, "two"))
    found = compare(one, two)
    assert not found.is_match
    assert {(d.key, d.kind) for d in found.of("code")} == {
        ("main/lib/helper.py", "changed"),
        ("main/new.py", "missing"),
        ("main/notes.md", "extra"),
    }
    assert "-b = 1\n+b = 2" in code_diff(one, two)
    assert compare(one, two, include=["process.py"]).is_match
    assert not compare(one, two, exclude=["*.md", "new.py"]).is_match
    assert compare(one, two, exclude=["*.md", "new.py", "lib"]).is_match


def test_a_repository_that_is_gone_counts_as_different(project: Path, tmp_path: Path) -> None:
    one = read_lock(record(project, "one"))
    (project / "process.py").write_text("a = 2\n")
    two = read_lock(record(project, "two"))
    project.rename(tmp_path / "moved")
    found = compare(one, two)
    assert [d.key for d in found.of("code")] == ["main"]
    with pytest.raises(CodeError, match="project"):
        code_diff(one, two)


def test_configurations_are_compared_key_by_key(project: Path) -> None:
    first = {"lr": 0.1, "model": {"layers": [1, 2], "name": "a"}, "old": True, "n": 1}
    other = {"lr": 0.2, "model": {"layers": [1, 3], "name": "a"}, "new": None, "n": True}
    one = read_lock(record(project, "one", config=first))
    two = read_lock(record(project, "two", config=other))
    found = {(d.key, d.kind, d.first, d.other) for d in compare(one, two).of("config")}
    assert found == {
        ("lr", "changed", 0.1, 0.2),
        ("model.layers[1]", "changed", 2, 3),
        ("old", "extra", True, None),
        ("new", "missing", None, None),
        ("n", "changed", 1, True),
    }
    ignored = compare(one, two, ignore=["lr", "model", "old", "new", "n"])
    assert ignored.is_match


def test_where_a_run_writes_does_not_matter_but_below_it_does(project: Path) -> None:
    def config(name: str, inner: str) -> dict[str, str]:
        return {"log": f"{project}/results/{name}/{inner}", "timestamp": name}

    one = read_lock(record(project, "one", config=config("one", "a.log")))
    two = read_lock(record(project, "two", config=config("two", "a.log")))
    three = read_lock(record(project, "three", config=config("three", "b.log")))
    assert compare(one, two).is_match
    assert [d.key for d in compare(one, three).of("config")] == ["log"]


def test_data_and_earlier_runs_are_compared_by_content(project: Path) -> None:
    first = record(
        project, "prep1", {"out.txt": "1"}, outputs={"o": project / "results/prep1/out.txt"}
    )
    again = record(
        project, "prep2", {"out.txt": "1"}, outputs={"o": project / "results/prep2/out.txt"}
    )
    (project / "data/copy.csv").write_text("1\n")
    (project / "data/other.csv").write_text("2\n")
    one = read_lock(
        record(project, "a", data={"in": str(project / "data/in.csv")}, prevs={"p": first})
    )
    two = read_lock(
        record(project, "b", data={"in": str(project / "data/copy.csv")}, prevs={"p": first})
    )
    three = read_lock(
        record(project, "c", data={"in": str(project / "data/other.csv")}, prevs={"p": again})
    )
    assert compare(one, two).is_match
    assert [d.section for d in compare(one, three).differences] == ["data"]
    (project / "results/prep2/out.txt").write_text("2")
    other = record(
        project, "prep3", {"out.txt": "2"}, outputs={"o": project / "results/prep3/out.txt"}
    )
    four = read_lock(
        record(project, "d", data={"in": str(project / "data/in.csv")}, prevs={"p": other})
    )
    assert [(d.section, d.key) for d in compare(one, four).differences] == [("prevs", "p")]


def test_an_earlier_run_that_recorded_no_outputs_counts_by_its_id(project: Path) -> None:
    for name in ("prep1", "prep2"):
        record(project, name, {"out.txt": "1"})
    one = read_lock(record(project, "a", prevs={"p": project / "results/prep1"}))
    two = read_lock(record(project, "b", prevs={"p": project / "results/prep2"}))
    assert [d.section for d in compare(one, two).differences] == ["prevs"]
    used = [read_lock(record(project, n, data={"in": f"{project}/results/{p}/out.txt"}))
            for n, p in (("c", "prep1"), ("d", "prep2"))]  # fmt: skip
    assert used[0].prevs
    assert compare(*used).is_match


def test_another_function_is_other_code(project: Path) -> None:
    one = read_lock(record(project, "one"))
    two = replace(one, caller=replace(one.caller, function="another"))
    assert [d.key for d in compare(one, two).of("code")] == ["function"]


def test_only_the_files_of_a_scope_count(project: Path) -> None:
    scope = {"main": {"path": str(project), "include": ["process.py"]}}
    one = read_lock(record(project, "one", repos=scope))
    (project / "lib/helper.py").write_text("b = 2\n")
    git(project, "commit", "--quiet", "-am", "Second")
    two = read_lock(record(project, "two", repos=scope))
    assert one.repos["main"].tree != two.repos["main"].tree
    assert compare(one, two).is_match
    three = read_lock(record(project, "three"))
    assert any("which files count" in d.key for d in compare(one, three).of("code"))


def test_upgraded_packages_are_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "thing-1.0.dist-info").mkdir()
    one = read_lock(record(project, "one"))
    (tmp_path / "thing-1.0.dist-info").rename(tmp_path / "thing-1.1.dist-info")
    two = read_lock(record(project, "two"))
    found = compare(one, two)
    assert [(d.key, d.first, d.other) for d in found.of("env")] == [("thing", "1.0", "1.1")]
    assert found.is_match  # the run is the same; where it ran is not


def test_results_are_compared(project: Path) -> None:
    one = read_lock(record(project, "one", note="first"))
    two = read_lock(record(project, "two", note="second"))
    assert "result" in str(compare(one, two))


def test_the_same_as_an_object(project: Path) -> None:
    one = read_lock(record(project, "one", config={"lr": 1}))
    two = read_lock(record(project, "two", config={"lr": 2}))
    found = RunDiff(one, two)
    assert not found.is_match()
    assert found.compare_git()
    assert found.compare_data()
    assert found.compare_env()
    assert not found.compare_config()
    assert found.diffs == {"config": ["lr: 1 != 2"]}
    assert RunDiff(one, two, ignore_keys=["lr"]).is_match()


def test_a_comparison_is_plain_data_too(project: Path) -> None:
    one = read_lock(record(project, "one", config={"lr": 1}))
    two = read_lock(record(project, "two", config={"lr": 2}))
    document = compare(one, two).to_json()
    assert document["match"] is False
    assert document["differences"] == [
        {"section": "config", "key": "lr", "kind": "changed", "first": 1, "other": 2}
    ]

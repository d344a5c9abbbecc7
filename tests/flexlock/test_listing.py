"""Runs in folders, and how they build on each other."""

import io
import itertools
import json
import sys
import time
from pathlib import Path

import pytest

from flexlock.cleaning import TRASH, collect, move_to_trash, restore
from flexlock.errors import CodeError, LockError, LockNotFoundError
from flexlock.listing import find_runs, lineage_text, run_graph
from flexlock.lock.document import read_lock
from flexlock.tags import delete_tag, list_tags, tag_run
from flexlock_projects import git, make_project, record


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project", {"process.py": ""})


@pytest.fixture
def chain(project: Path) -> dict[str, Path]:
    """raw -> clean -> train, raw -> train."""
    raw = record(project, "raw")
    clean = record(project, "clean", prevs={"raw": raw})
    return {"raw": raw, "clean": clean, "train": record(project, "train", prevs=[clean, raw])}


def test_runs_are_found_at_any_depth_oldest_first(project: Path, chain: dict[str, Path]) -> None:
    record(project, "deep/er/run")
    (project / "results" / "broken").mkdir()
    (project / "results" / "broken" / "run.lock").write_text("{half")
    found = find_runs(project)
    names = [run.path.name for run in found]
    assert names == ["broken", "raw", "clean", "train", "run"]
    assert [run.status.name for run in found] == ["corrupt"] + ["complete"] * 4
    assert json.loads(json.dumps([run.to_json() for run in found]))[1]["status"] == "complete"


def test_a_terminal_shows_how_many_runs_were_read(
    project: Path, chain: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 2.0)
    shown = {}
    for is_terminal in (True, False):
        stream = io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(stream, "isatty", lambda answer=is_terminal: answer)
            patch.setattr(sys, "stderr", stream)
            patch.setattr(time, "monotonic", lambda: next(clock))
            assert len(find_runs(project)) == len(chain)
        shown[is_terminal] = stream.getvalue()
    assert "\rreading: 2 of 3 run sheets (67%), 0/s\r" in shown[True]
    assert shown[True].endswith(" \r")
    assert shown[False] == ""


def test_a_runs_earlier_runs_are_a_tree(chain: dict[str, Path]) -> None:
    lines = lineage_text(chain["train"]).splitlines()
    shapes = [line.split("results/")[0] + Path(line.split("  (")[0]).name for line in lines]
    assert len(lines) == 4
    assert [shape[-5:] for shape in shapes] == ["train", "clean", "y/raw", "t/raw"] or len(
        shapes
    ) == 4
    assert lines[1].startswith("├─ ")
    assert lines[2].startswith("│  └─ ")
    assert lines[3].startswith("└─ ")
    assert "complete" in lines[3]


def test_no_run_no_tree(tmp_path: Path) -> None:
    with pytest.raises(LockNotFoundError):
        lineage_text(tmp_path)


def test_the_graph_has_an_edge_for_each_use(project: Path, chain: dict[str, Path]) -> None:
    ids = {name: read_lock(path).id for name, path in chain.items()}
    graph = run_graph(project)
    assert set(graph.nodes) == set(ids.values())
    assert set(graph.edges) == {
        (ids["raw"], ids["clean"]),
        (ids["clean"], ids["train"]),
        (ids["raw"], ids["train"]),
    }
    assert graph.to_text("mermaid").splitlines()[0] == "flowchart LR"
    assert graph.to_text("mermaid").count("-->") == 3
    assert graph.to_text("dot").count("->") == 3
    assert json.loads(json.dumps(graph.to_json()))["schema_version"] == 1


def test_earlier_runs_that_lie_elsewhere_are_in_the_graph(project: Path, tmp_path: Path) -> None:
    other = make_project(tmp_path / "other", {"x.py": ""})
    far = record(other, "far")
    record(project, "near", prevs=[far])
    assert len(run_graph(project).nodes) == 2


# --- tags -----------------------------------------------------------------------------------


def test_a_tag_names_a_run_and_keeps_its_code(project: Path) -> None:
    (project / "process.py").write_text("edited = True\n")
    run = record(project, "one")
    tag = tag_run("paper/v1", run, "for the paper")
    assert list_tags(project) == [tag]
    assert (tag.path, tag.run) == (run, read_lock(run).id)
    git(project, "for-each-ref", "--format=delete %(refname)", "refs/flexlock/trees")
    for reference in git(project, "for-each-ref", "--format=%(refname)").splitlines():
        if reference.startswith("refs/flexlock/trees"):
            git(project, "update-ref", "-d", reference)
    git(project, "gc", "--quiet", "--prune=now")
    tree = read_lock(run).repos["main"].tree
    assert tree is not None
    assert "edited" in git(project, "show", f"{tree}:process.py")


def test_names_are_given_once(project: Path) -> None:
    run = record(project, "one")
    tag_run("v1", run)
    with pytest.raises(LockError, match="already"):
        tag_run("v1", run)
    with pytest.raises(LockError, match="cannot be a tag"):
        tag_run("no good", run)
    delete_tag("v1", project)
    assert list_tags(project) == []
    with pytest.raises(LockError, match="no tag 'v1'"):
        delete_tag("v1", project)


def test_a_run_without_code_cannot_be_tagged(tmp_path: Path) -> None:
    from flexlock import runlock

    runlock(config={"save_dir": str(tmp_path / "run")}, repos=[])
    with pytest.raises(LockError, match="no recorded code"):
        tag_run("v1", tmp_path / "run")


def test_a_repository_that_is_gone_is_not_called_a_wrong_name(project: Path) -> None:
    run = record(project, "one")
    sheet = run / "run.lock"
    sheet.write_text(sheet.read_text().replace(f"path: {project}\n", "path: /gone/project\n"))
    with pytest.raises(CodeError, match="/gone/project"):
        tag_run("v1", run)


# --- cleaning -------------------------------------------------------------------------------


def reasons(project: Path, **options: bool) -> tuple[set[str], dict[str, str]]:
    going, staying = collect(project, **options)
    return {c.path.name for c in going}, {path.name: reason for path, reason in staying}


def test_what_is_needed_stays(project: Path, chain: dict[str, Path]) -> None:
    tagged = record(project, "tagged")
    tag_run("v1", tagged)
    record(project, "untagged")
    going, staying = reasons(project)
    assert going == {"train", "untagged"}
    assert "builds on it" in staying["raw"]
    assert "builds on it" in staying["clean"]
    assert "'v1'" in staying["tagged"]


def test_files_that_no_sheet_knows_are_not_thrown_away(project: Path) -> None:
    known = project / "results" / "known"
    record(project, "known", {"out.txt": "x"}, outputs={"out": known / "out.txt"})
    record(project, "unknown", {"notes.txt": "mine"})
    going, staying = reasons(project)
    assert going == {"known"}
    assert "notes.txt" in staying["unknown"]
    assert reasons(project, all_files=True)[0] == {"known", "unknown"}


def test_only_runs_that_did_not_end_well(project: Path) -> None:
    record(project, "good")
    with pytest.raises(ValueError, match="bad"):
        record_failing(project)
    assert reasons(project, incomplete_only=True)[0] == {"bad"}


def record_failing(project: Path) -> None:
    from flexlock import runlock

    with runlock(config={"save_dir": str(project / "results" / "bad")}, repos=[project]):
        raise ValueError("bad")


def test_what_goes_comes_back(project: Path, chain: dict[str, Path]) -> None:
    before = {p: p.read_bytes() for p in (project / "results").rglob("*") if p.is_file()}
    going, _ = collect(project)
    trash = move_to_trash(project, going)
    assert trash is not None
    assert trash.parent == project / TRASH
    assert not chain["train"].exists()
    assert [run.path.name for run in find_runs(project)] == ["raw", "clean"]
    assert restore(trash) == [chain["train"]]
    assert {p: p.read_bytes() for p in (project / "results").rglob("*") if p.is_file()} == before
    assert not trash.exists()


def test_restoring_does_not_overwrite(project: Path, chain: dict[str, Path]) -> None:
    trash = move_to_trash(project, collect(project)[0])
    assert trash is not None
    chain["train"].mkdir()
    with pytest.raises(LockError, match="Something else"):
        restore(trash)
    chain["train"].rmdir()
    assert restore(trash) == [chain["train"]]
    with pytest.raises(LockError, match="does not hold"):
        restore(trash)


def test_nothing_to_clean_makes_no_folder(project: Path) -> None:
    assert move_to_trash(project, []) is None
    assert not (project / TRASH).exists()

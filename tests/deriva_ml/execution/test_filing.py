"""Runs of flexlock that are filed in a catalog, and found there by their code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import DerivaMLNotFoundError, DerivaMLValidationError
from flexlock import read_lock
from flexlock_projects import git, make_project, record


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with data: a file, and a directory."""
    root = make_project(tmp_path / "project", {"train.py": "print('train')\n"})
    git(root, "remote", "add", "origin", "git@example.org:lab/project.git")
    (root / "data" / "pictures").mkdir(parents=True)
    (root / "data" / "table.csv").write_text("a,b\n1,2\n")
    for n in range(3):
        (root / "data" / "pictures" / f"{n}.txt").write_text(f"picture {n}")
    monkeypatch.chdir(root)
    return root


def _train(root: Path, name: str = "train") -> Path:
    return record(
        root,
        name,
        {"model.txt": f"weights of {name}"},
        data={"table": "data/table.csv", "pictures": "data/pictures"},
        outputs={"model": root / "results" / name / "model.txt"},
        note="A first try.",
    )


def test_a_run_is_filed_with_its_code_data_and_outputs(ml: DerivaML, project: Path) -> None:
    run = _train(project)
    sheet = read_lock(run / "run.lock")
    filed = ml.file_run(run, workflow_type="Training")
    assert filed.status is ExecutionStatus.Uploaded
    assert filed.description == "A first try."
    assert filed.start_time is not None
    assert filed.start_time.timestamp() <= run.joinpath("run.lock").stat().st_mtime
    assert filed.stop_time is not None
    assert filed.stop_time >= filed.start_time

    workflow = filed.workflow
    assert workflow is not None
    assert workflow.checksum == git(project, "rev-parse", "HEAD^{tree}")
    assert workflow.version == git(project, "rev-parse", "HEAD")
    assert str(workflow.url).startswith("https://example.org/lab/project/")
    assert workflow.workflow_types == ["Training"]

    made = {a.filename: a for a in filed.list_assets("Output")}
    assert "model.txt" in made
    assert f"run-{sheet.id}.lock" in made
    read = {a.filename for a in filed.list_assets("Input")}
    assert read == {"table.csv", "0.txt", "1.txt", "2.txt"}
    (dataset,) = filed.list_input_datasets()
    assert set(dataset.dataset_types) == {"File", "Directory"}
    assert len(dataset.list_dataset_members()["File"]) == 3


def test_runs_are_found_by_the_tree_of_their_code(ml: DerivaML, project: Path) -> None:
    first = ml.file_run(_train(project))
    (project / "train.py").write_text("print('better')\n")  # not committed: the tree tells
    run = _train(project, "better")
    tree = read_lock(run / "run.lock").repos["main"].tree
    second = ml.file_run(run)
    assert tree is not None
    assert ml.find_executions(checksum=tree) == [second]
    assert ml.find_executions(checksum=git(project, "rev-parse", "HEAD^{tree}")) == [first]
    assert ml.find_executions(checksum="f" * 40) == []
    assert second.workflow is not None
    assert str(second.workflow.version).endswith(".dirty")


def test_a_run_is_filed_once(ml: DerivaML, project: Path) -> None:
    run = _train(project)
    first = ml.file_run(run)
    moment = ml.catalog.latest_snapshot()
    assert ml.file_run(run) == first
    assert ml.catalog.latest_snapshot() == moment


def test_equal_directories_are_one_dataset(ml: DerivaML, project: Path) -> None:
    one, two = ml.file_run(_train(project)), ml.file_run(_train(project, "again"))
    assert one != two
    assert one.list_input_datasets() == two.list_input_datasets()


def test_what_an_earlier_run_made_is_linked(ml: DerivaML, project: Path) -> None:
    earlier = _train(project)
    (model,) = [a for a in ml.file_run(earlier).list_assets("Output") if a.filename == "model.txt"]
    later = record(project, "test", data={"model": earlier / "model.txt"}, prevs=[earlier])
    (read,) = ml.file_run(later).list_assets("Input")
    assert read.asset_rid == model.asset_rid
    makers = ml.list_asset_executions(model.asset_rid, "Output")
    assert [e.description for e in makers] == ["A first try."]


def test_changed_data_is_refused_or_left_out(ml: DerivaML, project: Path) -> None:
    run = _train(project)
    (project / "data" / "table.csv").write_text("other")
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLValidationError, match=r"'table' \(data\) is changed"):
        ml.file_run(run)
    assert ml.catalog.latest_snapshot() == before
    filed = ml.file_run(run, allow_changed=True)
    assert "table" in filed.description
    assert "table.csv" not in {a.filename for a in filed.list_assets("Input")}


def test_a_lost_output_is_refused(ml: DerivaML, project: Path) -> None:
    run = _train(project)
    (run / "model.txt").unlink()
    with pytest.raises(DerivaMLValidationError, match="'model' \\(outputs\\) is missing"):
        ml.file_run(run, allow_changed=True)
    assert ml.find_executions(status="Uploaded") == []


def test_only_finished_runs_are_filed(ml: DerivaML, project: Path) -> None:
    with pytest.raises(DerivaMLNotFoundError, match="holds no run"):
        ml.file_run(project)
    with pytest.raises(RuntimeError):
        _fail(project)
    with pytest.raises(DerivaMLValidationError, match="is failed"):
        ml.file_run(project / "results" / "failing")


def _fail(root: Path) -> None:
    from flexlock import runlock

    with runlock(config={"save_dir": str(root / "results" / "failing")}, repos={"main": root}):
        raise RuntimeError("no memory")


KILLED = """
import os, signal, sys
import deriva_ml.execution.filing as filing
from deriva_ml.core.base import DerivaML

step = sys.argv[4]
real = getattr(filing, step)
def dying(*given):
    real(*given)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(filing, step, dying)
DerivaML(sys.argv[1], working_dir=sys.argv[2]).file_run(sys.argv[3])
"""


@pytest.mark.parametrize("step", ["begin", "_datasets", "_outputs", "_complete"])
def test_a_killed_filing_is_completed_once(
    ml: DerivaML, place: Path, project: Path, step: str
) -> None:
    run = _train(project)
    words = [str(place), str(place.parent / "work"), str(run), step]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    filed = ml.file_run(run)
    assert filed.status is ExecutionStatus.Uploaded
    assert ml.find_executions(status="Uploaded") == [filed]
    assert len(ml.find_datasets()) == 1
    names = sorted(a.filename for a in filed.list_assets("Output"))
    assert names.count("model.txt") == 1

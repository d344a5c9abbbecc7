"""Runs that are taken up again: by their fingerprint, in the same execution record."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deriva_ml import DerivaMLConfig, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.execution.claim import claimed
from deriva_ml.execution.execution import Execution
from deriva_ml.execution.resuming import fingerprint_of_call
from deriva_ml.execution.runner import run_model

calls: list[tuple[str, float]] = []
fail_at: set[float] = set()


def train(rate: float, ml_instance: DerivaML, execution: Execution) -> None:
    calls.append((execution.execution_rid, rate))
    execution.asset_file_path("Execution_Asset", f"{rate}.txt").write_text(str(rate))
    if rate in fail_at:
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _fresh() -> None:
    calls.clear()
    fail_at.clear()


def start(ml: DerivaML, place: Path, rate: float, *, resume: bool, **settings: Any) -> None:
    run_model(
        DerivaMLConfig(hostname=str(place), working_dir=place.parent / "work"),
        [],
        [],
        "a run",
        settings.pop("workflow", Workflow(name="train", workflow_type="Training")),
        partial(train, rate),
        resume=resume,
        **settings,
    )


def test_without_resume_every_call_is_a_new_run(ml: DerivaML, place: Path) -> None:
    for _ in range(2):
        start(ml, place, 0.1, resume=False)
    assert len({rid for rid, _ in calls}) == 2


def test_a_completed_run_is_skipped(ml: DerivaML, place: Path) -> None:
    start(ml, place, 0.1, resume=True)
    before = ml.catalog.latest_snapshot()
    start(ml, place, 0.1, resume=True)
    assert len(calls) == 1
    assert ml.catalog.latest_snapshot() == before
    start(ml, place, 0.2, resume=True)
    assert len(calls) == 2


def test_an_interrupted_run_goes_on_in_the_same_execution(ml: DerivaML, place: Path) -> None:
    fail_at.add(0.1)
    with pytest.raises(KeyboardInterrupt):
        start(ml, place, 0.1, resume=True)
    assert ml.list_assets("Execution_Asset") == []
    fail_at.clear()
    start(ml, place, 0.1, resume=True)
    assert len({rid for rid, _ in calls}) == 1
    assert len(calls) == 2
    assert [a.filename for a in ml.list_assets("Execution_Asset")] == ["0.1.txt"]


def test_a_run_that_ended_but_was_not_uploaded_is_only_uploaded(ml: DerivaML, place: Path) -> None:
    fail_at.add(0.1)
    with pytest.raises(KeyboardInterrupt):
        start(ml, place, 0.1, resume=True)
    exe = ml.resume_execution(calls[0][0])
    with exe.execute():
        exe.asset_file_path("Execution_Asset", "0.1.txt")
    start(ml, place, 0.1, resume=True)
    assert len(calls) == 1
    assert ml.lookup_execution(exe.rid).status == "Uploaded"


def test_changed_code_does_not_continue_the_record_of_other_code(ml: DerivaML, place: Path) -> None:
    def workflow(checksum: str) -> Workflow:
        return Workflow(name="t", workflow_type="Training", url="https://x/t.py", checksum=checksum)

    fail_at.add(0.1)
    with pytest.raises(KeyboardInterrupt):
        start(ml, place, 0.1, resume=True, workflow=workflow("a"))
    fail_at.clear()
    start(ml, place, 0.1, resume=True, workflow=workflow("b"))
    assert len({rid for rid, _ in calls}) == 2


def test_a_run_of_another_process_is_left_alone(ml: DerivaML, place: Path) -> None:
    fail_at.add(0.1)
    with pytest.raises(KeyboardInterrupt):
        start(ml, place, 0.1, resume=True)
    directory = ml.resume_execution(calls[0][0]).working_dir
    with claimed(directory) as mine:
        assert mine
        start(ml, place, 0.1, resume=True)
    assert len(calls) == 1


def test_a_fingerprint_needs_values_that_last() -> None:
    one = fingerprint_of_call(partial(train, 1.0), {"a": [1]}, required=True)
    assert one == fingerprint_of_call(partial(train, 1.0), {"a": [1]}, required=True)
    assert one != fingerprint_of_call(partial(train, 2.0), {"a": [1]}, required=True)
    assert fingerprint_of_call(partial(train, object()), {}, required=False) is None
    with pytest.raises(DerivaMLConfigurationError, match="cannot be resumed"):
        fingerprint_of_call(partial(train, object()), {}, required=True)


CONFIG = """
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from deriva_ml.execution import Workflow, create_model_config
from models.mine import train

store(builds(DerivaMLConfig, populate_full_signature=True)(hostname={place!r}, working_dir="work"),
      group="deriva_ml", name="default_deriva")
store([], group="datasets", name="default_dataset")
store([], group="assets", name="default_asset")
store(builds(Workflow, name="w", workflow_type="Training", populate_full_signature=True),
      group="workflow", name="default_workflow")
store(builds(train, rate=0.1, populate_full_signature=True, zen_partial=True),
      group="model_config", name="default_model")
store(create_model_config(description="sweep"), name="deriva_model")
"""

MODEL = """
import os
from pathlib import Path

def train(rate: float, ml_instance=None, execution=None) -> None:
    execution.asset_file_path("Execution_Asset", f"{rate}.txt").write_text(str(rate))
    with open("calls.txt", "a") as file:
        file.write(f"{execution.execution_rid} {rate}\\n")
    if Path("die.txt").exists() and Path("die.txt").read_text() == str(rate):
        os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_a_sweep_that_was_killed_goes_on_under_the_same_parent(
    ml: DerivaML, place: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    for name, text in {
        "src/configs/__init__.py": "",
        "src/configs/base.py": CONFIG.format(place=str(place)),
        "src/models/__init__.py": "",
        "src/models/mine.py": MODEL,
        "die.txt": "0.2",
    }.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
        return subprocess.run(
            [sys.executable, "-m", "deriva_ml.cli.run", *words],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
            env={**environment, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)},
        )

    sweep = ("--multirun", "model_config.rate=0.1,0.2,0.3")
    died = command(*sweep)
    assert died.returncode == -9, died.stderr
    (project / "die.txt").unlink()
    done = command("--resume", *sweep)
    assert done.returncode == 0, done.stderr
    runs = [line.split() for line in (project / "calls.txt").read_text().splitlines()]
    assert [rate for _, rate in runs] == ["0.1", "0.2", "0.2", "0.3"]
    assert runs[1][0] == runs[2][0]
    parents = [e for e in ml.find_executions(workflow_type="Training") if e.is_parent()]
    assert len(parents) == 1
    children = parents[0].list_execution_children()
    assert [c.rid for c in children] == [runs[0][0], runs[2][0], runs[3][0]]
    assert {str(e.status) for e in (*parents, *children)} == {"Uploaded"}
    again = command("--resume", *sweep)
    assert again.returncode == 0, again.stderr
    assert len((project / "calls.txt").read_text().splitlines()) == 4
    assert command(*sweep).returncode == 0
    assert len((project / "calls.txt").read_text().splitlines()) == 7

"""Projects on a real Slurm of one node."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from flexlock import Project, run_status
from flexlock.project import ExecutionResult

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("onebox_slurm")]

SETTINGS = {"partition": "main"}


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXLOCK_POLL_INTERVAL", "0.5")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3] / "src"))


def test_sweep_and_a_single_run_that_is_not_waited_for(project: Path) -> None:
    runs = Project({"prepare": {"_target_": "steps.prepare"}})
    found = runs.submit("prepare", sweep=[1, 3], sweep_target="times", slurm_config=SETTINGS)
    assert isinstance(found, list)
    assert [(r.status, r.get("length")) for r in found] == [("SUCCESS", 1), ("SUCCESS", 3)]
    one = runs.submit(
        "prepare", slurm_config=SETTINGS, wait=False, overrides={"save_dir": "results/one"}
    )
    assert isinstance(one, ExecutionResult)
    assert (one.status, one.is_success, one.save_dir) == (
        "SUBMITTED", False, Path("results/one"),
    )  # fmt: skip
    assert one.job_id
    end = time.monotonic() + 60
    while run_status(Path("results/one")).name != "complete" and time.monotonic() < end:
        time.sleep(0.1)
    assert Path("results/one/out.txt").read_text() == "aa"
    assert os.listdir("results/one/.flexlock")  # noqa: PTH208

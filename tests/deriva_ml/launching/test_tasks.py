"""Task lists through the command: here, in processes, killed, stopped, resumed, and on Slurm."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from pathlib import Path

import pytest

from launching_lab import Lab, until

pytestmark = pytest.mark.slow

RATES = ("--tasks", "rates.txt", "--task_to", "model_config.rate")
EACH_CORE = ("hydra/launcher=flexlock", "hydra.launcher.n_jobs=-1")


@pytest.fixture(scope="module")
def _catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from deriva_ml.schema import create_ml_catalog

    place = tmp_path_factory.mktemp("launching") / "lab"
    create_ml_catalog(str(place), "zoo").close()
    return place


@pytest.fixture
def lab(_catalog: Path, tmp_path: Path) -> Lab:
    """A project on a fresh catalog."""
    shutil.copytree(_catalog, tmp_path / "lab")
    made = Lab(tmp_path)
    made.write()
    return made


def test_a_failed_row_stops_no_other_and_alone_runs_again(lab: Lab) -> None:
    lab.file("runs.csv", "model_config,model_config.rate", ",13", "quick,3")
    lab.file("unlucky")
    done = lab.run("--tasks", "runs.csv")
    assert done.returncode == 1, done.stderr
    assert "Job 0 failed" in done.stderr
    assert "an unlucky rate" in done.stderr
    assert lab.journal() == ["13.0", "3.0"]
    assert lab.statuses() == ["Failed", "Failed", "Uploaded"]
    (lab.folder / "unlucky").unlink()
    again = lab.run("--tasks", "runs.csv", "--resume")
    assert again.returncode == 0, again.stderr
    assert lab.journal() == ["13.0", "3.0", "13.0"]
    assert lab.statuses() == ["Uploaded"] * 3


def test_what_cannot_run_leaves_nothing_in_the_catalog(lab: Lab) -> None:
    lab.file("rates.txt", 1)
    refused = lab.run(*RATES, "datasets=lost")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "There is no dataset '1-ZZZZ'" in refused.stderr
    assert lab.content() == []
    assert lab.journal() == []


def test_killed_stopped_and_resumed_is_as_if_undisturbed(lab: Lab, tmp_path: Path) -> None:
    calm = Lab(tmp_path / "calm")
    shutil.copytree(lab.folder / "lab", calm.folder / "lab")
    calm.write()
    for one in (lab, calm):
        one.file("rates.txt", 1, 2, 3)
    undisturbed = calm.start("-m", "model_config.rate=1,2,3", *EACH_CORE)
    hold = lab.file("hold")  # which the first job passes by
    process = lab.start(*RATES, "--n_jobs", "2")
    until(lambda: len(lab.journal()) == 3)
    lab.kill(process)
    process = lab.start(*RATES, "--n_jobs", "2", "--resume")
    until(lambda: len(lab.journal()) == 5)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 130, errors
    hold.unlink()
    line = errors.rpartition("To go on: ")[2]
    assert "--n_jobs 2 --resume" in line
    done = lab.run(*shlex.split(line.replace("--n_jobs 2", "--n_jobs 1"))[1:])
    assert done.returncode == 0, done.stderr
    assert sorted(lab.journal()) == ["1.0", *["2.0"] * 3, *["3.0"] * 3]
    assert lab.queued() == ["done"] * 3
    undisturbed.communicate(timeout=180)
    assert undisturbed.returncode == 0
    assert lab.content() == calm.content()
    assert lab.statuses() == ["Uploaded"] * 4


@pytest.mark.usefixtures("onebox_slurm")
def test_slurm_runs_the_tasks_and_a_resumed_command_joins_its_workers(lab: Lab) -> None:
    lab.file("slurm.yaml", "partition: main", "array: 2", "mem: 100")
    hold = lab.file("hold")
    words = ("-m", "model_config.rate=2,3,4", "--slurm_config", "slurm.yaml")
    process = lab.start(*words)
    until(lambda: len(lab.journal()) == 2)
    os.killpg(process.pid, signal.SIGKILL)  # the workers are Slurm's, and go on
    process.communicate(timeout=180)
    process = lab.start(*words, "--resume")
    assert process.stderr is not None
    joined = next((line for line in process.stderr if "workers" in line), "")
    hold.unlink()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert joined == "flexlock: 2 workers of an earlier command are at work\n"
    assert sorted(lab.journal()) == ["2.0", "3.0", "4.0"]
    assert lab.queued() == ["done"] * 3
    assert lab.statuses() == ["Uploaded"] * 4

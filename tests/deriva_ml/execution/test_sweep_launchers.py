"""Sweeps through the real command and Hydra's launchers, with jobs that fail and are killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from deriva_ml import DerivaML
from deriva_ml.execution.sweep_record import SweepJob
from onebox_slurm import onebox_slurm
from sweep_projects import Project, make_project, until, until_gone

__all__ = ["onebox_slurm"]


@pytest.fixture(scope="module")
def template(_template: Path) -> Path:
    return _template


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Project:
    return make_project(tmp_path_factory.mktemp("shared"), template)


@pytest.fixture
def project(shared: Project) -> Project:
    shared.forget()
    return shared


def statuses(jobs: Sequence[SweepJob]) -> list[str]:
    return [job.status for job in jobs]


JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def test_failing_jobs_leave_the_others_alone_and_are_resumed(project: Project) -> None:
    project.plan(r2="fail", r3="exit")
    words = ("-m", "model_config.rate=1,2,3,4")
    status, out, err = project.run(*words)
    assert status == 1
    assert statuses(project.jobs()) == ["completed", "failed", "failed", "completed"]
    assert project.jobs()[3].metrics == {"loss": 0.0}
    assert project.jobs()[0].value == 9.0
    assert "ValueError: rate 2 is bad" in err.splitlines()[-1]
    assert "Job 2 failed: The model function ended the process: exit(3)." in out
    assert "4 jobs: 2 completed, 2 failed" in out
    assert "loss=9" in out
    assert f"deriva-ml-run --resume {words[0]} {words[1]}" in out
    (before,) = [p.rid for p in project.sweep().known_parents()]
    project.plan()
    status, out, err = project.run("--resume", *words)
    assert status == 0, err
    assert [p.rid for p in project.sweep().known_parents()] == [before]
    assert statuses(project.jobs()) == ["completed"] * 4
    assert [job.metrics for job in project.jobs()] == [{"loss": x} for x in (9.0, 4.0, 1.0, 0.0)]
    assert [call["rate"] for call in project.seen()] == [1, 2, 3, 4, 2, 3]


@pytest.mark.slow
def test_joblib_workers_are_used_again_cleanly_and_may_be_killed(project: Project) -> None:
    project.plan(r3="unpicklable", r5="kill")
    status, out, _ = project.run("-m", "model_config.rate=1,2,3,4,5,6", *JOBLIB)
    assert status == 1
    jobs = project.jobs()
    ended = ["completed", "completed", "failed", "completed", "interrupted", "completed"]
    assert statuses(jobs) == ended
    assert jobs[2].error == "Unpicklable: 1 and 2"
    # No job sees what one before it in the same process has changed.
    calls = project.seen()
    assert all(call["seen"][:3] == [0, 0, False] for call in calls)  # type: ignore[index]
    numbers: dict[object, set[object]] = {}
    for call in calls:
        numbers.setdefault(call["pid"], set()).add(call["seen"][3])  # type: ignore[index]
    assert len(numbers) < len(calls)
    assert all(len(one) == 1 for one in numbers.values())
    # The job whose process died was tried again, in its own execution, and took no other along.
    killed = jobs[4]
    assert [call["rid"] for call in calls].count(killed.rid) == 2
    ml = DerivaML(str(project.directory / "catalog"), working_dir=project.directory / "look")
    assert str(ml.lookup_execution(str(killed.rid)).status) == "Failed"
    (parent,) = project.sweep().known_parents()
    detail = ml.lookup_execution(parent.rid).status_detail
    assert detail == "These jobs were not completed: 2, 4."
    ml.catalog.close()
    assert f"Job 4 interrupted: {killed.error}" in out


@pytest.mark.slow
def test_an_interrupted_sweep_leaves_no_run_open(project: Project) -> None:
    project.plan(r1="wait", r2="wait")
    words = ("-m", "model_config.rate=1,2,3", *JOBLIB)
    process = project.start(*words)
    waits = [project.directory / f"waits-{rate}" for rate in (1, 2)]
    until(lambda: all(p.exists() for p in waits), process)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=180)
    assert process.returncode == 130
    assert statuses(project.jobs()) == ["interrupted", "interrupted", "queued"]
    ml = DerivaML(str(project.directory / "catalog"), working_dir=project.directory / "look")
    (parent,) = project.sweep().known_parents()
    ended = [ml.lookup_execution(str(rid)) for rid in (parent.rid, *_rids(project.jobs()[:2]))]
    assert {str(e.status) for e in ended} == {"Failed"}
    ml.catalog.close()
    assert "Run what is missing with: deriva-ml-run --resume" in out


def _rids(jobs: Sequence[SweepJob]) -> list[str | None]:
    return [job.rid for job in jobs]


SEED = 20261126
RATES = ("-m", "model_config.rate=1,2,3")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [(), JOBLIB], ids=["basic", "joblib"])
def test_a_sweep_killed_at_any_moment_ends_as_an_undisturbed_one(
    launcher: tuple[str, ...],
    tmp_path: Path,
    undisturbed: list[object],
    template: Path,
) -> None:
    rng = random.Random(f"{SEED} {launcher}")
    project = make_project(tmp_path, template)
    words = (*RATES, *launcher)
    project.plan(**{f"r{n}": "nap" for n in range(1, 4)})
    process = project.start(*words)
    until(lambda: bool(project.seen()), process)
    time.sleep(rng.uniform(0, 0.6))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=180)
    until_gone(process.pid)
    status, _, err = project.run("--resume", *words)
    assert status == 0, err
    assert project.content() == undisturbed


@pytest.mark.slow
def test_workers_killed_where_executions_are_made_leave_no_second_ones(
    tmp_path: Path, undisturbed: list[object], template: Path
) -> None:
    project = make_project(tmp_path, template)
    project.die(_parent=(None, "return"), begun=(2, "call"))
    status, _, err = project.run(*RATES, *JOBLIB)
    assert status == 0, err
    assert {p.name for p in tmp_path.glob("died-*")} == {"died-_parent", "died-begun"}
    assert project.content() == undisturbed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, template: Path) -> list[object]:
    project = make_project(tmp_path_factory.mktemp("undisturbed"), template)
    status, _, err = project.run(*RATES)
    assert status == 0, err
    content = project.content()
    shutil.rmtree(project.directory)
    return content


@pytest.mark.slow
def test_submitit_runs_jobs_that_die_alone(project: Project) -> None:
    project.plan(r2="kill")
    status, out, err = project.run("-m", "model_config.rate=1,2", "hydra/launcher=submitit_local")
    assert status == 1, err
    assert statuses(project.jobs()) == ["completed", "interrupted"]
    assert "The process of the job died. Its output: " in out


@pytest.mark.slow
def test_submitit_runs_jobs_on_slurm(project: Project, onebox_slurm: Path) -> None:
    project.plan(r2="fail")
    slurm = ("hydra/launcher=submitit_slurm", "hydra.launcher.partition=main")
    limits = ("hydra.launcher.timeout_min=5", "hydra.launcher.cpus_per_task=1")
    words = ("-m", "model_config.rate=1,2", *slurm, *limits)
    status, _, err = project.run(*words)
    assert status == 1, err
    assert statuses(project.jobs()) == ["completed", "failed"], err
    assert "ValueError: rate 2 is bad" in err
    assert len({job.rid for job in project.jobs()}) == 2

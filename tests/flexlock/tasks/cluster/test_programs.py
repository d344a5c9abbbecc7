"""Calling the programs of a batch system, with recorded answers on PATH."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flexlock.errors import SchedulerError
from flexlock.tasks.cluster.pbs import Pbs
from flexlock.tasks.cluster.scheduler import GONE, JobRequest
from flexlock.tasks.cluster.settings import Settings
from flexlock.tasks.cluster.slurm import Slurm

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a program on PATH, which has nothing else; it notes how it was called in ``calls``."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def add(name: str, body: str) -> None:
        path = programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{body}\n')
        path.chmod(0o755)

    return add


def request(tmp_path: Path, *after: str) -> JobRequest:
    return JobRequest("n", "c", 1, tmp_path, tmp_path, Settings(after=("3",)), after)


def test_sbatch_gets_the_dependencies_and_gives_the_id(install: Install, tmp_path: Path) -> None:
    install("sbatch", "echo '4711;cluster'")
    assert Slurm().submit(tmp_path / "job", request(tmp_path, "1", "afterok:2")) == "4711"
    calls = (tmp_path / "calls").read_text()
    assert calls == f"sbatch --parsable --dependency=afterok:3:1:2 {tmp_path}/job\n"


def test_a_refused_submission_says_what_the_program_said(install: Install, tmp_path: Path) -> None:
    install("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1")
    with pytest.raises(SchedulerError, match="invalid partition"):
        Slurm().submit(tmp_path / "job", request(tmp_path))
    install("qsub", "echo 'qsub: Unknown queue' >&2; exit 170")
    with pytest.raises(SchedulerError, match="Unknown queue"):
        Pbs().submit(tmp_path / "job", request(tmp_path))


@pytest.mark.usefixtures("install")
def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchedulerError, match="'sbatch' is not installed"):
        Slurm().submit(tmp_path / "job", request(tmp_path))
    assert Slurm().states(["1_0"]) == {"1_0": None}
    assert Pbs().states(["1[0].srv"]) == {"1[0].srv": None}


def test_states_come_from_squeue_first(install: Install, tmp_path: Path) -> None:
    install("squeue", "echo '12_0|RUNNING'; echo '12_1|TIMEOUT'; echo '13|PENDING'")
    states = Slurm().states(["12_0", "12_1", "13"])
    assert states == {"12_0": "RUNNING", "12_1": "TIMEOUT", "13": "PENDING"}
    assert [Slurm().is_alive(states[job]) for job in states] == [True, False, True]
    assert (tmp_path / "calls").read_text().count("\n") == 1


def test_states_of_finished_jobs_come_from_scontrol_then_sacct(install: Install) -> None:
    install("squeue", "true")
    install("scontrol", 'case $* in *9_1*) echo "JobId=10 JobState=FAILED Reason=None";; esac')
    install("sacct", 'case $* in *9_2*) echo "CANCELLED by 0"; echo CANCELLED;; *) exit 1;; esac')
    states = Slurm().states(["9_1", "9_2", "9_3"])
    assert states == {"9_1": "FAILED", "9_2": "CANCELLED", "9_3": None}
    assert Slurm().is_alive(states["9_2"]) is False
    assert Slurm().is_alive(states["9_3"]) is None


def test_a_job_that_slurm_has_forgotten_is_gone(install: Install) -> None:
    install("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    install("scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    install("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert Slurm().states(["9_1"]) == {"9_1": GONE}
    assert Slurm().is_alive(GONE) is False


def test_an_element_that_was_cancelled_before_its_start_is_gone(install: Install) -> None:
    install("squeue", "echo '9_1|PENDING'")
    install("scontrol", "echo 'Job 9_0 not found'; exit 1")
    install("sacct", "exit 1")
    assert Slurm().states(["9_0", "9_1"]) == {"9_0": GONE, "9_1": "PENDING"}


def test_an_unreachable_slurm_tells_nothing(install: Install) -> None:
    for name in ("squeue", "scontrol", "sacct"):
        install(name, "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert Slurm().states(["9_1"]) == {"9_1": None}


def test_pbs_states_of_arrays_and_finished_jobs(install: Install, tmp_path: Path) -> None:
    install(
        "qstat",
        "cat <<END\nJob Id: 5[].srv\n    Job_Name = fit\n    job_state = B\n\n"
        "Job Id: 5[0].srv\n    job_state = R\n    comment = Job run at\n\ton host\n\n"
        "Job Id: 5[1].srv\n    job_state = X\n    Exit_status = 0\nEND",
    )
    os.environ["PATH"] += ":/bin:/usr/bin"
    states = Pbs().states(["5[0].srv", "5[1].srv"])
    assert states == {"5[0].srv": "R", "5[1].srv": "X"}
    assert [Pbs().is_alive(state) for state in states.values()] == [True, False]
    assert (tmp_path / "calls").read_text() == "qstat -x -t -f 5[].srv\n"


def test_pbs_jobs_that_are_unknown_are_gone(install: Install) -> None:
    install("qstat", "echo 'qstat: Unknown Job Id 7.srv' >&2; exit 153")
    assert Pbs().states(["7.srv"]) == {"7.srv": GONE}
    assert Pbs().is_alive(GONE) is False


def test_cancelling_what_has_ended_is_no_error(install: Install, tmp_path: Path) -> None:
    install("scancel", "echo 'scancel: error: Invalid job id 5' >&2; exit 1")
    install("qdel", "echo 'qdel: Job has finished 5.srv' >&2; exit 35")
    Slurm().cancel("5")
    Pbs().cancel("5.srv")
    assert (tmp_path / "calls").read_text() == "scancel 5\nqdel 5.srv\n"
    install("scancel", "echo 'scancel: error: Access denied' >&2; exit 1")
    with pytest.raises(SchedulerError, match="Access denied"):
        Slurm().cancel("5")

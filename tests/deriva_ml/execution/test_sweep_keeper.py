"""What stands around Hydra's sweeper and launcher: jobs whose processes die, and the end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import LocalLauncher
from omegaconf import DictConfig, OmegaConf

from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLNotFoundError
from deriva_ml.execution.claim import claimed
from deriva_ml.execution.sweep_configs import SweepConfigs
from deriva_ml.execution.sweep_keeper import (
    KeptLauncher,
    KeptSweeper,
    _in_a_row,
    _path_for_children,
)
from deriva_ml.execution.sweep_place import take_place
from deriva_ml.execution.sweep_record import Sweep
from deriva_ml.execution.sweep_submitit import _cancel, check_submitit

CATALOG = ("localhost", "digits")


class Dying(Launcher):
    """A launcher whose processes die before any job begins."""

    def __init__(self) -> None:
        self.launched: list[list[int]] = []

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None: ...

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        self.launched.append([initial_job_idx + i for i in range(len(job_overrides))])
        raise BrokenProcessPool("died")


def test_jobs_whose_processes_die_before_they_begin_are_tried_twice(tmp_path: Path) -> None:
    kept, dying = KeptLauncher(OmegaConf.create({})), Dying()
    kept._launcher, kept._record = dying, Sweep(tmp_path)
    returned = kept.launch([["a=1"], ["a=2"]], 0)
    assert dying.launched == [[0, 1], [0], [1]]
    assert [one.status for one in returned] == [JobStatus.FAILED] * 2
    jobs = Sweep(tmp_path).jobs()
    assert [job.status for job in jobs] == ["interrupted"] * 2
    assert jobs[0].error == "The process of the job died twice before the job began."


class Calling(Sweeper):
    """A sweeper that calls a function."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None: ...

    def sweep(self, arguments: list[str]) -> Any:
        return self._call()


def kept_sweeper(directory: Path, call: Callable[[], object]) -> KeptSweeper:
    """A sweep of one job in a catalog that is gone."""
    sweep = Sweep(directory)
    gone = f'{{"hostname": "{directory / "gone"}"}}'
    sweep.parent(CATALOG, lambda _: "1ABC", (gone, "deriva_ml.core.base:DerivaML"))
    sweep.queue([(0, ["a=1"])])
    sweep.note_job(0, "completed", value=2.5)
    kept = KeptSweeper(OmegaConf.create({}))
    kept._directory, kept._sweeper = directory, Calling(call)
    kept._configs = SweepConfigs(None, directory)  # type: ignore[arg-type]
    return kept


def test_a_parent_that_cannot_be_closed_does_not_hide_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DerivaMLNotFoundError, match="gone"):
        kept_sweeper(tmp_path, lambda: 3).sweep([])
    assert "1 job: 1 completed" in capsys.readouterr().out


def test_the_error_of_a_sweep_counts_more_than_that_of_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ArithmeticError("own")

    with pytest.raises(ArithmeticError, match="own"):
        kept_sweeper(tmp_path, fail).sweep([])
    assert "1 job: 1 completed" in capsys.readouterr().out


def test_numbers_are_split_where_one_is_missing() -> None:
    assert list(_in_a_row([1, 2, 4, 7, 8, 9])) == [[1, 2], [4], [7, 8, 9]]
    assert list(_in_a_row([])) == []


def test_processes_of_jobs_find_a_project_below_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import json
    import sys

    project = str(Path(sys.prefix) / "project" / "src")
    monkeypatch.setattr(sys, "path", [project, str(Path(json.__file__).parents[1]), *sys.path])
    with _path_for_children():
        found = os.environ["PYTHONPATH"].split(os.pathsep)
    assert found[0] == project
    assert str(Path(json.__file__).parents[1]) not in found


# --- the directory -----------------------------------------------------------------------


def config(start: Path, directory: str, *overrides: str) -> DictConfig:
    settings = {
        "runtime": {"cwd": str(start)},
        "sweep": {"dir": directory},
        "overrides": {"hydra": list(overrides)},
        "job": {"config_name": "deriva_model"},
    }
    return OmegaConf.create({"hydra": settings})


def test_sweeps_of_one_second_have_directories_of_their_own(tmp_path: Path) -> None:
    second = "2026-11-26_12-00-00"
    used = config(tmp_path, second)
    with claimed(tmp_path / second) as mine:
        assert mine
        assert take_place(used) == tmp_path / f"{second}-2"
    assert used.hydra.sweep.dir == str(tmp_path / f"{second}-2")
    assert used.hydra.overrides.hydra == [f"hydra.sweep.dir='{tmp_path}/{second}-2'"]
    Sweep(tmp_path / f"{second}-2")
    assert take_place(config(tmp_path, second)) == tmp_path / second  # free again


def test_a_directory_that_was_asked_for_is_not_shared(tmp_path: Path) -> None:
    used = config(tmp_path, "here", "hydra.sweep.dir=here")
    with (
        claimed(tmp_path / "here"),
        pytest.raises(DerivaMLConfigurationError, match=r"Another process runs a sweep in .*here"),
    ):
        KeptSweeper(OmegaConf.create({})).setup(
            hydra_context=HydraContext(None, Callbacks()),  # type: ignore[arg-type]
            task_function=print,
            config=used,
        )
    assert take_place(used) == tmp_path / "here"
    with claimed(tmp_path / "here") as mine:
        assert not mine  # until this process ends


# --- submitit ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nodes", "tasks_per_node"])
def test_a_job_of_submitit_is_one_task(name: str) -> None:
    check_submitit(LocalLauncher(nodes=1, tasks_per_node=1))
    with pytest.raises(DerivaMLConfigurationError, match=f"hydra.launcher.{name} is 2"):
        check_submitit(LocalLauncher(**{"nodes": 1, "tasks_per_node": 1, name: 2}))


def test_a_job_that_cannot_be_cancelled_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn:
        job_id = "7"

        def done(self) -> bool:
            return False

        def cancel(self) -> None:
            raise subprocess.CalledProcessError(1, ["scancel", "7"])

    _cancel(Stubborn())
    assert "Job 7 is not cancelled" in caplog.text

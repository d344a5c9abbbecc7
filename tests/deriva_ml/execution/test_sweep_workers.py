"""Processes of joblib that are ready before there is a job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hydra_plugins.hydra_joblib_launcher.config import JobLibLauncherConf
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from joblib import Parallel, delayed
from joblib.externals.loky import reusable_executor
from omegaconf import OmegaConf

from deriva_ml.execution import sweep_workers
from deriva_ml.execution.sweep_workers import await_workers, dismiss_workers, start_workers


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    yield
    if reusable_executor._executor is not None:
        reusable_executor._executor.shutdown(wait=True, kill_workers=True)


def launcher(**changes: int) -> JoblibLauncher:
    """Joblib's launcher as Hydra makes it."""
    settings: Any = OmegaConf.to_container(OmegaConf.structured(JobLibLauncherConf(**changes)))
    del settings["_target_"]
    return JoblibLauncher(**settings)


def _seen() -> tuple[int, bool]:
    import sys

    return os.getpid(), "deriva_ml.core.base" in sys.modules


def test_the_launcher_finds_them_ready(recwarn: pytest.WarningsRecorder) -> None:
    joblibs = launcher(n_jobs=2)
    start_workers(joblibs, os.getcwd)  # type: ignore[arg-type]
    await_workers()
    pids = {process.pid for process in reusable_executor._executor._processes.values()}
    seen = Parallel(**{**joblibs.joblib, "backend": "loky"})(delayed(_seen)() for _ in range(4))
    assert len(pids) == 2
    assert {pid for pid, _ in seen} <= pids
    assert all(ready for _, ready in seen)
    start_workers(joblibs, os.getcwd)  # type: ignore[arg-type]
    dismiss_workers()
    assert sweep_workers._starting == []
    assert not recwarn.list


def test_jobs_of_one_process_need_none() -> None:
    start_workers(launcher(n_jobs=1), os.getcwd)  # type: ignore[arg-type]
    assert sweep_workers._starting == []

"""Processes of joblib that have imported what jobs use when the first job comes.

Before the first job, the configurations of all jobs are composed in one process. Meanwhile the
others would wait to be started, and then take about as long to import what they need.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.types import TaskFunction

from deriva_catalog.loading import own_process

from .preloading import load_what_runs_use

__all__ = ["await_workers", "dismiss_workers", "start_workers"]

_MODULE = "hydra_plugins.hydra_joblib_launcher"

_starting: list[Generator[None]] = []


def start_workers(launcher: Launcher, function: TaskFunction) -> None:
    """Start the processes of a launcher, if they are joblib's; does not wait for them.

    Args:
        launcher: The configured launcher. It uses the processes, which joblib keeps, if its
            settings are still the same.
        function: What the jobs call; to be handed it, a process imports the project's modules.
    """
    if not type(launcher).__module__.startswith(_MODULE):
        return
    from hydra_plugins.hydra_joblib_launcher._core import process_joblib_cfg
    from joblib import Parallel, delayed, effective_n_jobs

    settings: dict[str, Any] = {**launcher.joblib, "backend": "loky"}  # type: ignore[attr-defined]
    process_joblib_cfg(settings)
    settings |= {"batch_size": 1, "return_as": "generator", "timeout": None, "verbose": 0}
    count = effective_n_jobs(settings.get("n_jobs"))
    if count < 2:
        return  # the jobs run in this process
    prepare: Callable[..., Any] = delayed(_prepare)
    _starting.append(Parallel(**settings)(prepare(function) for _ in range(count)))


def await_workers() -> None:
    """Wait until the processes are ready. One that has died is replaced when there are jobs."""
    while _starting:
        with suppress(BrokenProcessPool):
            deque(_starting.pop(), maxlen=0)


def dismiss_workers() -> None:
    """End the processes where no job was launched."""
    while _starting:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib's, that their results were not wanted
            _starting.pop().close()


def _prepare(function: TaskFunction) -> None:
    """Import, in a process that only runs jobs, what they use."""
    from hydra.core.plugins import Plugins

    own_process()
    load_what_runs_use()
    Plugins.instance()  # it looks for them once in each process

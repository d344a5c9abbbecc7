"""Hydra's launcher ``flexlock``: the jobs of a sweep as tasks of `flexlock.tasks`."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLException
from flexlock.tasks import Task, TaskOptions, TaskReport, run_tasks
from flexlock.tasks.identity import task_id
from flexlock.tasks.queue.records import TaskRow
from flexlock.tasks.report import failure_text

from .earlier import note_sweep, reopen_parents
from .errors import REFUSED, JobFailedError, translated_tasks
from .job import JobSetup, keep_setup, packed, run_job

__all__ = ["FlexlockConf", "FlexlockLauncher"]


@dataclass
class FlexlockConf:
    """The settings of the launcher.

    Attributes:
        n_jobs: Jobs at a time on this machine, each in a process of its own; 1 is this process.
        slurm_config: A YAML file, or its content, that says how Slurm workers are asked for.
        max_attempts: How often a job is started whose process dies.
        quiet: Whether only failures are shown.
    """

    _target_: str = "hydra_plugins.deriva_ml.FlexlockLauncher"
    n_jobs: int = 1
    slurm_config: Any = None
    max_attempts: int | None = None
    quiet: bool = False


class FlexlockLauncher(Launcher):
    """Runs the jobs from a queue in the sweep's directory, which a later command takes up again.

    A job that fails does not stop the others; the sweeper learns of it when all have ended.
    """

    # Where Hydra finds it: see `plugins`.
    __module__ = "hydra_plugins.deriva_ml"

    def __init__(
        self,
        n_jobs: int = 1,
        slurm_config: Any = None,
        max_attempts: int | None = None,
        quiet: bool = False,
    ) -> None:
        if OmegaConf.is_config(slurm_config):
            slurm_config = OmegaConf.to_container(slurm_config, resolve=True)
        self._options = TaskOptions(
            n_jobs=n_jobs, slurm_config=slurm_config, max_attempts=max_attempts, quiet=quiet
        )

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra has."""
        self._setup = JobSetup(hydra_context, task_function, config)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs that are not done yet and return how each ended.

        Raises:
            DerivaMLConfigurationError: The settings cannot be used, or another command is at work
                in the directory.
            JobFailedError: Workers cannot start.
            KeyboardInterrupt: The command was stopped; what runs was told to stop.
        """
        config = self._setup.config
        setup_globals()
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        root = Path(str(config.hydra.sweep.dir))
        root.mkdir(parents=True, exist_ok=True)
        if initial_job_idx == 0:
            reopen_parents(root)
            note_sweep(root, str(config.hydra.job.config_name))
        others = self._options.n_jobs > 1 or self._options.slurm_config is not None
        path = keep_setup(self._setup, root, for_others=others)
        tasks = [
            _task(index, initial_job_idx + index, words)
            for index, words in enumerate(job_overrides)
        ]
        base = OmegaConf.create({"setup": str(path), "number": 0, "words": "[]"})
        with translated_tasks():
            report = run_tasks(run_job, base, tasks, self._options, lock=None, root=root)
        _raise_stop(report)
        pairs = zip(job_overrides, report.rows, strict=True)
        return [_returned(words, row, root) for words, row in pairs]


def _task(index: int, number: int, words: Sequence[str]) -> Task:
    values = {"number": number, "words": packed(words)}
    return Task(index, task_id(values), values, str(number))


def _raise_stop(report: TaskReport) -> None:
    """Stop the command as the signal has asked that stopped the tasks."""
    if report.signal is None:
        return
    if report.signal == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + report.signal)


def _returned(words: Sequence[str], row: TaskRow, root: Path) -> JobReturn:
    """Return how a job ended, as Hydra has it."""
    returned = JobReturn(overrides=list(words), working_dir=str(root / row.directory))
    if row.state == "done":
        returned.status = JobStatus.COMPLETED
        returned.return_value = None if row.outcome is None else row.outcome.result
    else:
        returned.status = JobStatus.FAILED
        returned.return_value = _error(words, row, root)
    return returned


def _error(words: Sequence[str], row: TaskRow, root: Path) -> DerivaMLException:
    """Return what stands for the error of a job, which stayed in its process."""
    outcome = row.outcome
    if outcome is not None and outcome.reason == f"exited with {REFUSED}":
        return DerivaMLConfigurationError(outcome.error or "")
    text = failure_text(row, root).strip()
    return JobFailedError(f"Job {text}. Its words: {' '.join(words)}")

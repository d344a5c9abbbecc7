"""Hydra's launcher ``flexlock``: the jobs of a sweep as tasks of `flexlock.tasks`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLException
from deriva_ml.core.overrides import key_of
from deriva_ml.execution.resuming import fingerprint_of_content
from deriva_ml.execution.secrets import masked_words
from deriva_ml.execution.sweep_record import Sweep
from flexlock.tasks import Task, TaskOptions, TaskReport, run_tasks
from flexlock.tasks.identity import task_id
from flexlock.tasks.model import Retry
from flexlock.tasks.queue.opening import DATABASE, FOLDER, open_queue
from flexlock.tasks.queue.records import TaskRow
from flexlock.tasks.report import failure_text

from .earlier import note_sweep, reopen_parents
from .errors import REFUSED, JobFailedError, listed, refusal, translated_tasks
from .job import JobSetup, keep_setup, packed, run_job

__all__ = ["FlexlockConf", "FlexlockLauncher"]


@dataclass
class FlexlockConf:
    """The settings of the launcher.

    Attributes:
        n_jobs: Jobs at a time on this machine, each in a process of its own; -1 is one a core, 1
            this process.
        slurm_config: A YAML file, or its content, that says how Slurm workers are asked for.
        max_attempts: How often a job is started whose process dies.
        quiet: Whether the engine's own lines are left out, and failures told when all has ended.
    """

    _target_: str = "hydra_plugins.deriva_ml.FlexlockLauncher"
    n_jobs: int = 1
    slurm_config: Any = None
    max_attempts: int | None = None
    quiet: bool = False


class FlexlockLauncher(Launcher):
    """Runs the jobs from a queue in the sweep's directory.

    A later command with ``resume=True`` takes the queue up again; any other runs all of its jobs.
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
            n_jobs=n_jobs,
            slurm_config=slurm_config,
            max_attempts=max_attempts,
            quiet=quiet,
            tell_failures=not quiet,
        )

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra has."""
        self._setup = JobSetup(hydra_context, task_function, config)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs, of a resumed sweep those that are not done, and return how each ended.

        Raises:
            DerivaMLConfigurationError: The settings cannot be used, another command is at work
                in the directory, or all jobs were refused.
            JobFailedError: Workers cannot start.
            KeyboardInterrupt: The command was stopped; what runs was told to stop.
        """
        config = self._setup.config
        setup_globals()
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        root = Path(str(config.hydra.sweep.dir))
        root.mkdir(parents=True, exist_ok=True)
        if initial_job_idx == 0 and not _says(config, "dry_run"):
            reopen_parents(root)
            note_sweep(root, str(config.hydra.job.config_name))
        retry: Retry = "failed" if _says(config, "resume") else "all"
        shared = _shared_words(job_overrides)
        others = self._options.n_jobs != 1 or self._options.slurm_config is not None
        path = keep_setup(replace(self._setup, words=shared), root, for_others=others)
        own = [[word for word in words if word not in shared] for words in job_overrides]
        tasks = _tasks(own, initial_job_idx, _fingerprint(config))
        base = OmegaConf.create({"setup": str(path), "number": 0, "words": "[]"})
        options = replace(self._options, retry=retry)
        with translated_tasks():
            _make_private_queue(root)
            report = run_tasks(run_job, base, tasks, options, lock=None, root=root)
        _raise_stop(report)
        pairs = zip(job_overrides, report.rows, strict=True)
        returned = [_returned(words, row, root) for words, row in pairs]
        if initial_job_idx == 0:
            _raise_refusal(returned, root)
        if self._options.quiet:
            _tell_failures(report)
        return returned


def _says(config: DictConfig, key: str) -> bool:
    return bool(OmegaConf.select(config, key, throw_on_missing=False))


def _shared_words(jobs: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the words that say how all jobs are run: a job is the same when it is resumed."""
    first = jobs[0] if jobs else ()
    resuming = [word for word in first if key_of(word) == "resume"]
    return tuple(word for word in resuming if all(word in words for words in jobs))


def _fingerprint(config: DictConfig) -> str:
    """Return a hash of the sweep's configuration: of another one, nothing is done yet."""
    content: Any = OmegaConf.to_container(config, resolve=False)
    return fingerprint_of_content({k: v for k, v in content.items() if k != "hydra"}, None)


def _tasks(jobs: Sequence[Sequence[str]], first: int, content: str) -> list[Task]:
    """Return the jobs as tasks; the same job of the same configuration has the same id."""
    made = []
    for number, words in enumerate(jobs, first):
        values = {"number": number, "words": packed(words)}
        identity = task_id({**values, "configuration": content})
        made.append(Task(number - first, identity, values, str(number)))
    return made


def _make_private_queue(root: Path) -> None:
    """Make a queue that only its owner can read: there may be secrets in the words of jobs."""
    if any((root / name).exists() for name in (DATABASE, FOLDER)):
        return
    before = os.umask(0o077)
    try:
        open_queue(root).close()
    finally:
        os.umask(before)


def _raise_stop(report: TaskReport) -> None:
    """Stop the command as the signal has asked that stopped the tasks."""
    if report.signal is None:
        return
    if report.signal == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + report.signal)


def _tell_failures(report: TaskReport) -> None:
    """Print what failed with the logs; the sweep itself tells of jobs that were refused."""
    rows = [row for row in report.failed if not _is_refused(row)]
    if rows:
        lines = [failure_text(row, report.root).strip() for row in rows]
        sys.stderr.write(f"{listed(lines)}\n")


def _is_refused(row: TaskRow) -> bool:
    return row.outcome is not None and row.outcome.reason == f"exited with {REFUSED}"


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
    if row.outcome is not None and _is_refused(row):
        return DerivaMLConfigurationError(row.outcome.error or "")
    text = failure_text(row, root).strip()
    return JobFailedError(f"Job {text}. Its words: {' '.join(masked_words(words))}")


def _raise_refusal(returned: Sequence[JobReturn], root: Path) -> None:
    """Tell once that all jobs were refused, in place of a line and a row for each."""
    error = refusal([one._return_value for one in returned])
    if error is None:
        return
    record = Sweep(root)
    if not record.known_parents():  # there is nothing to resume
        record.forget()
    raise error

"""What ``--tasks``, ``--n_jobs`` and ``--slurm_config`` mean: which sweeper and launcher Hydra has.

All three are checked here, so that nothing is written when one cannot be used.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.overrides import quoted, says
from .endings import Refused

__all__ = ["ManyRuns", "many_runs"]

_PLUGINS = ("hydra/launcher=flexlock", "hydra/sweeper=tasks")


@dataclass(frozen=True, slots=True)
class ManyRuns:
    """What the command line says of many runs.

    Attributes:
        files: Task lists.
        key: What a value in them is for.
        n_jobs: Jobs at a time; None when that was not said.
        slurm: The settings of Slurm.
        named: Whether the words name one of our plugins.
    """

    files: tuple[str, ...] = ()
    key: str | None = None
    n_jobs: int | None = None
    slurm: Path | None = None
    named: bool = False

    @property
    def has_tasks(self) -> bool:
        """Whether the runs are those of task lists."""
        return bool(self.files)

    @property
    def is_used(self) -> bool:
        """Whether any of the options was given."""
        return self.has_tasks or self.n_jobs is not None or self.slurm is not None

    def overrides(self, config_name: str, words: Sequence[str], *, resume: bool) -> list[str]:
        """Return the words by which Hydra gets sweeper and launcher, and register these.

        Args:
            config_name: The main configuration.
            words: The other words.
            resume: Whether an earlier sweep of the same words goes on in its directory.
        """
        if not (self.is_used or self.named):
            return []
        from deriva_ml.launching import register

        register()
        made = []
        if self.is_used:
            made += ["hydra/launcher=flexlock", f"hydra.launcher.n_jobs={self.n_jobs or 1}"]
            made.append("hydra.launcher.quiet=True")  # the sweep's own table is shown
        if self.slurm is not None:
            made.append(f"hydra.launcher.slurm_config={quoted(str(self.slurm))}")
        if self.has_tasks:
            listed = ",".join(map(quoted, self.files))
            made += ["hydra/sweeper=tasks", f"hydra.sweeper.files=[{listed}]"]
        if self.key is not None:
            made.append(f"hydra.sweeper.task_to={quoted(self.key)}")
        if resume and self.is_used and not says(words, "dry_run", "true"):
            made += self._directory(config_name, words)
        return made

    def _directory(self, config_name: str, words: Sequence[str]) -> list[str]:
        from deriva_ml.execution.resuming import fingerprint_of_words
        from deriva_ml.launching.earlier import earlier_sweep

        fingerprint = fingerprint_of_words(config_name, words, self.files, self.key)
        found = earlier_sweep(config_name, words, fingerprint)
        return [] if found is None else [f"hydra.sweep.dir={quoted(str(found))}"]


def many_runs(options: argparse.Namespace, words: Sequence[str]) -> ManyRuns:
    """Return what the options say of many runs.

    Raises:
        Refused: One of them cannot be used.
    """
    files = tuple(options.tasks)
    if options.task_to is not None and not files:
        raise Refused("--task_to says what the lines of a file are for. Add --tasks FILE.")
    named = any(word in _PLUGINS for word in words)
    if not files and options.n_jobs is None and options.slurm_config is None:
        return ManyRuns(named=named)
    if options.slurm_config is not None and options.n_jobs is not None:
        msg = "--n_jobs is for this machine, --slurm_config for a cluster"
        raise Refused(f"{msg}: leave one out, and write array: N into the file.")
    _check_lists(files, options.task_to)
    _check_slurm(options.slurm_config)
    n_jobs = _checked_jobs(options.n_jobs)
    return ManyRuns(files, options.task_to, n_jobs, options.slurm_config, named=named)


def _check_lists(files: Sequence[str], key: str | None) -> None:
    from deriva_ml.core.exceptions import DerivaMLConfigurationError
    from deriva_ml.launching.words import read_words

    kept = [name for name in files if not _is_read_once(name)]
    try:
        if kept:
            read_words(kept, key)
    except DerivaMLConfigurationError as error:
        raise Refused(str(error)) from error


def _is_read_once(name: str) -> bool:
    """Whether a list is standard input, a pipe or the like: it is left for the sweep to read."""
    path = Path(name)
    return name == "-" or (path.exists() and not path.is_file() and not path.is_dir())


def _check_slurm(source: Path | None) -> None:
    if source is None:
        return
    from deriva_ml.core.exceptions import DerivaMLConfigurationError
    from deriva_ml.launching.errors import translated_tasks
    from flexlock.tasks.cluster.jobs import SCHEDULERS

    try:
        with translated_tasks():
            SCHEDULERS["slurm"].read_settings(source)
    except DerivaMLConfigurationError as error:
        raise Refused(str(error)) from error


def _checked_jobs(count: int | None) -> int | None:
    if count == -1:
        from flexlock.tasks.options import cores

        return cores()
    if count is not None and count < 1:
        msg = f"--n_jobs must be at least 1, or -1 for one a core, not {count}."
        raise Refused(msg)
    return count

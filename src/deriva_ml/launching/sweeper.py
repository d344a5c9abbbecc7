"""Hydra's sweeper ``tasks``: a job for each task of a list, with each combination of the words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import ConfigCompositionException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLException
from deriva_ml.execution.secrets import masked_words

from .errors import JobFailedError, listed, refusal
from .words import read_words

__all__ = ["TasksConf", "TasksSweeper"]


@dataclass
class TasksConf:
    """The settings of the sweeper.

    Attributes:
        files: Task lists; ``-`` is standard input.
        task_to: What a line is for.
    """

    _target_: str = "hydra_plugins.deriva_ml.TasksSweeper"
    files: list[str] = field(default_factory=list)
    task_to: str | None = None


class TasksSweeper(Sweeper):
    """Makes a job of each task, and gives the jobs to the launcher all at once."""

    # Where Hydra finds it: see `plugins`.
    __module__ = "hydra_plugins.deriva_ml"

    def __init__(self, files: Sequence[str], task_to: str | None = None) -> None:
        self._files = list(files)
        self._key = task_to

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra has, and make the launcher."""
        self._context = hydra_context
        self._config = config
        self._launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs and return what they returned.

        Raises:
            DerivaMLConfigurationError: A list cannot be read, or has no tasks.
            ConfigCompositionException: A task does not fit the configuration. Nothing ran.
        """
        tasks = read_words(self._files, self._key)
        if not tasks:
            msg = f"There are no tasks in {', '.join(map(repr, self._files)) or 'no file'}."
            raise DerivaMLConfigurationError(f"{msg} Write one task a line.")
        words = self._combinations(arguments)
        jobs = [_merged(base, task) for task in tasks for base in words]
        self._check(jobs)
        directory = Path(str(self._config.hydra.sweep.dir))
        directory.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._config, directory / "multirun.yaml")
        returned = self._launcher.launch(jobs, initial_job_idx=0)
        _raise_failures(returned)
        return returned

    def _combinations(self, arguments: Sequence[str]) -> list[list[str]]:
        """Return the words of the command line, once for each combination of their values."""
        parser = OverridesParser.create(config_loader=self._context.config_loader)
        values: list[list[str]] = []
        for override in parser.parse_overrides(list(arguments)):
            if not override.is_sweep_override():
                values.append([str(override.input_line)])
            elif override.is_discrete_sweep():
                key = override.get_key_element()
                values.append([f"{key}={one}" for one in override.sweep_string_iterator()])
            else:
                msg = f"{override.input_line!r} is no list of values, as the sweeper tasks needs."
                raise DerivaMLConfigurationError(f"{msg} Write them with commas.")
        return [list(one) for one in product(*values)]

    def _check(self, jobs: Iterable[Sequence[str]]) -> None:
        """Compose the jobs' configurations before the first of them runs."""
        seen = set()
        for number, job in enumerate(jobs):
            shape = frozenset(map(_shape, job))
            if shape in seen:
                continue
            seen.add(shape)
            try:
                self._context.config_loader.load_sweep_config(self._config, list(job))
            except ConfigCompositionException as error:
                error.add_note(f"In job {number}: {' '.join(masked_words(job))}")
                raise


def _raise_failures(returned: Sequence[JobReturn]) -> None:
    """Raise what a job has raised; what several have told of their failures in one error.

    The errors of jobs that ran in this process without the task engine have tracebacks, so the
    first of these is raised as it is.
    """
    ended = {number: one for number, one in enumerate(returned) if one.status is JobStatus.FAILED}
    errors = {number: one._return_value for number, one in ended.items()}
    refused = refusal(list(errors.values())) if len(errors) == len(returned) else None
    if refused is not None:
        raise refused
    for error in errors.values():
        if not isinstance(error, DerivaMLException):
            raise error
    if errors:
        told = listed([f"  {_told(number, error)}" for number, error in errors.items()])
        raise JobFailedError(f"{len(errors)} of {len(returned)} jobs failed:\n{told}")


def _told(number: int, error: DerivaMLException) -> str:
    """Return what a job's error says, with the number of the job."""
    if isinstance(error, JobFailedError):
        return str(error)
    what = "was refused" if isinstance(error, DerivaMLConfigurationError) else "failed"
    return f"Job {number} {what}: {error}"


def _merged(words: Sequence[str], task: Sequence[str]) -> list[str]:
    """Return the words of a job; what the task says wins over the command line."""
    own = {_key(word) for word in task}
    return [*(word for word in words if _key(word) not in own), *task]


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _shape(word: str) -> str:
    """Return what decides whether a word fits: numbers of one kind fit one as the other."""
    key, _, value = word.partition("=")
    for kind in (int, float):
        try:
            kind(value)
        except ValueError:
            continue
        return f"{key}={kind.__name__}"
    return word

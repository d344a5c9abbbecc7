"""``hydra/sweeper=optuna``: jobs whose hyperparameters Optuna chooses, from what it learnt so far.

The search space is written as Hydra's sweeps are: ``choice(a,b)``, ``range(1,9)``,
``interval(0,1)``, ``tag(log,interval(1e-5,1e-1))``, ``int(interval(1,100))``. The study is kept in
a database beside the sweeps, so that a sweep that was broken off goes on with what it had asked.

Hydra's published plugin for Optuna needs a version of it (below 3) that no longer fits current
packages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ..core.exceptions import DerivaMLConfigurationError, some_of
from ..core.logging_config import get_logger
from .resuming import fingerprint_of_sweep
from .secrets import masked_words
from .sweep import BEST
from .sweep_place import sweep_directory
from .sweep_record import Sweep
from .sweep_space import Space, read_space

if TYPE_CHECKING:
    from optuna import Study

    from .sweep_keeper import KeptLauncher

__all__ = ["OptunaSettings", "OptunaSweeper", "register_optuna"]

_log = get_logger(__name__)

_JOB, _EXECUTION = "job", "execution"
"""What a trial's user attributes say: its job's number, and the RID of the execution."""

_NOT_FINITE = ("nan", "inf", "-inf")
"""What a job returns in place of such a number, see `plain_value`."""

_SAMPLERS = ("tpe", "random", "grid", "qmc", "cmaes", "nsgaii")
_DIRECTIONS = ("minimize", "maximize")
_INSTALL = "Sweeps with Optuna need the package optuna: pip install 'derivaml[sweeps]'"


@dataclass
class OptunaSettings:
    """What ``hydra.sweeper`` may say with ``hydra/sweeper=optuna``.

    Attributes:
        n_trials: How many jobs the sweep has.
        n_jobs: How many of them are chosen and launched together; the launcher says how many of
            these run at once.
        direction: ``minimize`` or ``maximize``; a list for several objectives.
        metric: Name of the recorded metric that is the objective, or a list of names; None means
            what the model function returns.
        sampler: ``tpe``, ``random``, ``grid``, ``qmc``, ``cmaes`` or ``nsgaii``.
        seed: Makes the choices the same in every sweep, one broken off and resumed included.
        storage: URL of the database of studies; None means ``optuna.sqlite`` beside the sweeps.
        study_name: A study to go on with, or to begin; None means one of the sweep's own.
        params: More of the search space, as ``{key: "interval(0,1)"}``.
    """

    _target_: str = "hydra_plugins.deriva_ml.OptunaSweeper"
    n_trials: int = 20
    n_jobs: int = 1
    direction: Any = "minimize"
    metric: Any = None
    sampler: str = "tpe"
    seed: int | None = None
    storage: str | None = None
    study_name: str | None = None
    params: dict[str, str] = field(default_factory=dict)


def register_optuna() -> None:
    """Let Hydra know ``hydra/sweeper=optuna``."""
    ConfigStore.instance().store(
        group="hydra/sweeper", name="optuna", node=OptunaSettings, provider="deriva_ml"
    )


@dataclass(frozen=True, slots=True)
class _Trial:
    """A trial that is to be run: its number in the study, its job's number, its words."""

    number: int
    job: int
    words: tuple[str, ...]
    told: bool = False


class OptunaSweeper(Sweeper):
    """Hydra's sweeper over a study of Optuna; the settings are those of `OptunaSettings`."""

    __module__ = "hydra_plugins.deriva_ml"

    def __init__(self, **settings: Any) -> None:
        plain: dict[str, Any] = {
            k: OmegaConf.to_container(v, resolve=True) if OmegaConf.is_config(v) else v
            for k, v in settings.items()
        }
        self.settings = OptunaSettings(**plain)
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher; refuse settings that make no sense.

        Raises:
            DerivaMLConfigurationError: A setting is wrong, or Optuna is not installed.
        """
        _check(self.settings)
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[JobReturn]:
        """Run the trials; those that a broken sweep left first."""
        assert self.config is not None
        assert self.hydra_context is not None
        directory = sweep_directory(self.config)
        directory.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, directory / "multirun.yaml")
        words = [*(f"{k}={v}" for k, v in self.settings.params.items()), *arguments]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        space = read_space(parser.parse_overrides(words))
        resume = bool(OmegaConf.select(self.config, "resume"))
        study = _open(self.settings, directory, str(self.config.hydra.job.config_name), resume)
        run = _Study(study, self.settings, space, Sweep(directory))
        return self._run_all(run, resume)

    def _run_all(self, run: _Study, resume: bool) -> list[JobReturn]:
        returned: list[JobReturn] = []
        left = run.left() if resume else []
        remaining = max(0, self.settings.n_trials - len(left))
        while left or remaining:
            size = max(1, self.settings.n_jobs)
            batch, left = left[:size], left[size:]
            new = run.ask(min(size - len(batch), remaining)) if not left else []
            remaining -= len(new)
            batch += new
            self.validate_batch_is_legal([list(trial.words) for trial in batch])
            returned += run.launch(self.launcher, batch)
        return returned


class _Study:
    """A study, with the trials that are jobs of the sweep."""

    def __init__(self, study: Study, settings: OptunaSettings, space: Space, record: Sweep) -> None:
        self._study = study
        self._settings = settings
        self._space = space
        self._record = record

    def left(self) -> list[_Trial]:
        """The trials that a broken sweep had asked for, the completed ones included.

        Launching those again costs little: they are skipped, and so belong to the sweep's parent
        and its summary. A trial that failed is tried again, as the same job.
        """
        from optuna.trial import TrialState

        latest: dict[int, Any] = {}
        for trial in self._study.get_trials():
            if _JOB in trial.user_attrs:
                latest[trial.user_attrs[_JOB]] = trial
            elif trial.state is TrialState.RUNNING:  # cut off before it had all its values
                self._study.tell(trial.number, state=TrialState.FAIL)
        again = (TrialState.FAIL, TrialState.WAITING)
        found = [
            _Trial(t.number, job, self._space.words(t.params), t.state is TrialState.COMPLETE)
            for job, t in latest.items()
            if t.state not in again
        ]
        for job, trial in sorted(latest.items()):
            if trial.state is TrialState.FAIL:
                self._study.enqueue_trial(trial.params, user_attrs={_JOB: job})
        # Whose turn it is, the study says: an earlier sweep may have left some in its queue.
        for _ in self._study.get_trials(states=(TrialState.WAITING,)):
            asked = self._study.ask(self._space.distributions())
            job = asked.user_attrs.get(_JOB, max(latest, default=-1) + 1)
            if job not in latest:  # somebody else has put it into the queue
                asked.set_user_attr(_JOB, job)
                latest[job] = asked
            found.append(_Trial(asked.number, job, self._space.words(asked.params)))
        return sorted(found, key=lambda trial: trial.job)

    def ask(self, count: int) -> list[_Trial]:
        """New trials."""
        known = [t.user_attrs[_JOB] for t in self._study.get_trials() if _JOB in t.user_attrs]
        first = max(known, default=-1) + 1
        asked = []
        for job in range(first, first + count):
            self._study.sampler = _sampler(self._settings, self._space, job)
            trial = self._study.ask(self._space.distributions())
            trial.set_user_attr(_JOB, job)
            asked.append(_Trial(trial.number, job, self._space.words(trial.params)))
        return asked

    def launch(self, launcher: KeptLauncher, batch: Sequence[_Trial]) -> list[JobReturn]:
        """Run trials, and tell the study what came of them."""
        returned = launcher.launch_numbered({t.job: t.words for t in batch})
        by_job = dict(zip(sorted(t.job for t in batch), returned, strict=True))
        wrong = [self._tell(t, by_job[t.job]) for t in batch if not t.told]
        self._record.note(BEST, self._best())
        error = next(filter(None, wrong), None)
        if error is not None and not self._completed():
            raise error  # the others would be no better
        return returned

    def _completed(self) -> bool:
        """Whether any trial has a value."""
        from optuna.trial import TrialState

        return any(t.state is TrialState.COMPLETE for t in self._study.get_trials())

    def _tell(self, trial: _Trial, returned: JobReturn) -> DerivaMLConfigurationError | None:
        """Tell the study what came of a trial; gives the error where there is no objective."""
        from optuna.trial import TrialState

        job = self._record.job(trial.job)
        if job is not None and job.rid is not None:
            storage = self._study._storage
            frozen = self._study.get_trials()[trial.number]
            storage.set_trial_user_attr(frozen._trial_id, _EXECUTION, job.rid)
        if returned.status is JobStatus.FAILED:
            self._study.tell(trial.number, state=TrialState.FAIL)
            return None
        try:
            values = self._objective(trial, returned, job.metrics if job else None)
        except DerivaMLConfigurationError as error:
            self._study.tell(trial.number, state=TrialState.FAIL)
            _log.error("Job %s counts as failed in the study: %s", trial.job, error)
            return error
        if all(map(math.isfinite, values)):
            self._study.tell(trial.number, values)
        else:
            self._study.tell(trial.number, state=TrialState.FAIL)
            _log.warning("Job %s counts as failed in the study: it gave %s.", trial.job, values)
        return None

    def _objective(
        self, trial: _Trial, returned: JobReturn, metrics: Mapping[str, float] | None
    ) -> list[float]:
        """The values of the objectives; of a run that diverged they are not finite.

        Raises:
            DerivaMLConfigurationError: The job gave none, or something else than numbers.
        """
        names = _as_list(self._settings.metric)
        if names:
            known = metrics or {}
            if missing := [n for n in names if n not in known]:
                raise DerivaMLConfigurationError(
                    f"Job {trial.job} recorded no metric {missing[0]!r}, which is the objective. "
                    f"It recorded: {some_of(sorted(known)) or 'none'}. Write it to "
                    "execution.metrics_file(), or choose hydra.sweeper.metric."
                )
            return [known[n] for n in names]
        value = returned.return_value
        values = value if isinstance(value, list | tuple) else [value]
        numbers = [v for v in values if isinstance(v, int | float) or v in _NOT_FINITE]
        if len(numbers) != len(values) or len(values) != len(self._study.directions):
            raise DerivaMLConfigurationError(
                f"The model function of job {trial.job} returned {value!r}, not "
                f"{len(self._study.directions)} number(s). Return the objective, or name a "
                "recorded metric with hydra.sweeper.metric."
            )
        return [float(v) for v in numbers]

    def _best(self) -> str:
        """The best values so far, in one line; empty when no trial was completed."""
        if not self._completed():
            return ""
        several = len(self._study.directions) > 1
        best = self._study.best_trials[:5] if several else [self._study.best_trial]
        return "; ".join(map(self._told, best))

    def _told(self, trial: Any) -> str:
        words = self._space.words(trial.params, fixed=False)
        names = _as_list(self._settings.metric) or ["value"] * len(trial.values)
        values = ", ".join(f"{n} {v:.6g}" for n, v in zip(names, trial.values, strict=True))
        where = f"job {trial.user_attrs.get(_JOB, trial.number)}"
        if rid := trial.user_attrs.get(_EXECUTION):
            where += f", execution {rid}"
        return f"{values} with {' '.join(masked_words(words))} ({where})"


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _check(settings: OptunaSettings) -> None:
    """Refuse settings that make no sense, before anything is written."""
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise DerivaMLConfigurationError(_INSTALL) from error
    directions = _as_list(settings.direction)
    names = _as_list(settings.metric)
    wrong = [d for d in directions if d not in _DIRECTIONS]
    if not directions or wrong:
        msg = f"hydra.sweeper.direction is {settings.direction!r}: minimize, maximize, or a list."
    elif names and len(names) != len(directions):
        msg = f"hydra.sweeper names {len(names)} metrics and {len(directions)} directions."
    elif settings.sampler not in _SAMPLERS:
        msg = f"hydra.sweeper.sampler is {settings.sampler!r}; there are {', '.join(_SAMPLERS)}."
    elif settings.n_trials < 1 or settings.n_jobs < 1:
        msg = "hydra.sweeper.n_trials and hydra.sweeper.n_jobs are at least 1."
    else:
        return
    raise DerivaMLConfigurationError(msg)


def _open(settings: OptunaSettings, directory: Path, config_name: str, resume: bool) -> Study:
    """The study of the sweep: the one that is named or resumed, or a new one."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = settings.storage or f"sqlite:///{directory.parent / 'optuna.sqlite'}"
    directions = _as_list(settings.direction)
    name = settings.study_name
    if name is None:
        prefix = f"{config_name}-{fingerprint_of_sweep(directory, config_name)[:12]}-"
        begun = [n for n in optuna.get_all_study_names(storage) if n.startswith(prefix)]
        fresh = f"{prefix}{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        name = max(begun) if resume and begun else fresh
    study = optuna.create_study(
        storage=storage, study_name=name, directions=directions, load_if_exists=True
    )
    kept = [d.name.lower() for d in study.directions]
    if kept != directions:
        raise DerivaMLConfigurationError(
            f"Study {name!r} of {_shown(storage)!r} is to {', '.join(kept)}, and the sweep to "
            f"{', '.join(directions)}. Choose another hydra.sweeper.study_name."
        )
    return study


def _shown(storage: str) -> str:
    """The URL of a database without its password."""
    from sqlalchemy import make_url

    return make_url(storage).render_as_string(hide_password=True)


def _sampler(settings: OptunaSettings, space: Space, job: int) -> Any:
    """The sampler for one job; its random numbers depend on the seed and the job only.

    So a sweep that was broken off goes on as if it had not been.
    """
    from optuna import samplers

    seed = None if settings.seed is None else (settings.seed * 1_000_003 + job) % 2**32
    if settings.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    if settings.sampler == "grid":
        return samplers.GridSampler(space.grid(), seed=settings.seed)
    if settings.sampler == "qmc":
        return samplers.QMCSampler(seed=settings.seed)
    if settings.sampler == "cmaes":
        return samplers.CmaEsSampler(seed=seed)
    if settings.sampler == "nsgaii":
        return samplers.NSGAIISampler(seed=seed)
    return samplers.TPESampler(seed=seed, constant_liar=settings.n_jobs > 1)

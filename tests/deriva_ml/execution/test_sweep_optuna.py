"""The search space of Optuna's sweeper, and sweeps that it chooses."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from deriva_ml import DerivaML
from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.execution.sweep_keeper import KeptLauncher
from deriva_ml.execution.sweep_optuna import OptunaSettings, _check, _shown, _Study
from deriva_ml.execution.sweep_record import Sweep
from deriva_ml.execution.sweep_space import Space, read_space
from sweep_projects import Project, make_project, until, until_gone


def space(*words: str) -> Space:
    return read_space(OverridesParser.create().parse_overrides(list(words)))


def test_sweeps_of_hydra_become_distributions() -> None:
    found = space(
        "a=choice(x,0.5,'b c')",
        "b=range(1,10,3)",
        "c=range(0.0,1.0,0.25)",
        "d=int(interval(1,8))",
        "g=interval(1,8)",
        "e=tag(log,interval(1e-5,1e-1))",
        "f=1,2",
    )
    assert found.distributions() == {
        "a": CategoricalDistribution(["x", "0.5", "b\\ c"]),
        "b": IntDistribution(1, 7, step=3),
        "c": FloatDistribution(0.0, 0.75, step=0.25),
        "d": IntDistribution(1, 8),
        "e": FloatDistribution(1e-5, 1e-1, log=True),
        "f": CategoricalDistribution(["1", "2"]),
        "g": FloatDistribution(1.0, 8.0),
    }


def test_words_of_a_job_have_what_is_fixed_and_what_is_chosen() -> None:
    found = space("+extra=1", "lr=interval(0,1.0)", "name=net", "~gone")
    assert found.words({"lr": 0.25}) == ("+extra=1", "name=net", "~gone", "lr=0.25")
    assert found.words({"lr": 0.25}, fixed=False) == ("lr=0.25",)


def test_the_last_word_about_a_key_counts() -> None:
    assert space("a=1", "a=1,2", "b=1,2", "b=3").words({"a": "2"}) == ("b=3", "a=2")


def test_a_grid_has_all_values() -> None:
    assert space("a=range(1,6,2)", "b=x,y").grid() == {"a": [1, 3, 5], "b": ["x", "y"]}
    with pytest.raises(DerivaMLConfigurationError, match="'grid' needs single values for 'a'"):
        space("a=interval(0,1.0)").grid()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a=1"], "nothing to search"),
        (["a=interval(2,1)"], "the lower one"),
        (["a=tag(log,interval(0,1))"], "above 0"),
        (["a=range(5,1)"], "ascends"),
        (["a=tag(log,range(1,5))"], "no logarithmic scale"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(DerivaMLConfigurationError, match=said):
        space(*words)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"direction": "down"}, "minimize, maximize"),
        ({"metric": ["a", "b"]}, "2 metrics and 1 directions"),
        ({"sampler": "best"}, "there are tpe"),
        ({"n_trials": 0}, "at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(DerivaMLConfigurationError, match=said):
        _check(OptunaSettings(**settings))  # type: ignore[arg-type]


# --- the study ---------------------------------------------------------------------------


class InProcess(Launcher):
    """A launcher whose jobs are calls of a function with their words."""

    def __init__(self, call: Callable[[str], object]) -> None:
        self._call = call

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None: ...

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        found = []
        for words in job_overrides:
            one = JobReturn(overrides=words, status=JobStatus.COMPLETED)
            one.return_value = self._call(words[0])
            found.append(one)
        return found


def launching(record: Sweep, call: Callable[[str], object]) -> KeptLauncher:
    kept = KeptLauncher(OmegaConf.create({}))
    kept._launcher, kept._record = InProcess(call), record
    return kept


def study_of(directory: Path, **settings: Any) -> tuple[_Study, Any]:
    study = optuna.create_study()
    made = _Study(study, OptunaSettings(**settings), space("a=range(0,9)"), Sweep(directory))
    return made, study


def states(study: Any) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


def test_a_run_that_diverged_ends_no_study(tmp_path: Path) -> None:
    run, study = study_of(tmp_path, seed=1)
    values: Iterator[object] = iter(["nan", float("inf"), 2.5])
    kept = launching(Sweep(tmp_path), lambda _: next(values))
    for _ in range(3):
        run.launch(kept, run.ask(1))
    assert states(study) == ["FAIL", "FAIL", "COMPLETE"]


def test_a_metric_that_is_not_finite_is_no_missing_one(tmp_path: Path) -> None:
    run, study = study_of(tmp_path, seed=1, metric="loss")
    record = Sweep(tmp_path)
    kept = launching(record, lambda _: None)
    (trial,) = run.ask(1)
    record.note_job(trial.job, "running", metrics={"loss": float("nan")})
    run.launch(kept, [trial])
    assert states(study) == ["FAIL"]


def test_all_of_a_batch_is_told_before_a_missing_metric_ends_the_sweep(tmp_path: Path) -> None:
    run, study = study_of(tmp_path, seed=1, metric="loss")
    kept = launching(Sweep(tmp_path), lambda _: 1.0)
    with pytest.raises(DerivaMLConfigurationError, match="Job 0 recorded no metric 'loss'"):
        run.launch(kept, run.ask(2))
    assert states(study) == ["FAIL", "FAIL"]


def test_trials_that_are_tried_again_have_the_values_of_their_jobs(tmp_path: Path) -> None:
    run, study = study_of(tmp_path, seed=1)
    asked = run.ask(4)
    for number, state in ((0, "FAIL"), (1, "COMPLETE"), (2, "FAIL")):
        study.tell(number, [1.0] if state == "COMPLETE" else None, state=TrialState[state])
    # The first resumption was cut off when it had put the last of the failed into the queue.
    study.enqueue_trial(study.get_trials()[2].params, user_attrs={"job": 2})
    left = run.left()
    assert [(t.job, t.words, t.told) for t in left] == [(t.job, t.words, t.job == 1) for t in asked]
    run.launch(launching(Sweep(tmp_path), lambda word: float(word[2:])), left)
    again = {t.user_attrs["job"]: t for t in study.get_trials()[4:]}
    assert {job: (t.params, t.value) for job, t in again.items()} == {
        job: (study.get_trials()[job].params, float(study.get_trials()[job].params["a"]))
        for job in (0, 2)
    }
    assert "RUNNING" not in states(study)


def test_the_address_of_a_study_is_shown_without_its_password() -> None:
    assert _shown("mysql+pymysql://ann:s3cret@db/studies") == "mysql+pymysql://ann:***@db/studies"


SWEEP = (
    *("-m", "hydra/sweeper=optuna", "model_config.rate=interval(0.0,8.0)"),
    *("hydra.sweeper.n_trials=3", "hydra.sweeper.seed=1", "hydra.sweeper.metric=loss"),
)


@pytest.fixture(scope="module")
def template(_template: Path) -> Path:
    return _template


@pytest.mark.slow
def test_a_study_that_was_broken_off_goes_on_as_if_it_had_not_been(
    tmp_path: Path, template: Path
) -> None:
    undisturbed, broken = (make_project(tmp_path / n, template) for n in ("a", "b"))
    status, out, err = undisturbed.run(*SWEEP)
    assert status == 0, err
    assert f"Best: {_best(undisturbed)}" in out
    process = broken.start(*SWEEP)
    until(lambda: len(broken.seen()) >= 2, process)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=180)
    until_gone(process.pid)
    status, out, err = broken.run("--resume", *SWEEP)
    assert status == 0, err
    assert "3 jobs: 3 completed" in out
    rates = [job.overrides for job in undisturbed.jobs()]
    assert [job.overrides for job in broken.jobs()] == rates
    assert len(set(rates)) == 3
    assert broken.content() == undisturbed.content()


def _best(project: Project) -> str:
    """What the best values are, by the record; the parent's description has to tell the same."""
    jobs = project.jobs()
    best = min(jobs, key=lambda job: (job.metrics or {})["loss"])
    ((parent,),) = [project.sweep().known_parents()]
    loss = (best.metrics or {})["loss"]
    (word,) = [w for w in best.overrides if w.startswith("model_config.rate=")]
    text = f"loss {loss:.6g} with {word} (job {best.number}, execution {best.rid})"
    ml = DerivaML(str(project.directory / "catalog"), working_dir=project.directory / "look")
    assert ml.lookup_execution(parent.rid).description == f"sweep [best: {text}]"
    ml.catalog.close()
    return text

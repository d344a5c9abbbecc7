"""The search space of Optuna's sweeper, and sweeps that it chooses."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from deriva_ml import DerivaML
from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.execution.sweep_optuna import OptunaSettings, _check
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


SWEEP = (
    *("-m", "hydra/sweeper=optuna", "model_config.rate=interval(0.0,8.0)"),
    *("hydra.sweeper.n_trials=4", "hydra.sweeper.seed=1", "hydra.sweeper.metric=loss"),
)


@pytest.mark.slow
def test_a_study_that_was_broken_off_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    undisturbed, broken = make_project(tmp_path / "a"), make_project(tmp_path / "b")
    status, out, err = undisturbed.run(*SWEEP)
    assert status == 0, err
    assert f"Best: {_best(undisturbed)}" in out
    process = broken.start(*SWEEP)
    until(lambda: len(broken.seen()) >= 2, process)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    until_gone(process.pid)
    status, out, err = broken.run("--resume", *SWEEP)
    assert status == 0, err
    assert "4 jobs: 4 completed" in out
    rates = [job.overrides for job in undisturbed.jobs()]
    assert [job.overrides for job in broken.jobs()] == rates
    assert len(set(rates)) == 4
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

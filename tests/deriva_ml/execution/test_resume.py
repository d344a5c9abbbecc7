"""Runs that are taken up again: by their fingerprint, in the same execution record."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from deriva_ml import DerivaMLConfig, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.execution.claim import claimed
from deriva_ml.execution.execution import Execution
from deriva_ml.execution.resuming import fingerprint_of_call, fingerprint_of_words
from deriva_ml.execution.runner import run_model

calls: list[tuple[str, float]] = []
fail_at: set[float] = set()


def train(rate: float, ml_instance: DerivaML, execution: Execution) -> None:
    calls.append((execution.execution_rid, rate))
    execution.asset_file_path("Execution_Asset", f"{rate}.txt").write_text(str(rate))
    if rate in fail_at:
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _fresh() -> None:
    calls.clear()
    fail_at.clear()


def start(ml: DerivaML, place: Path, rate: float, *, resume: bool, **settings: Any) -> None:
    run_model(
        DerivaMLConfig(hostname=str(place), working_dir=place.parent / "work"),
        [],
        [],
        "a run",
        settings.pop("workflow", Workflow(name="train", workflow_type="Training")),
        partial(train, rate),
        resume=resume,
        **settings,
    )


def test_a_sweep_is_the_same_however_it_is_run() -> None:
    how = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "resume=True"]
    assert fingerprint_of_words("a", ["rate=1", *how]) == fingerprint_of_words("a", ["rate=1"])
    assert fingerprint_of_words("a", ["rate=2", *how]) != fingerprint_of_words("a", ["rate=1"])


def test_without_resume_every_call_is_a_new_run(ml: DerivaML, place: Path) -> None:
    for _ in range(2):
        start(ml, place, 0.1, resume=False)
    assert len({rid for rid, _ in calls}) == 2


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    logger = logging.getLogger("deriva_ml.execution.planned")  # those above do not hand on
    logger.addHandler(caplog.handler)
    caplog.set_level("INFO", logger.name)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_a_completed_run_is_skipped(
    ml: DerivaML, place: Path, told: pytest.LogCaptureFixture
) -> None:
    start(ml, place, 0.1, resume=True)
    assert "Nothing that was begun here can be resumed" in told.text
    before = ml.catalog.latest_snapshot()
    told.clear()
    start(ml, place, 0.1, resume=True)
    assert "Nothing that was begun" not in told.text
    assert len(calls) == 1
    assert ml.catalog.latest_snapshot() == before
    start(ml, place, 0.2, resume=True)
    assert len(calls) == 2


def test_an_interrupted_run_goes_on_in_the_same_execution(ml: DerivaML, place: Path) -> None:
    fail_at.add(0.1)
    with pytest.raises(KeyboardInterrupt):
        start(ml, place, 0.1, resume=True)
    assert ml.list_assets("Execution_Asset") == []
    fail_at.clear()
    start(ml, place, 0.1, resume=True)
    assert len({rid for rid, _ in calls}) == 1
    assert len(calls) == 2
    assert [a.filename for a in ml.list_assets("Execution_Asset")] == ["0.1.txt"]


def test_a_run_that_ended_but_was_not_uploaded_is_only_uploaded(ml: DerivaML, place: Path) -> None:
    fail_at.add(0.1)
    with pytest.raises(KeyboardInterrupt):
        start(ml, place, 0.1, resume=True)
    exe = ml.resume_execution(calls[0][0])
    with exe.execute():
        exe.asset_file_path("Execution_Asset", "0.1.txt")
    start(ml, place, 0.1, resume=True)
    assert len(calls) == 1
    assert ml.lookup_execution(exe.rid).status == "Uploaded"


def test_changed_code_does_not_continue_the_record_of_other_code(ml: DerivaML, place: Path) -> None:
    def workflow(checksum: str) -> Workflow:
        return Workflow(name="t", workflow_type="Training", url="https://x/t.py", checksum=checksum)

    fail_at.add(0.1)
    with pytest.raises(KeyboardInterrupt):
        start(ml, place, 0.1, resume=True, workflow=workflow("a"))
    fail_at.clear()
    start(ml, place, 0.1, resume=True, workflow=workflow("b"))
    assert len({rid for rid, _ in calls}) == 2


def test_a_run_of_another_process_is_left_alone(ml: DerivaML, place: Path) -> None:
    fail_at.add(0.1)
    with pytest.raises(KeyboardInterrupt):
        start(ml, place, 0.1, resume=True)
    directory = ml.resume_execution(calls[0][0]).working_dir
    with claimed(directory) as mine:
        assert mine
        start(ml, place, 0.1, resume=True)
    assert len(calls) == 1


def test_two_that_find_nothing_in_the_same_moment_make_one_execution(
    ml: DerivaML, place: Path
) -> None:
    far = Event()

    class Second(DerivaML):
        def create_execution(self, *arguments: Any, **settings: Any) -> Execution:
            far.set()
            return super().create_execution(*arguments, **settings)

    second = Thread(target=lambda: start(ml, place, 0.1, resume=True, ml_class=Second))

    class First(DerivaML):
        def create_execution(self, *arguments: Any, **settings: Any) -> Execution:
            second.start()
            assert far.wait(60)
            return super().create_execution(*arguments, **settings)

    class Waits(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            far.set()

    logger, listener = logging.getLogger("deriva_ml.execution.claim"), Waits()
    logger.addHandler(listener)
    start(ml, place, 0.1, resume=True, ml_class=First)
    second.join()
    logger.removeHandler(listener)
    assert len(calls) == 1
    assert len(ml.find_executions()) == len({rid for rid, _ in calls}) + 1  # the one of no origin
    assert list(ml.executions.around.local.turns.iterdir()) == []


def test_a_fingerprint_needs_values_that_last() -> None:
    one = fingerprint_of_call(partial(train, 1.0), {"a": [1]}, required=True)
    assert one == fingerprint_of_call(partial(train, 1.0), {"a": [1]}, required=True)
    assert one != fingerprint_of_call(partial(train, 2.0), {"a": [1]}, required=True)
    assert fingerprint_of_call(partial(train, object()), {}, required=False) is None
    with pytest.raises(DerivaMLConfigurationError, match="cannot be resumed"):
        fingerprint_of_call(partial(train, object()), {}, required=True)

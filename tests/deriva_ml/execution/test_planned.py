"""Runs that several processes take up."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deriva_ml import DerivaMLConfig, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.execution.execution import Execution
from deriva_ml.execution.runner import run_model

calls: list[str] = []


def train(ml_instance: DerivaML, execution: Execution) -> None:
    calls.append(execution.execution_rid)
    if len(calls) == 1:
        raise KeyboardInterrupt


class Slow(DerivaML):
    """A session during whose look at the code another one does the run that it has found."""

    working_base: Path

    def lookup_workflow(self, *arguments: Any) -> Workflow:
        found = super().lookup_workflow(*arguments)
        other = DerivaML(self.host_name, working_dir=self.working_base)
        execution = other.resume_execution(calls[0])
        with execution.execute():
            calls.append("other")
        execution.upload_execution_outputs()
        other.catalog.close()
        return found


def test_a_run_that_another_process_has_done_meanwhile_is_left_alone(
    ml: DerivaML, place: Path
) -> None:
    def start(kind: type[DerivaML]) -> None:
        run_model(
            DerivaMLConfig(hostname=str(place), working_dir=place.parent / "work"),
            [],
            [],
            "a run",
            Workflow(name="train", workflow_type="Training"),
            partial(train),
            resume=True,
            ml_class=kind,
        )

    with pytest.raises(KeyboardInterrupt):
        start(DerivaML)
    Slow.working_base = place.parent / "work"
    start(Slow)
    assert calls[1:] == ["other"]
    assert ml.lookup_execution(calls[0]).status == "Uploaded"

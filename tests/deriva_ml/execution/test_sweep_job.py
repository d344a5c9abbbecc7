"""What a job of a sweep writes down of its end, and of what its function returned."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from deriva_ml import DerivaMLConfig, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.execution import lifecycle
from deriva_ml.execution.configuration import ExecutionConfiguration
from deriva_ml.execution.execution import Execution
from deriva_ml.execution.planned import Job, Plan
from deriva_ml.execution.sweep import settle_sweep
from deriva_ml.execution.sweep_job import plain_value, run_in_sweep
from deriva_ml.execution.sweep_record import Sweep


class Scalar:
    """A number as PyTorch has them: `size` is a method."""

    def __init__(self, *values: float) -> None:
        self._values = values

    def size(self) -> tuple[int, ...]:
        return ()

    def item(self) -> float:
        if len(self._values) != 1:
            raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
        return self._values[0]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Scalar(0.5), 0.5),
        (Scalar(0.5, 1.5), None),
        (Scalar(float("inf")), "inf"),
        (np.longdouble(0.5), 0.5),
        (np.clongdouble(0.5), None),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([[2]]), 2),
        (np.array([1, 2]), None),
        ([True, {"a": np.float64("nan")}], [True, {"a": "nan"}]),
        (object(), None),
    ],
)
def test_a_value_as_it_is_written_down(value: Any, written: Any) -> None:
    found = plain_value(value)
    assert found == written
    assert type(found) is type(written)


def interrupted_twice(ml_instance: DerivaML, execution: Execution) -> None:
    """Be interrupted, and again while the execution is marked as failed."""

    def again(frame: FrameType, event: str, argument: object) -> None:
        if frame.f_code is lifecycle.fail.__code__:
            raise KeyboardInterrupt

    sys.settrace(again)
    raise KeyboardInterrupt


def test_a_job_that_is_interrupted_twice_does_not_stay_running(
    ml: DerivaML, place: Path, tmp_path: Path
) -> None:
    sweep = Sweep(tmp_path)
    sweep.note_launcher("deriva-ml-run --resume")
    connection = DerivaMLConfig(hostname=str(place), working_dir=place.parent / "work")
    workflow = Workflow(name="train", workflow_type="Training")
    workflow.identify(Path(__file__), strict_git=False)
    plan = Plan(ExecutionConfiguration(), workflow, interrupted_twice, "a job")
    job = Job({}, number=0, sweep=tmp_path, config_name="deriva_model")
    before = sys.gettrace()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_in_sweep(ml, connection, job, "a sweep", plan)
    finally:
        sys.settrace(before)
    (known,) = sweep.jobs()
    assert ml.lookup_execution(str(known.rid)).status == "Running"
    assert settle_sweep(tmp_path) == [0]
    assert ml.lookup_execution(str(known.rid)).status == "Failed"
    (known,) = sweep.jobs()
    assert (known.status, known.error) == ("interrupted", "The run was interrupted.")

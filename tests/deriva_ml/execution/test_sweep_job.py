"""What a job of a sweep writes down of what its function returned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deriva_ml.execution.sweep_job import plain_value


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

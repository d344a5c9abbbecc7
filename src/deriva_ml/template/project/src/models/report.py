"""What every model of this project leaves behind: metrics and predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from deriva_ml import DerivaML, Execution

from .data import SHAPES, Part


@dataclass(frozen=True)
class Epoch:
    """What was measured after one pass over the training pictures."""

    epoch: int
    loss: float
    accuracy: float


def write_metrics(execution: Execution, history: Sequence[Epoch]) -> None:
    """Write one JSON line an epoch."""
    with execution.metrics_file().open("w") as out:
        out.writelines(json.dumps(asdict(epoch)) + "\n" for epoch in history)


def record_predictions(
    ml: DerivaML, execution: Execution, part: Part, probabilities: np.ndarray
) -> None:
    """Record the predicted shape and its probability as a feature of every picture."""
    record = ml.feature_record_class("Picture", "Prediction")
    best = probabilities.argmax(axis=1)
    execution.add_features(
        [
            record(Picture=rid, Shape=SHAPES[shape], Confidence=round(float(row[shape]), 6))
            for rid, shape, row in zip(part.rids, best, probabilities, strict=True)
        ]
    )

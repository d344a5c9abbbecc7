"""What every model of this project leaves behind: metrics, pictures, predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from deriva_ml import DerivaML, ExecAssetType, Execution, MLAsset

from .data import Part


@dataclass(frozen=True)
class Epoch:
    """What was measured after one pass over the training images."""

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float


def write_metrics(execution: Execution, history: Sequence[Epoch]) -> None:
    """Write one JSON line an epoch."""
    with execution.metrics_file().open("w") as out:
        out.writelines(json.dumps(asdict(epoch)) + "\n" for epoch in history)


def write_curves(execution: Execution, history: Sequence[Epoch]) -> None:
    """Draw loss and accuracy over the epochs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [e.epoch for e in history]
    loss.plot(epochs, [e.loss for e in history])
    loss.set(xlabel="epoch", ylabel="training loss")
    accuracy.plot(epochs, [e.train_accuracy for e in history], label="training")
    accuracy.plot(epochs, [e.test_accuracy for e in history], label="testing")
    accuracy.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1))
    accuracy.legend()
    figure.savefig(_picture(execution, "training_curves.png"), metadata={"Software": None})


def write_confusion(execution: Execution, truth: np.ndarray, predicted: np.ndarray) -> None:
    """Draw the confusion matrix of the testing part."""
    from matplotlib.figure import Figure

    matrix = np.zeros((10, 10), dtype=int)
    np.add.at(matrix, (truth, predicted), 1)
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.log1p(matrix), cmap="Blues")
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7)
    axes.set(xlabel="predicted", ylabel="true", xticks=range(10), yticks=range(10))
    figure.savefig(_picture(execution, "confusion_matrix.png"), metadata={"Software": None})


def record_predictions(
    ml: DerivaML, execution: Execution, part: Part, probabilities: np.ndarray
) -> None:
    """Record the predicted digit and its probability as a feature of every image."""
    record = ml.feature_record_class("Image", "Prediction")
    best = probabilities.argmax(axis=1)
    execution.add_features(
        [
            record(Image=rid, Digit=str(digit), Confidence=round(float(row[digit]), 6))
            for rid, digit, row in zip(part.rids, best, probabilities, strict=True)
        ]
    )


def _picture(execution: Execution, name: str):
    return execution.asset_file_path(MLAsset.execution_asset, name, ExecAssetType.output_file)

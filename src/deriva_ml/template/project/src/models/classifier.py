"""Softmax regression: one linear layer, trained by gradient descent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from deriva_ml import DerivaML, ExecAssetType, Execution, MLAsset

from .data import SHAPES, split_of
from .report import Epoch, record_predictions, write_metrics


def train_classifier(
    learning_rate: float = 0.5,
    epochs: int = 20,
    batch_size: int = 16,
    seed: int = 0,
    *,
    ml_instance: DerivaML,
    execution: Execution,
) -> None:
    """Train on the training part, predict the testing part, record both.

    Args:
        learning_rate: Size of a step.
        epochs: Passes over the training pictures.
        batch_size: Pictures a step.
        seed: Of the order of pictures.
        ml_instance: The catalog.
        execution: The run to record into; its first dataset is a split of the pictures.
    """
    train, test = split_of(execution)
    history = []
    weights = np.zeros((train.inputs.shape[1], len(SHAPES)))
    steps = fit(train.inputs, train.labels, learning_rate, batch_size, np.random.default_rng(seed))
    for epoch, (weights, loss) in zip(range(1, epochs + 1), steps, strict=False):
        right = probabilities(weights, test.inputs).argmax(axis=1) == test.labels
        history.append(Epoch(epoch, loss, float(right.mean())))

    write_metrics(execution, history)
    record_predictions(ml_instance, execution, test, probabilities(weights, test.inputs))
    path = execution.asset_file_path(
        MLAsset.execution_asset, "weights.npy", ExecAssetType.model_file
    )
    np.save(path, weights)


def fit(
    inputs: np.ndarray,
    labels: np.ndarray,
    learning_rate: float,
    batch_size: int,
    generator: np.random.Generator,
) -> Iterator[tuple[np.ndarray, float]]:
    """Yield the weights, and the mean loss so far, after each pass over the inputs.

    `inputs` has the shape (n, features), `labels` (n,), the weights (features, classes).
    """
    weights = np.zeros((inputs.shape[1], len(SHAPES)))
    targets = np.eye(len(SHAPES))[labels]
    while True:
        order = generator.permutation(len(labels))
        for batch in np.array_split(order, max(1, len(order) // batch_size)):
            wrong = probabilities(weights, inputs[batch]) - targets[batch]
            weights = weights - learning_rate * inputs[batch].T @ wrong / len(batch)
        given = probabilities(weights, inputs)[np.arange(len(labels)), labels]
        yield weights, float(-np.log(np.maximum(given, 1e-12)).mean())


def probabilities(weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Return the probability of each class, (n, classes)."""
    scores = inputs @ weights
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)

"""A multi-layer perceptron from scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np

from deriva_ml import DerivaML, ExecAssetType, Execution, MLAsset

from .data import load_split
from .report import Epoch, record_predictions, write_confusion, write_curves, write_metrics


def train_perceptron(
    hidden: int = 32,
    learning_rate: float = 1e-2,
    epochs: int = 20,
    batch_size: int = 64,
    seed: int = 0,
    *,
    ml_instance: DerivaML,
    execution: Execution,
) -> None:
    """Train on the training part, predict the testing part, record both.

    Args:
        hidden: Units of the one hidden layer.
        learning_rate: Initial step of Adam.
        epochs: Passes over the training images.
        batch_size: Images a step.
        seed: Of the weights and of the order of images.
        ml_instance: The catalog.
        execution: The run to record into; its first dataset is a split of the digits.
    """
    from sklearn.neural_network import MLPClassifier

    train, test = load_split(execution.download_dataset_bag(execution.datasets[0]))
    inputs, targets = train.pixels.reshape(-1, 64), train.labels
    model = MLPClassifier(
        hidden_layer_sizes=(hidden,),
        learning_rate_init=learning_rate,
        batch_size=min(batch_size, len(targets)),
        random_state=seed,
    )
    generator = np.random.default_rng(seed)
    history = []
    for epoch in range(1, epochs + 1):
        order = generator.permutation(len(targets))
        model.partial_fit(inputs[order], targets[order], classes=np.arange(10))
        history.append(
            Epoch(
                epoch,
                float(model.loss_),
                float(model.score(inputs, targets)),
                float(model.score(test.pixels.reshape(-1, 64), test.labels)),
            )
        )
    probabilities = model.predict_proba(test.pixels.reshape(-1, 64))

    write_metrics(execution, history)
    write_curves(execution, history)
    write_confusion(execution, test.labels, probabilities.argmax(axis=1))
    record_predictions(ml_instance, execution, test, probabilities)
    path = execution.asset_file_path(
        MLAsset.execution_asset, "perceptron.pkl", ExecAssetType.model_file
    )
    path.write_bytes(pickle.dumps(model))

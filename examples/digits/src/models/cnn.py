"""A small convolutional network in PyTorch (needs the `torch` extra).

PyTorch takes seconds to import, so only the functions that use it do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml import DerivaML, ExecAssetType, Execution, MLAsset

from .data import load_split
from .report import Epoch, record_predictions, write_confusion, write_curves, write_metrics

if TYPE_CHECKING:
    from torch import nn


def network(channels: int) -> nn.Sequential:
    """Two convolutions and a linear layer: (n, 1, 8, 8) images to (n, 10) logits."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * channels * 4, 10),
    )


def train_cnn(
    channels: int = 16,
    learning_rate: float = 1e-2,
    epochs: int = 10,
    batch_size: int = 64,
    seed: int = 0,
    *,
    ml_instance: DerivaML,
    execution: Execution,
) -> None:
    """Train on the training part, predict the testing part, record both.

    Args:
        channels: Filters of the first convolution; the second has twice as many.
        learning_rate: Of Adam.
        epochs: Passes over the training images.
        batch_size: Images a step.
        seed: Of the weights and of the order of images.
        ml_instance: The catalog.
        execution: The run to record into; its first dataset is a split of the digits.
    """
    import torch
    from torch import nn

    train, test = load_split(execution.download_dataset_bag(execution.datasets[0]))
    x, y = torch.from_numpy(train.pixels)[:, None], torch.from_numpy(train.labels)
    x_test, y_test = torch.from_numpy(test.pixels)[:, None], torch.from_numpy(test.labels)
    torch.manual_seed(seed)
    model = network(channels)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    history = []
    for epoch in range(1, epochs + 1):
        total = 0.0
        for batch in torch.randperm(len(y)).split(batch_size):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            accuracy = (model(x).argmax(1) == y).float().mean().item()
            test_accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
        history.append(Epoch(epoch, total / len(y), accuracy, test_accuracy))
    with torch.no_grad():
        probabilities = model(x_test).softmax(1).numpy()

    write_metrics(execution, history)
    write_curves(execution, history)
    write_confusion(execution, test.labels, probabilities.argmax(axis=1))
    record_predictions(ml_instance, execution, test, probabilities)
    path = execution.asset_file_path(MLAsset.execution_asset, "cnn.pt", ExecAssetType.model_file)
    torch.save(model.state_dict(), path)

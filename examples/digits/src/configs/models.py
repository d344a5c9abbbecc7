"""Model functions with their hyperparameters."""

from importlib.util import find_spec

from hydra_zen import builds, store

from models.perceptron import train_perceptron

model_store = store(group="model_config")

Perceptron = builds(train_perceptron, populate_full_signature=True, zen_partial=True)

model_store(
    Perceptron,
    name="default_model",
    zen_meta={"description": "Perceptron with 32 hidden units, 20 epochs: the baseline."},
)
model_store(
    Perceptron,
    name="quick",
    epochs=3,
    zen_meta={"description": "Perceptron, 3 epochs: to see that everything works."},
)

if find_spec("torch"):
    from models.cnn import train_cnn

    model_store(
        builds(train_cnn, populate_full_signature=True, zen_partial=True),
        name="cnn",
        zen_meta={"description": "Two convolutions in PyTorch, 10 epochs."},
    )

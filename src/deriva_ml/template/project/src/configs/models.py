"""Model functions with their hyperparameters."""

from hydra_zen import builds, store

from models.classifier import train_classifier

Classifier = builds(train_classifier, populate_full_signature=True, zen_partial=True)

model_store = store(group="model_config")
model_store(
    Classifier,
    name="default_model",
    zen_meta={"description": "Softmax regression, 20 epochs: the baseline."},
)
model_store(
    Classifier,
    name="quick",
    epochs=3,
    zen_meta={"description": "Softmax regression, 3 epochs: to see that everything works."},
)

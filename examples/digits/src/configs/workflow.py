"""What kind of work a run is."""

from hydra_zen import builds, store

from deriva_ml.execution import Workflow

workflow_store = store(group="workflow")
workflow_store(
    builds(
        Workflow,
        name="Digit classification",
        workflow_type="Training",
        description="Train a classifier on the training images, predict the testing images.",
        populate_full_signature=True,
    ),
    name="default_workflow",
    zen_meta={"description": "Training and evaluation of a digit classifier."},
)

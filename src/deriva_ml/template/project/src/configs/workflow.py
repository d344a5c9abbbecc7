"""What kind of work a run is."""

from deriva_ml.execution import Workflow
from hydra_zen import builds, store

workflow_store = store(group="workflow")
workflow_store(
    builds(
        Workflow,
        name="Shape classification",
        workflow_type="Training",
        description="Train a classifier on the training pictures, predict the testing pictures.",
        populate_full_signature=True,
    ),
    name="default_workflow",
    zen_meta={"description": "Training and evaluation of a classifier."},
)

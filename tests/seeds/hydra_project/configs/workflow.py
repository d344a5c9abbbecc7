from hydra_zen import builds, store

from deriva_ml.execution import Workflow

store(
    builds(
        Workflow,
        name="Recognise pictures",
        workflow_type="Training",
        description="Trains the network",
        populate_full_signature=True,
    ),
    group="workflow",
    name="training_workflow",
)

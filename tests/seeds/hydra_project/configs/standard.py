"""The same groups for the runner that comes with the library."""

from hydra_zen import store

from deriva_ml.execution import create_model_config

store(
    create_model_config(
        description="Standard training",
        hydra_defaults=[
            "_self_",
            {"deriva_ml": "default"},
            {"datasets": "training"},
            {"assets": "weights"},
            {"workflow": "training_workflow"},
            {"model_config": "default"},
        ],
    ),
    name="deriva_model",
)

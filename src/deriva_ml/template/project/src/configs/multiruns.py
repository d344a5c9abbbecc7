"""Named sweeps: `deriva-ml-run +multirun=learning_rates`."""

from deriva_ml.execution import multirun_config

multirun_config(
    "learning_rates",
    overrides=["model_config.learning_rate=0.05,0.5,5"],
    description="Three learning rates",
)

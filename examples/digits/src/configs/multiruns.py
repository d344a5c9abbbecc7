"""Named sweeps: `deriva-ml-run +multirun=perceptron_sweep`."""

from deriva_ml.execution import multirun_config

multirun_config(
    "perceptron_sweep",
    overrides=["model_config.hidden=8,32,128", "model_config.learning_rate=0.001,0.01"],
    description="Hidden units by learning rate: six perceptrons",
)

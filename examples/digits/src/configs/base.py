"""The main configuration: one default from each group."""

from hydra_zen import store

from deriva_ml.execution import create_model_config

DigitsModel = create_model_config(description="Digit classification")
store(DigitsModel, name="deriva_model")

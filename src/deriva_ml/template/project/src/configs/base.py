"""The main configuration: one default from each group."""

from deriva_ml.execution import create_model_config
from hydra_zen import store

ProjectModel = create_model_config(description="Shape classification")
store(ProjectModel, name="deriva_model")

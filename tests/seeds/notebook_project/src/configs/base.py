from hydra_zen import builds, store

from deriva_ml import DerivaMLConfig
from deriva_ml.dataset import DatasetSpecConfig
from deriva_ml.execution import AssetRIDConfig, with_description

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)

deriva_store = store(group="deriva_ml")
deriva_store(DerivaMLConf(hostname="localhost", domain_schema="lab"), name="default_deriva")
deriva_store(DerivaMLConf(hostname="STAGING"), name="production")

datasets_store = store(group="datasets")
datasets_store([], name="default_dataset")
datasets_store(
    with_description([DatasetSpecConfig(rid="PIXB", version="1.0.0")], "Two pictures."),
    name="training_data",
)

assets_store = store(group="assets")
assets_store(with_description([], "Nothing is read."), name="default_asset")
assets_store(
    with_description(["WTSA", "WTSB"], "Weights of this week and of the last."),
    name="comparison_weights",
)
assets_store([AssetRIDConfig(rid="WTSB", description="This week's")], name="different_weights")

from hydra_zen import store

from deriva_ml.dataset import DatasetSpecConfig

datasets_store = store(group="datasets")
datasets_store([DatasetSpecConfig(rid="PIXA", version="1.0.0")], name="training")
datasets_store([DatasetSpecConfig(rid="PIXB", version="1.0.0")], name="validation")

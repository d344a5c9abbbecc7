from hydra_zen import store

from deriva_ml.execution import AssetRIDConfig

assets_store = store(group="assets")
assets_store([AssetRIDConfig(rid="WTSA", description="Last week's weights")], name="weights")

"""Input files besides datasets, such as weights to start from; none by default."""

from deriva_ml.execution import with_description
from hydra_zen import store

assets_store = store(group="assets")
assets_store(with_description([], "No input assets."), name="default_asset")

from hydra_zen import builds, store

from deriva_ml import DerivaMLConfig

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)

deriva_store = store(group="deriva_ml")
deriva_store(DerivaMLConf(hostname="localhost", working_dir="work"), name="default")

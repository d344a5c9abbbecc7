"""All in one file: configurations, the function that Hydra calls, and the run.

The datasets are an empty list at first. With ``datasets=list``, the type, the configuration would
describe how to build a list, and Hydra merges no list into that.
"""

from hydra_zen import builds, instantiate, make_config, store, zen

from deriva_ml import DerivaML, DerivaMLConfig
from deriva_ml.dataset import DatasetSpecConfig
from deriva_ml.execution import ExecutionConfiguration

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)

store(DerivaMLConf(hostname="localhost", catalog_id=1), group="deriva_ml", name="local")
store(DerivaMLConf(hostname="STAGING", catalog_id=1), group="deriva_ml", name="prod")
store([DatasetSpecConfig(rid="PIXA", version="1.0.0")], group="datasets", name="default")
store([DatasetSpecConfig(rid="PIXA", version="2.0.0")], group="datasets", name="corrected")

Config = make_config(
    defaults=["_self_", {"deriva_ml": "local"}, {"datasets": "default"}],
    deriva_ml=DerivaMLConf,
    datasets=[],
    description="One file",
)
store(Config, name="script")


@zen
def main(zen_cfg):
    session = DerivaML.instantiate(instantiate(zen_cfg.deriva_ml))
    wanted = ExecutionConfiguration(
        description=zen_cfg.description,
        datasets=[instantiate(dataset) for dataset in zen_cfg.datasets],
    )
    with session.create_execution(wanted) as run:
        for dataset in run.datasets:
            bag = run.download_dataset_bag(dataset)
            print("on", len(bag.list_dataset_members()["Image"]), "pictures")
    run.upload_execution_outputs()
    print("run", run.execution_rid, run.status)


if __name__ == "__main__":
    store.add_to_hydra_store()
    main.hydra_main(config_name="script", version_base="1.3", config_path=None)

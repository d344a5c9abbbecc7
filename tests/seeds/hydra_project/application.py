"""One configuration that combines the connection, the execution and the workflow."""

from hydra_zen import builds, instantiate, make_config, store, zen

from deriva_ml import DerivaML, DerivaMLConfig
from deriva_ml.dataset import DatasetSpecConfig
from deriva_ml.execution import ExecutionConfiguration, Workflow

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)
ExecConf = builds(ExecutionConfiguration, populate_full_signature=True)
WorkflowConf = builds(
    Workflow,
    name="Recognise pictures",
    workflow_type="Training",
    description="Trains the network",
    populate_full_signature=True,
)

datasets_store = store(group="datasets")
datasets_store([DatasetSpecConfig(rid="PIXA", version="1.0.0")], name="training_v1")
datasets_store(
    [
        DatasetSpecConfig(rid="PIXA", version="2.0.0"),
        DatasetSpecConfig(rid="PIXB", version="1.0.0"),
    ],
    name="training_v2",
)

AppConfig = make_config(
    deriva_ml=DerivaMLConf(hostname="localhost", catalog_id="1"),
    execution=ExecConf(
        description="Combined",
        datasets=[DatasetSpecConfig(rid="PIXA", version="1.0.0")],
        assets=["WTSA"],
    ),
    workflow=WorkflowConf,
    datasets=None,
)
store(AppConfig, name="app")


def train(zen_cfg):
    session = DerivaML.instantiate(instantiate(zen_cfg.deriva_ml))
    wanted = instantiate(zen_cfg.execution)
    if zen_cfg.datasets is not None:
        wanted.datasets = instantiate(zen_cfg.datasets)
    with session.create_execution(wanted, workflow=instantiate(zen_cfg.workflow)) as run:
        print("on", *map(str, run.configuration.datasets))
    run.upload_execution_outputs()
    print("run", run.execution_rid, run.status, session.catalog.url)


if __name__ == "__main__":
    store.add_to_hydra_store()
    zen(train).hydra_main(config_name="app", version_base="1.3", config_path=None)

"""A runner as projects write it by hand."""

from typing import Any

from deriva_ml import RID, DerivaML, DerivaMLConfig
from deriva_ml.dataset import DatasetSpec
from deriva_ml.execution import ExecutionConfiguration, Workflow


def run_model(
    deriva_ml: DerivaMLConfig,
    datasets: list[DatasetSpec],
    assets: list[RID],
    description: str,
    workflow: Workflow,
    model_config: Any,
    dry_run: bool = False,
) -> None:
    session = DerivaML.instantiate(deriva_ml)
    wanted = ExecutionConfiguration(datasets=datasets, assets=assets, description=description)
    run = session.create_execution(wanted, workflow=workflow, dry_run=dry_run)
    with run.execute() as running:
        model_config(ml_instance=session, execution=running)
    run.upload_execution_outputs()
    print("run", run.execution_rid, run.status)

"""Other people's formats: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exceptions import DerivaMLValidationError, translated

if TYPE_CHECKING:
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.execution.record import ExecutionRecord
    from deriva_ml.execution.workflow import Workflow
    from deriva_ml.interchange.openlineage_transport import Event
    from deriva_ml.interchange.run_crate import RunFiles

    from ..base import DerivaML


def export_ro_crate(
    self: DerivaML,
    rid: str,
    destination: str | Path,
    *,
    files: RunFiles = "outputs",
    license: str | None = None,
) -> Path:
    """Write an execution, or a version of a dataset, as an RO-Crate.

    Args:
        rid: RID of an execution or of a dataset; ``RID@version`` for a version that is not current.
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        files: Whose files are copied, of an execution (see `Execution.to_ro_crate`); a dataset is
            always written with its files, except for ``none``.
        license: SPDX identifier or URL of the license.

    Raises:
        DerivaMLNotFoundError: There is no such row.
        DerivaMLValidationError: It is neither an execution nor a dataset, or `destination` exists.
        DerivaMLUnavailableError: A file cannot be reached, or `destination` cannot be written.
    """
    row, _, version = rid.partition("@")
    options: dict[str, Any] = {"license": license}
    if _table(self, row) == "Dataset":
        with_files = files != "none"
        dataset = self.lookup_dataset(row)
        return dataset.to_ro_crate(destination, version or None, materialize=with_files, **options)
    return self.lookup_execution(rid).to_ro_crate(destination, files=files, **options)


def export_openlineage(
    self: DerivaML,
    rid: str,
    path: str | Path | None = None,
    *,
    url: str | None = None,
    api_key: str | None = None,
    children: bool = False,
) -> list[Event]:
    """Tell OpenLineage of an execution (see `Execution.to_openlineage`)."""
    execution = self.lookup_execution(rid)
    return execution.to_openlineage(path, url=url, api_key=api_key, children=children)


def export_to_mlflow(
    self: DerivaML,
    execution_rid: str,
    tracking_uri: str | None = None,
    *,
    experiment: str | None = None,
    artifacts: bool = True,
) -> str:
    """Make an execution a run in MLflow, or bring its run up to date; returns the run's id.

    There is one run for an execution, and what it has already is not logged twice.

    Args:
        execution_rid: RID of the execution.
        tracking_uri: Where runs are kept; None for what MLflow uses anyway.
        experiment: MLflow's experiment; None means one named after the catalog.
        artifacts: Copy the files that the execution made, and those that describe it.

    Raises:
        ImportError: MLflow is not installed.
        DerivaMLNotFoundError: There is no such execution.
        DerivaMLUnavailableError: MLflow or a file cannot be reached.
        DerivaMLException: MLflow refuses something.
    """
    from deriva_ml.interchange.mlflow_export import export_to_mlflow as export

    around = self.executions.around
    return export(around, execution_rid, tracking_uri, experiment=experiment, artifacts=artifacts)


def import_mlflow_run(
    self: DerivaML,
    run_id: str,
    tracking_uri: str | None = None,
    *,
    workflow_type: str | list[str] = "Analysis",
) -> ExecutionRecord:
    """Make a run of MLflow an execution, once; one that was imported is returned as it is.

    Args:
        run_id: The run.
        tracking_uri: Where runs are kept; None for what MLflow uses anyway.
        workflow_type: What its code is for: terms of ``Workflow_Type``.

    Raises:
        ImportError: MLflow is not installed.
        DerivaMLNotFoundError: There is no such run.
        DerivaMLValidationError: The run is not over.
    """
    from deriva_ml.interchange.mlflow_import import import_mlflow_run as read

    around = self.executions.around
    rid = read(around, run_id, tracking_uri, workflow_type=workflow_type)
    return self.lookup_execution(rid)


def import_mlflow_experiment(
    self: DerivaML,
    experiment: str,
    tracking_uri: str | None = None,
    *,
    workflow_type: str | list[str] = "Analysis",
) -> dict[str, str]:
    """Make every run of an experiment that is over an execution; their RIDs by run id.

    Args:
        experiment: The name or the id of MLflow's experiment.
        tracking_uri: Where runs are kept; None for what MLflow uses anyway.
        workflow_type: What their code is for: terms of ``Workflow_Type``.

    Raises:
        ImportError: MLflow is not installed.
        DerivaMLNotFoundError: There is no such experiment.
    """
    from deriva_ml.interchange.mlflow_import import import_mlflow_experiment as read

    around = self.executions.around
    return read(around, experiment, tracking_uri, workflow_type=workflow_type)


def import_ro_crate(
    self: DerivaML,
    path: str | Path,
    *,
    dataset_types: str | Iterable[str] | None = None,
    description: str | None = None,
    workflow: Workflow | str | None = None,
) -> Dataset:
    """Make the files of an RO-Crate a dataset, by an execution of its own.

    The files stay where they are; sizes and digests that the crate tells are compared first. What
    the crate says is kept word for word as a file of the execution. Files on the web are left out.
    A bag of a dataset of DerivaML is better loaded as what it is.

    Args:
        path: The directory of the crate, or the bag whose payload it is.
        dataset_types: Terms of ``Dataset_Type``, beside those that datasets of files have.
        description: Of the dataset; None means what the crate says.
        workflow: The code that imports it; None means the calling script.

    Raises:
        DerivaMLNotFoundError: There is no RO-Crate.
        DerivaMLDataError: The description is malformed, a path leads out of the crate, or a file
            is missing or not what was said of it; nothing was written.
    """
    from deriva_ml.interchange.reading import import_ro_crate as read

    return read(self, path, dataset_types=dataset_types, description=description, workflow=workflow)


def import_croissant(
    self: DerivaML,
    path: str | Path,
    *,
    prefix: str = "",
    schema: str | None = None,
    dataset_types: str | Iterable[str] | None = None,
    description: str | None = None,
    workflow: Workflow | str | None = None,
) -> Dataset:
    """Make what Croissant describes on this machine a dataset, by an execution of its own.

    Each record set that reads columns of a CSV, Parquet or JSON lines file becomes a table with its
    key and references, whose rows are members; enumerations become vocabularies. Files of file sets
    become a dataset inside, and stay where they are. Sizes and digests are compared first. What
    cannot be read is left out with a warning; the description is kept word for word as a file of
    the execution. Tables, rows and datasets are one transaction: a value that does not fit leaves
    none of them, and an execution that failed.

    Args:
        path: The description, or its directory.
        prefix: What the names of tables begin with.
        schema: Where the tables go; None means the default schema.
        dataset_types: Terms of ``Dataset_Type``.
        description: Of the dataset; None means what Croissant says.
        workflow: The code that imports it; None means the calling script.

    Raises:
        DerivaMLNotFoundError: There is no description.
        DerivaMLValidationError: A table of such a name is there.
        DerivaMLDataError: The description is malformed, a path leads out of its directory, a file
            is missing or not what was said of it, or a value does not fit its type or reference.
        ImportError: A Parquet file is to be read, and pyarrow is not installed.
    """
    from deriva_ml.interchange.croissant_import import import_croissant as read

    return read(
        self,
        path,
        prefix=prefix,
        schema=schema,
        dataset_types=dataset_types,
        description=description,
        workflow=workflow,
    )


def _table(ml: DerivaML, rid: str) -> str:
    """``Dataset`` or ``Execution``: what a RID names."""
    with translated():
        place = ml.rids.resolve(rid)
    table = place.table.name
    if place.table.schema != ml.ml_schema or table not in ("Dataset", "Execution"):
        raise DerivaMLValidationError(
            f"{rid!r} is a row of table {table!r}; an execution or a dataset is exported."
        )
    return table

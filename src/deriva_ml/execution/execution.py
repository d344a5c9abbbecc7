"""`Execution`: one run, from the first input to the last output.

Nearly all names are a few lines that hand on to `inputs`, `outputs`, `lifecycle` and the other
modules of this folder; those about uploading are functions of `uploading`, taken into the class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from deriva_catalog.interface import Catalog
from deriva_catalog.model.elements import Table
from deriva_ml.asset.download import fetch_asset
from deriva_ml.asset.file_path import AssetFilePath
from deriva_ml.core.enums import ExecMetadataType, ExecutionStatus, MLAsset
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLExecutionError,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.core.logging_config import get_logger
from deriva_ml.dataset.spec import DatasetSpec
from deriva_ml.interchange import of_executions as _interchange

from . import lifecycle, outputs
from . import uploading as _uploading
from .dataset_collection import DatasetCollection

if TYPE_CHECKING:
    from deriva_ml.asset.asset import Asset
    from deriva_ml.core.base import DerivaML
    from deriva_ml.core.filespec import FileSpec
    from deriva_ml.dataset.bag import DatasetBag
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.dataset.versions import DatasetVersion
    from deriva_ml.feature.record import FeatureRecord

    from .collection import Executions
    from .configuration import ExecutionConfiguration
    from .record import ExecutionRecord
    from .run import Run
    from .workflow import Workflow

__all__ = ["Execution"]

_log = get_logger(__name__)


class Execution:
    """A run of a workflow: it reads inputs, makes outputs, and the catalog knows of both.

    ::

        with ml.create_execution(config) as exe:
            exe.asset_file_path("Model", "best.pt").write_bytes(model)
        exe.upload_execution_outputs()

    All that it does is in a journal in its working directory, so that a run that was killed can
    be taken up by `DerivaML.resume_execution`.

    Args:
        configuration: Inputs and circumstances.
        ml_object: The connection to the catalog.
        workflow: The code that runs; None means the configuration's, else the calling script.
        reload: RID of an execution to take up instead of creating one.
        dry_run: Write nothing to the catalog; the RID is then ``0000``.
        upload_on_exit: Upload the outputs when the ``with`` block ends without an error.

    Raises:
        DerivaMLException: An input does not exist, or the workflow cannot be identified.
    """

    def __init__(
        self,
        configuration: ExecutionConfiguration,
        ml_object: DerivaML,
        workflow: Workflow | str | None = None,
        reload: str | None = None,
        dry_run: bool = False,
        *,
        upload_on_exit: bool = False,
    ) -> None:
        executions = ml_object.executions
        run = (
            executions.reopen(reload)
            if reload is not None
            else executions.begin(configuration, workflow, dry_run=dry_run)
        )
        self._set(executions, run, upload_on_exit)

    def _set(self, executions: Executions, run: Run, upload_on_exit: bool) -> None:
        self._executions = executions
        self._run = run
        self._datasets: DatasetCollection | None = None
        self.upload_on_exit = upload_on_exit

    @classmethod
    def over(cls, executions: Executions, run: Run, *, upload_on_exit: bool = False) -> Self:
        """The execution object of a run that exists."""
        made = cls.__new__(cls)
        made._set(executions, run, upload_on_exit)
        return made

    # --- what it is ------------------------------------------------------------------

    @property
    def execution_rid(self) -> str:
        """RID of the execution; ``0000`` in a dry run."""
        return self._run.rid

    @property
    def rid(self) -> str:
        """RID of the execution."""
        return self._run.rid

    @property
    def dry_run(self) -> bool:
        """Whether nothing is written to the catalog."""
        return self._run.dry_run

    @property
    def configuration(self) -> ExecutionConfiguration:
        """What the execution was asked to do."""
        return self._run.configuration

    @property
    def workflow_rid(self) -> str | None:
        """RID of the workflow; None in a dry run, which adds none."""
        rid: str | None = self._run.facts.get("workflow_rid")
        return rid

    @property
    def working_dir(self) -> Path:
        """The directory of the execution's files."""
        return self._run.directory

    @property
    def catalog(self) -> Catalog:
        """The catalog."""
        return self._run.session.catalog

    database_catalog = catalog

    @property
    def execution_record(self) -> ExecutionRecord | None:
        """The execution as the catalog knows it; None in a dry run."""
        return None if self.dry_run else self._executions.lookup(self.execution_rid)

    # --- states ----------------------------------------------------------------------

    @property
    def status(self) -> ExecutionStatus:
        """The present state."""
        return self._run.status

    @property
    def error(self) -> str | None:
        """What ended the execution, if something did."""
        text: str | None = self._run.facts.get("error")
        return text

    @property
    def start_time(self) -> datetime | None:
        """When the run began."""
        return self._moment("start")

    @property
    def stop_time(self) -> datetime | None:
        """When the run ended."""
        return self._moment("stop")

    @property
    def has_finished(self) -> bool:
        """Whether the run came to its end, so that only its upload may be left."""
        return bool(self._run.facts.get("finished"))

    def _moment(self, name: str) -> datetime | None:
        text = self._run.facts.get(name)
        return None if text is None else datetime.fromisoformat(text)

    @translated()
    def update_status(
        self,
        target: ExecutionStatus | str | None = None,
        message: str | None = None,
        *,
        error: str | None = None,
        progress: float | None = None,
    ) -> None:
        """Change the state, or say how far the run has come in the present one.

        Args:
            target: The new state; None, or the present one, changes nothing about it. The names
                of states of older versions are understood.
            message: What is going on, for those who look at the catalog.
            error: What went wrong, for the states ``Failed`` and ``Aborted``.
            progress: How much is done, from 0 to 1.

        Raises:
            InvalidTransitionError: The state cannot follow the present one.
        """
        wanted = lifecycle.state_named(target, self.status)
        if wanted is not self.status:
            lifecycle.enter(self._run, wanted, error or message)
        if message is not None or progress is not None:
            lifecycle.report(self._run, message, progress)

    @translated()
    def execution_start(self) -> None:
        """Begin the run: its state is ``Running`` and its start time is now."""
        lifecycle.start(self._run)

    @translated()
    def execution_stop(self) -> None:
        """End the run: its state is ``Stopped`` and its stop time is now."""
        lifecycle.stop(self._run)

    @translated()
    def abort(self) -> None:
        """Give the execution up: nothing of it will be uploaded, its files stay here."""
        lifecycle.abort(self._run)

    def execute(self) -> Self:
        """The execution, to be used in a ``with`` statement."""
        return self

    def __enter__(self) -> Self:
        self.execution_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            if self.status is ExecutionStatus.Running:
                self.execution_stop()
            if self.upload_on_exit:
                self.upload_execution_outputs()
            return
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        try:
            lifecycle.fail(self._run, text)
        except DerivaMLException:
            # The error that ended the run is the one to be seen.
            _log.exception("Execution %s could not be marked as failed.", self.execution_rid)

    # --- inputs ----------------------------------------------------------------------

    @property
    def datasets(self) -> DatasetCollection:
        """The input datasets; each is downloaded when it is first looked at."""
        if self._datasets is None:
            around = self._run.around
            self._datasets = DatasetCollection(
                self.configuration.datasets, lambda s: around.datasets.download(s), self._took
            )
        return self._datasets

    def _took(self, seconds: float) -> None:
        before = self._run.facts.get("download_seconds") or 0.0
        self._run.journal.record(download_seconds=before + seconds)

    @property
    def dataset_rids(self) -> list[str]:
        """RIDs of the input datasets."""
        return self.datasets.keys()

    @translated()
    def download_dataset_bag(self, dataset: DatasetSpec | DatasetBag | Dataset | str) -> DatasetBag:
        """A dataset on this machine, readable without the catalog.

        Args:
            dataset: A version of a dataset (`DatasetSpec` or ``"RID@1.2.0"``); the RID of an
                input, or an input as `datasets` gives it; or a dataset, which means its version
                among the inputs, else its current one.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
        """
        return self.datasets.find(dataset)

    @translated()
    def add_input_dataset(
        self, dataset_rid: str, version: DatasetVersion | str | None = None
    ) -> None:
        """Record that the execution reads one more dataset.

        Args:
            dataset_rid: RID of the dataset.
            version: The version that is read; None means the current one.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
            DerivaMLNotFoundError: It has no such version.
        """
        datasets = self._run.around.datasets
        datasets.require(dataset_rid)
        label = datasets.current_version(dataset_rid) if version is None else version
        datasets.version(dataset_rid, label)
        if not self.dry_run:
            datasets.record_inputs(self.execution_rid, [(dataset_rid, label)])
        self._run.journal.record(has_inputs=True)

    @property
    def asset_paths(self) -> dict[str, list[AssetFilePath]]:
        """The files of the input assets on this machine, by asset table."""
        found: dict[str, list[AssetFilePath]] = {}
        for rid, qualified, path in self._run.journal.input_assets():
            name = qualified.rpartition(":")[2]
            inside = self._run.inside(path)
            found.setdefault(name, []).append(
                AssetFilePath(inside, name, inside.name, None, ("Input_File",), rid)
            )
        return found

    @translated()
    def download_asset(
        self,
        asset_rid: str,
        dest_dir: Path | str,
        update_catalog: bool = True,
        use_cache: bool = False,
    ) -> AssetFilePath:
        """Put the file of an asset into a directory, and record that the execution reads it.

        Args:
            asset_rid: RID of the asset.
            dest_dir: The directory; made when missing.
            update_catalog: Whether to record it.
            use_cache: Take the file from the cache, and leave it there for the next time.

        Raises:
            DerivaMLTableTypeError: The row is not an asset.
            DerivaMLRidsNotFound: There is none.
        """
        around = self._run.around
        table, row = around.assets.rows([asset_rid])[asset_rid]
        path = fetch_asset(around.session, row, Path(dest_dir), use_cache=use_cache)
        if update_catalog:
            if not self.dry_run:
                with around.session.transaction():
                    around.assets.attach(self.execution_rid, [(table, asset_rid)], "Input")
            self._run.journal.record(has_inputs=True)
        metadata = {c: row[c] for c in around.session.model.asset_metadata_sorted(table)}
        return AssetFilePath(path, table.name, path.name, metadata, ("Input_File",), asset_rid)

    @translated()
    def list_input_datasets(self) -> list[Dataset]:
        """The datasets that the execution reads."""
        record = self.execution_record
        if record is not None:
            return record.list_input_datasets()
        return [self._run.around.datasets.lookup(rid) for rid in self.dataset_rids]

    def list_assets(self, asset_role: str | None = None) -> list[Asset]:
        """The assets that the execution read (``Input``) or made (``Output``), in the catalog."""
        record = self.execution_record
        return [] if record is None else record.list_assets(asset_role)

    # --- outputs ---------------------------------------------------------------------

    def asset_file_path(
        self,
        asset_name: str | Table,
        file_name: str | Path,
        asset_types: str | Iterable[str] | None = None,
        copy_file: bool = False,
        rename_file: str | None = None,
        metadata: Mapping[str, Any] | Any = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> AssetFilePath:
        """Register an output file, and return the path to write it to.

        A name of a file that exists registers that file: it is linked into the execution's
        directory. A library that opens the path by itself, as `numpy.save` does, then writes to
        that file. One with several names (hard links), as downloads have, is copied instead.
        Registering the same once more gives the same path.

        Args:
            asset_name: The asset table.
            file_name: The name of the file to be, perhaps with directories; or a file that exists.
            asset_types: Terms of ``Asset_Type``; None means the one named after the table.
            copy_file: Copy a file that exists instead of linking it.
            rename_file: The name that a file that exists gets.
            metadata: Values of the table's metadata columns.
            description: What the file is.
            **kwargs: More values of metadata columns.

        Raises:
            DerivaMLTableTypeError: The table is not an asset table.
            DerivaMLInvalidTerm: A type is not a term.
            DerivaMLValidationError: The name is taken by another file, or is none.
        """
        values = metadata
        if kwargs:
            given = (
                metadata.model_dump(exclude_unset=True)
                if hasattr(metadata, "model_dump")
                else metadata
            )
            values = {**(given or {}), **kwargs}
        return outputs.register(
            self._run,
            asset_name,
            file_name,
            asset_types,
            copy_file=copy_file,
            rename_file=rename_file,
            metadata=values,
            description=description,
        )

    def metrics_file(self, filename: str = "metrics.jsonl") -> AssetFilePath:
        """Register a file of measurements, one JSON document a line."""
        return outputs.register(
            self._run,
            MLAsset.execution_metadata,
            filename,
            ExecMetadataType.metrics_file,
            description="Measurements of the run, one JSON document a line.",
        )

    def forget_output(self, path: AssetFilePath | Path) -> None:
        """Take back the registration of an output that is not uploaded; a file there stays.

        Raises:
            DerivaMLValidationError: No such output waits for the upload.
        """
        for output in self._run.journal.outputs():
            if output.status != "uploaded" and self._run.inside(output.path) == Path(path):
                self._run.journal.forget_output(output.token)
                return
        raise DerivaMLValidationError(f"{str(path)!r} is no output that waits for the upload.")

    def table_path(self, table: str | Table) -> Path:
        """The CSV file, with a header, whose rows the upload inserts into a table.

        An empty field is no value; columns that are not in the header get their defaults.

        Raises:
            DerivaMLTableNotFound: There is no such table.
        """
        return outputs.table_file(self._run, table)

    def add_features(self, features: Iterable[FeatureRecord]) -> int:
        """Keep feature values for the upload; returns how many.

        The values may belong to different features. A column that refers to a file may hold the
        path of one that is registered with this execution.

        Raises:
            DerivaMLValidationError: There is nothing, something that is not a value, or a second
                value about the same row; none is kept then.
            DerivaMLInvalidTerm: A label is no term of its vocabulary.
            DerivaMLRidsNotFound: A RID is that of no row, or of another table. Without a
                connection it is the upload that says so, of labels, too.
        """
        return outputs.stage_features(self._run, features)

    @translated()
    def create_dataset(
        self,
        dataset_types: str | Iterable[str] | None = None,
        version: DatasetVersion | str | None = None,
        description: str = "",
    ) -> Dataset:
        """Create a dataset that this execution is the producer of, at once.

        A run that was interrupted and is done over gets the dataset that it made then. So do
        changes of the dataset through the object returned: what took place is not repeated (see
        `deriva_ml.execution.calls`).

        Raises:
            DerivaMLResumeError: Before it was interrupted, the run did something else here.
            DerivaMLInvalidTerm: A type is not a term of ``Dataset_Type``.
            DerivaMLExecutionError: This is a dry run, which cannot create anything.
        """
        self._refuse_dry_run("create a dataset")
        self._run.calls.open()
        return self._run.around.datasets.create(
            dataset_types, description, self.execution_rid, version
        )

    @translated()
    def add_files(
        self,
        files: Iterable[FileSpec | Mapping[str, Any]],
        dataset_types: str | Iterable[str] | None = None,
        description: str = "",
        chunk_size: int = 500,
        *,
        root_name: str | None = None,
    ) -> Dataset:
        """Describe files that stay where they are, at once (see `Datasets.add_files`).

        Raises:
            DerivaMLResumeError: Before it was interrupted, the run did something else here.
            DerivaMLExecutionError: This is a dry run, which cannot add anything.
        """
        self._refuse_dry_run("add files")
        self._run.calls.open()
        dataset = self._run.around.datasets.add_files(
            files, self.execution_rid, dataset_types, description, chunk_size, root_name
        )
        self._run.journal.record(has_inputs=True)
        return dataset

    # --- uploading -------------------------------------------------------------------

    commit_output_assets = _uploading.commit_output_assets
    upload_execution_outputs = _uploading.upload_execution_outputs
    upload_failed_outputs = _uploading.upload_failed_outputs
    upload_assets = _uploading.upload_assets
    pending_summary = _uploading.pending_summary

    @property
    def uploaded_assets(self) -> dict[str, list[AssetFilePath]]:
        """The files that were uploaded, with their RIDs, by ``schema/table``."""
        found: dict[str, list[AssetFilePath]] = {}
        for output in self._run.journal.outputs("uploaded"):
            path = outputs.uploaded_path(self._run, output)
            found.setdefault(f"{output.schema}/{output.table}", []).append(path)
        return found

    def restart(self) -> None:
        """Forget what an interrupted attempt left, so that the run can be done over.

        Registered files, feature values and rows that were not uploaded are dropped; what the
        execution was created with stays. So do datasets that it made: the run that is done over
        gets them where it creates them again.

        Raises:
            DerivaMLExecutionError: The execution's outputs are uploaded.
        """
        if self.status in (ExecutionStatus.Uploaded, ExecutionStatus.Pending_Upload):
            raise DerivaMLExecutionError(
                f"Execution {self.execution_rid!r} is {self.status}: its run has ended, and is not "
                "to be done over."
            )
        outputs.forget_attempt(self._run)

    # --- nesting ---------------------------------------------------------------------

    def add_nested_execution(self, nested: Any, sequence: int | None = None) -> None:
        """Let another execution (or the one of that RID) belong to this one.

        Args:
            nested: The other execution.
            sequence: Its place; None when they run in parallel.

        Raises:
            DerivaMLExecutionError: One of them is a dry run.
        """
        self._refuse_dry_run("have nested executions")
        if getattr(nested, "dry_run", False):
            raise DerivaMLExecutionError("A dry run cannot belong to an execution.")
        self._executions.lookup(self.execution_rid).add_nested_execution(nested, sequence)

    def is_nested(self) -> bool:
        """Whether the execution belongs to another."""
        self._refuse_dry_run("be asked for its parents")
        return self._executions.lookup(self.execution_rid).is_nested()

    def is_parent(self) -> bool:
        """Whether other executions belong to this one."""
        self._refuse_dry_run("be asked for its children")
        return self._executions.lookup(self.execution_rid).is_parent()

    def _refuse_dry_run(self, what: str) -> None:
        if self.dry_run:
            raise DerivaMLExecutionError(f"This is a dry run: it cannot {what}.")

    # --- other people's formats --------------------------------------------------------

    to_ro_crate = _interchange.execution_to_ro_crate
    to_openlineage = _interchange.execution_to_openlineage

    # --- showing ---------------------------------------------------------------------

    def __repr__(self) -> str:
        about = self.configuration.description
        return f"Execution({self.execution_rid!r}, {self.status.value}" + (
            f", {about!r})" if about else ")"
        )

    def _repr_html_(self) -> str:
        from .display import as_table

        return as_table(self)

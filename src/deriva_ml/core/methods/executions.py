"""Workflows and executions: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import validated
from ..exceptions import DerivaMLNotFoundError, DerivaMLValidationError, translated
from ..rids import check_rid, rid_of

if TYPE_CHECKING:
    from deriva_ml.execution.collection import MultirunStatusSummary
    from deriva_ml.execution.configuration import ExecutionConfiguration
    from deriva_ml.execution.execution import Execution
    from deriva_ml.execution.record import ExecutionRecord
    from deriva_ml.execution.registry import ExecutionSnapshot
    from deriva_ml.execution.report import UploadReport, WorkspacePendingSummary
    from deriva_ml.execution.workflow import Workflow

    from ..base import DerivaML
    from ..definitions import RID, ConnectionMode, ExecutionStatus
    from ..sort import SortSpec


def create_workflow(
    self: DerivaML, name: str, workflow_type: str | list[str], description: str = ""
) -> Workflow:
    """Describe the calling script as a workflow (see `Workflows.create`)."""
    return self.workflows.create(name, workflow_type, description)


def add_workflow(self: DerivaML, workflow: Workflow) -> RID:
    """Add a workflow unless the catalog has it (see `Workflows.add`)."""
    return self.workflows.add(workflow)


def find_workflows(self: DerivaML, sort: SortSpec = None) -> list[Workflow]:
    """Every workflow; ``sort=True`` gives the newest first."""
    return self.workflows.find(_newest_first(sort))


list_workflows = find_workflows


def lookup_workflow(self: DerivaML, rid: str) -> Workflow:
    """A workflow by RID, URL or checksum (see `Workflows.lookup`)."""
    return self.workflows.lookup(rid)


def lookup_workflow_by_url(self: DerivaML, url_or_checksum: str) -> Workflow:
    """A workflow by URL, checksum or RID (see `Workflows.lookup`)."""
    return self.workflows.lookup(url_or_checksum)


def create_execution(
    self: DerivaML,
    configuration: ExecutionConfiguration | None = None,
    *,
    datasets: Iterable[Any] | None = None,
    assets: Iterable[Any] | None = None,
    workflow: Workflow | str | None = None,
    description: str | None = None,
    dry_run: bool = False,
    upload_on_exit: bool = False,
    parent: RID | None = None,
    sequence: int | None = None,
    fingerprint: str | None = None,
) -> Execution:
    """Create an execution, from a configuration or from keywords.

    Args:
        configuration: Inputs and circumstances.
        datasets: Dataset versions that are read, such as ``"1ABC@1.2.0"``.
        assets: Assets that are read, by RID, or `LocalFile`s.
        workflow: The code: a `Workflow`, or the RID, URL or checksum of one. None means the
            configuration's, else the calling script.
        description: Why the run is made.
        dry_run: Write nothing to the catalog; the RID is then ``0000``.
        upload_on_exit: Upload the outputs when the ``with`` block ends without an error.
        parent: The execution that this one belongs to.
        sequence: Its place there; None when they run in parallel.
        fingerprint: By which it is found again when it is resumed.

    Raises:
        TypeError: A configuration is given together with datasets, assets or a description.
        DerivaMLException: A value is of the wrong kind, an input does not exist, or the workflow
            cannot be identified; the catalog is unchanged.
    """
    from deriva_ml.execution.configuration import ExecutionConfiguration
    from deriva_ml.execution.execution import Execution

    given = {"datasets": datasets, "assets": assets, "description": description}
    settings = {name: value for name, value in given.items() if value is not None}
    if configuration is not None and settings:
        raise TypeError(
            f"create_execution() takes a configuration, or {', '.join(settings)}; not both."
        )
    if configuration is None:
        listed = {k: list(v) if _is_lazy(v) else v for k, v in settings.items()}
        with validated("The configuration of the execution"):
            configuration = ExecutionConfiguration.model_validate(listed)
    if not isinstance(configuration, ExecutionConfiguration):
        raise DerivaMLValidationError(
            f"create_execution() takes an ExecutionConfiguration, not {configuration!r}."
        )
    run = self.executions.begin(
        configuration,
        workflow,
        dry_run=dry_run,
        parent=parent,
        sequence=sequence,
        fingerprint=fingerprint,
    )
    return Execution.over(self.executions, run, upload_on_exit=upload_on_exit)


def resume_execution(self: DerivaML, rid: RID) -> Execution:
    """Take up an execution that was begun on this machine (see `Executions.reopen`)."""
    return self.executions.execution(self.executions.reopen(rid))


def restore_execution(self: DerivaML, execution_rid: RID | None = None) -> Execution:
    """Take up an execution; without a RID, the only one here that is not finished."""
    return self.resume_execution(execution_rid or self.executions.only())


def lookup_execution(self: DerivaML, rid: RID) -> ExecutionRecord:
    """An execution as the catalog knows it (see `Executions.lookup`)."""
    return self.executions.lookup(rid)


def find_executions(
    self: DerivaML,
    workflow: Workflow | str | None = None,
    workflow_type: str | Iterable[str] | None = None,
    status: ExecutionStatus | str | None = None,
    sort: SortSpec = None,
    dataset: Any = None,
    dataset_role: str = "any",
    checksum: str | None = None,
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
) -> list[ExecutionRecord]:
    """Executions of the catalog (see `Executions.find`); ``sort=True``: the newest first."""
    newest = _newest_first(sort)
    return self.executions.find(
        workflow, workflow_type, status, newest, dataset, dataset_role, checksum, since, until
    )


def file_run(
    self: DerivaML,
    save_dir: Path | str,
    *,
    workflow_type: str | list[str] = "Analysis",
    description: str | None = None,
    allow_changed: bool = False,
) -> ExecutionRecord:
    """File a finished run of `flexlock` as an execution (see `deriva_ml.execution.filing`)."""
    from deriva_ml.execution.filing import file_run as file

    return file(
        self,
        save_dir,
        workflow_type=workflow_type,
        description=description,
        allow_changed=allow_changed,
    )


def find_executions_consuming(self: DerivaML, rid: RID | Any) -> list[ExecutionRecord]:
    """The executions that read a dataset or an asset, given by its RID or as an object.

    Raises:
        DerivaMLValidationError: It is neither.
        DerivaMLNotFoundError: The catalog has neither a dataset nor an asset of that RID.
    """
    rid = check_rid(rid_of(rid)[0])
    with translated():
        place = self.session.catalog.resolve_rids([rid]).get(rid)
    if place is None:
        raise DerivaMLNotFoundError(f"No row of the catalog has the RID {rid!r}.")
    if (place.schema, place.table) == (self.session.ml_schema, "Dataset"):
        return self.executions.find(dataset=rid, dataset_role="input")
    return self.executions.records(self.assets.executions(rid, "Input"))


def multirun_status_summary(self: DerivaML, workflow_rid: RID) -> MultirunStatusSummary:
    """How many executions of a workflow are in which state."""
    return self.executions.status_summary(workflow_rid)


def list_executions(
    self: DerivaML,
    *,
    status: ExecutionStatus | str | Iterable[ExecutionStatus | str] | None = None,
    workflow_rid: RID | None = None,
    mode: ConnectionMode | str | None = None,
    since: datetime | date | str | None = None,
) -> list[ExecutionSnapshot]:
    """Executions that this machine knows of (see `Executions.local`)."""
    return self.executions.local(status, workflow_rid, mode, since)


def find_incomplete_executions(self: DerivaML) -> list[ExecutionSnapshot]:
    """Executions of this machine that are not over, or have something to upload."""
    return self.executions.incomplete()


def pending_summary(self: DerivaML) -> WorkspacePendingSummary:
    """What the executions of this machine have not uploaded yet."""
    return self.executions.pending_all()


def commit_pending_executions(
    self: DerivaML, *, execution_rids: Iterable[RID] | None = None, clean_folder: bool = False
) -> UploadReport:
    """Upload what waits on this machine (see `Executions.commit_pending`)."""
    return self.executions.commit_pending(execution_rids, clean_folder)


def gc_executions(
    self: DerivaML,
    *,
    older_than: timedelta | float | None = None,
    status: ExecutionStatus | str | Iterable[ExecutionStatus | str] | None = None,
    delete_working_dir: bool = False,
) -> int:
    """Forget executions that are over (see `Executions.collect`)."""
    return self.executions.collect(older_than, status, delete_working_dir)


def _is_lazy(value: Any) -> bool:
    """Whether a value is a sequence of another kind than the configuration takes."""
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping)


def _newest_first(sort: SortSpec) -> bool:
    if sort in (None, False, True):
        return bool(sort)
    raise TypeError(f"sort is {sort!r}; it takes None, False (by RID) or True (newest first).")

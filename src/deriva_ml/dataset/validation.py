"""Checking what a run is to read before anything starts: reports, not errors.

What is wrong with an input is a word in a report, so that a configuration with five mistakes
tells of all five. Everything is asked of the catalog in sets, however many inputs there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deriva_catalog.interface import Row, RowLocation
from deriva_ml.asset.spec import AssetSpec, LocalFile, asset_input
from deriva_ml.core.constants import is_rid
from deriva_ml.core.exceptions import DerivaMLValidationError, translated
from deriva_ml.core.omega import fields_of, plain
from deriva_ml.core.query import any_of, attributes
from deriva_ml.core.session import Session

from .spec import DatasetSpec
from .versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_ml.execution.configuration import ExecutionConfiguration

__all__ = [
    "AssetSpecResult",
    "CrossSpecIssue",
    "DatasetSpecResult",
    "DatasetSpecValidationReport",
    "ExecutionConfigurationValidationReport",
    "WorkflowSpecResult",
    "validate_configuration",
    "validate_specs",
    "validate_workflows",
]

DatasetReason = Literal[
    "rid_not_found", "not_a_dataset", "version_not_found", "version_not_readable"
]
DatasetWarning = Literal["dataset_deleted", "version_in_development"]
AssetReason = Literal["rid_not_found", "not_an_asset"]
WorkflowReason = Literal["rid_not_found", "not_a_workflow"]
Issue = Literal["duplicate_rid", "version_conflict", "role_conflict"]


_Versions = dict[DatasetVersion, bool]
"""The versions of a dataset, and whether each can be read."""


class _Report(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DatasetSpecResult(_Report):
    """What was found about one dataset that is to be read.

    Attributes:
        spec: What was given; a text when it is no complete spec.
        valid: Whether the dataset can be read.
        reasons: Why not; ``version_not_readable`` is a version under development, or one that only
            the catalog that this one was cloned from can show.
        warnings: What is to be known beside that.
        actual_table: The table of the row that has the RID.
        available_versions: The versions that the dataset has, the oldest first.
        resolved_version: The version that is meant, when it exists.
        dataset_name: The dataset's description.
    """

    spec: DatasetSpec | str
    valid: bool
    reasons: list[DatasetReason] = Field(default_factory=list)
    warnings: list[DatasetWarning] = Field(default_factory=list)
    actual_table: str | None = None
    available_versions: list[str] = Field(default_factory=list)
    resolved_version: str | None = None
    dataset_name: str | None = None


class AssetSpecResult(_Report):
    """What was found about one asset that is to be read; see `DatasetSpecResult`.

    Attributes:
        asset_table: The asset's table.
        filename: The name of its file.
    """

    spec: AssetSpec | str
    valid: bool
    reasons: list[AssetReason] = Field(default_factory=list)
    actual_table: str | None = None
    asset_table: str | None = None
    filename: str | None = None


class WorkflowSpecResult(_Report):
    """What was found about the workflow that is to run; see `DatasetSpecResult`."""

    rid: str
    valid: bool
    reasons: list[WorkflowReason] = Field(default_factory=list)
    actual_table: str | None = None
    workflow_name: str | None = None


class CrossSpecIssue(_Report):
    """What does not go together.

    Attributes:
        issue: ``duplicate_rid`` (the same input twice), ``version_conflict`` (two versions of one
            dataset) or ``role_conflict`` (one RID as two kinds of input).
        rids: The RIDs concerned.
        detail: The same in words.
    """

    issue: Issue
    rids: list[str]
    detail: str


class DatasetSpecValidationReport(_Report):
    """What `validate_dataset_specs` found, in the order of what was given."""

    all_valid: bool
    results: list[DatasetSpecResult]


class ExecutionConfigurationValidationReport(_Report):
    """What `validate_execution_configuration` found.

    Attributes:
        all_valid: Whether every input is valid and nothing conflicts.
        workflow_result: None when the configuration names no workflow of the catalog.
    """

    all_valid: bool
    dataset_results: list[DatasetSpecResult]
    asset_results: list[AssetSpecResult]
    workflow_result: WorkflowSpecResult | None = None
    cross_spec_issues: list[CrossSpecIssue] = Field(default_factory=list)


@dataclass(frozen=True)
class _Given:
    """A dataset as the caller named it: what is there of RID, version and spec."""

    rid: str
    version: DatasetVersion | None
    spec: DatasetSpec | str


@translated()
def validate_specs(session: Session, specs: Iterable[Any]) -> DatasetSpecValidationReport:
    """Report on datasets that are to be read.

    Args:
        session: The catalog.
        specs: `DatasetSpec` objects, their configurations, mappings or texts ``RID@version``.

    Raises:
        DerivaMLValidationError: `specs` is no list, or an entry has nothing that could be a RID.
    """
    given = [_given(entry) for entry in _listed(specs, "specs")]
    results = _datasets(session, given)
    return DatasetSpecValidationReport(all_valid=all(r.valid for r in results), results=results)


@translated()
def validate_configuration(
    session: Session, configuration: ExecutionConfiguration | Mapping[str, Any]
) -> ExecutionConfigurationValidationReport:
    """Report on the datasets, assets and workflow of a run, and on what conflicts.

    Files of this machine are not looked at: that they exist is checked when the run begins.

    Raises:
        DerivaMLValidationError: An entry of the configuration has nothing that could be a RID.
    """
    fields = _fields(configuration)
    datasets = [_given(entry) for entry in _listed(fields.get("datasets"), "datasets")]
    assets = [_asset(entry) for entry in _listed(fields.get("assets"), "assets")]
    named = [a for a in assets if not isinstance(a, LocalFile)]
    workflow = _workflow_rid(fields.get("workflow"))
    report = ExecutionConfigurationValidationReport(
        all_valid=False,
        dataset_results=_datasets(session, datasets),
        asset_results=_assets(session, named),
        workflow_result=None if workflow is None else validate_workflows(session, [workflow])[0],
        cross_spec_issues=_conflicts(datasets, [str(a) for a in named], workflow),
    )
    valid = [r.valid for r in report.dataset_results] + [r.valid for r in report.asset_results]
    valid += [] if report.workflow_result is None else [report.workflow_result.valid]
    report.all_valid = all(valid) and not report.cross_spec_issues
    return report


# --- reading what the caller gave --------------------------------------------------------


def _listed(value: Any, name: str) -> list[Any]:
    entries = plain(value)
    if entries is None:
        return []
    if isinstance(entries, str | Mapping) or not isinstance(entries, Iterable):
        raise DerivaMLValidationError(f"{name} is a list, not {value!r}.")
    return list(entries)


def _fields(configuration: Any) -> Mapping[str, Any]:
    if isinstance(configuration, Mapping):
        return configuration
    names = ("datasets", "assets", "workflow")
    if not all(hasattr(configuration, name) for name in names):
        raise DerivaMLValidationError(
            f"An ExecutionConfiguration or a mapping with {', '.join(names)} is checked, not "
            f"{configuration!r}."
        )
    return {name: getattr(configuration, name) for name in names}


def _given(entry: Any) -> _Given:
    if isinstance(entry, DatasetSpec):
        return _Given(entry.rid, entry.version, entry)
    try:
        spec = DatasetSpec.model_validate(fields_of(entry))
    except (ValidationError, DerivaMLValidationError):
        return _incomplete(entry)
    return _Given(spec.rid, spec.version, spec)


def _incomplete(entry: Any) -> _Given:
    """What is left of an entry that is no spec: its RID, and its version if that can be read."""
    fields = fields_of(entry)
    if isinstance(fields, str):
        rid, _, version = fields.partition("@")
        return _Given(rid, _version(version), fields)
    if isinstance(fields, Mapping) and "rid" in fields:
        named, label = str(fields["rid"]), fields.get("version")
        text = named if label is None else f"{named}@{label}"
        return _Given(named, _version(label), text)
    raise DerivaMLValidationError(
        f"{entry!r} names no dataset: give a DatasetSpec, 'RID@version' or a mapping with 'rid' "
        "and 'version'."
    )


def _version(value: Any) -> DatasetVersion | None:
    try:
        return DatasetVersion.of(value)
    except DerivaMLValidationError:
        return None


def _asset(entry: Any) -> AssetSpec | LocalFile | str:
    try:
        return asset_input(entry)
    except DerivaMLValidationError:
        fields = fields_of(entry)
        rid: Any = fields.get("rid") if isinstance(fields, Mapping) else fields
        if not isinstance(rid, str):
            raise
        return rid


def _workflow_rid(workflow: Any) -> str | None:
    if workflow is None or isinstance(workflow, str):
        return workflow
    rid: str | None = getattr(workflow, "workflow_rid", None)
    return rid


# --- asking the catalog ------------------------------------------------------------------


def _places(session: Session, rids: Iterable[str]) -> dict[str, RowLocation]:
    """Where rows are; what is no RID, has no row or a deleted one is left out."""
    wanted = sorted({r for r in rids if is_rid(r) and "@" not in r})
    found = session.catalog.resolve_rids(wanted) if wanted else {}
    return {rid: place for rid, place in found.items() if place.deleted_at is None}


def _rows(
    session: Session, table: str, column: str, rids: Iterable[str], *columns: str
) -> list[Row]:
    wanted = sorted(set(rids))
    if not wanted:
        return []
    query = attributes(session.ml(table), (column, *columns), any_of(column, wanted))
    return session.fetch(query)


def _datasets(session: Session, given: list[_Given]) -> list[DatasetSpecResult]:
    places = _places(session, (g.rid for g in given))
    mine = [r for r, place in places.items() if _is_in(session, place, "Dataset")]
    rows = {r["RID"]: r for r in _rows(session, "Dataset", "RID", mine, "Description", "Deleted")}
    versions: dict[str, _Versions] = {rid: {} for rid in rows}
    for row in _rows(session, "Dataset_Version", "Dataset", rows, "Version", "Snapshot"):
        label = DatasetVersion.parse(row["Version"])
        # As `Versions.snapshot` and `download_bag` have it.
        readable = row["Snapshot"] is not None and not label.is_devrelease
        versions[row["Dataset"]][label] = readable
    return [_dataset(g, places.get(g.rid), rows.get(g.rid), versions.get(g.rid)) for g in given]


def _is_in(session: Session, place: RowLocation, table: str) -> bool:
    return (place.schema, place.table) == (session.ml_schema, table)


def _dataset(
    given: _Given,
    place: RowLocation | None,
    row: Row | None,
    versions: _Versions | None,
) -> DatasetSpecResult:
    if place is None:
        return DatasetSpecResult(spec=given.spec, valid=False, reasons=["rid_not_found"])
    if row is None or versions is None:
        return DatasetSpecResult(
            spec=given.spec, valid=False, reasons=["not_a_dataset"], actual_table=place.table
        )
    known = given.version if given.version in versions else None
    warnings: list[DatasetWarning] = ["dataset_deleted"] if row["Deleted"] else []
    if known is not None and known.is_devrelease:
        warnings.append("version_in_development")
    reasons: list[DatasetReason] = []
    if known is None:
        reasons.append("version_not_found")
    elif not versions[known]:
        reasons.append("version_not_readable")
    return DatasetSpecResult(
        spec=given.spec,
        valid=not reasons,
        reasons=reasons,
        warnings=warnings,
        actual_table=place.table,
        available_versions=[str(v) for v in sorted(versions)],
        resolved_version=None if known is None else str(known),
        dataset_name=row["Description"] or "",
    )


def _assets(session: Session, specs: list[AssetSpec | str]) -> list[AssetSpecResult]:
    places = _places(session, map(str, specs))
    names: dict[str, str | None] = {}
    known = {(t.schema, t.name): t for t in session.model.find_assets()}
    for key, table in known.items():
        rids = [rid for rid, place in places.items() if (place.schema, place.table) == key]
        if rids:
            query = attributes(table, ("RID", "Filename"), any_of("RID", sorted(rids)))
            names |= {row["RID"]: row["Filename"] for row in session.fetch(query)}
    return [_asset_result(spec, places.get(str(spec)), names) for spec in specs]


def _asset_result(
    spec: AssetSpec | str, place: RowLocation | None, names: Mapping[str, str | None]
) -> AssetSpecResult:
    if place is None:
        return AssetSpecResult(spec=spec, valid=False, reasons=["rid_not_found"])
    if place.rid not in names:
        return AssetSpecResult(
            spec=spec, valid=False, reasons=["not_an_asset"], actual_table=place.table
        )
    return AssetSpecResult(
        spec=spec,
        valid=True,
        actual_table=place.table,
        asset_table=place.table,
        filename=names[place.rid],
    )


def validate_workflows(session: Session, rids: Iterable[str]) -> list[WorkflowSpecResult]:
    """Report on workflows that are to run, all of them in two questions."""
    wanted = list(rids)
    places = _places(session, wanted)
    mine = [rid for rid, place in places.items() if _is_in(session, place, "Workflow")]
    names = {r["RID"]: r["Name"] for r in _rows(session, "Workflow", "RID", mine, "Name")}
    return [_workflow(rid, places.get(rid), names) for rid in wanted]


def _workflow(
    rid: str, place: RowLocation | None, names: Mapping[str, str | None]
) -> WorkflowSpecResult:
    if place is None:
        return WorkflowSpecResult(rid=rid, valid=False, reasons=["rid_not_found"])
    if rid not in names:
        return WorkflowSpecResult(
            rid=rid, valid=False, reasons=["not_a_workflow"], actual_table=place.table
        )
    return WorkflowSpecResult(
        rid=rid, valid=True, actual_table=place.table, workflow_name=names[rid]
    )


# --- what does not go together -----------------------------------------------------------


def _conflicts(
    datasets: list[_Given], assets: list[str], workflow: str | None
) -> list[CrossSpecIssue]:
    issues: list[CrossSpecIssue] = []
    versions: dict[str, list[str]] = {}
    for given in datasets:
        versions.setdefault(given.rid, []).append(str(given.version))
    for rid, labels in versions.items():
        if len(set(labels)) > 1:
            text = f"Dataset {rid!r} is to be read at the versions {', '.join(labels)}."
            issues.append(CrossSpecIssue(issue="version_conflict", rids=[rid], detail=text))
        elif len(labels) > 1:
            text = f"Dataset {rid!r} is listed {len(labels)} times."
            issues.append(CrossSpecIssue(issue="duplicate_rid", rids=[rid], detail=text))
    for rid in dict.fromkeys(assets):
        if (times := assets.count(rid)) > 1:
            text = f"Asset {rid!r} is listed {times} times."
            issues.append(CrossSpecIssue(issue="duplicate_rid", rids=[rid], detail=text))
    roles = [("dataset", set(versions)), ("asset", set(assets))]
    roles += [("workflow", {workflow})] if workflow is not None else []
    for rid in sorted(set[str]().union(*(rids for _, rids in roles))):
        if len(named := [name for name, rids in roles if rid in rids]) > 1:
            text = f"{rid!r} is listed as {' and as '.join(named)}."
            issues.append(CrossSpecIssue(issue="role_conflict", rids=[rid], detail=text))
    return issues

"""Settings of the library's pydantic models, and the report of a check before a run."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from .exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLRidsNotFound,
)

if TYPE_CHECKING:
    from .base import DerivaML

__all__ = [
    "DERIVA_ML_CONFIG",
    "STRICT_VALIDATION_CONFIG",
    "VALIDATION_CONFIG",
    "ValidationResult",
    "validate_execution_config",
    "validate_rids",
]

VALIDATION_CONFIG = ConfigDict(
    arbitrary_types_allowed=True, validate_default=True, use_enum_values=True
)
DERIVA_ML_CONFIG = VALIDATION_CONFIG
STRICT_VALIDATION_CONFIG = ConfigDict(
    arbitrary_types_allowed=True, validate_default=True, use_enum_values=True, extra="forbid"
)


@dataclass
class ValidationResult:
    """What a check found: errors stop a run, warnings do not.

    Attributes:
        validated_rids: What is known of each RID that was found.
    """

    is_valid: bool = True
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    validated_rids: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_error(self, message: str) -> None:
        """Note an error; the result is then not valid."""
        self.errors.append(message)
        self.is_valid = False

    def add_warning(self, message: str) -> None:
        """Note something that does not stop a run."""
        self.warnings.append(message)

    def merge(self, other: ValidationResult) -> ValidationResult:
        """Add what `other` found, and return this result."""
        self.is_valid = self.is_valid and other.is_valid
        self.errors += other.errors
        self.warnings += other.warnings
        self.validated_rids |= other.validated_rids
        return self

    def __str__(self) -> str:
        lines = [*(f"error: {e}" for e in self.errors), *(f"warning: {w}" for w in self.warnings)]
        return "\n".join(lines) or "valid"


def validate_rids(
    ml: DerivaML,
    dataset_rids: Iterable[str] = (),
    asset_rids: Iterable[str] = (),
    dataset_versions: Mapping[str, str] | None = None,
    workflow_rids: Iterable[str] = (),
    execution_rids: Iterable[str] = (),
    warn_missing_descriptions: bool = True,
) -> ValidationResult:
    """Report which of the RIDs do not exist, are of another kind, or lack the version asked for.

    Args:
        ml: The session whose catalog is asked.
        dataset_rids: RIDs that must be datasets.
        asset_rids: RIDs that must exist.
        dataset_versions: For each dataset RID, the version that must exist.
        workflow_rids: RIDs that must be workflows.
        execution_rids: RIDs that must be executions.
        warn_missing_descriptions: Whether a dataset without a description gives a warning.
    """
    result = ValidationResult()
    versions = dict(dataset_versions or {})
    for rid in dict.fromkeys([*dataset_rids, *versions]):
        result.merge(_check_dataset(ml, rid, versions.get(rid), warn_missing_descriptions))
    kinds = (
        ("asset", asset_rids, None),
        ("workflow", workflow_rids, "Workflow"),
        ("execution", execution_rids, "Execution"),
    )
    for kind, rids, table in kinds:
        result.merge(_check_rows(ml, kind, list(dict.fromkeys(rids)), table))
    return result


def _check_dataset(
    ml: DerivaML, rid: str, version: str | None, warn_missing_description: bool
) -> ValidationResult:
    """Report on one dataset."""
    result = ValidationResult()
    try:
        dataset = ml.lookup_dataset(rid)
    except DerivaMLDatasetNotFound as error:
        known = [str(one.dataset_rid) for one in ml.find_datasets()]
        result.add_error(f"dataset {rid!r}: {error}{_nearest(rid, known)}")
        return result
    except DerivaMLException as error:
        result.add_error(f"dataset {rid!r}: {error}")
        return result
    result.validated_rids[rid] = {"kind": "dataset", "description": dataset.description}
    if warn_missing_description and not dataset.description:
        result.add_warning(f"dataset {rid!r} has no description.")
    if version is not None and (why := _version_error(ml, rid, str(version))):
        result.add_error(f"dataset {rid!r}: {why}")
    return result


def _version_error(ml: DerivaML, rid: str, version: str) -> str | None:
    """Return why a version of a dataset cannot be read; None where it can."""
    from deriva_ml.dataset.history import Versions

    versions = Versions(ml.session)
    try:
        versions.snapshot(rid, version)
    except DerivaMLNotFoundError as error:
        known = [str(entry.dataset_version) for entry in versions.history(rid)]
        return f"{error}{_nearest(version, known)}"
    except DerivaMLException as error:
        return str(error)
    return None


def _nearest(wrong: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest of the known ones; empty when none is near."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def _check_rows(ml: DerivaML, kind: str, rids: list[str], table: str | None) -> ValidationResult:
    """Report on rows that must exist and, where `table` is given, belong to it."""
    result = ValidationResult()
    if not rids:
        return result
    try:
        found = ml.resolve_rids(rids)
    except DerivaMLRidsNotFound as error:
        for rid in error.missing_rids:
            result.add_error(f"{kind} {rid!r} does not exist in this catalog.")
        return result
    for rid, row in found.items():
        if table is not None and row.table_name != table:
            result.add_error(f"{rid!r} is not a {kind} but a row of {row.table_name!r}.")
        else:
            result.validated_rids[rid] = {"kind": kind, "table": row.table_name}
    return result


def validate_execution_config(
    ml: DerivaML, datasets: Iterable[Any] = (), assets: Iterable[Any] = ()
) -> ValidationResult:
    """Report on the inputs of a run: dataset specs (RID and version) and assets (RIDs or specs)."""
    specs = list(datasets)
    named = [str(getattr(a, "rid", a)) for a in assets if not hasattr(a, "path")]
    return validate_rids(
        ml,
        dataset_rids=[s.rid for s in specs],
        dataset_versions={s.rid: str(s.version) for s in specs},
        asset_rids=named,
    )

"""Bringing an old catalog to the provenance contract: what is not known is said to be unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deriva_ml.core.exceptions import translated
from deriva_ml.core.provenance import unknown_provenance_execution, unknown_provenance_file
from deriva_ml.core.query import name_of
from deriva_ml.core.session import Session

from .provenance_audit import (
    NO_INPUT,
    NO_MAKER_ASSET,
    NO_MAKER_DATASET,
    ProvenanceFinding,
    audit_provenance,
)

if TYPE_CHECKING:
    from deriva_ml.asset.collection import Assets
    from deriva_ml.core.base import DerivaML

__all__ = ["BackfillResult", "backfill_provenance"]


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What a repair did, or would do.

    Attributes:
        applied: Whether it was done.
        dataset_versions: RIDs of versions that now come from the execution for unknown origin.
        assets: RIDs of files that do.
        executions: RIDs of executions whose input is now the file for unknown inputs.
        left: What cannot be repaired: values of features without an execution, and files of a
            table that executions cannot be linked with.
    """

    applied: bool
    dataset_versions: tuple[str, ...]
    assets: tuple[str, ...]
    executions: tuple[str, ...]
    left: tuple[ProvenanceFinding, ...]

    @property
    def total(self) -> int:
        """How many rows are repaired."""
        return len(self.dataset_versions) + len(self.assets) + len(self.executions)

    def summary(self) -> str:
        """The counts in one line."""
        verb = "Repaired" if self.applied else "Would repair"
        return (
            f"{verb} {len(self.dataset_versions)} versions of datasets, {len(self.assets)} "
            f"assets and {len(self.executions)} executions; {len(self.left)} are left."
        )


@translated()
def backfill_provenance(ml: DerivaML, *, apply: bool = False) -> BackfillResult:
    """Let rows that break the provenance contract point at the rows for unknown origin.

    Nothing that is recorded changes, and a repaired catalog is left as it is. All of it is one
    transaction.

    Args:
        ml: The connection.
        apply: Write it; otherwise only say what would be done.

    Raises:
        DerivaMLSchemaError: The catalog lacks the rows for unknown origin.
        DerivaMLReadOnlyError: The connection is to a snapshot, and `apply` is true.
    """
    if not apply:
        return _plan(ml.session, applied=False)
    with ml.session.transaction():
        plan = _plan(ml.session, applied=True)
        _apply(ml.session, ml.assets, plan)
    return plan


def _plan(session: Session, *, applied: bool) -> BackfillResult:
    unknown_provenance_execution(session), unknown_provenance_file(session)
    found = audit_provenance(session).violations
    unlinked = {
        table.name
        for table in session.model.find_assets()
        if session.model.asset_execution_table(table) is None
    }

    def rids(category: str) -> tuple[str, ...]:
        return tuple(f.rid for f in found if f.category == category and f.kind not in unlinked)

    repaired = {NO_MAKER_DATASET, NO_MAKER_ASSET, NO_INPUT}
    left = tuple(f for f in found if f.category not in repaired or f.kind in unlinked)
    return BackfillResult(
        applied, rids(NO_MAKER_DATASET), rids(NO_MAKER_ASSET), rids(NO_INPUT), left
    )


def _apply(session: Session, assets: Assets, plan: BackfillResult) -> None:
    unknown = unknown_provenance_execution(session)
    if plan.dataset_versions:
        rows = [{"RID": rid, "Execution": unknown} for rid in plan.dataset_versions]
        table = name_of(session.ml("Dataset_Version"))
        session.catalog.update(table, rows, targets=("Execution",))
    if plan.assets:
        found = assets.rows(plan.assets)
        assets.attach(unknown, ((table, rid) for rid, (table, _) in found.items()), "Output")
    _declare_unknown_inputs(session, plan.executions)


def _declare_unknown_inputs(session: Session, executions: Iterable[str]) -> None:
    file = unknown_provenance_file(session)
    rows = [{"File": file, "Execution": e, "Asset_Role": "Input"} for e in executions]
    if rows:
        table = name_of(session.ml("File_Execution"))
        session.catalog.insert(table, rows, on_conflict="skip", returning=False)

"""Where things come from: flat methods of `DerivaML`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from ..exceptions import translated
from ..rids import rid_of

if TYPE_CHECKING:
    from deriva_ml.execution.lineage import DownstreamResult, LineageResult
    from deriva_ml.execution.provenance_audit import ProvenanceAuditReport

    from ..base import DerivaML


@overload
def lookup_lineage(
    self: DerivaML,
    rid: Any,
    *,
    depth: int | None = None,
    max_executions: int = 500,
    direction: Literal["upstream"] = "upstream",
    version: Any = None,
) -> LineageResult: ...


@overload
def lookup_lineage(
    self: DerivaML,
    rid: Any,
    *,
    depth: int | None = None,
    max_executions: int = 500,
    direction: Literal["downstream"],
    version: Any = None,
) -> DownstreamResult: ...


@translated()
def lookup_lineage(
    self: DerivaML,
    rid: Any,
    *,
    depth: int | None = None,
    max_executions: int = 500,
    direction: Literal["upstream", "downstream"] = "upstream",
    version: Any = None,
) -> LineageResult | DownstreamResult:
    """Where something comes from, or what came of it (see `lineage_lookup.lookup_lineage`).

    Args:
        rid: The RID of a dataset (also ``"RID@1.2.0"``), an asset, a feature value or an
            execution, or an object that stands for one of these.
        depth: How many steps to go at most; None means to the end.
        max_executions: How many executions to visit at most.
        direction: ``upstream`` or ``downstream``.
        version: Of a dataset, the version; None means its newest, or downstream any.
    """
    from deriva_ml.execution.lineage_lookup import lookup_lineage as look_up

    found, named = rid_of(rid)
    return look_up(
        self.session,
        found,
        version=named if version is None else version,
        depth=depth,
        max_executions=max_executions,
        direction=direction,
    )


def audit_provenance(self: DerivaML) -> ProvenanceAuditReport:
    """Check that everything has a maker and every maker an input (see `provenance_audit`)."""
    from deriva_ml.execution.provenance_audit import audit_provenance as audit

    return audit(self.session)

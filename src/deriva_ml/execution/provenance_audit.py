"""Does every artifact have a maker, and every maker an input? The catalog's provenance, checked.

The contract: each version of a dataset, each file and each feature value has the execution that
made it, and an execution that made something has declared what it read. Where that is not known,
the rows for unknown origin stand in: that is allowed, and reported as degraded. Files of the table
``File`` lie elsewhere and need no maker; executions that are not over may still declare inputs.

A table is read once, by the columns that matter; nothing is asked for each row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.enums import ExecutionStatus, MLAsset
from deriva_ml.core.exceptions import DerivaMLSchemaError, translated
from deriva_ml.core.provenance import unknown_provenance_execution, unknown_provenance_file
from deriva_ml.core.query import any_of, attributes, equals, groups, is_null
from deriva_ml.core.session import Session
from deriva_ml.feature.definition import Feature, find_features

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ProvenanceAuditReport", "ProvenanceFinding", "audit_provenance"]

NO_MAKER_DATASET = "dataset_without_execution"
NO_MAKER_ASSET = "asset_without_execution"
NO_MAKER_FEATURE = "feature_value_without_execution"
NO_INPUT = "execution_without_input"
_S = ExecutionStatus
_UNDER_WAY = (_S.Created.value, _S.Running.value, _S.Stopped.value, _S.Pending_Upload.value)


@dataclass(frozen=True, slots=True)
class ProvenanceFinding:
    """One row whose provenance is not what it should be.

    Attributes:
        category: What is wrong, such as ``asset_without_execution``.
        rid: RID of the row.
        kind: Its table.
        detail: What is wrong, in words.
    """

    category: str
    rid: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class ProvenanceAuditReport:
    """What an audit found.

    Attributes:
        violations: Rows that break the contract; `backfill_provenance` repairs them.
        known_degraded: Rows that say openly that something about them is not known: what comes
            from the execution for unknown origin, executions whose input is the file for unknown
            inputs, and executions without a description, without identified code, or with an
            input whose version was not recorded.
    """

    violations: tuple[ProvenanceFinding, ...]
    known_degraded: tuple[ProvenanceFinding, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing breaks the contract."""
        return not self.violations

    def summary(self) -> str:
        """How many findings there are of each category, as lines of text."""
        lines = ["The contract holds." if self.is_clean else "The contract is broken."]
        for title, found in (
            ("Violations", self.violations),
            ("Known and degraded", self.known_degraded),
        ):
            lines.append(f"{title}: {len(found)}")
            counts = Counter(f.category for f in found)
            lines += [f"  {category}: {n}" for category, n in sorted(counts.items())]
        return "\n".join(lines)

    def to_dataframe(self) -> pd.DataFrame:
        """All findings as a frame: `violation`, `category`, `rid`, `kind`, `detail`."""
        import pandas as pd

        rows = [{"violation": True, **_fields(f)} for f in self.violations]
        rows += [{"violation": False, **_fields(f)} for f in self.known_degraded]
        columns = ["violation", "category", "rid", "kind", "detail"]
        return pd.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(self.summary())}</pre>"


def _fields(finding: ProvenanceFinding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in ("category", "rid", "kind", "detail")}


@translated()
def audit_provenance(session: Session) -> ProvenanceAuditReport:
    """Check the provenance of everything in the catalog, or in a snapshot of it."""
    facts = _Facts(session)
    violations = [*_makerless(facts), *_inputless(facts)]
    degraded = [*_of_unknown_origin(facts), *_not_as_recommended(facts)]
    return ProvenanceAuditReport(tuple(violations), tuple(degraded))


class _Facts:
    """The links of the whole catalog."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.model = session.model
        self.unknown_execution = _sentinel(unknown_provenance_execution, session)
        self.unknown_file = _sentinel(unknown_provenance_file, session)
        self.assets = [(t, self._asset_links(t)) for t in self.model.find_assets()]
        self.features: list[Feature] = list(find_features(self.model))
        versions = ("RID", "Dataset", "Version", "Execution")
        self.versions = self.rows(session.ml("Dataset_Version"), versions)
        readings = ("RID", "Dataset", "Execution", "Dataset_Version")
        self.readings = self.rows(session.ml("Dataset_Execution"), readings)
        columns = ("RID", "Workflow", "Description", "Status")
        self.executions = self.rows(session.ml("Execution"), columns)

    def rows(self, table: Table, columns: tuple[str, ...], *steps: Any) -> list[Row]:
        return self.session.fetch(attributes(table, columns, *steps, sort=("RID",)))

    def _asset_links(self, table: Table) -> list[Row]:
        links = self.model.asset_execution_table(table)
        columns = ("RID", table.name, "Execution", "Asset_Role")
        return [] if links is None else self.rows(links, columns)

    def is_elsewhere(self, table: Table) -> bool:
        """Whether the rows are files that lie elsewhere."""
        return (table.schema, table.name) == (self.session.ml_schema, "File")

    def describes_only(self, table: Table) -> bool:
        """Whether the files are about executions, so that making one is making nothing."""
        metadata = MLAsset.execution_metadata.value
        return (table.schema, table.name) == (self.session.ml_schema, metadata)

    def valued(self, feature: Feature) -> set[str]:
        """The executions that made values of a feature."""
        rows = self.session.fetch(groups(feature.feature_table, ("Execution",)))
        return {row["Execution"] for row in rows if row["Execution"] is not None}


def _sentinel(find: Any, session: Session) -> str | None:
    try:
        rid: str = find(session)
    except DerivaMLSchemaError:  # a catalog that was made before there were such rows
        return None
    return rid


# --- violations ----------------------------------------------------------------------


def _makerless(facts: _Facts) -> Iterator[ProvenanceFinding]:
    for row in facts.versions:
        if row["Execution"] is None:
            text = f"Version {row['Version']} of dataset {row['Dataset']} has no execution."
            yield ProvenanceFinding(NO_MAKER_DATASET, row["RID"], "Dataset_Version", text)
    for table, links in facts.assets:
        if facts.is_elsewhere(table):
            continue
        made = {row[table.name] for row in links if row["Asset_Role"] == "Output"}
        for row in facts.rows(table, ("RID", "Filename")):
            if row["RID"] not in made:
                text = f"No execution made {row['Filename']!r}."
                yield ProvenanceFinding(NO_MAKER_ASSET, row["RID"], table.name, text)
    for feature in facts.features:
        for row in facts.rows(feature.feature_table, ("RID",), is_null("Execution")):
            text = f"A value of {feature} has no execution."
            name = feature.feature_table.name
            yield ProvenanceFinding(NO_MAKER_FEATURE, row["RID"], name, text)


def _inputless(facts: _Facts) -> Iterator[ProvenanceFinding]:
    made: dict[str, list[str]] = {}
    for row in facts.versions:
        made.setdefault(row["Execution"], []).append("datasets")
    read = {row["Execution"] for row in facts.readings}
    for table, links in facts.assets:
        for row in links:
            if row["Asset_Role"] == "Input":
                read.add(row["Execution"])
            elif not facts.describes_only(table):
                made.setdefault(row["Execution"], []).append(table.name)
    for feature in facts.features:
        for execution in facts.valued(feature):
            made.setdefault(execution, []).append(f"values of {feature}")
    for row in facts.executions:
        rid = row["RID"]
        settled = rid != facts.unknown_execution and row["Status"] not in _UNDER_WAY
        if settled and rid in made and rid not in read:
            things = ", ".join(dict.fromkeys(made[rid]))
            text = f"It made {things} and declares no input."
            yield ProvenanceFinding(NO_INPUT, rid, "Execution", text)


# --- what is known to be less than it could be ---------------------------------------


def _of_unknown_origin(facts: _Facts) -> Iterator[ProvenanceFinding]:
    unknown = facts.unknown_execution
    if unknown is not None:
        for row in facts.versions:
            if row["Execution"] == unknown:
                text = f"Version {row['Version']} of dataset {row['Dataset']}: origin not known."
                yield ProvenanceFinding(
                    "dataset_of_unknown_origin", row["RID"], "Dataset_Version", text
                )
        for feature in facts.features:
            table = feature.feature_table
            for row in facts.rows(table, ("RID",), equals("Execution", unknown)):
                text = f"A value of {feature}: origin not known."
                yield ProvenanceFinding(
                    "feature_value_of_unknown_origin", row["RID"], table.name, text
                )
    for table, links in facts.assets:
        for row in links:
            if row["Asset_Role"] == "Output" and row["Execution"] == unknown:
                text = "Origin not known."
                yield ProvenanceFinding(
                    "asset_of_unknown_origin", row[table.name], table.name, text
                )
            elif facts.is_elsewhere(table) and row[table.name] == facts.unknown_file:
                text = "Its inputs are not known."
                yield ProvenanceFinding(
                    "execution_with_unknown_input", row["Execution"], "Execution", text
                )


def _not_as_recommended(facts: _Facts) -> Iterator[ProvenanceFinding]:
    for row in facts.readings:
        if row["Dataset_Version"] is None:
            text = f"It read dataset {row['Dataset']} at a version that was not recorded."
            yield ProvenanceFinding("input_without_version", row["Execution"], "Execution", text)
    used = sorted({r["Workflow"] for r in facts.executions if r["Workflow"] is not None})
    table, columns = facts.session.ml("Workflow"), ("RID", "URL", "Checksum")
    codes = facts.rows(table, columns, any_of("RID", used)) if used else []
    known = {row["RID"] for row in codes if row["URL"] and row["Checksum"]}
    for row in facts.executions:
        if row["RID"] == facts.unknown_execution:
            continue
        if row["Workflow"] not in known:
            text = "Its code has no URL or no checksum, or it has no workflow."
            yield ProvenanceFinding("execution_without_code", row["RID"], "Execution", text)
        if not row["Description"]:
            text = "Nobody wrote why it was made."
            yield ProvenanceFinding("execution_without_description", row["RID"], "Execution", text)

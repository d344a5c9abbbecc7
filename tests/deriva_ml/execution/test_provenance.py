"""The provenance contract: what an audit finds, and what a repair changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml import Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLReadOnlyError, DerivaMLSchemaError
from deriva_ml.core.query import equals, path_of
from deriva_ml.execution.provenance_audit import ProvenanceAuditReport, audit_provenance
from deriva_ml.execution.provenance_backfill import backfill_provenance

from ..conftest import Zoo
from .lineage_worlds import Counting, insert, insert_executions, insert_images

CODE = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="1")


def found(report: ProvenanceAuditReport) -> set[tuple[str, str]]:
    return {(f.category, f.rid) for f in report.violations}


def degraded(report: ProvenanceAuditReport) -> set[tuple[str, str]]:
    return {(f.category, f.rid) for f in report.known_degraded}


def test_what_executions_do_keeps_the_contract(ml: DerivaML) -> None:
    with ml.create_execution(workflow=CODE, description="one") as exe:
        exe.create_dataset(["Training"], description="d")
        exe.asset_file_path("Image", "a.png").write_text("x")
    assert ml.audit_provenance().is_clean  # its inputs are settled with the upload
    exe.upload_execution_outputs()
    report = ml.audit_provenance()
    assert report.is_clean
    assert degraded(report) == {("execution_with_unknown_input", exe.execution_rid)}
    assert report.summary().startswith("The contract holds.")


@pytest.fixture
def broken(ml: DerivaML, zoo: Zoo) -> dict[str, Any]:
    """Pictures nobody made, labels by an execution without inputs, a version without a maker."""
    (dataset,) = insert(ml, "Dataset", [{"Description": "old"}])
    versions = insert(ml, "Dataset_Version", [{"Dataset": dataset, "Version": "1.0.0"}])
    row = {"RID": zoo.execution, "Status": "Uploaded"}
    ml.catalog.update(TableName("Execution", "deriva-ml"), [row], targets=("Status",))
    return {"zoo": zoo, "version": versions[0]}


def test_an_audit_finds_what_breaks_the_contract(ml: DerivaML, broken: dict[str, Any]) -> None:
    zoo: Zoo = broken["zoo"]
    report = ml.audit_provenance()
    assert found(report) == {
        ("dataset_without_execution", broken["version"]),
        ("execution_without_input", zoo.execution),
        *(("asset_without_execution", image) for image in zoo.images),
    }
    frame = report.to_dataframe()
    assert len(frame) == len(report.violations) + len(report.known_degraded)
    assert set(frame[frame.violation].kind) == {"Dataset_Version", "Execution", "Image"}
    assert "asset_without_execution: 8" in report.summary()
    assert "contract is broken" in report._repr_html_()


def test_an_execution_under_way_may_still_declare_its_inputs(ml: DerivaML, zoo: Zoo) -> None:
    assert ("execution_without_input", zoo.execution) not in found(ml.audit_provenance())


def test_a_repair_says_what_it_would_do_then_does_it(ml: DerivaML, broken: dict[str, Any]) -> None:
    zoo: Zoo = broken["zoo"]
    before = ml.catalog.latest_snapshot()
    plan = backfill_provenance(ml)
    assert ml.catalog.latest_snapshot() == before
    assert (plan.applied, plan.total, plan.left) == (False, 10, ())
    done = backfill_provenance(ml, apply=True)
    assert replace(plan, applied=True) == done
    assert done.summary().startswith("Repaired 1 versions of datasets, 8 assets")
    report = ml.audit_provenance()
    assert report.is_clean
    unknown = {rid for category, rid in degraded(report) if category == "asset_of_unknown_origin"}
    assert unknown == set(zoo.images)
    assert ("dataset_of_unknown_origin", broken["version"]) in degraded(report)
    assert ("execution_with_unknown_input", zoo.execution) in degraded(report)
    origin = ml.lookup_lineage(zoo.images[0]).lineage
    assert origin is not None
    assert origin.execution.rid == ml.unknown_provenance_execution_rid()
    once = ml.catalog.latest_snapshot()
    assert backfill_provenance(ml, apply=True).total == 0
    assert ml.catalog_snapshot(once).audit_provenance() == ml.audit_provenance()


def test_what_is_recommended_is_reported_when_it_is_missing(ml: DerivaML, zoo: Zoo) -> None:
    (bare,) = insert(ml, "Execution", [{"Status": "Uploaded"}])
    dataset = ml.datasets.create(["Training"], "d", zoo.execution)
    link = {"Dataset": dataset.dataset_rid, "Execution": bare}
    insert(ml, "Dataset_Execution", [link])
    assert {
        ("execution_without_code", bare),
        ("execution_without_description", bare),
        ("input_without_version", bare),
    } <= degraded(ml.audit_provenance())


def test_the_number_of_questions_does_not_grow_with_the_rows(ml: DerivaML) -> None:
    asked = []
    for count in (3, 60):
        insert_images(ml, count, f"many{count}-")
        insert_executions(ml, count)
        catalog: Any = Counting(ml.catalog)
        audit_provenance(replace(ml.session, catalog=catalog))
        asked.append(catalog.questions)
    assert asked[0] == asked[1] < 40


def test_a_snapshot_is_not_repaired(ml: DerivaML, broken: dict[str, Any]) -> None:
    past = ml.catalog_snapshot(ml.catalog.latest_snapshot())
    assert backfill_provenance(past).total == 10
    with pytest.raises(DerivaMLReadOnlyError):
        backfill_provenance(past, apply=True)


def test_a_catalog_without_the_rows_for_unknown_origin_is_audited(ml: DerivaML) -> None:
    file = ml.unknown_provenance_file_rid()
    ml.catalog.delete(path_of(ml.session.ml("File"), equals("RID", file)))
    assert ml.audit_provenance().is_clean
    with pytest.raises(DerivaMLSchemaError, match="unknown origin"):
        backfill_provenance(ml)

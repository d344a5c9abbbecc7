"""Reports on what a run is to read, and on what depends on a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml import DatasetSpec, DatasetSpecConfig, ExecutionConfiguration, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLTableNotFound, DerivaMLValidationError
from deriva_ml.dataset.aux_classes import DatasetMinid, DatasetReference, FeatureReference
from deriva_ml.dataset.dataset import Dataset

from ..conftest import Zoo


@pytest.fixture
def cats(ml: DerivaML, zoo: Zoo) -> Dataset:
    made = ml.datasets.create([], "Cats", zoo.execution, members=zoo.images[:3])
    made.add_dataset_members(zoo.images[3:4])
    return made


def test_every_form_of_a_spec_is_reported_in_its_order(ml: DerivaML, cats: Dataset) -> None:
    spec = DatasetSpec.from_shorthand(f"{cats.rid}@0.2.0")
    config = DatasetSpecConfig(cats.rid, "0.1.0")
    mapping = {"rid": cats.rid, "version": [0, 1, 0]}
    report = ml.validate_dataset_specs([spec, f"{cats.rid}@0.1.0", mapping, config])
    assert report.all_valid
    assert [r.resolved_version for r in report.results] == ["0.2.0", "0.1.0", "0.1.0", "0.1.0"]
    first = report.results[0]
    assert (first.spec, first.actual_table, first.dataset_name) == (spec, "Dataset", "Cats")
    assert first.available_versions == ["0.1.0", "0.2.0"]


def test_all_mistakes_are_in_one_report(ml: DerivaML, zoo: Zoo, cats: Dataset) -> None:
    given = ["1-ZZZZ@1.0.0", f"{zoo.images[0]}@1.0.0", f"{cats.rid}@9.0.0", cats.rid, "kitten@1"]
    report = ml.validate_dataset_specs(given)
    assert not report.all_valid
    assert [(r.spec, r.reasons, r.actual_table) for r in report.results[1:4:2]] == [
        (DatasetSpec.from_shorthand(given[1]), ["not_a_dataset"], "Image"),
        (cats.rid, ["version_not_found"], "Dataset"),
    ]
    reasons = [r.reasons for r in report.results]
    assert reasons[0] == reasons[4] == ["rid_not_found"]
    assert reasons[2] == ["version_not_found"]
    assert report.results[2].available_versions == ["0.1.0", "0.2.0"]


def test_a_deleted_dataset_is_a_warning(ml: DerivaML, cats: Dataset) -> None:
    ml.delete_dataset(cats)
    (result,) = ml.validate_dataset_specs([f"{cats.rid}@0.1.0"]).results
    assert (result.valid, result.warnings) == (True, ["dataset_deleted"])


def test_a_development_version_cannot_be_read(ml: DerivaML, cats: Dataset) -> None:
    label = cats.mark_dev("trying")
    spec = f"{cats.rid}@{label}"
    (result,) = ml.validate_dataset_specs([spec]).results
    assert (result.valid, result.reasons) == (False, ["version_not_readable"])
    assert (result.warnings, result.resolved_version) == (["version_in_development"], str(label))
    with pytest.raises(DerivaMLValidationError, match="under development"):
        ml.download_dataset_bag(spec)
    assert cats.dataset_history()._repr_html_().count("in development") == 1


def test_a_version_that_only_the_original_has_cannot_be_read(ml: DerivaML, cats: Dataset) -> None:
    # As a clone has the versions that were made before it.
    row = {"RID": cats.dataset_history()[0].version_rid, "Snapshot": None}
    ml.catalog.update(TableName("Dataset_Version", "deriva-ml"), [row], targets=["Snapshot"])
    given = [f"{cats.rid}@{v}" for v in ("0.1.0", "0.2.0")]
    old, new = ml.validate_dataset_specs(given).results
    assert (old.valid, old.reasons, old.warnings) == (False, ["version_not_readable"], [])
    assert new.valid
    with pytest.raises(DerivaMLValidationError, match="cloned from"):
        ml.download_dataset_bag(given[0])
    shown = cats.dataset_history()._repr_html_()
    assert "in the original catalog" in shown
    assert "in development" not in shown


def test_what_names_no_dataset_is_an_error(ml: DerivaML) -> None:
    for wrong in ("1ABC@1.0.0", [7], [{"version": "1.0.0"}]):
        with pytest.raises(DerivaMLValidationError):
            ml.validate_dataset_specs(wrong)  # type: ignore[arg-type]


def test_the_checks_ask_the_same_number_of_questions_for_one_and_for_many(
    ml: DerivaML, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [ml.datasets.create(members=[image]) for image in zoo.images]
    asked: list[Any] = []
    fetch = type(ml.catalog).fetch

    def counting(self: Any, query: Any) -> Any:
        asked.append(query)
        return fetch(self, query)

    monkeypatch.setattr(type(ml.catalog), "fetch", counting)
    ml.validate_dataset_specs([f"{many[0].rid}@0.1.0"])
    one = len(asked)
    assert ml.validate_dataset_specs([f"{d.rid}@0.1.0" for d in many]).all_valid
    assert len(asked) == 2 * one


def test_a_good_configuration_is_valid(ml: DerivaML, zoo: Zoo, cats: Dataset) -> None:
    run = ml.retrieve_rid(zoo.execution)
    config = ExecutionConfiguration(
        datasets=[f"{cats.rid}@0.2.0"],  # type: ignore[list-item]
        assets=[zoo.images[0], Path("somewhere.csv")],  # type: ignore[list-item]
        workflow=run["Workflow"],
    )
    report = ml.validate_execution_configuration(config)
    assert report.all_valid
    (asset,) = report.asset_results
    assert (asset.asset_table, asset.filename) == ("Image", "0.png")
    assert report.workflow_result is not None
    assert report.workflow_result.workflow_name == "w"


def test_assets_workflow_and_conflicts_are_reported(ml: DerivaML, zoo: Zoo, cats: Dataset) -> None:
    image, subject = zoo.images[0], zoo.subjects[0]
    report = ml.validate_execution_configuration(
        {
            "datasets": [f"{cats.rid}@0.1.0", f"{cats.rid}@0.2.0"],
            "assets": [image, image, {"rid": subject}, cats.rid, "no rid"],
            "workflow": subject,
        }
    )
    assert not report.all_valid
    assert all(r.valid for r in report.dataset_results)
    reasons = [r.reasons for r in report.asset_results]
    assert reasons == [[], [], ["not_an_asset"], ["not_an_asset"], ["rid_not_found"]]
    assert report.workflow_result is not None
    assert report.workflow_result.reasons == ["not_a_workflow"]
    assert [(i.issue, i.rids) for i in report.cross_spec_issues] == [
        ("version_conflict", [cats.rid]),
        ("duplicate_rid", [image]),
        *[("role_conflict", [rid]) for rid in sorted([cats.rid, subject])],
    ]
    again = ml.validate_execution_configuration({"datasets": [f"{cats.rid}@0.1.0"] * 2})
    assert [i.issue for i in again.cross_spec_issues] == ["duplicate_rid"]
    assert not again.all_valid


def test_a_workflow_that_is_not_in_the_catalog_yet_is_not_looked_for(ml: DerivaML) -> None:
    new = Workflow(name="n", workflow_type="Training", url="https://x/n.py", checksum="0")
    report = ml.validate_execution_configuration(ExecutionConfiguration(workflow=new))
    assert report.all_valid
    assert report.workflow_result is None
    gone = ml.validate_execution_configuration({"workflow": "1-ZZZZ"}).workflow_result
    assert gone is not None
    assert gone.reasons == ["rid_not_found"]
    with pytest.raises(DerivaMLValidationError, match="is checked, not 7"):
        ml.validate_execution_configuration(7)  # type: ignore[arg-type]


# --- references --------------------------------------------------------------------------


def test_datasets_that_depend_on_a_table(ml: DerivaML, zoo: Zoo, cats: Dataset) -> None:
    both = ml.datasets.create(members=[*zoo.images[:2], zoo.subjects[0]])
    gone = ml.datasets.create(members=zoo.images[:2])
    ml.delete_dataset(gone)
    images = [DatasetReference(cats.rid, "Image", 4), DatasetReference(both.rid, "Image", 2)]
    assert ml.find_datasets_referencing("Image") == images
    assert ml.find_datasets_referencing("Image", "Filename") == images
    # Pictures refer to subjects by RID.
    subjects = [*images, DatasetReference(both.rid, "Subject", 1)]
    assert ml.find_datasets_referencing("Subject") == subjects
    assert ml.find_datasets_referencing("Subject", "Name") == subjects[2:]
    assert ml.find_datasets_referencing("Image_Class") == []
    with pytest.raises(DerivaMLValidationError, match="has no column 'Nam'"):
        ml.find_datasets_referencing("Subject", "Nam")
    with pytest.raises(DerivaMLTableNotFound, match="Did you mean 'Subject'"):
        ml.find_datasets_referencing("Subjects")


def test_features_that_depend_on_a_table(ml: DerivaML) -> None:
    values = "Execution_Image_Label"
    about = FeatureReference("Label", "Image", values, ("Image",))
    assert ml.find_features_referencing("Image") == [about]
    assert ml.find_features_referencing("Image", "RID") == [about]
    assert ml.find_features_referencing("Image", "Filename") == []
    term = FeatureReference("Label", "Image", values, ("Image_Class",))
    assert ml.find_features_referencing("Image_Class", "Name") == [term]
    assert ml.find_features_referencing(values) == [term]
    assert ml.find_features_referencing("Subject") == []


# --- identifiers -------------------------------------------------------------------------


def test_a_record_of_an_identifier_is_read() -> None:
    record = DatasetMinid.model_validate(
        {
            "dataset_version": "1.2.0",
            "compact_uri": "minid:abc",
            "location": ["https://bucket/x.zip", "https://other/x.zip"],
            "checksums": [
                {"function": "md5", "value": "00"},
                {"function": "sha256", "value": "ff"},
            ],
            "metadata": {"RID": "1-ABCD@2Z9-XXXX", "title": "cats"},
        }
    )
    assert (record.dataset_rid, record.dataset_snapshot) == ("1-ABCD", "2Z9-XXXX")
    assert (record.bag_url, record.checksum) == ("https://bucket/x.zip", "ff")
    again = DatasetMinid.model_validate(record.model_dump())
    assert again == record

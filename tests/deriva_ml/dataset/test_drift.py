"""What changed in a dataset since a release, and between two releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml.core.query import equals, path_of
from deriva_ml.dataset.dataset import Dataset
from deriva_ml.dataset.spec import DatasetSpec

from ..conftest import Zoo, make_execution

IMAGE = TableName("Image", "zoo")


@pytest.fixture
def cats(ml: DerivaML, zoo: Zoo) -> Dataset:
    """The first four pictures, in a dataset inside another."""
    inner = ml.datasets.create(members=zoo.images[:4])
    return ml.datasets.create(["Training"], "Cats", zoo.execution, members=[inner.rid])


def _update(ml: DerivaML, rid: str, **values: Any) -> None:
    ml.catalog.update(IMAGE, [{"RID": rid, **values}], targets=tuple(values))


def test_a_release_is_clean(ml: DerivaML, cats: Dataset) -> None:
    assert not cats.is_dirty()
    assert cats.release_diff() == {}
    assert str(cats.get_drift()).endswith("0.1.0 to now: no difference")


def test_changes_of_members_and_of_what_belongs_to_them_are_seen(
    ml: DerivaML, zoo: Zoo, cats: Dataset
) -> None:
    _update(ml, zoo.images[0], Length=77)
    label = ml.lookup_feature("Image", "Label")
    again = make_execution(ml)
    row = {"Execution": again, "Image": zoo.images[1], "Image_Class": "dog"}
    ml.features.insert_values(label, [row])
    ml.catalog.update(
        TableName("Subject", "zoo"), [{"RID": zoo.subjects[0], "Name": "Tim"}], targets=("Name",)
    )
    assert cats.is_dirty()
    assert cats.release_diff() == {"Execution_Image_Label": 1, "Image": 1, "Subject": 1}
    drift = cats.get_drift()
    assert drift.tables["Image"].changed == (zoo.images[0],)
    assert len(drift.tables["Execution_Image_Label"].added) == 1


def test_rows_of_other_datasets_do_not_count(ml: DerivaML, zoo: Zoo, cats: Dataset) -> None:
    _update(ml, zoo.images[7], Length=77)
    other = ml.datasets.create(members=zoo.images[2:6])
    other.add_dataset_type("Testing")
    assert cats.release_diff() == {}


def test_deletions_are_seen(ml: DerivaML, zoo: Zoo, cats: Dataset) -> None:
    label = ml.lookup_feature("Image", "Label").feature_table
    gone = ml.catalog.delete(path_of(label, equals("Image", zoo.images[0])))
    assert gone == 1
    drift = cats.get_drift()
    assert len(drift.tables["Execution_Image_Label"].deleted) == 1
    assert drift.counts() == {"Execution_Image_Label": 1}


def test_reading_the_dataset_is_no_change_of_it(ml: DerivaML, zoo: Zoo, cats: Dataset) -> None:
    reader = make_execution(ml)
    ml.datasets.record_inputs(reader, [(cats.rid, None)])
    roles = [{"Image": zoo.images[0], "Execution": reader, "Asset_Role": "Input"}]
    ml.catalog.insert(TableName("Image_Execution", "zoo"), roles)
    ml.add_term("Image_Class", "bird", "Not seen yet.")
    cats.mark_dev("nothing yet")
    assert not cats.is_dirty()


def test_a_description_is_content_and_a_term_too(ml: DerivaML, zoo: Zoo, cats: Dataset) -> None:
    cats.description = "Cats only"
    ml.lookup_term("Image_Class", "cat").description = "A small cat."
    assert cats.release_diff() == {"Dataset": 1, "Image_Class": 1}


def test_versions_are_compared_both_ways(ml: DerivaML, zoo: Zoo) -> None:
    made = ml.datasets.create(members=zoo.images[:2])
    made.add_dataset_members(zoo.images[2:5])
    _update(ml, zoo.images[0], Length=5)
    made.delete_dataset_members(zoo.images[1:2])
    # Images with their links, labels and one more subject; then one less, and one changed.
    assert made.compare_versions("0.1.0", "0.2.0") == {
        "Dataset_Image": 3,
        "Execution_Image_Label": 3,
        "Image": 3,
        "Subject": 1,
    }
    assert made.compare_versions("0.2.0", "0.3.0") == {
        "Dataset_Image": 1,
        "Execution_Image_Label": 1,
        "Image": 2,
    }
    forth, back = made.get_drift("0.2.0", "0.3.0"), made.get_drift("0.3.0", "0.2.0")
    assert forth.tables["Image"].deleted == back.tables["Image"].added == (zoo.images[1],)
    assert forth.tables["Image"].changed == back.tables["Image"].changed == (zoo.images[0],)
    assert made.compare_versions("0.2.0", "0.2.0") == {}
    assert "Image: 0 added, 1 changed, 1 deleted" in str(forth)
    assert "<td>Image</td><td>0</td><td>1</td><td>1</td>" in forth._repr_html_()


def test_in_dev_mode_a_dataset_is_dirty_until_it_is_released(zoo: Zoo, place: Path) -> None:
    ml = DerivaML(str(place), working_dir=place.parent / "dev", dataset_versioning="dev")
    made = ml.datasets.create(members=zoo.images[:2])
    made.add_dataset_members(zoo.images[2:3])
    assert made.release_diff() == {"Dataset_Image": 1, "Execution_Image_Label": 1, "Image": 1}
    with pytest.raises(DerivaMLValidationError, match="under development"):
        made.compare_versions("0.1.0", made.current_version)
    made.release("minor", "one more")
    assert not made.is_dirty()
    ml.catalog.close()


def test_what_cannot_be_compared(ml: DerivaML, cats: Dataset) -> None:
    with pytest.raises(DerivaMLNotFoundError, match=r"no version '9\.0\.0'; it has '0\.1\.0'"):
        cats.compare_versions("0.1.0", "9.0.0")
    with pytest.raises(DerivaMLValidationError, match="compared with what"):
        cats.get_drift(until="0.1.0")
    with pytest.raises(DerivaMLDatasetNotFound):
        Dataset(ml, "1-ZZZZ").is_dirty()


def test_datasets_show_themselves(ml: DerivaML, zoo: Zoo) -> None:
    inner = ml.datasets.create(["Testing"], "Some", members=zoo.subjects[:1])
    outer = ml.datasets.create(["Training"], "All", members=[inner.rid, zoo.subjects[1]])
    spec = DatasetSpec(rid=outer.rid, version=outer.current_version, exclude_tables={"Image"})
    bag = ml.download_dataset_bag(spec)
    text = f"- **{outer.rid}** v0.1.0 [Training]: All\n  - **{inner.rid}** v0.1.0 [Testing]: Some"
    assert outer.to_markdown(show_children=True) == bag.to_markdown(show_children=True) == text
    assert outer._repr_html_() == bag._repr_html_()
    assert "1 Dataset, 1 Subject" in outer._repr_html_()
    assert "Initial dataset creation." in outer.dataset_history()._repr_html_()
    assert "0.1.0" in outer.current_version._repr_html_()


def test_markdown_is_displayed(cats: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("IPython")
    cats.display_markdown()
    assert "Markdown" in capsys.readouterr().out


def test_a_dataset_that_is_no_directory(cats: Dataset) -> None:
    assert (cats.source_directory, cats.is_directory, cats.is_source_root) == (None, False, False)

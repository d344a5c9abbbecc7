"""Datasets as Croissant describes them: validated, and loaded, by the field's own library."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.bag import validate
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.dataset import Dataset, DatasetBag
from interchange_lab import Lab
from outside_validators import validator

LOADED = ("Subject", "Image", "Image_Class", "Execution_Image_Label", "Image-file")


def described(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "croissant.json").read_text())
    return found


def by_id(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["@id"]: entry for entry in entries}


def timed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with times instead of texts, which may be spelled with zeros at their end."""
    times = ("RCT", "RMT")
    return [{**row, **{n: datetime.fromisoformat(row[n]) for n in times}} for row in rows]


@pytest.fixture(scope="module")
def dataset(lab: Lab) -> Dataset:
    """A dataset of labelled pictures."""
    with lab.ml.create_execution(workflow=str(lab.ml.find_workflows()[0].workflow_rid)) as exe:
        made = exe.create_dataset("Labeled", description="Labelled pictures.")
        made.add_dataset_members({"Image": lab.pictures})
    return made


@pytest.fixture(scope="module")
def bag(dataset: Dataset) -> DatasetBag:
    return dataset.download_dataset_bag()


@pytest.fixture(scope="module")
def place(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("croissant") / "dataset"
    return dataset.to_croissant(where, license="CC-BY-4.0")


@pytest.mark.slow
def test_the_fields_own_loader_reads_the_same_rows(
    bag: DatasetBag, place: Path, tmp_path: Path
) -> None:
    csv = bag.to_croissant(tmp_path / "csv", tables="csv")
    broken = described(csv)
    del broken["distribution"][0]["contentUrl"]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    asked = [
        {"file": str(place / "croissant.json"), "records": LOADED},
        {"file": str(csv / "croissant.json"), "records": ["Image_Class"]},
        {"file": str(tmp_path / "broken.json"), "records": []},
    ]
    told, of_csv, of_broken = validator("croissant", "croissant.py").ask(tmp_path, datasets=asked)
    assert (told["errors"], told["warnings"]) == ([], [])
    for table in LOADED[:-1]:
        assert timed(told["records"][table]) == timed(bag.get_table_as_dict(table))
    pictures = [{"Image": rid, "content": [4, 4]} for rid in sorted(bag.list_members("Image"))]
    assert sorted(told["records"]["Image-file"], key=lambda r: str(r["Image"])) == pictures
    assert (of_csv["errors"], len(of_csv["records"]["Image_Class"])) == ([], 2)
    assert of_broken["errors"]


def test_a_described_dataset_is_still_a_bag(place: Path) -> None:
    assert validate(place).findings == ()
    listed = (place / "tagmanifest-sha256.txt").read_text()
    assert "croissant.json" in listed
    assert "tables/zoo/Image.parquet" in listed


def test_the_dataset_tells_version_license_citation_and_origin(
    dataset: Dataset, place: Path
) -> None:
    found = described(place)
    version = str(dataset.current_version)
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert (found["version"], found["isLiveDataset"]) == (version, False)
    assert found["license"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert found["keywords"] == ["Labeled"]
    assert f"version = {{{version}}}" in found["citeAs"]
    assert found["prov:wasGeneratedBy"]["name"].startswith("Execution ")
    assert len(found["prov:wasDerivedFrom"]) == 1


def test_tables_have_keys_and_lead_to_each_other(place: Path) -> None:
    sets = by_id(described(place)["recordSet"])
    image = by_id(sets["Image"]["field"])
    assert sets["Image"]["key"] == {"@id": "Image/RID"}
    assert image["Image/Subject"]["references"] == {"field": {"@id": "Subject/RID"}}
    assert image["Image/Length"]["dataType"] == "sc:Integer"
    assert image["Image/RCT"]["dataType"] == "sc:DateTime"
    terms = sets["Image_Class"]
    assert (terms["dataType"], terms["key"]) == ("sc:Enumeration", {"@id": "Image_Class/Name"})
    assert by_id(terms["field"])["Image_Class/Synonyms"]["repeated"] is True
    label = by_id(sets["Execution_Image_Label"]["field"])
    value = label["Execution_Image_Label/Image_Class"]
    assert value["references"] == {"field": {"@id": "Image_Class/Name"}}


def test_references_close_no_circle(place: Path) -> None:
    onward: dict[str, set[str]] = {}
    for record_set in described(place)["recordSet"]:
        for field in record_set["field"]:
            if "references" in field:
                target = field["references"]["field"]["@id"].partition("/")[0]
                onward.setdefault(record_set["@id"], set()).add(target)
    assert "Dataset" in onward["Dataset_Version"]
    while onward:
        ends = {name for name, targets in onward.items() if not targets & onward.keys()}
        assert ends
        onward = {name: targets for name, targets in onward.items() if name not in ends}


def test_booleans_in_csv_files_are_told_apart(bag: DatasetBag, tmp_path: Path) -> None:
    sets = by_id(described(bag.to_croissant(tmp_path / "csv", tables="csv"))["recordSet"])
    source = by_id(sets["Dataset"]["field"])["Dataset/Deleted"]["source"]
    regex = re.compile(source["transform"]["regex"])
    found = {text: next(g for g in regex.match(text).groups() if g is not None) for text in "tf"}  # type: ignore[union-attr]
    assert found == {"t": "t", "f": ""}


def test_equal_bags_give_equal_bytes(bag: DatasetBag, tmp_path: Path) -> None:
    one, other = (bag.to_croissant(tmp_path / f"{n}.zip") for n in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_what_cannot_be_written_is_refused(bag: DatasetBag, tmp_path: Path) -> None:
    with pytest.raises(DerivaMLValidationError, match="'parquet' or 'csv'"):
        bag.to_croissant(tmp_path / "x", tables="xlsx")  # type: ignore[arg-type]
    for write in (bag.to_croissant, bag.to_ro_crate):
        with pytest.raises(DerivaMLValidationError, match="license"):
            write(tmp_path / "x", license=5)  # type: ignore[operator]
    (tmp_path / "there").touch()
    with pytest.raises(DerivaMLValidationError, match="exists"):
        bag.to_croissant(tmp_path / "there")
    assert [p.name for p in tmp_path.iterdir()] == ["there"]

"""Drift, reports, directories of files and parts on a catalog of a server, as in process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from catalog_server import serving
from deriva_catalog.path.ast import TableName
from deriva_ml import FeatureRecord, FileSpec
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLRidsNotFound
from deriva_ml.dataset import split_dataset
from deriva_ml.dataset.references import DatasetReference
from deriva_ml.schema import create_ml_catalog

from ..conftest import _populate, fill_zoo

ABOUT = {"MD5": "ab" * 16, "Length": 1}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DerivaML]]:
    """The same catalog twice: in process and of a server."""
    root = tmp_path_factory.mktemp("both")
    with serving(root / "home") as served:
        owner = {"bearer-token": served.tokens.add("kim")}
        create_ml_catalog(served.url, "zoo", credential=owner).close()  # type: ignore[attr-defined]
        create_ml_catalog(str(root / "zoo"), "zoo").close()  # type: ignore[attr-defined]
        made = {
            "served": DerivaML(served.url, "zoo", working_dir=root / "a", credential=owner),
            "embedded": DerivaML(str(root / "zoo"), working_dir=root / "b"),
        }
        yield made
        for ml in made.values():
            ml.catalog.close()


def _work(ml: DerivaML) -> dict[str, Any]:
    """Everything once; what came out, without RIDs."""
    _populate(ml)
    zoo = fill_zoo(ml)
    dataset = ml.datasets.create(["Training"], "All", zoo.execution, members=zoo.images[:6])
    dataset.add_dataset_members({"Image": zoo.images[6:]})
    told: dict[str, Any] = {"clean": dataset.is_dirty()}
    ml.catalog.update(
        TableName("Image", "zoo"), [{"RID": zoo.images[0], "Length": 99}], targets=("Length",)
    )
    told["drift"] = dataset.release_diff()
    told["versions"] = dataset.compare_versions("0.1.0", "0.2.0")
    report = ml.validate_dataset_specs([f"{dataset.rid}@0.2.0", f"{dataset.rid}@3.0.0", "ZZZZ@1.0"])
    told["report"] = [(r.valid, r.reasons, r.available_versions) for r in report.results]
    files = [
        FileSpec.model_validate({"URL": f"https://x.org/{n % 2}/{n}", **ABOUT}) for n in range(5)
    ]
    root = ml.add_files(files, zoo.execution, ["Complete"], "Files")
    every = [root, *root.list_dataset_children()]
    told["files"] = [(d.source_directory, len(d.list_members("File"))) for d in every]
    told["types"] = [f["File_Types"] for f in ml.list_files()]
    result = split_dataset(ml, dataset.rid, test_size=0.25, stratify_by_column="Label.Image_Class")
    told["parts"] = [result.training.count, result.testing.count, result.split.version]
    parts = ml.lookup_dataset(result.testing.rid)
    frame = parts.get_feature_values_as_dataframe("Image", "Label", FeatureRecord.select_newest)
    told["classes"] = sorted(frame["Image_Class"])
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLRidsNotFound):
        dataset.add_dataset_members({"Image": [*zoo.images[:1], "ZZZZ"]}, validate=False)
    told["unchanged"] = ml.catalog.latest_snapshot() == before
    counts = [r.member_count for r in ml.find_datasets_referencing("Subject")]
    told["references"] = sorted(counts)
    assert DatasetReference(dataset.rid, "Image", 8) in ml.find_datasets_referencing("Subject")
    return told


def test_a_server_gives_what_there_is_in_process(both: dict[str, DerivaML]) -> None:
    told = _work(both["served"])
    assert told == _work(both["embedded"])
    assert told["drift"] == {"Image": 1}
    assert told["files"] == [("x.org", 0), ("0", 3), ("1", 2)]
    assert told["parts"] == [6, 2, "0.1.0"]
    assert told["classes"] == ["cat", "dog"]
    assert told["unchanged"]

"""deriva-ml 1.17.10, against our service. Source: ERMrest, "DerivaML on top of it"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bdbag import bdbag_api

from deriva_catalog.bag import pack_bag, validate
from deriva_ml.dataset.opening import open_dataset_bag
from foreign import Foreign, Place, in_repository


@pytest.fixture(scope="module")
def told(
    deriva_ml: Foreign, places: Callable[..., Place], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What one process saw; its scripts are in a git repository, without which it refuses."""
    committed = in_repository(deriva_ml, tmp_path_factory.mktemp("analysis") / "repository")
    found: dict[str, Any] = committed.run("derivaml.py", places("sqlite", tls=True))
    return found


def test_its_demonstration(told: dict[str, Any]) -> None:
    own = ("Asset_Role", "Asset_Type", "Dataset_Type", "Feature_Name")
    assert told["demonstration"] == {
        "schemas": ["WWW", "demo-schema", "deriva-ml", "public"],
        "vocabularies": [*own, "ImageQuality", "SubjectHealth", "Workflow_Type"],
        "features": ["BoundingBox", "Quality"],
        "datasets": 7,
        "terms": ["Complete", "File", "Testing", "Training"],
        "executions": 3,
        "images": 12,
    }


def test_its_catalog_and_vocabularies(told: dict[str, Any]) -> None:
    assert told["schemas"] == ["WWW", "deriva-ml", "lab", "public"]
    assert told["terms"] == ["Bad", "Good"]
    assert told["synonym"] == "Analysis"


def test_an_execution_uploads_assets(told: dict[str, Any]) -> None:
    assert told["workflow"] == [True, "1.0.0"]
    assert told["uploaded"]["lab/Image"] == 3
    assert told["images"] == [[True, "2026-02-03", ["Image"]]] * 3
    assert told["status"] == "Completed"
    assert told["assets"] == [["model.txt", ["Model_File"]]]
    assert told["downloaded"] == "weights"


def test_datasets_have_versions(told: dict[str, Any]) -> None:
    assert told["versions"] == ["0.2.0", "1.0.0"]
    assert told["history"] == ["0.1.0", "0.2.0", "1.0.0"]
    assert told["members"] == 3
    assert told["types"] == [["Training"]]


def test_bags_hold_what_a_version_held(told: dict[str, Any]) -> None:
    assert told["bag"] == [True, True, True]
    assert told["subjects"] == 3
    assert told["features"] == [["Bad", 0], ["Good", 0.5], ["Good", 1]]
    assert (told["bag_images"], told["bag_features"], told["old_features"]) == (3, 3, 0)


def test_ours_opens_a_bag_that_it_downloaded(told: dict[str, Any], tmp_path: Path) -> None:
    """Its bag is made by our export service, in the layout of its release."""
    place = Path(told["bag_path"])
    bdbag_api.validate_bag(str(place), fast=False)
    assert validate(place).complete
    assert list(place.glob("data/Dataset/**/Image.csv"))
    copy = pack_bag(place, tmp_path / "sent.zip")
    for path in (place, copy):
        bag = open_dataset_bag(path, working_dir=tmp_path / "work")
        assert (bag.rid, str(bag.current_version)) == (told["dataset"], "1.1.0")
        images = bag.list_dataset_members()["Image"]
        assert len(images) == 3
        for image in images:
            text = bag.asset_path("Image", image).read_text()
            assert text == f"image of {image['Subject']}"
        values = bag.feature_values("Image", "Quality")
        assert sorted([v.Quality, v.Score] for v in values) == told["features"]  # type: ignore[attr-defined]


def test_rows_can_be_cited(told: dict[str, Any]) -> None:
    assert told["cited"]
    assert told["users"] == ["https://idp.example.org/kim"]

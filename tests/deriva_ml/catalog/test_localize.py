"""Files that lie elsewhere come into the store, and rows say so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deriva_ml import DerivaML
from deriva_ml.catalog import localize_assets
from deriva_ml.core.exceptions import (
    DerivaMLRidsNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)


@pytest.fixture
def ml(thin_place: Path, tmp_path: Path) -> Iterator[DerivaML]:
    """A connection to a copy of the clone."""
    place = shutil.copytree(thin_place, tmp_path / "thin")
    made = DerivaML(str(place), working_dir=tmp_path / "work")
    yield made
    made.catalog.close()


def test_files_come_from_the_original(ml: DerivaML) -> None:
    images = [a.asset_rid for a in ml.list_assets("Image")]
    before = ml.catalog.latest_snapshot()
    looked = localize_assets(ml, "Image", images[:4], dry_run=True)
    assert (looked.assets_processed, looked.localized_assets) == (4, ())
    assert ml.catalog.latest_snapshot() == before
    done = localize_assets(ml, "Image", images[:4], hatrac_namespace="/hatrac/own", chunk_size=150)
    assert (done.assets_processed, done.assets_skipped, done.errors) == (4, 0, ())
    again = localize_assets(ml.catalog, "Image", images[:5], schema_name="demo-schema")
    assert (again.assets_processed, again.assets_skipped) == (1, 4)
    for rid, old, new in done.localized_assets:
        assert old.startswith("file:")
        assert new.startswith("/hatrac/own/")
        row = ml.catalog.fetch(f"entity/demo-schema:Image/RID={rid}")[0]
        assert row["URL"] == new
        assert len(ml.catalog.objects.read(new)) == row["Length"]
    record = ml.catalog_provenance
    assert record is not None
    assert record.clone_details is not None
    assert record.clone_details.assets_localized
    assert record.clone_details.assets_copied == 5


def test_what_cannot_be_brought_does_not_hinder_the_others(ml: DerivaML) -> None:
    rows = ml.catalog.fetch("entity/demo-schema:BoundingBox@sort(RID)?limit=3")
    name = ml.model.name_to_table("BoundingBox")
    from deriva_ml.core.query import name_of

    nowhere = {"RID": rows[0]["RID"], "URL": "file:///nowhere/at/all"}
    ml.catalog.update(name_of(name), [nowhere])
    ml.catalog.update(name_of(name), [{"RID": rows[1]["RID"], "MD5": "0" * 32}], targets=("MD5",))
    done = localize_assets(ml, "BoundingBox", [row["RID"] for row in rows])
    assert (done.assets_processed, done.assets_failed) == (1, 2)
    assert any("There is no file at" in text for text in done.errors)
    assert any("the row says" in text for text in done.errors)


def test_what_is_asked_for_must_be_there(ml: DerivaML) -> None:
    image = ml.list_assets("Image")[0].asset_rid
    with pytest.raises(DerivaMLTableTypeError, match="does not hold assets"):
        localize_assets(ml, "Subject", [])
    with pytest.raises(DerivaMLRidsNotFound, match=image):
        localize_assets(ml, "BoundingBox", image)
    with pytest.raises(DerivaMLValidationError, match="chunk_size"):
        localize_assets(ml, "Image", [image], chunk_size=0)

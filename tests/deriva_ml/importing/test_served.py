"""Imports into a catalog of a server are the same as into one of this process."""

from __future__ import annotations

from pathlib import Path

from backends import over_http
from deriva_ml import DerivaML
from deriva_ml.schema import create_ml_catalog


def test_images_and_tables_come_into_a_served_catalog(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "test/dog/2.png"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True)
        (tmp_path / "pets" / name).write_bytes(name.encode())
    (tmp_path / "visits.csv").write_text("code,day\n007,2026-01-02\n")
    with over_http(tmp_path / "home") as served:
        host, credential = (
            served.served.url,
            {"bearer-token": served.served.tokens.add("kim")},
        )
        create_ml_catalog(host, "lab", credential=credential).close()
        ml = DerivaML(host, "lab", working_dir=tmp_path / "work", credential=credential)
        pets = ml.import_image_folder(tmp_path / "pets", "Picture")
        assert (pets.added, len(pets.dataset.list_dataset_children())) == (2, 2)
        assert {v.Picture_Class for v in ml.feature_values("Picture", "Class")} == {"cat", "dog"}
        visits = ml.import_table(tmp_path / "visits.csv", key="code")
        assert visits.added == 1
        before = ml.catalog.latest_snapshot()
        assert not ml.import_image_folder(tmp_path / "pets", "Picture").changed
        assert not ml.import_table(tmp_path / "visits.csv", key="code").changed
        assert ml.catalog.latest_snapshot() == before
        bag = ml.download_dataset_bag(f"{pets.dataset.dataset_rid}@0.1.0")
        assert len(list((bag.path / "data/asset").rglob("*.png"))) == 2
        ml.catalog.close()

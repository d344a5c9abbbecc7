"""Datasets of pictures whose files are in the object store."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML

from ..conftest import Zoo, filled


@pytest.fixture(scope="session")
def _photos_template(
    _zoo_template: tuple[Path, Zoo], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Zoo]:
    place, zoo = _zoo_template
    return filled(place, tmp_path_factory.mktemp("photos"), partial(fill_photos, zoo=zoo))


@pytest.fixture(scope="session")
def _nested_template(
    _photos_template: tuple[Path, Zoo], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    place, photos = _photos_template
    return filled(place, tmp_path_factory.mktemp("nested"), partial(fill_nested, photos=photos))


@pytest.fixture
def photos(ml: DerivaML, zoo: Zoo, _scene: Path, _photos_template: tuple[Path, Zoo]) -> Zoo:
    """The same subjects with pictures whose files are in the object store."""
    return _photos_template[1] if ml.host_name == str(_scene) else fill_photos(ml, zoo)


@pytest.fixture
def nested(ml: DerivaML, photos: Zoo, _scene: Path, _nested_template: tuple[Path, str]) -> str:
    """A split dataset: four pictures to train with, two to test with."""
    return _nested_template[1] if ml.host_name == str(_scene) else fill_nested(ml, photos)


def fill_photos(ml: DerivaML, zoo: Zoo) -> Zoo:
    """Insert what `photos` gives."""
    rows = []
    for i in range(8):
        data = f"picture {i}".encode()
        stored = ml.catalog.objects.put(f"/hatrac/Image/{i}.png", data)
        rows.append(
            {
                "URL": stored.url,
                "Filename": f"{i % 4}.png",
                "Length": stored.length,
                "MD5": stored.md5,
                "Subject": zoo.subjects[i // 4],
            }
        )
    images = [r["RID"] for r in ml.catalog.insert(TableName("Image", "zoo"), rows)]
    labels = [
        {"Execution": zoo.execution, "Image": rid, "Image_Class": "cat" if i < 4 else "dog"}
        for i, rid in enumerate(images)
    ]
    ml.features.insert_values(ml.lookup_feature("Image", "Label"), labels)
    return replace(zoo, images=images)


def fill_nested(ml: DerivaML, photos: Zoo) -> str:
    """Create what `nested` gives."""
    train = ml.datasets.create(["Training"], "train", photos.execution, members=photos.images[:4])
    test = ml.datasets.create(["Testing"], "test", photos.execution, members=photos.images[4:6])
    whole = ml.datasets.create(["Split"], "all", photos.execution, members=[train.rid, test.rid])
    return whole.rid

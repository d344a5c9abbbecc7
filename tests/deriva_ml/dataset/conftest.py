"""Datasets of pictures whose files are in the object store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML

from ..conftest import Zoo


@pytest.fixture
def photos(ml: DerivaML, zoo: Zoo) -> Zoo:
    """The same subjects with pictures whose files are in the object store."""
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


@pytest.fixture
def nested(ml: DerivaML, photos: Zoo) -> str:
    """A split dataset: four pictures to train with, two to test with."""
    train = ml.datasets.create(["Training"], "train", photos.execution, members=photos.images[:4])
    test = ml.datasets.create(["Testing"], "test", photos.execution, members=photos.images[4:6])
    whole = ml.datasets.create(["Split"], "all", photos.execution, members=[train.rid, test.rid])
    return whole.rid

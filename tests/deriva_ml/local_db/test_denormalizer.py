"""Wide tables as an object: of a dataset, and of rows that are given."""

from __future__ import annotations

from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLRidsNotFound, DerivaMLValidationError
from deriva_ml.core.query import equals, path_of
from deriva_ml.dataset.dataset import Dataset
from deriva_ml.feature.record import FeatureRecord
from deriva_ml.local_db import Denormalizer

from ..conftest import Stage, Zoo, fill_zoo


@pytest.fixture(scope="module")
def zoo(stage: Stage) -> Zoo:
    """Two subjects with four pictures each, whose files are in the object store."""
    zoo = fill_zoo(stage.ml)
    rows = []
    for rid in zoo.images:
        stored = stage.ml.catalog.objects.put(f"/hatrac/Image/{rid}.png", rid.encode())
        about = {"URL": stored.url, "Length": stored.length, "MD5": stored.md5}
        rows.append({"RID": rid, **about})
    stage.ml.catalog.update(TableName("Image", "zoo"), rows, targets=["URL", "Length", "MD5"])
    return zoo


@pytest.fixture(scope="module")
def ml(stage: Stage, zoo: Zoo) -> DerivaML:
    return stage.ml


@pytest.fixture(scope="module")
def dataset(ml: DerivaML, zoo: Zoo) -> Dataset:
    """The cats and one dog."""
    return ml.datasets.create(members=zoo.images[:5])


TABLES = ["Image", "Subject"]


def test_it_answers_as_the_dataset_does(dataset: Dataset) -> None:
    bag = dataset.download_dataset_bag(materialize=False)
    for made, like in (
        (Denormalizer(dataset), dataset),
        (Denormalizer(dataset, version="0.1.0"), dataset),
        (Denormalizer(bag), bag),
    ):
        frame = like.get_denormalized_as_dataframe(TABLES)
        assert_frame_equal(made.as_dataframe(TABLES), frame)
        assert list(made.as_dict(TABLES)) == list(like.get_denormalized_as_dict(TABLES))
        assert made.columns(TABLES) == like.list_denormalized_columns(TABLES)
        assert made.describe(TABLES)["row_per"] == "Image"
        assert made.list_paths() == like.list_schema_paths()
    with pytest.raises(DerivaMLValidationError, match="of one version"):
        Denormalizer(dataset).as_dataframe(TABLES, version="0.1.0")


def test_rows_may_be_given_in_place_of_members(ml: DerivaML, dataset: Dataset, zoo: Zoo) -> None:
    subject = Denormalizer.from_rids([zoo.subjects[1]], ml=ml)
    assert subject.as_dataframe(TABLES)["Image.RID"].tolist() == sorted(zoo.images[4:])
    some = Denormalizer.from_rids([("Image", zoo.images[0]), zoo.images[7]], ml=ml)
    assert some.as_dataframe(["Image"])["Image.RID"].tolist() == [zoo.images[0], zoo.images[7]]
    assert some.describe(["Image"])["anchors"] == {"total": 2, "by_type": {"Image": 2}}
    bag = dataset.download_dataset_bag(materialize=False)
    offline = Denormalizer.from_rids([zoo.subjects[0]], ml=bag)
    assert len(offline.as_dataframe(["Image"])) == 4
    assert offline.describe(["Image"])["source"] == "bag"


def test_given_rows_are_read_at_a_version(ml: DerivaML, dataset: Dataset, zoo: Zoo) -> None:
    then = Denormalizer.from_rids(
        zoo.images, ml=ml, dataset_rid=dataset.rid, version=dataset.current_version
    )
    rows = then.as_dataframe(["Image", "Dataset_Image"])
    assert rows["Dataset_Image.Dataset"].dropna().tolist() == [dataset.rid] * 5
    assert then.describe(["Image"])["source"] == "snapshot"
    with pytest.raises(DerivaMLValidationError, match="give dataset_rid"):
        Denormalizer.from_rids(zoo.images, ml=ml, version="0.1.0")
    with pytest.raises(DerivaMLValidationError, match="give ml"):
        Denormalizer.from_rids(zoo.images)
    with pytest.raises(DerivaMLRidsNotFound):
        Denormalizer.from_rids(["1-0000"], ml=ml)


def test_rows_that_are_not_there_are_named(ml: DerivaML, zoo: Zoo) -> None:
    name = TableName("Subject", "zoo")
    gone = ml.catalog.insert(name, [{"Name": "Max"}])[0]["RID"]
    before = ml.catalog.latest_snapshot()
    ml.catalog.delete(path_of(ml.session.table("Subject"), equals("RID", gone)))
    wrong = [gone, ("Subject", "1-ZZZZ"), ("Subject", zoo.images[0]), ("Image", gone)]
    with pytest.raises(DerivaMLRidsNotFound) as caught:
        Denormalizer.from_rids([zoo.images[0], ("Subject", zoo.subjects[0]), *wrong], ml=ml)
    assert caught.value.missing_rids == sorted({gone, "1-ZZZZ", zoo.images[0]})
    then = ml.catalog_snapshot(before)
    for anchor in (gone, ("Subject", gone)):
        assert len(Denormalizer.from_rids([anchor], ml=then).as_dataframe(["Subject"])) == 1


def test_only_values_about_the_rows_are_fetched(
    ml: DerivaML, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Denormalizer.from_rids(zoo.images[:2], ml=ml)
    fetched: list[int] = []
    fetch = type(ml.catalog).fetch

    def counting(self: Any, query: Any) -> Any:
        rows = fetch(self, query)
        fetched.append(len(rows))
        return rows

    monkeypatch.setattr(type(ml.catalog), "fetch", counting)
    assert [r.Image for r in made.feature_records("Label")] == zoo.images[:2]  # type: ignore[attr-defined]
    assert max(fetched) == 2


def test_values_of_a_feature_are_those_of_its_rows(dataset: Dataset, zoo: Zoo) -> None:
    made = Denormalizer(dataset)
    records = [r.model_dump() for r in made.feature_records("Label")]
    assert [r["Image"] for r in records] == zoo.images[:5]
    newest = list(made.feature_records("Image:Label", selector=FeatureRecord.select_newest))
    assert len(newest) == 5
    feature = dataset.lookup_feature("Image", "Label")
    assert [r.model_dump() for r in made.feature_records(feature)] == records

"""A bag that is read by its path answers as the catalog does."""

from __future__ import annotations

from pathlib import Path

import pytest

from deriva_ml import Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLNotFoundError,
    DerivaMLReadOnlyError,
)
from deriva_ml.dataset.bag import DatasetBag
from deriva_ml.dataset.dataset import Dataset
from deriva_ml.model import DatabaseModel, DerivaMLBagView

CODE = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="1")


@pytest.fixture
def made(ml: DerivaML) -> tuple[Dataset, DatasetBag]:
    """A dataset of one labelled picture that an execution made from another one's."""
    with ml.create_execution(workflow=CODE, description="collect") as collect:
        collect.asset_file_path("Image", "a.png").write_text("a")
    collect.upload_execution_outputs()
    (image,) = ml.list_assets("Image")
    with ml.create_execution(workflow=CODE, description="choose", assets=[image.asset_rid]) as exe:
        label = ml.feature_record_class("Image", "Label")
        exe.add_features([label(Image=image.asset_rid, Image_Class="cat")])
        dataset = exe.create_dataset(["Training"], description="chosen")
        dataset.add_dataset_members([image.asset_rid])
    exe.upload_execution_outputs()
    dataset.release("minor", "labelled")
    spec = f"{dataset.dataset_rid}@{dataset.current_version}"
    return dataset, ml.download_dataset_bag(spec)


@pytest.fixture
def view(made: tuple[Dataset, DatasetBag]) -> DerivaMLBagView:
    return DerivaMLBagView(DatabaseModel(None, made[1].path))


def test_a_bag_answers_as_the_catalog_does(
    ml: DerivaML, view: DerivaMLBagView, made: tuple[Dataset, DatasetBag]
) -> None:
    dataset, bag = made
    (found,) = view.find_datasets()
    assert found.dataset_rid == dataset.dataset_rid
    assert view.lookup_dataset(dataset).list_dataset_members() == bag.list_dataset_members()
    assert view.get_table_as_dict("Image") == bag.get_table_as_dict("Image")
    assert view.lookup_term("Dataset_Type", "Training").rid == (
        ml.lookup_term("Dataset_Type", "Training").rid
    )
    assert [str(f) for f in view.find_features("Image")] == ["Image:Label"]
    values, expected = (m.feature_values("Image", "Label") for m in (view, ml))
    assert [v.model_dump() for v in values] == [v.model_dump() for v in expected]
    assert view.list_assets("Image") == ml.list_assets("Image")
    assert "lookup_term" in dir(view)


def test_the_lineage_of_a_bag_is_that_of_the_catalog(
    ml: DerivaML, view: DerivaMLBagView, made: tuple[Dataset, DatasetBag]
) -> None:
    image = view.list_assets("Image")[0]
    mine = ml.lookup_lineage(image)
    assert view.lookup_lineage(image).execution_rids() == mine.execution_rids()


def test_a_bag_is_only_read(view: DerivaMLBagView, tmp_path: Path) -> None:
    with pytest.raises(DerivaMLReadOnlyError, match="create_execution"):
        view.create_execution()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        view.nothing  # noqa: B018
    with pytest.raises(DerivaMLDatasetNotFound, match="1ABC"):
        view.lookup_dataset("1ABC")
    (bag,) = view.find_datasets()
    named = f"{bag.dataset_rid}@{bag.current_version}"
    assert view.lookup_dataset(named).dataset_rid == bag.dataset_rid
    with pytest.raises(DerivaMLDatasetNotFound, match=r"not 9\.9\.9"):
        view.lookup_dataset(f"{bag.dataset_rid}@9.9.9")
    with pytest.raises(DerivaMLNotFoundError):
        DatabaseModel(None, tmp_path / "none")


def test_the_database_may_lie_elsewhere(made: tuple[Dataset, DatasetBag], tmp_path: Path) -> None:
    database = DatabaseModel("minid:x", made[1].path, tmp_path / "rows.db")
    assert (tmp_path / "rows.db").is_file()
    assert database.minid == "minid:x"
    assert database.is_asset("Image")  # from the model
    with pytest.raises(AttributeError):
        database.nothing  # noqa: B018


def test_the_older_name_of_paths_works(ml: DerivaML) -> None:
    assert ml._domain_path()["Subject"] is not None

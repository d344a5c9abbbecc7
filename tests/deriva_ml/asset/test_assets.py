"""Assets as objects, and paths that know what they are."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
from pathlib import Path

import pytest

from deriva_ml import Asset, Workflow
from deriva_ml.asset.file_path import AssetFilePath
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLInvalidTerm,
    DerivaMLNotFoundError,
    DerivaMLTableTypeError,
    DerivaMLUnavailableError,
    DerivaMLValidationError,
)

WORKFLOW = Workflow(
    name="w", workflow_type="Training", url="https://example.org/w.py", checksum="beef"
)


@pytest.fixture
def asset(ml: DerivaML) -> Asset:
    with ml.create_execution(workflow=WORKFLOW) as exe:
        path = exe.asset_file_path("Execution_Asset", "m.bin", "Model_File", description="model")
        path.write_bytes(b"weights")
    uploaded = exe.upload_execution_outputs()
    return ml.lookup_asset(str(uploaded["deriva-ml/Execution_Asset"][0].asset_rid))


def test_an_asset_path_works_wherever_a_path_does(tmp_path: Path) -> None:
    path = AssetFilePath(tmp_path / "a.txt", "Model", asset_types=["Model_File"])
    path.write_text("x")
    assert isinstance(path, Path)
    assert Path(path) == path == tmp_path / "a.txt"
    assert hash(path) == hash(tmp_path / "a.txt")
    assert os.fspath(path) == str(tmp_path / "a.txt")
    with open(path) as file:  # noqa: PTH123 - that the built-in takes it is the point
        assert file.read() == "x"
    shutil.copy(path, tmp_path / "b.txt")
    assert (path.asset_table, path.asset_name, path.file_name) == ("Model", "Model", "a.txt")


def test_derived_paths_are_plain(tmp_path: Path) -> None:
    path = AssetFilePath(tmp_path / "a.txt", "Model")
    for derived in (path / "b", path.parent, path.with_suffix(".md"), path.with_name("c")):
        assert not isinstance(derived, AssetFilePath)
        assert isinstance(derived, Path)


def test_an_asset_path_survives_pickling_and_copying(tmp_path: Path) -> None:
    path = AssetFilePath(tmp_path / "a.txt", "Model", "a.txt", {"k": 1}, ["T"], "1ABC")
    for again in (pickle.loads(pickle.dumps(path)), copy.copy(path)):
        assert again == path
        assert (again.metadata, again.asset_types, again.asset_rid) == ({"k": 1}, ["T"], "1ABC")


@pytest.mark.parametrize(("mode", "expected"), [("w", "new"), ("a", "oldnew"), ("r+", "new")])
def test_writing_through_a_link_leaves_its_target(tmp_path: Path, mode: str, expected: str) -> None:
    (tmp_path / "source").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "source")
    path = AssetFilePath(tmp_path / "link", "Model")
    with path.open(mode) as file:
        file.write("new")
    assert (tmp_path / "source").read_text() == "old"
    assert path.read_text() == expected


def test_an_asset_knows_its_execution_types_and_description(ml: DerivaML, asset: Asset) -> None:
    (made,) = ml.list_asset_executions(asset.asset_rid, "Output")
    assert asset.execution_rid == made.execution_rid
    assert asset.list_executions("Input") == []
    assert asset.description == "model"
    asset.description = "the model"
    asset.add_asset_type("Input_File")
    asset.remove_asset_type("Model_File")
    again = ml.lookup_asset(asset.asset_rid)
    assert again == asset
    assert again.description == "the model"
    assert sorted(again.asset_types) == ["Input_File", "Output_File"]
    with pytest.raises(DerivaMLInvalidTerm):
        asset.add_asset_type("Nonsense")
    with pytest.raises(DerivaMLValidationError, match="Input' or 'Output"):
        asset.list_executions("Both")


def test_assets_are_found_by_table_and_type(ml: DerivaML, asset: Asset) -> None:
    assert asset in ml.find_assets()
    assert ml.find_assets(asset_type="Model_File") == [asset]
    assert ml.find_assets("Image", "Model_File") == []
    assert ml.list_asset_tables()[0].name == "Image"
    with pytest.raises(DerivaMLTableTypeError):
        ml.list_assets("Subject")
    with pytest.raises(DerivaMLNotFoundError):
        ml.lookup_asset("1ZZZ")


def test_a_download_puts_the_file_where_it_is_asked_for(
    ml: DerivaML, asset: Asset, tmp_path: Path
) -> None:
    path = asset.download(tmp_path / "here")
    assert path == tmp_path / "here" / "m.bin"
    assert path.read_bytes() == b"weights"
    path.unlink()
    path.write_bytes(b"other")
    assert asset.download(tmp_path / "here").read_bytes() == b"weights"


def test_writing_over_a_download_does_not_change_what_is_stored(
    ml: DerivaML, asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = asset.download(tmp_path / "here")
    if os.geteuid() == 0:  # whom the mode of a file does not keep from writing
        path.write_bytes(b"changed")
    path.unlink()
    assert asset.download(tmp_path / "there").read_bytes() == b"weights"
    monkeypatch.chdir(tmp_path / "there")
    os.link("m.bin", "also.bin")
    with ml.create_execution(workflow=WORKFLOW) as exe:
        output = exe.asset_file_path(
            "Execution_Asset", "m.bin"
        )  # there is a file of that name here
        with open(os.fspath(output), "wb") as file:  # noqa: PTH123 - as libraries do
            file.write(b"another")
    assert Path("m.bin").read_bytes() == b"weights"


def test_damaged_bytes_are_noticed(ml: DerivaML, asset: Asset, tmp_path: Path) -> None:
    from deriva_catalog.path.ast import TableName

    row = {"RID": asset.asset_rid, "MD5": "0" * 32}
    ml.catalog.update(TableName("Execution_Asset", "deriva-ml"), [row], targets=("MD5",))
    with pytest.raises(DerivaMLDataError, match="MD5"):
        asset.download(tmp_path)
    assert list(tmp_path.glob("m.bin")) == []


def test_a_file_that_is_elsewhere_says_so(ml: DerivaML, zoo: object, tmp_path: Path) -> None:
    image = ml.list_assets("Image")[1]
    with pytest.raises(DerivaMLUnavailableError, match="fetch it from there"):
        image.download(tmp_path)


def test_the_cache_can_be_looked_at_and_emptied(ml: DerivaML, asset: Asset) -> None:
    for _ in range(2):
        ml.create_execution(assets=[{"rid": asset.rid, "cache": True}], workflow=WORKFLOW)
    (cached,) = ml.list_cached_assets()
    assert (cached.rid, cached.md5, cached.size_bytes) == (asset.rid, asset.md5, 7)
    assert ml.get_cache_size()["file_count"] == 1
    assert ml.get_storage_summary()["asset_count"] == 1
    assert ml.delete_cached_asset(asset.rid, "other")["assets_removed"] == 0
    assert ml.clear_cache(older_than_days=1)["dirs_removed"] == 0
    # The object store of this machine has the same file, under another name.
    assert ml.delete_cached_asset(asset.rid) == {"assets_removed": 1, "bytes_freed": 0}
    assert ml.list_cached_assets() == []
    assert ml.clear_cache()["bytes_freed"] == 0
    assert ml.get_cache_size()["file_count"] == 0

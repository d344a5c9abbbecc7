"""Records of metadata, and what an execution has registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deriva_ml import Workflow
from deriva_ml.asset import AssetEntry, AssetManifest
from deriva_ml.core.base import DerivaML
from deriva_ml.core.constants import STRICT_PREALLOCATED_RID
from deriva_ml.core.definitions import ColumnDefinition
from deriva_ml.core.enums import UploadState
from deriva_ml.core.exceptions import (
    DerivaMLInvalidTerm,
    DerivaMLNotFoundError,
    DerivaMLRidsNotFound,
    DerivaMLStateInconsistency,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)
from deriva_ml.execution.execution import Execution

CODE = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="1")


@pytest.fixture
def scans(ml: DerivaML) -> DerivaML:
    """An asset table with metadata of several types."""
    columns = [
        ColumnDefinition("Depth", "int4", nullok=False),
        ColumnDefinition("Taken", "timestamptz"),
    ]
    ml.create_asset("Scan", column_defs=columns)
    return ml


# --- records -------------------------------------------------------------------------


def test_a_record_has_the_metadata_columns_of_its_table(scans: DerivaML) -> None:
    record: Any = scans.asset_record_class("Scan")
    assert list(record.model_fields) == ["Depth", "Taken"]
    assert (record.__name__, record.asset_table) == ("ScanAssetRecord", "zoo:Scan")
    with pytest.raises(ValidationError, match="Depth"):
        record()
    with pytest.raises(ValidationError, match="Filename"):
        record(Depth=1, Filename="x")
    with pytest.raises(DerivaMLTableTypeError):
        scans.asset_record_class("Subject")


def test_a_record_is_taken_as_metadata(scans: DerivaML) -> None:
    record: Any = scans.asset_record_class("Scan")
    exe = scans.create_execution(workflow=CODE)
    with exe:
        values = record(Depth=3, Taken="2026-01-02T03:04:05+00:00")
        exe.asset_file_path("Scan", "a.bin", metadata=values).write_text("a")
    exe.upload_execution_outputs()
    (asset,) = scans.list_assets("Scan")
    assert asset.get_metadata() == {"Depth": 3, "Taken": "2026-01-02T03:04:05+00:00"}


# --- manifests -----------------------------------------------------------------------


@pytest.fixture
def exe(ml: DerivaML) -> Execution:
    return ml.create_execution(workflow=CODE)


def images(manifest: AssetManifest) -> dict[str, AssetEntry]:
    return {key: e for key, e in manifest.assets.items() if e.asset_table == "Image"}


def test_a_manifest_follows_the_execution(ml: DerivaML, exe: Execution) -> None:
    manifest = ml.asset_manifest(exe.execution_rid)
    exe.asset_file_path("Image", "a.png", description="first").write_text("a")
    (entry,) = images(manifest).values()
    assert (entry.status, entry.rid, entry.uploaded_at) == ("pending", None, None)
    assert (entry.schema, entry.asset_types, entry.description) == ("zoo", ["Image"], "first")
    assert "Image/a.png" in manifest.pending_assets()
    exe.upload_execution_outputs(clean_folder=False)
    uploaded = manifest.uploaded_assets()["Image/a.png"]
    assert uploaded.rid == ml.list_assets("Image")[0].asset_rid
    assert uploaded.uploaded_at is not None
    assert manifest.pending_assets() == {}
    assert len(manifest) == 4
    with pytest.raises(DerivaMLNotFoundError, match=r"'Image/b\.png'.*'Image/a\.png'"):
        manifest["Image/b.png"]


def test_a_manifest_registers_files(ml: DerivaML, exe: Execution) -> None:
    manifest = AssetManifest(ml, exe.execution_rid)
    manifest.add_asset("Image/x/a.png", AssetEntry("Image", "zoo", ["Model_File"]))
    (exe.working_dir / "assets/zoo/Image/x/a.png").write_text("a")
    exe.upload_execution_outputs()
    assert ml.list_assets("Image")[0].asset_types == ["Output_File", "Model_File"]
    with pytest.raises(DerivaMLValidationError, match="Image/name"):
        manifest.add_asset("Mask/a.png", AssetEntry("Image", "zoo"))
    with pytest.raises(DerivaMLInvalidTerm):
        manifest.add_asset("Image/b.png", AssetEntry("Image", "zoo", ["Nothing"]))


def test_a_failure_is_noted_and_tried_again(ml: DerivaML, exe: Execution) -> None:
    manifest = AssetManifest(ml, exe.execution_rid)
    exe.asset_file_path("Image", "a.png").write_text("a")
    manifest.mark_failed("Image/a.png", "The network is down.")
    assert manifest.failed_assets()["Image/a.png"].error == "The network is down."
    exe.upload_execution_outputs(clean_folder=False)
    assert manifest["Image/a.png"].status == "uploaded"
    with pytest.raises(DerivaMLValidationError, match="is uploaded"):
        manifest.mark_failed("Image/a.png", "too late")


def test_what_the_catalog_has_already_is_left_out_of_the_commit(
    ml: DerivaML, exe: Execution
) -> None:
    first = ml.create_execution(workflow=CODE)
    first.asset_file_path("Image", "a.png").write_text("a")
    first.upload_execution_outputs()
    (asset,) = ml.list_assets("Image")
    for name, text in (("same.png", "a"), ("other.png", "b")):
        exe.asset_file_path("Image", name).write_text(text)
    manifest = AssetManifest(ml, exe.execution_rid)
    with pytest.raises(DerivaMLValidationError, match=r"not the output Image/other\.png"):
        manifest.mark_uploaded_batch(
            {"Image/same.png": asset.asset_rid, "Image/other.png": asset.asset_rid}
        )
    assert manifest.uploaded_assets() == {}
    with pytest.raises(DerivaMLRidsNotFound):
        manifest.mark_uploaded("Image/same.png", "ZZZZ")
    with pytest.raises(DerivaMLNotFoundError, match="none"):
        AssetManifest(ml, first.execution_rid).mark_uploaded("Image/none", asset.asset_rid)
    manifest.mark_uploaded("Image/same.png", asset.asset_rid)
    exe.upload_execution_outputs()
    assert {a.filename for a in ml.list_assets("Image")} == {"a.png", "other.png"}
    assert exe.execution_rid in asset.list_executions("Output")


def test_a_manifest_needs_a_journal(ml: DerivaML) -> None:
    with pytest.raises(DerivaMLStateInconsistency, match="1ABC"):
        ml.asset_manifest("1ABC")


# --- directories ---------------------------------------------------------------------


def test_a_directory_of_assets_is_uploaded(scans: DerivaML, tmp_path: Path) -> None:
    files = {
        "zoo/Scan/3/None/a.bin": "a",
        "Scan/4/2026-01-02T00:00:00+00:00/deep/b.bin": "b",
        "deriva-ml/Execution_Asset/log.txt": "c",
    }
    for name, text in files.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True)
        (tmp_path / "out" / name).write_text(text)
    exe = scans.create_execution(workflow=CODE)
    states = exe.upload_assets(tmp_path / "out")
    assert set(states) == set(files)
    assert {s.state for s in states.values()} == {UploadState.success}
    found = {a.filename: a for a in scans.list_assets("Scan")}
    assert found["a.bin"].get_metadata() == {"Depth": 3, "Taken": None}
    assert found["b.bin"].get_metadata()["Depth"] == 4
    assert states["zoo/Scan/3/None/a.bin"].rid == found["a.bin"].asset_rid


def test_a_directory_that_says_nothing_registers_nothing(scans: DerivaML, tmp_path: Path) -> None:
    exe = scans.create_execution(workflow=CODE)
    before = len(scans.asset_manifest(exe.execution_rid))
    with pytest.raises(DerivaMLValidationError, match="no directory"):
        exe.upload_assets(tmp_path / "none")
    for name in ("zoo/Image/x/a.png", "Scan/b.bin", "Subject/c.txt", "d.txt"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("x")
    with pytest.raises(DerivaMLValidationError, match=r"'Scan/b\.bin', 'Subject/c\.txt', 'd\.txt'"):
        exe.upload_assets(tmp_path / "out")
    assert len(scans.asset_manifest(exe.execution_rid)) == before
    (tmp_path / "empty").mkdir()
    with pytest.raises(DerivaMLValidationError, match="no file"):
        exe.upload_assets(tmp_path / "empty")


# --- RIDs leased before --------------------------------------------------------------


def test_files_of_a_strict_table_get_rids_that_were_leased_before(
    ml: DerivaML, exe: Execution
) -> None:
    from deriva_catalog.interface import Address

    assert not ml.model.is_strict_preallocated_rid("Image")
    place = Address(schema="zoo", table="Image")
    ml.catalog.set_annotation(place, STRICT_PREALLOCATED_RID, True)
    assert ml.model.is_strict_preallocated_rid("Image")
    for name in ("a.png", "b.png", "c.png"):
        exe.asset_file_path("Image", name).write_text(name)
    waiting = [o.token for o in exe._run.journal.outputs() if o.table == "Image"]
    exe.upload_execution_outputs()
    leased = ml.catalog.leased_rids(waiting)
    assert {a.asset_rid for a in ml.list_assets("Image")} == set(leased.values())

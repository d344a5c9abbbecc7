"""Working without the catalog, and telling how its schema has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deriva_catalog.interface import Address
from deriva_catalog.path.ast import TableName
from deriva_ml import Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition, ConnectionMode
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLException,
    DerivaMLInvalidTerm,
    DerivaMLOfflineError,
    DerivaMLReadOnlyError,
    DerivaMLSchemaPinned,
    DerivaMLSchemaRefreshBlocked,
    DerivaMLTableTypeError,
    DerivaMLUploadError,
)

from ..conftest import Zoo

CODE = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="1")


def work_of(ml: DerivaML) -> Path:
    """What `ml` was given as its working directory."""
    return Path(ml.host_name).parent / "work"


def offline(ml: DerivaML) -> DerivaML:
    """A session without the catalog, which is not there any more."""
    ml.catalog.close()
    place = Path(ml.host_name)
    if place.exists():
        place.rename(place.with_name("gone"))
    return DerivaML(str(place), working_dir=work_of(ml), mode="offline")


def back(ml: DerivaML) -> DerivaML:
    """The catalog is there again."""
    place = Path(ml.host_name)
    place.with_name("gone").rename(place)
    return DerivaML(str(place), working_dir=work_of(ml))


# --- offline -------------------------------------------------------------------------


def test_the_schema_is_known_without_the_catalog(ml: DerivaML) -> None:
    described = ml.model.get_schema_description()
    away = offline(ml)
    assert away.mode is ConnectionMode.offline
    assert away.working_dir == ml.working_dir
    assert away.default_schema == "zoo"
    assert {t.name for t in away.list_asset_tables()} == {
        "Execution_Asset",
        "Execution_Metadata",
        "File",
        "Image",
    }
    assert away.model.get_schema_description() == described
    assert [str(f) for f in away.find_features("Image")] == ["Image:Label"]
    assert "offline" in repr(away.mode)


def test_another_schema_may_be_worked_on(ml: DerivaML, tmp_path: Path) -> None:
    ml.create_vocabulary("Breed")
    document = ml.catalog.document()
    kept = tmp_path / "schema.json"
    kept.write_text(json.dumps(document))
    with pytest.raises(DerivaMLConfigurationError, match="offline"):
        DerivaML(ml.host_name, working_dir=work_of(ml), reuse_schema_json=kept)
    for given in (document, kept, str(kept)):
        away = DerivaML(
            ml.host_name, working_dir=work_of(ml), mode="offline", reuse_schema_json=given
        )
        assert "Breed" in {t.name for t in away.model.find_vocabularies()}
    kept.write_text("{")
    with pytest.raises(DerivaMLConfigurationError, match=r"schema\.json"):
        DerivaML(ml.host_name, working_dir=work_of(ml), mode="offline", reuse_schema_json=kept)
    kept.write_text("[]")
    with pytest.raises(DerivaMLException, match="no model document"):
        DerivaML(ml.host_name, working_dir=work_of(ml), mode="offline", reuse_schema_json=kept)


def test_what_needs_the_catalog_is_refused(ml: DerivaML) -> None:
    away = offline(ml)
    for act in (
        away.find_datasets,
        away.find_workflows,
        away.refresh_schema,
        away.diff_schema,
        away.whoami,
        lambda: away.create_execution(workflow=CODE),
        lambda: away.create_vocabulary("V"),
        lambda: away.catalog.fetch("entity/Subject"),
    ):
        with pytest.raises(DerivaMLOfflineError, match="offline"):
            act()
    with pytest.raises(DerivaMLReadOnlyError):
        away.add_term("Dataset_Type", "New")
    assert "gone" not in repr(away.catalog)
    away.catalog.close()


def test_without_a_connection_before_there_is_nothing_to_work_with(tmp_path: Path) -> None:
    with pytest.raises(DerivaMLConfigurationError, match="Connect to the catalog once"):
        DerivaML("example.org", 7, working_dir=tmp_path, mode="offline")


def test_a_downloaded_dataset_opens_offline(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create(["Training"], "d", zoo.execution)
    added = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Ida"}])
    dataset.add_dataset_members([added[0]["RID"]])
    spec = f"{dataset.dataset_rid}@{dataset.current_version}"
    expected = ml.download_dataset_bag(spec).get_table_as_dict("Subject")
    away = offline(ml)
    assert list(away.download_dataset_bag(spec).get_table_as_dict("Subject")) == list(expected)
    with pytest.raises(DerivaMLOfflineError):
        away.download_dataset_bag(f"{dataset.dataset_rid}@0.1.0")


def test_a_run_goes_on_offline_and_is_uploaded_later(ml: DerivaML) -> None:
    exe = ml.create_execution(workflow=CODE)
    away = offline(ml)
    assert [s.rid for s in away.find_incomplete_executions()] == [exe.execution_rid]
    with away.resume_execution(exe.execution_rid) as again:
        again.asset_file_path("Image", "a.png", ["Model_File"]).write_text("a")
    assert again.status is ExecutionStatus.Stopped
    with pytest.raises(DerivaMLOfflineError):
        again.upload_execution_outputs()
    assert again.status is ExecutionStatus.Stopped
    assert "zoo/Image" in away.pending_summary().per_execution[0].assets
    home = back(ml)
    home.commit_pending_executions()
    assert [a.filename for a in home.list_assets("Image")] == ["a.png"]
    record = home.lookup_execution(exe.execution_rid)
    assert record.status is ExecutionStatus.Uploaded
    assert record.start_time is not None
    home.catalog.close()


def test_a_synonym_that_was_given_offline_means_its_term(ml: DerivaML) -> None:
    ml.add_term("Asset_Type", "Net_File", "A net.", synonyms=["Weights"])
    exe = ml.create_execution(workflow=CODE)
    with offline(ml).resume_execution(exe.execution_rid) as again:
        again.asset_file_path("Image", "a.png", ["Weights", "Net_File"]).write_text("a")
    home = back(ml)
    home.resume_execution(exe.execution_rid).upload_execution_outputs()
    (asset,) = home.list_assets("Image")
    assert sorted(asset.asset_types) == ["Net_File", "Output_File"]
    home.catalog.close()


def test_a_type_that_is_no_term_is_noticed_by_the_upload(ml: DerivaML) -> None:
    exe = ml.create_execution(workflow=CODE)
    away = offline(ml)
    with away.resume_execution(exe.execution_rid) as again:
        again.asset_file_path("Image", "a.png", ["Modle"]).write_text("a")
    home = back(ml)
    with pytest.raises(DerivaMLUploadError, match="Modle"):
        home.resume_execution(exe.execution_rid).upload_execution_outputs()
    assert home.list_assets("Image") == []
    with pytest.raises(DerivaMLInvalidTerm):
        home.lookup_term("Asset_Type", "Modle")
    home.catalog.close()


def test_an_alias_is_known_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deriva_ml.schema import create_ml_catalog

    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    create_ml_catalog("localhost", "cells", catalog_alias="cells").close()
    ml = DerivaML("localhost", "cells")
    ml.catalog.close()
    away = DerivaML("localhost", "cells", mode="offline")
    assert (away.catalog_id, away.working_dir) == (ml.catalog_id, ml.working_dir)


# --- the schema that is kept ---------------------------------------------------------


def add_column(ml: DerivaML, name: str) -> None:
    ml.catalog.create_column(
        TableName("Subject", "zoo"), ColumnDefinition(name, BuiltinTypes.text).to_dict()
    )


def test_differences_from_the_schema_that_is_kept_are_told(ml: DerivaML) -> None:
    assert ml.diff_schema().is_empty()
    assert ml.diff_schema().render() == "No differences."
    add_column(ml, "Age")
    ml.create_vocabulary("Breed")
    ml.catalog.create_schema("more")
    ml.catalog.alter(
        Address(schema="zoo", table="Subject", column="Name"), {"type": {"typename": "markdown"}}
    )
    ml.catalog.drop(Address(schema="zoo", table="Image", foreign_key=("Subject",)))
    ml.catalog.drop(Address(schema="zoo", table="Image", column="Subject"))
    found = ml.diff_schema()
    assert found.added_schemas == ("more",)
    assert found.added_tables == ("zoo:Breed",)
    assert found.added_columns == ("zoo:Subject.Age",)
    assert found.removed_columns == ("zoo:Image.Subject",)
    assert found.removed_fkeys == ("zoo:Image(Subject) -> zoo:Subject(RID)",)
    assert found.column_type_changes == (("zoo:Subject.Name", "text", "markdown"),)
    assert "+ table zoo:Breed" in str(found)
    assert "~ column zoo:Subject.Name: text -> markdown" in found.render()
    assert ml.refresh_schema() == ml.catalog.latest_snapshot() == ml.schema_cache.snapshot_id()
    assert ml.diff_schema().is_empty()


def test_a_pinned_schema_stays(ml: DerivaML) -> None:
    assert not ml.pin_status().pinned
    pin = ml.pin_schema("for the paper")
    assert (pin.pinned, pin.pin_reason) == (True, "for the paper")
    assert pin.pinned_snapshot_id == ml.schema_cache.snapshot_id()
    add_column(ml, "Age")
    with pytest.raises(DerivaMLSchemaPinned, match="for the paper"):
        ml.refresh_schema(force=True)
    assert ml.diff_schema().added_columns == ("zoo:Subject.Age",)
    assert not ml.unpin_schema().pinned
    ml.refresh_schema()
    assert ml.diff_schema().is_empty()


def test_a_snapshot_neither_refreshes_nor_pins_the_schema(ml: DerivaML) -> None:
    past = ml.catalog_snapshot(ml.catalog.latest_snapshot())
    add_column(ml, "Age")
    for act in (past.refresh_schema, past.pin_schema):
        with pytest.raises(DerivaMLReadOnlyError, match="of the present"):
            act()
    assert not ml.pin_status().pinned
    assert ml.diff_schema().added_columns == ("zoo:Subject.Age",)


def test_the_schema_of_another_catalog_of_that_name_is_replaced(ml: DerivaML) -> None:
    def connected() -> dict[str, object]:
        again = DerivaML(ml.host_name, working_dir=work_of(ml))
        again.catalog.close()
        return again.schema_cache.load().about

    cache = ml.schema_cache
    kept = cache.load()
    another = {**kept.about, "identity": "another"}
    cache.write(kept.schema, kept.snapshot_id, another)
    cache.pin()
    assert connected()["identity"] == "another"
    cache.unpin()
    assert connected() == kept.about
    cache.write({**kept.schema, "comment": "as it was"}, kept.snapshot_id, kept.about)
    connected()
    assert cache.load().schema["comment"] == "as it was"  # only a refresh replaces it


def test_staged_work_blocks_a_refresh(ml: DerivaML) -> None:
    exe = ml.create_execution(workflow=CODE)
    exe.asset_file_path("Image", "a.png").write_text("a")
    with pytest.raises(DerivaMLSchemaRefreshBlocked, match=exe.execution_rid):
        ml.refresh_schema()
    ml.refresh_schema(force=True)


def test_a_damaged_cache_says_what_to_do(ml: DerivaML) -> None:
    ml.schema_cache.path.write_text("{")
    with pytest.raises(DerivaMLConfigurationError, match="Remove it and connect again"):
        ml.diff_schema()
    ml.schema_cache.path.write_text('{"format": 99}')
    with pytest.raises(DerivaMLConfigurationError, match="format 99"):
        offline(ml)


# --- who and where -------------------------------------------------------------------


def test_this_machine_knows_who_we_are(ml: DerivaML) -> None:
    who = ml.whoami()
    assert ml.is_authenticated() == (who is not None)
    ml.clear_vocabulary_cache()
    ml.clear_vocabulary_cache("Dataset_Type")
    with pytest.raises(DerivaMLTableTypeError):
        ml.clear_vocabulary_cache("Subject")
    with pytest.raises(DerivaMLConfigurationError, match=r"deriva-catalog login example\.org"):
        ml.globus_login("example.org")


def test_a_context_file_says_where_to_connect(
    ml: DerivaML, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = place.parent / "project"
    (project / "src" / "deep").mkdir(parents=True)
    file = project / ".deriva-context.json"
    monkeypatch.chdir(project / "src")
    with pytest.raises(FileNotFoundError, match="deriva-context"):
        DerivaML.from_context()
    where = {"hostname": str(place), "catalog_id": 1, "working_dir": str(tmp_path / "w")}
    file.write_text(json.dumps({**where, "default_schema": "zoo"}))
    for given in (None, project, project / "src" / "deep", file):
        found = DerivaML.from_context(given)
        assert found.catalog.url == ml.catalog.url
        found.catalog.close()
    beside = {"hostname": f"../{place.name}", "catalog_id": 1, "working_dir": "kept"}
    file.write_text(json.dumps(beside))  # from the file on, wherever we are
    found = DerivaML.from_context()
    assert found.catalog.url == ml.catalog.url
    assert (project / "kept").resolve() in found.working_dir.parents
    found.catalog.close()
    for wrong in ("[]", '{"hostname": "h"}', '{"hostname": "h", "catalog_id": 1, "x": 2}', "{"):
        file.write_text(wrong)
        with pytest.raises(DerivaMLConfigurationError, match=r"deriva-context\.json"):
            DerivaML.from_context()

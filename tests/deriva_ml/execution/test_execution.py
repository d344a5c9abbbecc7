"""Executions from creation to upload, on a real catalog."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from deriva_catalog.path.ast import TableName
from deriva_ml import ExecutionConfiguration, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import ColumnDefinition
from deriva_ml.core.enums import ExecAssetType, ExecutionStatus, MLAsset
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLException,
    DerivaMLExecutionError,
    DerivaMLInvalidTerm,
    DerivaMLNotFoundError,
    DerivaMLTableTypeError,
    DerivaMLUploadError,
    DerivaMLValidationError,
    InvalidTransitionError,
)
from deriva_ml.execution.report import UploadProgress
from deriva_ml.execution.secrets import copy_masked

WORKFLOW = {
    "name": "train.py",
    "workflow_type": "Training",
    "url": "https://example.org/train.py",
    "checksum": "0123456789abcdef",
}


@pytest.fixture
def workflow() -> Workflow:
    return Workflow(**WORKFLOW)


def rows(ml: DerivaML, table: str) -> list[dict[str, object]]:
    return ml.get_table_as_dict(table)


# --- creating ------------------------------------------------------------------------


def test_an_execution_without_a_workflow_gets_one_from_the_calling_script(ml: DerivaML) -> None:
    exe = ml.create_execution(ExecutionConfiguration(description="baseline"))
    workflow = ml.lookup_workflow(str(exe.workflow_rid))
    assert workflow.name == "test_execution.py"
    assert workflow.workflow_types == ["Analysis"]
    assert workflow.checksum
    assert ml.lookup_execution(exe.execution_rid).description == "baseline"


def test_a_new_execution_is_one_snapshot_of_the_catalog(ml: DerivaML, workflow: Workflow) -> None:
    from deriva_catalog import snaptime

    before = ml.catalog.latest_snapshot()
    exe = ml.create_execution(workflow=workflow, description="one")
    row = ml.retrieve_rid(exe.execution_rid)
    made = ml.catalog.latest_snapshot()
    assert made != before
    assert snaptime.to_iso(snaptime.parse(made))[:26] == row["RCT"][:26]
    assert ml.retrieve_rid(str(exe.workflow_rid))["RCT"] == row["RCT"]


def test_executions_of_the_same_code_share_its_workflow(ml: DerivaML, workflow: Workflow) -> None:
    first = ml.create_execution(workflow=workflow)
    second = ml.create_execution(workflow=workflow)
    assert first.workflow_rid == second.workflow_rid
    assert first.execution_rid != second.execution_rid


def test_the_same_file_in_another_project_is_another_workflow(
    ml: DerivaML, workflow: Workflow
) -> None:
    other = workflow.model_copy(update={"url": "https://example.org/elsewhere.py"})
    assert ml.add_workflow(workflow) != ml.add_workflow(other)
    assert ml.add_workflow(workflow) == ml.add_workflow(workflow)


def test_a_workflow_is_found_by_rid_url_and_checksum(ml: DerivaML, workflow: Workflow) -> None:
    rid = ml.add_workflow(workflow)
    for key in (rid, workflow.url, workflow.checksum):
        assert ml.lookup_workflow(str(key)).workflow_rid == rid
    with pytest.raises(DerivaMLNotFoundError, match="no workflow"):
        ml.lookup_workflow("nothing")
    assert rid in [w.workflow_rid for w in ml.find_workflows(sort=True)]


def test_assigning_to_a_workflow_of_the_catalog_writes_through(
    ml: DerivaML, workflow: Workflow
) -> None:
    found = ml.lookup_workflow(ml.add_workflow(workflow))
    found.description = "trains"
    found.add_workflow_type("Testing")
    again = ml.lookup_workflow(str(found.workflow_rid))
    assert again.description == "trains"
    assert again.workflow_types == ["Testing", "Training"]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"datasets": ["1ZZZ@1.0.0"]}, DerivaMLNotFoundError),
        ({"assets": ["1ZZZ"]}, DerivaMLNotFoundError),
        ({"assets": [{"path": "missing.bin"}]}, DerivaMLNotFoundError),
        ({"workflow": Workflow(name="x", workflow_type="Nonsense")}, DerivaMLInvalidTerm),
        ({"workflow": "1ZZZ"}, DerivaMLNotFoundError),
        ({"parent": "1ZZZ"}, DerivaMLNotFoundError),
    ],
)
def test_a_creation_that_fails_leaves_nothing(
    ml: DerivaML, settings: dict[str, object], error: type[Exception]
) -> None:
    before = ml.catalog.latest_snapshot()
    with pytest.raises(error):
        ml.create_execution(**settings)  # type: ignore[arg-type]
    assert ml.catalog.latest_snapshot() == before
    assert not [p for p in (ml.working_dir / "execution").rglob("*") if p.is_file()]


def test_a_row_that_is_no_asset_is_refused_as_input(ml: DerivaML, zoo: object) -> None:
    subject = rows(ml, "Subject")[0]["RID"]
    with pytest.raises(DerivaMLTableTypeError, match="Subject"):
        ml.create_execution(assets=[subject])


def test_a_configuration_and_keywords_do_not_mix(ml: DerivaML) -> None:
    with pytest.raises(TypeError, match="not both"):
        ml.create_execution(ExecutionConfiguration(), description="x")


def test_the_rid_is_written_where_the_environment_asks(
    ml: DerivaML, workflow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_SAVE_EXECUTION_RID", str(tmp_path / "rid.json"))
    exe = ml.create_execution(workflow=workflow)
    document = json.loads((tmp_path / "rid.json").read_text())
    assert document["execution_rid"] == exe.execution_rid
    assert document["workflow_rid"] == exe.workflow_rid


# --- running -------------------------------------------------------------------------


def test_the_context_manager_records_start_stop_and_duration(
    ml: DerivaML, workflow: Workflow
) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        assert exe.status is ExecutionStatus.Running
    record = ml.lookup_execution(exe.execution_rid)
    assert record.status is ExecutionStatus.Stopped
    assert record.start_time is not None
    assert record.stop_time is not None
    assert record.start_time <= record.stop_time
    assert record.duration is not None
    assert record.duration.startswith("0H 0min")


def test_an_error_in_the_block_marks_the_execution_and_goes_on(
    ml: DerivaML, workflow: Workflow
) -> None:
    exe = ml.create_execution(workflow=workflow)
    with pytest.raises(ZeroDivisionError), exe.execute():
        raise ZeroDivisionError("nothing left")
    record = ml.lookup_execution(exe.execution_rid)
    assert record.status is ExecutionStatus.Failed
    assert record.status_detail == "ZeroDivisionError: nothing left"
    assert exe.error == record.status_detail


def test_progress_is_reported_without_a_change_of_state(ml: DerivaML, workflow: Workflow) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        exe.update_status(message="epoch 3", progress=0.3)
        record = ml.lookup_execution(exe.execution_rid)
        assert (record.status, record.status_detail) == ("Running", "30% epoch 3")
        exe.update_status("Running", "epoch 4")
        assert ml.lookup_execution(exe.execution_rid).status_detail == "30% epoch 4"
        with pytest.raises(DerivaMLValidationError, match="between 0 and 1"):
            exe.update_status(progress=3)


def test_a_state_that_cannot_follow_is_refused(ml: DerivaML, workflow: Workflow) -> None:
    exe = ml.create_execution(workflow=workflow)
    before = ml.catalog.latest_snapshot()
    with pytest.raises(InvalidTransitionError, match="cannot become"):
        exe.update_status(ExecutionStatus.Uploaded)
    assert ml.catalog.latest_snapshot() == before


def test_an_aborted_execution_takes_and_uploads_nothing(ml: DerivaML, workflow: Workflow) -> None:
    exe = ml.create_execution(workflow=workflow)
    exe.abort()
    assert ml.lookup_execution(exe.execution_rid).status is ExecutionStatus.Aborted
    with pytest.raises(DerivaMLExecutionError, match="aborted"):
        exe.asset_file_path("Image", "x.png")
    with pytest.raises(InvalidTransitionError):
        exe.upload_execution_outputs()


# --- outputs -------------------------------------------------------------------------


def test_outputs_are_rows_with_types_role_and_producer(ml: DerivaML, workflow: Workflow) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        path = exe.asset_file_path(
            MLAsset.execution_asset, "out.txt", ExecAssetType.output_file, description="text"
        )
        path.write_text("result")
        model = exe.asset_file_path(MLAsset.execution_asset, "m.bin", ["Model_File"])
        model.write_bytes(b"weights")
    uploaded = exe.upload_execution_outputs()
    files = uploaded["deriva-ml/Execution_Asset"]
    assert [f.file_name for f in files] == ["out.txt", "m.bin"]
    asset = ml.lookup_asset(str(files[1].asset_rid))
    assert sorted(asset.asset_types) == ["Model_File", "Output_File"]
    assert asset.execution_rid == exe.execution_rid
    assert (asset.length, asset.filename) == (7, "m.bin")
    assert asset.url.startswith(f"/hatrac/Execution_Asset/{asset.md5}.m.bin:")
    assert ml.catalog.objects.read(asset.url) == b"weights"
    assert ml.lookup_asset(str(files[0].asset_rid)).description == "text"
    assert not exe.working_dir.joinpath("assets").exists()
    assert ml.lookup_execution(exe.execution_rid).upload_duration is not None


def test_a_commit_is_one_change_of_the_catalog(ml: DerivaML, workflow: Workflow) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        for n in range(3):
            exe.asset_file_path("Execution_Asset", f"{n}.txt").write_text(str(n))
    exe.upload_execution_outputs()
    record = ml.retrieve_rid(exe.execution_rid)
    made = {r["RCT"] for r in rows(ml, "Execution_Asset")}
    made |= {r["RCT"] for r in rows(ml, "Execution_Asset_Execution")}
    made |= {r["RCT"] for r in rows(ml, "Execution_Metadata")}
    assert made == {record["RMT"]}
    assert record["Status"] == "Uploaded"


def test_every_run_records_configuration_code_and_environment(
    ml: DerivaML, workflow: Workflow
) -> None:
    config = ExecutionConfiguration(description="d", config_choices={"model": "quick"})
    exe = ml.create_execution(config, workflow=workflow)
    exe.upload_execution_outputs()
    metadata = {a.filename: a for a in ml.list_assets("Execution_Metadata")}
    assert {"configuration.json", "workflow.json"} < set(metadata)
    kinds = {t for a in metadata.values() for t in a.asset_types}
    assert kinds == {"Deriva_Config", "Execution_Config", "Runtime_Env", "Output_File"}
    saved = json.loads(ml.catalog.objects.read(metadata["configuration.json"].url))
    assert saved["config_choices"] == {"model": "quick"}


def test_runs_of_one_moment_do_not_share_what_describes_their_moment(
    place: Path, tmp_path: Path, workflow: Workflow
) -> None:
    hydra = tmp_path / "hydra"
    (hydra / "hydra-config").mkdir(parents=True)
    for name in ("config.yaml", "overrides.yaml"):
        (hydra / "hydra-config" / name).write_text("equal: true\n")
    ml = DerivaML(str(place), working_dir=tmp_path / "work", hydra_runtime_output_dir=hydra)
    described = []
    for _ in range(2):
        exe = ml.create_execution(workflow=workflow)
        exe.upload_execution_outputs()
        names = {a.filename for a in exe.list_assets("Output")}
        moments = {n for n in names if n.startswith(("environment_snapshot_", "hydra-"))}
        assert len(moments) == 3
        assert all(exe.execution_rid in n for n in moments)
        assert {n.rpartition("-")[2] for n in moments if n.startswith("hydra-")} == {
            "config.yaml",
            "overrides.yaml",
        }
        described.append({a.asset_rid for a in exe.list_assets("Output") if a.filename in moments})
    assert not described[0] & described[1]
    ml.catalog.close()


def test_hydra_files_are_kept_with_the_run(place: Path, tmp_path: Path, workflow: Workflow) -> None:
    (tmp_path / "hydra" / "hydra-config").mkdir(parents=True)
    (tmp_path / "hydra" / "hydra-config" / "config.yaml").write_text("a: 1\n")
    ml = DerivaML(
        str(place), 1, working_dir=tmp_path / "w", hydra_runtime_output_dir=tmp_path / "hydra"
    )
    ml.create_execution(workflow=workflow).upload_execution_outputs()
    (asset,) = ml.find_assets(asset_type="Hydra_Config")
    assert asset.filename.startswith("hydra-")
    assert asset.filename.endswith("-config.yaml")
    ml.catalog.close()


def test_a_file_that_was_never_written_stops_the_whole_upload(
    ml: DerivaML, workflow: Workflow
) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        exe.asset_file_path("Execution_Asset", "there.txt").write_text("x")
        missing = exe.asset_file_path("Execution_Asset", "missing.txt")
    with pytest.raises(DerivaMLUploadError, match=r"Execution_Asset/missing\.txt"):
        exe.upload_execution_outputs()
    assert ml.lookup_execution(exe.execution_rid).status is ExecutionStatus.Failed
    assert rows(ml, "Execution_Asset") == []
    missing.write_text("now")
    exe.upload_execution_outputs()
    assert len(rows(ml, "Execution_Asset")) == 2
    assert ml.lookup_execution(exe.execution_rid).status is ExecutionStatus.Uploaded
    assert ml.lookup_execution(exe.execution_rid).status_detail is None


def test_uploading_twice_adds_nothing(ml: DerivaML, workflow: Workflow) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        exe.asset_file_path("Execution_Asset", "a.txt").write_text("x")
    first = exe.upload_execution_outputs()
    before = ml.catalog.latest_snapshot()
    second = exe.upload_execution_outputs()
    assert ml.catalog.latest_snapshot() == before
    assert [str(p.asset_rid) for p in second["deriva-ml/Execution_Asset"]] == [
        str(p.asset_rid) for p in first["deriva-ml/Execution_Asset"]
    ]


def test_more_outputs_can_follow_an_upload(ml: DerivaML, workflow: Workflow) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        exe.asset_file_path("Execution_Asset", "a.txt").write_text("x")
    exe.upload_execution_outputs()
    exe.asset_file_path("Execution_Asset", "b.txt").write_text("y")
    exe.upload_execution_outputs()
    assert [r["Filename"] for r in rows(ml, "Execution_Asset")] == ["a.txt", "b.txt"]
    with pytest.raises(DerivaMLValidationError, match="uploaded already"):
        exe.asset_file_path("Execution_Asset", "a.txt")


def test_the_same_bytes_of_two_executions_are_one_asset(ml: DerivaML, workflow: Workflow) -> None:
    runs = []
    for _ in range(2):
        with ml.create_execution(workflow=workflow) as exe:
            exe.asset_file_path("Execution_Asset", "same.txt").write_text("same")
        exe.upload_execution_outputs()
        runs.append(exe.execution_rid)
    (asset,) = ml.list_assets("Execution_Asset")
    made = ml.list_asset_executions(asset.asset_rid, "Output")
    assert sorted(e.execution_rid for e in made) == sorted(runs)


def test_files_of_one_name_in_two_directories_are_two_outputs(
    ml: DerivaML, workflow: Workflow
) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        for name in ("a/plot.txt", "b/plot.txt"):
            exe.asset_file_path("Execution_Asset", name).write_text(name)
    exe.upload_execution_outputs()
    assert [r["Filename"] for r in rows(ml, "Execution_Asset")] == ["plot.txt", "plot.txt"]


def test_a_registered_file_is_never_overwritten_through_its_link(
    ml: DerivaML, workflow: Workflow, tmp_path: Path
) -> None:
    first, second = tmp_path / "one" / "a.txt", tmp_path / "two" / "a.txt"
    for file in (first, second):
        file.parent.mkdir()
        file.write_text(str(file))
    exe = ml.create_execution(workflow=workflow)
    path = exe.asset_file_path("Execution_Asset", first)
    assert exe.asset_file_path("Execution_Asset", first) == path
    with pytest.raises(DerivaMLValidationError, match="registered already"):
        exe.asset_file_path("Execution_Asset", second)
    exe.asset_file_path("Execution_Asset", second, rename_file="b.txt")
    path.write_text("changed")
    assert first.read_text() == str(first)
    assert path.read_text() == "changed"


@pytest.mark.parametrize("name", ["../x.txt", "", "/nowhere/at/all.txt"])
def test_a_name_outside_the_directory_is_refused(
    ml: DerivaML, workflow: Workflow, name: str
) -> None:
    exe = ml.create_execution(workflow=workflow)
    with pytest.raises(DerivaMLValidationError):
        exe.asset_file_path("Execution_Asset", name)


def test_bad_registrations_say_what_is_wrong(ml: DerivaML, workflow: Workflow) -> None:
    exe = ml.create_execution(workflow=workflow)
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLTableTypeError):
        exe.asset_file_path("Subject", "x.txt")
    with pytest.raises(DerivaMLInvalidTerm, match="Model_File"):
        exe.asset_file_path("Execution_Asset", "x.txt", "Model_Fil")
    with pytest.raises(DerivaMLValidationError, match="Did you mean 'Subject'"):
        exe.asset_file_path("Image", "x.png", Subjekt="1")
    with pytest.raises(DerivaMLException, match="no table"):
        exe.table_path("Nothing")
    assert ml.catalog.latest_snapshot() == before


def test_metadata_columns_and_later_changes_reach_the_row(ml: DerivaML, workflow: Workflow) -> None:
    subject = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}])[0]["RID"]
    with ml.create_execution(workflow=workflow) as exe:
        path = exe.asset_file_path("Image", "x.png", Subject=subject)
        path.write_bytes(b"png")
        path.description = "a cat"
        path.set_asset_types(["Image", "Model_File"])
    exe.upload_execution_outputs()
    (asset,) = ml.list_assets("Image")
    assert asset.get_metadata() == {"Subject": subject}
    assert asset.description == "a cat"
    assert sorted(asset.asset_types) == ["Image", "Model_File", "Output_File"]


def test_a_row_that_does_not_fit_leaves_the_catalog_as_it_was(
    ml: DerivaML, workflow: Workflow
) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        exe.asset_file_path("Image", "x.png", Subject="1ZZZ").write_bytes(b"png")
        exe.asset_file_path("Execution_Asset", "x.txt").write_bytes(b"txt")
    with pytest.raises(DerivaMLUploadError, match="1ZZZ"):
        exe.upload_execution_outputs()
    assert rows(ml, "Image") == rows(ml, "Execution_Asset") == []


def test_metrics_file_and_table_rows_are_committed(ml: DerivaML, workflow: Workflow) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        exe.metrics_file().write_text('{"loss": 1}\n')
        exe.table_path("Subject").write_text('Name\nTom\n"Rex, the ""dog"""\n""\n')
        assert exe.pending_summary().rows == {"zoo/Subject": 3}
    exe.upload_execution_outputs()
    assert [r["Name"] for r in rows(ml, "Subject")] == ["Tom", 'Rex, the "dog"', None]
    (metrics,) = ml.find_assets(asset_type="Metrics_File")
    assert metrics.filename == "metrics.jsonl"
    exe.upload_execution_outputs()
    assert len(rows(ml, "Subject")) == 3


def test_unknown_columns_of_a_table_file_stop_the_upload(ml: DerivaML, workflow: Workflow) -> None:
    with ml.create_execution(workflow=workflow) as exe:
        exe.table_path("Subject").write_text("Nam\nTom\n")
    with pytest.raises(DerivaMLUploadError, match="Nam"):
        exe.upload_execution_outputs()
    assert rows(ml, "Subject") == []


def test_feature_values_wait_for_the_commit_and_may_hold_files(
    ml: DerivaML, workflow: Workflow
) -> None:
    ml.create_asset("Mask")
    ml.create_feature("Subject", "Outline", assets=["Mask"])
    ml.create_feature("Subject", "Kind", terms=["Image_Class"])
    subject = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}])[0]["RID"]
    outline = ml.feature_record_class("Subject", "Outline")
    kind = ml.feature_record_class("Subject", "Kind")
    with ml.create_execution(workflow=workflow) as exe:
        mask = exe.asset_file_path("Mask", "mask.png")
        mask.write_bytes(b"mask")
        values = [outline(Subject=subject, Mask=mask), kind(Subject=subject, Image_Class="cat")]
        assert exe.add_features(values) == 2
        assert ml.feature_values("Subject", "Outline") == []
        with pytest.raises(DerivaMLValidationError, match="already"):
            exe.add_features([kind(Subject=subject, Image_Class="dog")])
    exe.upload_execution_outputs()
    (value,) = ml.feature_values("Subject", "Outline")
    (asset,) = ml.list_assets("Mask")
    assert value.Mask == asset.asset_rid  # type: ignore[attr-defined]
    assert value.Execution == exe.execution_rid
    assert ml.feature_values("Subject", "Kind")[0].Image_Class == "cat"  # type: ignore[attr-defined]


def test_feature_values_that_cannot_be_kept_are_refused_together(
    ml: DerivaML, workflow: Workflow
) -> None:
    ml.create_feature("Subject", "Kind", terms=["Image_Class"])
    kind = ml.feature_record_class("Subject", "Kind")
    subject = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}])[0]["RID"]
    exe = ml.create_execution(workflow=workflow)
    good = kind(Subject=subject, Image_Class="cat")
    for bad in (
        [],
        [good, "text"],
        [good, good],
        [kind(Subject=subject, Image_Class="cat", Execution="1")],
    ):
        with pytest.raises(DerivaMLValidationError):
            exe.add_features(bad)  # type: ignore[arg-type]
        assert not exe.pending_summary().rows


def test_an_execution_without_inputs_points_at_the_unknown_file(
    ml: DerivaML, workflow: Workflow
) -> None:
    exe = ml.create_execution(workflow=workflow)
    exe.upload_execution_outputs()
    (asset,) = ml.list_execution_assets(exe.execution_rid, "Input")
    assert asset.asset_rid == ml.unknown_provenance_file_rid()


def test_a_table_that_changes_during_the_run_is_seen(ml: DerivaML, workflow: Workflow) -> None:
    exe = ml.create_execution(workflow=workflow)
    with exe.execute():
        exe.asset_file_path("Image", "a.png").write_bytes(b"a")
        place = {"name": "Place", "type": {"typename": "text"}}
        ml.catalog.create_column(TableName("Image", "zoo"), place)
        exe.asset_file_path("Image", "b.png", metadata={"Place": "den"}).write_bytes(b"b")
    exe.upload_execution_outputs()
    assert {r["Filename"]: r["Place"] for r in rows(ml, "Image")} == {"a.png": None, "b.png": "den"}


def test_progress_of_an_upload_is_told_to_a_callback(ml: DerivaML, workflow: Workflow) -> None:
    told: list[UploadProgress] = []
    with ml.create_execution(workflow=workflow) as exe:
        exe.asset_file_path("Execution_Asset", "a.bin").write_bytes(b"x" * 3_000_000)
    report = exe.commit_output_assets(progress_callback=told.append)
    assert [told[0].phase, told[-1].phase] == ["Staging", "Uploaded"]
    assert told[-1].bytes_completed == told[-1].bytes_total
    assert report.per_table["deriva-ml/Execution_Asset"] == {"uploaded": 1, "failed": 0}
    assert report.total_failed == 0


def test_upload_on_exit_uploads_and_can_keep_files(ml: DerivaML, workflow: Workflow) -> None:
    with ml.create_execution(workflow=workflow, upload_on_exit=True) as exe:
        exe.asset_file_path("Execution_Asset", "a.txt").write_text("x")
    assert exe.status is ExecutionStatus.Uploaded
    assert len(exe.uploaded_assets["deriva-ml/Execution_Asset"]) == 1


# --- inputs --------------------------------------------------------------------------


@pytest.fixture
def asset(ml: DerivaML, workflow: Workflow) -> str:
    with ml.create_execution(workflow=workflow) as exe:
        exe.asset_file_path("Execution_Asset", "weights.bin").write_bytes(b"weights")
    uploaded = exe.upload_execution_outputs()
    return str(uploaded["deriva-ml/Execution_Asset"][0].asset_rid)


@pytest.mark.parametrize("cache", [False, True])
def test_input_assets_are_here_and_recorded(
    ml: DerivaML, workflow: Workflow, asset: str, cache: bool
) -> None:
    config = ExecutionConfiguration(assets=[{"rid": asset, "cache": cache}])
    exe = ml.create_execution(config, workflow=workflow)
    (path,) = exe.asset_paths["Execution_Asset"]
    assert path.read_bytes() == b"weights"
    assert path.asset_rid == asset
    assert len(ml.list_cached_assets()) == int(cache)
    (found,) = ml.list_execution_assets(exe.execution_rid, "Input")
    assert found.asset_rid == asset
    assert "Input_File" in found.asset_types
    exe.upload_execution_outputs()
    assert len(ml.list_execution_assets(exe.execution_rid, "Input")) == 1
    assert [e.rid for e in ml.find_executions_consuming(asset)] == [exe.execution_rid]


def test_a_local_file_is_an_input_with_a_row_of_its_own(
    ml: DerivaML, workflow: Workflow, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text("a\n1\n")
    config = ExecutionConfiguration(assets=[{"path": str(tmp_path / "data.csv")}])
    first = ml.create_execution(config, workflow=workflow)
    second = ml.create_execution(config, workflow=workflow)
    (path,) = first.asset_paths["File"]
    assert path.read_text() == "a\n1\n"
    assert second.asset_paths["File"][0].asset_rid == path.asset_rid
    (asset,) = ml.list_execution_assets(first.execution_rid, "Input")
    assert asset.asset_table == "File"
    assert asset.download(tmp_path / "copy").read_text() == "a\n1\n"


def test_download_asset_records_the_input(
    ml: DerivaML, workflow: Workflow, asset: str, tmp_path: Path
) -> None:
    exe = ml.create_execution(workflow=workflow)
    quiet = exe.download_asset(asset, tmp_path / "q", update_catalog=False)
    assert quiet.read_bytes() == b"weights"
    assert ml.list_execution_assets(exe.execution_rid) == []
    exe.download_asset(asset, tmp_path / "d", use_cache=True)
    assert [a.rid for a in ml.list_execution_assets(exe.execution_rid, "Input")] == [asset]


def test_input_datasets_are_recorded_with_their_versions(
    ml: DerivaML, workflow: Workflow, zoo: object
) -> None:
    dataset = ml.lookup_dataset(ml.create_dataset(description="pictures"))
    exe = ml.create_execution(
        ExecutionConfiguration(datasets=[f"{dataset.rid}@0.1.0"]), workflow=workflow
    )
    assert exe.dataset_rids == [dataset.rid]
    assert [d.rid for d in exe.list_input_datasets()] == [dataset.rid]
    assert dataset.list_executions() == [exe.execution_rid]
    found = ml.find_executions(dataset=dataset, dataset_role="input")
    assert [e.execution_rid for e in found] == [exe.execution_rid]
    with pytest.raises(DerivaMLDataError, match="no version"):
        ml.create_execution(datasets=[f"{dataset.rid}@9.9.9"], workflow=workflow)


def test_a_dataset_that_an_execution_creates_names_it_as_producer(
    ml: DerivaML, workflow: Workflow
) -> None:
    exe = ml.create_execution(workflow=workflow)
    dataset = exe.create_dataset("Training", description="new")
    assert dataset.dataset_history()[0].execution_rid == exe.execution_rid
    found = ml.find_executions(dataset=dataset.rid, dataset_role="output")
    assert [e.rid for e in found] == [exe.execution_rid]
    with pytest.raises(ValueError, match="needs a dataset"):
        ml.find_executions(dataset_role="input")


def test_input_datasets_are_bags_that_come_when_they_are_looked_at(
    ml: DerivaML, workflow: Workflow
) -> None:
    ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}])
    dataset = ml.lookup_dataset(ml.create_dataset(description="subjects"))
    dataset.add_dataset_members({"Subject": [r["RID"] for r in rows(ml, "Subject")]})
    version = dataset.current_version
    exe = ml.create_execution(datasets=[f"{dataset.rid}@{version}"], workflow=workflow)
    for found in exe.datasets:
        bag = exe.download_dataset_bag(found)
        assert bag is found
        assert list(bag.get_table_as_dataframe("Subject")["Name"]) == ["Tom"]
    assert exe.datasets[0] is exe.datasets[dataset.rid] is exe.download_dataset_bag(dataset.rid)
    assert exe.download_dataset_bag(dataset) is exe.datasets[0]
    assert dataset.rid in exe.datasets


# --- dry runs, nesting, finding ------------------------------------------------------


def test_a_dry_run_writes_nothing_to_the_catalog(
    ml: DerivaML, workflow: Workflow, asset: str
) -> None:
    before = ml.catalog.latest_snapshot()
    config = ExecutionConfiguration(assets=[asset])
    with ml.create_execution(config, workflow=workflow, dry_run=True) as exe:
        assert exe.execution_rid == "0000"
        assert exe.status is ExecutionStatus.Running
        assert exe.asset_paths["Execution_Asset"][0].read_bytes() == b"weights"
        exe.asset_file_path("Execution_Asset", "a.txt").write_text("x")
    assert exe.status is ExecutionStatus.Stopped
    assert exe.upload_execution_outputs() == {}
    assert ml.catalog.latest_snapshot() == before
    with pytest.raises(DerivaMLExecutionError, match="dry run"):
        exe.create_dataset()


def test_executions_nest_without_going_round(ml: DerivaML, workflow: Workflow) -> None:
    parent = ml.create_execution(workflow=workflow)
    second = ml.create_execution(workflow=workflow, parent=parent.execution_rid, sequence=1)
    first = ml.create_execution(workflow=workflow)
    parent.add_nested_execution(first, sequence=0)
    record = ml.lookup_execution(parent.execution_rid)
    assert [c.rid for c in record.list_execution_children()] == [first.rid, second.rid]
    assert parent.is_parent()
    assert second.is_nested()
    with pytest.raises(DerivaMLDataError):
        second.add_nested_execution(parent)


def test_executions_are_found_by_workflow_type_and_state(ml: DerivaML, workflow: Workflow) -> None:
    run = ml.create_execution(workflow=workflow)
    other = ml.create_execution(description="other")
    other.execution_start()
    assert [e.rid for e in ml.find_executions(workflow_type="Training")] == [run.rid]
    assert [e.rid for e in ml.find_executions(workflow=run.workflow_rid)] == [run.rid]
    assert [e.rid for e in ml.find_executions(status="Running")] == [other.rid]
    newest = [e.rid for e in ml.find_executions(sort=True)]
    assert newest[:2] == [other.rid, run.rid]
    summary = ml.multirun_status_summary(str(run.workflow_rid))
    assert (summary.counts, summary.total) == ({"Created": 1}, 1)


def test_an_execution_shows_itself(ml: DerivaML, workflow: Workflow) -> None:
    exe = ml.create_execution(ExecutionConfiguration(description="<b>"), workflow=workflow)
    assert repr(exe) == f"Execution({exe.execution_rid!r}, Created, '<b>')"
    assert "&lt;b&gt;" in exe._repr_html_()


# --- what else is kept, and found ----------------------------------------------------


def test_outputs_may_belong_to_several_domain_schemas(place: Path, tmp_path: Path) -> None:
    ml = DerivaML(str(place), working_dir=tmp_path / "w")
    ml.catalog.create_schema("other")
    ml = DerivaML(str(place), working_dir=tmp_path / "w", default_schema="zoo")
    ml.create_asset("Report", schema="other")
    with ml.create_execution(workflow=Workflow(**WORKFLOW)) as exe:
        exe.asset_file_path("Report", "r.txt").write_text("r")
        exe.asset_file_path("Image", "i.png").write_text("i")
    exe.upload_execution_outputs()
    assert {"other/Report", "zoo/Image"} <= set(exe.uploaded_assets)
    assert len(ml.list_assets("Report")) == len(ml.list_assets("Image")) == 1
    ml.catalog.close()


def test_a_workflow_that_the_catalog_does_not_have_has_no_executions(
    ml: DerivaML, workflow: Workflow
) -> None:
    exe = ml.create_execution(workflow=workflow)
    found = [e.execution_rid for e in ml.find_executions(workflow=workflow)]
    assert found == [exe.execution_rid]  # although nobody told the object its RID
    other = Workflow(name="w", workflow_type="Training", url="https://x/w.py", checksum="other")
    assert ml.find_executions(workflow=other) == []


def test_metadata_may_be_times_paths_and_numbers_of_numpy(ml: DerivaML, workflow: Workflow) -> None:
    columns = [ColumnDefinition(n, t) for n, t in (("Day", "date"), ("At", "timestamp"))]
    columns += [ColumnDefinition("Count", "int4"), ColumnDefinition("Place", "text")]
    ml.create_asset("Scan", column_defs=columns)
    day, at = date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5)
    with ml.create_execution(workflow=workflow) as exe:
        given = {"Day": day, "At": at, "Count": np.int64(3), "Place": Path("a/b")}
        exe.asset_file_path("Scan", "a", metadata=given).write_text("a")
        late = exe.asset_file_path("Scan", "b")
        late.write_text("b")
        late.metadata = {"Day": np.datetime64("2026-01-02"), "At": pd.NaT}
    exe.upload_execution_outputs()
    told = {r["Filename"]: (r["Day"], r["At"], r["Count"], r["Place"]) for r in rows(ml, "Scan")}
    assert told["a"] == (day.isoformat(), at.isoformat(), 3, "a/b")
    assert told["b"] == (day.isoformat(), None, None, None)


def test_executions_are_found_by_the_time_they_began(ml: DerivaML, workflow: Workflow) -> None:
    before = datetime.now(UTC)
    never = ml.create_execution(workflow=workflow)
    with ml.create_execution(workflow=workflow) as exe:
        pass
    after = datetime.now() + timedelta(seconds=1)  # without a zone: local
    found = ml.find_executions(since=before, until=after)
    assert [e.execution_rid for e in found] == [exe.execution_rid]
    assert ml.find_executions(since=after) == ml.find_executions(until=before) == []
    assert ml.find_executions(since=before.isoformat(), until=after.isoformat()) == found
    assert ml.find_executions(until=before.date() - timedelta(days=1)) == []
    assert never.execution_rid in {e.execution_rid for e in ml.find_executions()}


def test_secrets_of_the_configuration_are_not_kept(
    ml: DerivaML, place: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "hydra" / "hydra-config"
    folder.mkdir(parents=True)
    config = {"deriva_ml": {"credential": {"bearer-token": "s3cret"}}, "model": {"max_tokens": 9}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    words = ["deriva_ml.credential.bearer-token=s3cret", "model.max_tokens=9", "db.password=s3cret"]
    (folder / "overrides.yaml").write_text(yaml.safe_dump(words))
    (folder / "plain.yaml").write_text("a: 1  # kept as it is\n")
    connected = DerivaML(
        str(place), working_dir=tmp_path / "w", hydra_runtime_output_dir=tmp_path / "hydra"
    )
    exe = connected.create_execution(workflow=Workflow(**WORKFLOW))
    kept = exe.working_dir / "assets" / "deriva-ml" / "Execution_Metadata"
    texts = {p.name.rpartition("-")[2]: p.read_text() for p in kept.iterdir()}
    assert not [name for name, text in texts.items() if "s3cret" in text]
    assert yaml.safe_load(texts["config.yaml"])["model"] == {"max_tokens": 9}
    assert "model.max_tokens=9" in texts["overrides.yaml"]
    assert texts["plain.yaml"] == "a: 1  # kept as it is\n"
    connected.catalog.close()


def test_no_file_of_hydra_tells_a_secret_that_another_one_names(tmp_path: Path) -> None:
    url = "postgresql://me:s3cret,1@db.org/lab"
    words = [f"deriva_ml.hostname={url}", "hub.hf_token=s3cret2", "m.private_key=k3", "lr=0.1"]
    joined = ",".join(words)
    written = {
        "config.yaml": {
            "deriva_ml": {"hostname": url, "catalog_id": "lab"},
            "hub": {"hf_token": "s3cret2", "command": "login s3cret2"},
            "aws": {"aws_secret_access_key": "s3cret4", "region": "eu"},
            "m": {"private_key": "k3", "max_tokens": 512},
        },
        "hydra.yaml": {
            "hydra": {
                "job": {"override_dirname": joined, "name": "train"},
                "overrides": {"task": words},
                "runtime": {"output_dir": f"/runs/{joined}"},
                "env": "AWS=s3cret4",
            }
        },
        "overrides.yaml": words,
    }
    for name, document in written.items():
        (tmp_path / name).write_text(yaml.safe_dump(document))
    (tmp_path / "notes.txt").write_text("s3cret2 opens it\n")
    (tmp_path / "broken.yaml").write_text("{ s3cret2\n")
    files = [*written, "notes.txt", "broken.yaml"]
    copy_masked({tmp_path / name: tmp_path / f"{name}.copy" for name in files})
    texts = {name: (tmp_path / f"{name}.copy").read_text() for name in files}
    assert not [name for name, text in texts.items() if "s3cret" in text or "k3" in text]
    config, hydra, overrides = (yaml.safe_load(texts[name]) for name in written)
    assert config["deriva_ml"] == {"hostname": "postgresql://me@db.org/lab", "catalog_id": "lab"}
    assert config["m"]["max_tokens"] == 512
    assert config["aws"]["region"] == "eu"
    assert hydra["hydra"]["job"]["name"] == "train"
    assert hydra["hydra"]["job"]["override_dirname"].endswith(",lr=0.1")
    assert hydra["hydra"]["overrides"]["task"] == overrides
    assert overrides[0] == "deriva_ml.hostname=postgresql://me@db.org/lab"
    assert overrides[3] == "lr=0.1"
    assert texts["notes.txt"].endswith(" opens it\n")

"""Executions in a real MLflow with its SQLite store, and runs of it as executions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog_server import serving
from deriva_ml.core.base import DerivaML
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLInvalidTerm,
    DerivaMLNotFoundError,
    DerivaMLReadOnlyError,
    DerivaMLValidationError,
)
from deriva_ml.core.query import name_of
from deriva_ml.interchange.mlflow_store import safe_names
from deriva_ml.schema import create_ml_catalog
from interchange_lab import SECRET, Lab, workflow

mlflow = pytest.importorskip("mlflow")
# MLflow's own: what it uses of SQLAlchemy is about to change.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

STEPS = 1050


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="module")
def client(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client whose experiments keep their artifacts in a temporary directory."""
    with pytest.MonkeyPatch.context() as patched:
        # Where artifacts go is relative to the working directory otherwise.
        patched.chdir(tmp_path_factory.mktemp("artifacts"))
        yield mlflow.MlflowClient(tracking_uri=store)


def paths(client: Any, run_id: str, folder: str = "") -> set[str]:
    found = set()
    for entry in client.list_artifacts(run_id, folder):
        found |= paths(client, run_id, entry.path) if entry.is_dir else {entry.path}
    return found


# --- out -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(lab: Lab, client: Any, store: str) -> Any:
    """The run of the script."""
    return client.get_run(lab.ml.export_to_mlflow(lab.script, store, experiment="zoo"))


def test_an_execution_is_a_run_with_parameters_metrics_and_tags(lab: Lab, exported: Any) -> None:
    record = lab.ml.lookup_execution(lab.script)
    assert exported.info.status == "FINISHED"
    assert record.start_time is not None
    assert record.stop_time is not None
    assert exported.info.start_time == round(record.start_time.timestamp() * 1000)
    assert exported.info.end_time == round(record.stop_time.timestamp() * 1000)
    params = exported.data.params
    assert (params["model.rate"], params["model.layers"]) == ("0.1", "[4, 2]")
    assert (params["config_choices.model_config"], params["note"]) == ("small", "")
    assert params["password"].startswith("***")
    assert SECRET not in str(exported.to_dictionary())
    tags = exported.data.tags
    assert tags["mlflow.note.content"] == "Train a model."
    assert tags["mlflow.source.git.repoURL"] == "https://git.example.org/lab/zoo"
    assert tags["deriva_ml.feature.Image.Label"] == "3 values"


def test_metrics_keep_their_steps(exported: Any, client: Any) -> None:
    history = client.get_metric_history(exported.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 0.5), (2, 0.25)]
    assert math.isnan(exported.data.metrics["worst"])


def test_files_and_datasets_come_along(lab: Lab, exported: Any, client: Any) -> None:
    assert lab.dataset is not None
    names = {path.rpartition("/")[2] for path in paths(client, exported.info.run_id)}
    assert {"model.txt", "metrics.jsonl", "configuration.json"} <= names
    (dataset,) = exported.inputs.dataset_inputs
    assert dataset.dataset.name.startswith(f"Dataset {lab.dataset.dataset_rid} ")
    assert dataset.tags[0].value == "input"


def test_a_second_export_adds_nothing(lab: Lab, exported: Any, client: Any, store: str) -> None:
    run_id = exported.info.run_id
    before = paths(client, run_id)
    assert lab.ml.export_to_mlflow(lab.script, store) == run_id
    client.set_tag(run_id, "deriva_ml.exported", "interrupted")
    assert lab.ml.export_to_mlflow(lab.script, store, experiment="other") == run_id
    assert len(client.get_metric_history(run_id, "loss")) == 2
    assert paths(client, run_id) == before
    assert len(client.get_run(run_id).inputs.dataset_inputs) == 1
    assert client.get_experiment_by_name("other") is None


def test_many_parameters_and_metrics_go_in_batches(
    lab: Lab, client: Any, store: str, tmp_path: Path
) -> None:
    (tmp_path / "hydra-config").mkdir()
    lines = [f"parameter_{i}: {'x' * 7000 if i == 0 else i}" for i in range(250)]
    (tmp_path / "hydra-config" / "config.yaml").write_text("\n".join(lines) + "\nodd$name: 1\n")
    ml = DerivaML(
        lab.ml.host_name, working_dir=tmp_path / "work", hydra_runtime_output_dir=tmp_path
    )
    with ml.create_execution(workflow=workflow("many.py")) as exe:
        measured = "".join(f'{{"step": {i}, "loss": {i}}}\n' for i in range(STEPS))
        exe.metrics_file().write_text(measured)
    exe.upload_execution_outputs()
    run = client.get_run(ml.export_to_mlflow(exe.execution_rid, store, artifacts=False))
    ml.catalog.close()
    assert len(run.data.params) == 251
    assert len(run.data.params["parameter_0"]) == 6000
    assert run.data.params["odd_name"] == "1"
    assert len(client.get_metric_history(run.info.run_id, "loss")) == STEPS
    assert paths(client, run.info.run_id) == set()


def test_states_follow_the_execution_and_nested_ones_are_nested(
    lab: Lab, client: Any, store: str
) -> None:
    parent = lab.ml.create_execution(workflow=workflow("sweep.py"))
    child = lab.ml.create_execution(workflow=workflow(), parent=parent.execution_rid)
    above = lab.ml.export_to_mlflow(parent.execution_rid, store)
    run_id = lab.ml.export_to_mlflow(child.execution_rid, store)
    run = client.get_run(run_id)
    assert run.info.status == "SCHEDULED"
    assert run.data.tags["mlflow.parentRunId"] == above
    child.execution_start()
    lab.ml.export_to_mlflow(child.execution_rid, store)
    assert client.get_run(run_id).info.status == "RUNNING"
    child.abort()
    assert lab.ml.export_to_mlflow(child.execution_rid, store) == run_id
    assert client.get_run(run_id).info.status == "KILLED"
    failed = client.get_run(lab.ml.export_to_mlflow(lab.failed, store))
    assert failed.info.status == "FAILED"
    assert failed.data.tags["deriva_ml.error"] == "ValueError: A rate is positive."


def test_what_comes_after_an_export_is_seen_by_the_next(lab: Lab, client: Any, store: str) -> None:
    ml = lab.ml
    parent = ml.create_execution(workflow=workflow("sweep.py"))
    child = ml.create_execution(workflow=workflow(), parent=parent.execution_rid)
    run_id = ml.export_to_mlflow(child.execution_rid, store)
    assert "mlflow.parentRunId" not in client.get_run(run_id).data.tags
    above = ml.export_to_mlflow(parent.execution_rid, store)
    values = ml.lookup_feature("Image", "Label").feature_table
    row = {"Image": lab.pictures[0], "Image_Class": "dog", "Execution": child.execution_rid}
    ml.catalog.insert(name_of(values), [row], defaults=("Feature_Name",))
    ml.export_to_mlflow(child.execution_rid, store)
    tags = client.get_run(run_id).data.tags
    assert tags["mlflow.parentRunId"] == above
    assert tags["deriva_ml.feature.Image.Label"] == "1 values"


def test_names_stay_different_when_they_are_cut() -> None:
    long = "n" * 300
    found = safe_names(["a$b", "a_b", long + "1", long + "2", "..", "x/../y"])
    assert len(set(found.values())) == 6
    assert max(map(len, found.values())) <= 250
    assert (found["a$b"], found["a_b"], found["x/../y"]) == ("a_b", "a_b_2", "x/_/y")


# --- in --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(client: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An experiment with runs of every kind."""
    number = client.create_experiment("sweep")
    file = tmp_path_factory.mktemp("made") / "weights.bin"
    file.write_bytes(b"weights")
    (file.parent / "MLmodel").write_text("flavors: {}\n")

    def run(name: str, ending: str | None, **tags: str) -> str:
        made = client.create_run(number, run_name=name, tags=tags)
        run_id: str = made.info.run_id
        client.log_param(run_id, "rate", "0.1")
        client.log_param(run_id, "optimizer", "adam")
        client.log_param(run_id, "token", SECRET)
        for step in range(3):
            client.log_metric(run_id, "loss", 1 / (step + 1), step=step, timestamp=1_000 + step)
        if ending is not None:
            client.set_terminated(run_id, ending)
        return run_id

    found = {"parent": run("parent", "FINISHED", **{"mlflow.source.name": "sweep.py"})}
    git = {
        "mlflow.parentRunId": found["parent"],
        "mlflow.source.name": "src/train.py",
        "mlflow.source.git.commit": "c" * 40,
        "mlflow.source.git.repoURL": "git@git.example.org:lab/zoo.git",
        "mlflow.note.content": "The first job.",
    }
    found["child"] = run("child", "FINISHED", **git)
    client.log_artifact(found["child"], str(file), "model")
    client.log_artifact(found["child"], str(file.parent / "MLmodel"), "model")
    client.log_text(found["child"], "seen", "notes/log.txt")
    found["failed"] = run("failed", "FAILED")
    found["killed"] = run("killed", "KILLED")
    found["running"] = run("running", None)
    return found


def test_an_experiment_is_imported_once_with_its_nesting(
    ml: DerivaML, runs: dict[str, str], store: str
) -> None:
    rids = ml.import_mlflow_experiment("sweep", store, workflow_type="Training")
    assert rids.keys() == {runs[n] for n in ("parent", "child", "failed", "killed")}
    count = len(ml.find_executions())
    assert ml.import_mlflow_experiment("sweep", store) == rids
    assert ml.import_mlflow_run(runs["child"], store).execution_rid == rids[runs["child"]]
    assert len(ml.find_executions()) == count
    states = {n: ml.lookup_execution(rids[runs[n]]).status for n in ("child", "failed", "killed")}
    assert states == {
        "child": ExecutionStatus.Uploaded,
        "failed": ExecutionStatus.Failed,
        "killed": ExecutionStatus.Aborted,
    }
    child = ml.lookup_execution(rids[runs["child"]])
    assert [p.execution_rid for p in child.list_execution_parents()] == [rids[runs["parent"]]]


def test_nesting_does_not_ask_which_run_came_first(
    ml: DerivaML, runs: dict[str, str], client: Any, store: str
) -> None:
    child = ml.import_mlflow_run(runs["child"], store)
    assert child.list_execution_parents() == []
    parent = ml.import_mlflow_run(runs["parent"], store)
    assert child.list_execution_parents() == [parent]
    before = ml.catalog.latest_snapshot()
    ml.import_mlflow_run(runs["parent"], store)
    assert ml.catalog.latest_snapshot() == before


def test_runs_are_nested_in_executions_that_were_exported(
    ml: DerivaML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Of its own: other tests' executions have the same RIDs.
    store = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=store)
    sweep = ml.create_execution(workflow=workflow("sweep.py"))
    sweep.execution_start()
    above = ml.export_to_mlflow(sweep.execution_rid, store, experiment="nested")
    number = client.get_run(above).info.experiment_id
    ids = [client.create_run(number, tags={"mlflow.parentRunId": above}).info.run_id for _ in "ab"]
    for run_id in ids:
        client.set_terminated(run_id)
    one = ml.import_mlflow_run(ids[0], store)
    assert [p.execution_rid for p in one.list_execution_parents()] == [sweep.execution_rid]
    rids = ml.import_mlflow_experiment("nested", store)
    assert rids.keys() == set(ids)
    inside = ml.lookup_execution(sweep.execution_rid).list_execution_children()
    assert {c.execution_rid for c in inside} == set(rids.values())


def test_a_run_brings_code_times_parameters_metrics_and_artifacts(
    ml: DerivaML, runs: dict[str, str], client: Any, store: str
) -> None:
    record = ml.import_mlflow_run(runs["child"], store, workflow_type="Training")
    info = client.get_run(runs["child"]).info
    assert record.start_time is not None
    assert round(record.start_time.timestamp() * 1000) == info.start_time
    assert record.description == "The first job."
    code = record.workflow
    assert code is not None
    assert code.url == f"https://git.example.org/lab/zoo/blob/{'c' * 40}/src/train.py"
    assert (code.name, code.workflow_types) == ("train.py", ["Training"])
    made = {a.filename: a for a in record.list_assets("Output")}
    assert made["weights.bin"].asset_types.count("Model_File") == 1
    assert "Model_File" not in made["log.txt"].asset_types
    assert made["log.txt"].description.startswith("Artifact 'notes/log.txt'")
    frame = ml.compare_experiments([record.execution_rid])
    row = frame.loc[record.execution_rid]
    assert (row["params.rate"], row["params.optimizer"]) == (0.1, "adam")
    assert row["metrics.loss"] == pytest.approx(1 / 3)
    for asset in made.values():
        assert SECRET.encode() not in ml.catalog.objects.read(asset.url)


def test_an_imported_run_goes_back_with_every_step(
    ml: DerivaML, runs: dict[str, str], client: Any, store: str
) -> None:
    record = ml.import_mlflow_run(runs["child"], store)
    back = ml.export_to_mlflow(record.execution_rid, store, experiment="back")
    assert back != runs["child"]

    def history(run_id: str) -> list[tuple[int, float, int]]:
        found = client.get_metric_history(run_id, "loss")
        return sorted((m.step, m.value, m.timestamp) for m in found)

    assert history(back) == history(runs["child"])
    assert client.get_run(back).data.params["optimizer"] == "adam"
    # What came from here is here: it is not imported again.
    assert ml.import_mlflow_run(back, store) == record


def test_what_cannot_be_imported_is_refused_and_changes_nothing(
    ml: DerivaML, runs: dict[str, str], store: str, tmp_path: Path
) -> None:
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLValidationError, match="is RUNNING"):
        ml.import_mlflow_run(runs["running"], store)
    with pytest.raises(DerivaMLNotFoundError, match="MLflow failed"):
        ml.import_mlflow_run("0" * 32, store)
    with pytest.raises(DerivaMLException):
        ml.import_mlflow_experiment("no such experiment", store)
    with pytest.raises(DerivaMLInvalidTerm):
        ml.import_mlflow_run(runs["child"], store, workflow_type="Cooking")
    with pytest.raises(DerivaMLNotFoundError):
        ml.export_to_mlflow("9-ZZZZ", store)
    assert ml.catalog.latest_snapshot() == before
    with pytest.raises(DerivaMLReadOnlyError):
        ml.catalog_snapshot(before).import_mlflow_run(runs["child"], store)


def test_runs_come_in_through_a_service(
    runs: dict[str, str], client: Any, store: str, tmp_path: Path
) -> None:
    with serving(tmp_path / "home") as running:
        credential = {"bearer-token": running.tokens.add("kim")}
        create_ml_catalog(running.url, "zoo", credential=credential).close()
        ml = DerivaML(running.url, "zoo", working_dir=tmp_path / "work", credential=credential)
        rids = ml.import_mlflow_experiment("sweep", store)
        assert ml.import_mlflow_experiment("sweep", store) == rids
        child = ml.lookup_execution(rids[runs["child"]])
        assert "weights.bin" in {a.filename for a in child.list_assets("Output")}
        back = client.get_run(ml.export_to_mlflow(child.execution_rid, store))
        assert back.data.metrics == {"loss": pytest.approx(1 / 3)}
        ml.catalog.close()

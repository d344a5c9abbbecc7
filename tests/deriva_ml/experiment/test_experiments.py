"""Experiments: executions with their configuration and measurements, side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from deriva_ml import ExecutionConfiguration, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml.experiment import Experiment

from ..conftest import Stage

CODE = Workflow(name="train", workflow_type="Training", url="https://x/train.py", checksum="1")
OTHER = Workflow(name="other", workflow_type="Training", url="https://x/other.py", checksum="2")


def run(
    ml: DerivaML,
    tmp: Path,
    *,
    model: str,
    rate: float,
    accuracy: float | None,
    workflow: Workflow = CODE,
) -> str:
    """An execution as Hydra would have composed it."""
    folder = tmp / model / "hydra-config"
    folder.mkdir(parents=True)
    config = {
        "deriva_ml": {"hostname": "localhost"},
        "description": "d",
        "model_config": {"_target_": "m.train", "learning_rate": rate, "layers": {"depth": 3}},
    }
    hydra = {"hydra": {"runtime": {"choices": {"model_config": model, "hydra/launcher": "basic"}}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "hydra.yaml").write_text(yaml.safe_dump(hydra))
    connected = DerivaML(ml.host_name, working_dir=tmp / "w", hydra_runtime_output_dir=tmp / model)
    try:
        exe = connected.create_execution(
            ExecutionConfiguration(description=f"run of {model}"), workflow=workflow
        )
        with exe.execute():
            lines = [] if accuracy is None else [{"epoch": 1, "val": {"acc": 0.1}}]
            lines += [] if accuracy is None else [{"epoch": 2, "val": {"acc": accuracy}}]
            if lines:
                text = "".join(json.dumps(line) + "\n" for line in lines)
                exe.metrics_file().write_text(text)
            exe.asset_file_path("Image", f"{model}.png").write_text(model)
        exe.upload_execution_outputs()
        return exe.execution_rid
    finally:
        connected.catalog.close()


@dataclass(frozen=True)
class Lab:
    ml: DerivaML
    fast: str
    slow: str
    other: str
    plain: str


@pytest.fixture(scope="module")
def lab(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Three runs with a configuration, and one without."""
    ml, tmp = stage.clear(), tmp_path_factory.mktemp("lab")
    fast = run(ml, tmp, model="fast", rate=0.1, accuracy=0.8)
    slow = run(ml, tmp, model="slow", rate=0.001, accuracy=0.95)
    other = run(ml, tmp, model="other", rate=0.1, accuracy=None, workflow=OTHER)
    plain = ml.create_execution(workflow=CODE, description="no configuration")
    with plain:
        plain.metrics_file("eval.jsonl").write_text('{"loss": 2}\n\n{"loss": 1}\n')
    plain.upload_execution_outputs()
    return Lab(ml, fast, slow, other, plain.execution_rid)


def test_an_experiment_knows_how_it_was_configured(lab: Lab) -> None:
    found = lab.ml.lookup_experiment(lab.slow)
    assert found.name == "slow"
    assert found.config_choices == {"model_config": "slow"}
    assert found.hydra_config["deriva_ml"] == {"hostname": "localhost"}
    assert found.model_config["learning_rate"] == 0.001
    assert found.parameters == {"learning_rate": 0.001, "layers.depth": 3}
    assert found.metrics == {"val.acc": 0.95}
    history = found.metrics_history()
    assert [list(history[c]) for c in ("epoch", "val.acc")] == [[1, 2], [0.1, 0.95]]
    assert [a.filename for a in found.output_assets] == ["slow.png"]
    assert (found.description, found.status.value) == ("run of slow", "Uploaded")


def test_an_execution_without_a_configuration_is_named_by_its_rid(lab: Lab) -> None:
    found = lab.ml.lookup_experiment(lab.plain)
    assert found.name == lab.plain
    assert (found.hydra_config, found.config_choices, found.parameters) == ({}, {}, {})
    assert found.metrics == {"loss": 1}


def test_experiments_are_found_by_workflow_and_status(lab: Lab) -> None:
    rids = {e.execution_rid for e in lab.ml.find_experiments()}
    assert rids == {lab.fast, lab.slow, lab.other}
    workflow = lab.ml.lookup_execution(lab.fast).workflow_rid
    assert {e.rid for e in lab.ml.find_experiments(workflow)} == {lab.fast, lab.slow}
    assert {e.rid for e in lab.ml.find_experiments(status="Uploaded")} == rids
    assert lab.ml.find_experiments(status="Failed") == []
    assert lab.ml.find_experiments(workflow, "Uploaded")[0] == Experiment(lab.ml, lab.fast)
    with pytest.raises(DerivaMLValidationError, match="Done"):
        lab.ml.find_experiments(status="Done")


def test_experiments_are_compared_in_one_frame(lab: Lab) -> None:
    frame = lab.ml.compare_experiments()
    assert set(frame.index) == {lab.fast, lab.slow, lab.other}
    assert list(frame.columns) == [
        "name",
        "description",
        "status",
        "start",
        "duration",
        "choices.model_config",
        "params.learning_rate",
        "params.layers.depth",
        "metrics.val.acc",
    ]
    assert frame.loc[lab.slow, "metrics.val.acc"] == 0.95
    best = frame.sort_values("metrics.val.acc", ascending=False).iloc[0]
    assert best["name"] == "slow"


def test_a_comparison_is_restricted_by_parameters_and_metrics(lab: Lab) -> None:
    compare = lab.ml.compare_experiments
    assert set(compare(parameters={"learning_rate": 0.1}).index) == {lab.fast, lab.other}
    assert set(compare(parameters={"learning_rate": [0.1, 0.001]}).index) == {
        lab.fast,
        lab.slow,
        lab.other,
    }
    good = compare(parameters={"learning_rate": 0.1}, metrics={"val.acc": lambda a: a > 0.5})
    assert list(good.index) == [lab.fast]
    none = compare(metrics={"val.acc": lambda a: a > 2})
    assert none.empty
    assert list(none.columns) == ["name", "description", "status", "start", "duration"]
    with pytest.raises(DerivaMLValidationError, match=r"\['lr'\].*'learning_rate'"):
        compare(parameters={"lr": 0.1})


def test_any_executions_can_be_compared(lab: Lab) -> None:
    some = [lab.ml.lookup_execution(lab.plain), lab.fast]
    frame = lab.ml.compare_experiments(some)
    assert list(frame.index) == [lab.plain, lab.fast]
    assert frame.loc[lab.plain, "metrics.loss"] == 1
    workflow = lab.ml.lookup_execution(lab.other).workflow_rid
    assert lab.ml.compare_experiments(some, workflow_rid=workflow).empty
    with pytest.raises(DerivaMLNotFoundError):
        lab.ml.compare_experiments(["ZZZZ"])


def test_a_summary_is_plain_values(lab: Lab) -> None:
    summary = lab.ml.lookup_experiment(lab.fast).summary()
    assert json.loads(json.dumps(summary, default=str))["metrics"] == {"val.acc": 0.8}
    assert summary["output_assets"][0]["filename"] == "fast.png"
    assert summary["url"].endswith(f"RID={lab.fast}")


def test_an_experiment_shows_itself_as_markdown(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    found = lab.ml.lookup_experiment(lab.fast)
    text = found.to_markdown()
    assert text.startswith(f"### fast ([{lab.fast}](")
    assert r"| learning\_rate | 0.1 |" in text
    assert "fast.png (Image)" in text
    assert "fast.png" not in found.to_markdown(show_assets=False)
    found.display_markdown()
    assert capsys.readouterr().out.strip() == text.strip()


def test_in_a_notebook_markdown_is_displayed(lab: Lab) -> None:
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "from deriva_ml.experiment.markdown import display\n"
        "display('# hi')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Markdown object" in done.stdout


def test_measurements_mean_the_same_as_in_an_export(ml: DerivaML, tmp_path: Path) -> None:
    lines = [
        '{"step": 2, "timestamp": 1764000000, "loss": 0.25, "note": "fine"}',
        '{"step": 1, "loss": 0.5}',
        '{"name": "accuracy", "value": 0.9, "step": 2}',
        "[1]",
        '{"step": 3, "loss"',
    ]
    with ml.create_execution(workflow=CODE) as exe:
        exe.metrics_file().write_text("\n".join(lines))
    exe.upload_execution_outputs()
    found = ml.lookup_experiment(exe.execution_rid)
    assert found.metrics == {"loss": 0.25, "accuracy": 0.9}
    assert len(found.metrics_history()) == 3
    assert next(iter(found.metrics_history()["note"])) == "fine"
    crate = ml.export_ro_crate(exe.execution_rid, tmp_path / "crate")
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    told = {e["name"]: e["value"] for e in graph if e["@type"] == "PropertyValue"}
    assert told == found.metrics


def test_files_are_read_in_the_order_of_their_rids(ml: DerivaML) -> None:
    with ml.create_execution(workflow=CODE) as exe:
        for number in (1, 2):
            exe.metrics_file(f"{number}.jsonl").write_text(f'{{"loss": {number}}}\n')
    exe.upload_execution_outputs()
    found = ml.lookup_experiment(exe.execution_rid)
    assert list(found.metrics_history()["loss"]) == [1, 2]
    assert found.metrics == {"loss": 2}

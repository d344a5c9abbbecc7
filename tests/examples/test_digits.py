"""The digits project as its user runs it: the demonstration, again, and its command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from deriva_ml import DerivaML

pytest.importorskip("matplotlib", reason="the examples extra is not installed")
pytest.importorskip("sklearn", reason="the examples extra is not installed")

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "examples" / "digits"
pytestmark = pytest.mark.slow

Twice = tuple[Path, list[str], list[set[str]]]


def _run(home: Path, *command: str) -> str:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "DERIVA_ML_HOME": str(home),
        "COLUMNS": "100",
    }
    done = subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout + done.stderr


def _demo(home: Path) -> str:
    return _run(home, str(PROJECT / "demo.py"), "--home", str(home), "--images", "60")


def _connect(home: Path, patch: pytest.MonkeyPatch) -> DerivaML:
    patch.setenv("DERIVA_ML_HOME", str(home))
    return DerivaML("localhost", "digits")


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Twice:
    """The home after two runs, what each printed, and the executions there were after each."""
    home = tmp_path_factory.mktemp("digits")
    printed, known = [], []
    for _ in range(2):
        printed.append(_demo(home))
        with pytest.MonkeyPatch.context() as patch:
            ml = _connect(home, patch)
            known.append({run.execution_rid for run in ml.find_executions()})
            ml.catalog.close()
    return home, printed, known


def test_a_second_run_adds_one_experiment_and_keeps_the_rest(
    twice: Twice, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _, (once, again) = twice
    ml = _connect(home, monkeypatch)
    runs = {r.execution_rid: r for r in ml.find_executions() if r.execution_rid in again}
    assert once < again
    added = [runs[rid] for rid in again - once]
    assert [run.description.partition(" [")[0] for run in added] == [
        "Three epochs, to see that everything works"
    ]
    # The catalog's own stand-in for unknown executions never started.
    assert {str(run.status) for run in runs.values() if run.start_time} == {"Uploaded"}
    assert len(ml.list_assets("Image")) == 60
    assert len(list(ml.find_datasets())) == 4
    ml.catalog.close()


def test_every_training_run_leaves_pictures_metrics_and_a_model(
    twice: Twice, monkeypatch: pytest.MonkeyPatch
) -> None:
    ml = _connect(twice[0], monkeypatch)
    runs = [
        r for r in ml.find_executions(workflow_type="Training") if r.execution_rid in twice[2][1]
    ]
    trained = [run for run in runs if not run.is_parent()]
    assert len(trained) == 8
    for run in trained:
        outputs = {asset.filename: asset for asset in run.list_assets(asset_role="Output")}
        assert {"confusion_matrix.png", "training_curves.png", "perceptron.pkl"} <= outputs.keys()
        metrics = next(a for a in outputs.values() if "Metrics_File" in a.asset_types)
        lines = ml.catalog.objects.read(metrics.url).splitlines()
        assert 0 <= json.loads(lines[-1])["test_accuracy"] <= 1
    ml.catalog.close()


def test_its_bag_is_valid_for_bdbag(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    bdbag_api = pytest.importorskip("bdbag.bdbag_api", reason="bdbag is not installed")
    ml = _connect(twice[0], monkeypatch)
    manifests = sorted((ml.cache_dir / "bags").rglob("bagit.txt"))
    ml.catalog.close()
    assert manifests
    for manifest in manifests:
        bdbag_api.validate_bag(str(manifest.parent), fast=False)


def test_what_it_prints_fits_in_a_hundred_columns_and_has_no_warnings(
    twice: Twice,
) -> None:
    for printed in twice[1]:
        assert "UserWarning" not in printed
        table = [line for line in printed.splitlines() if line.startswith(("┃", "│"))]
        assert table
        assert max(map(len, table)) <= 100


@pytest.mark.skipif(find_spec("papermill") is None, reason="the notebook extra is not installed")
def test_the_notebook_compares_the_runs(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    home = twice[0]
    notebook = "notebooks/results.ipynb"
    _run(home, "-m", "deriva_ml.cli.run_notebook", notebook, "-p", "best", "2")
    ml = _connect(home, monkeypatch)
    [run] = ml.find_executions(workflow_type="Analysis Notebook", status="Uploaded")
    outputs = {asset.filename: asset for asset in run.list_assets(asset_role="Output")}
    table = ml.catalog.objects.read(outputs["runs.csv"].url).decode()
    assert len(twice[2][1] & set(re.findall(r"^([^,]+),", table, re.MULTILINE))) == 8
    text = ml.catalog.objects.read(outputs["results.md"].url).decode()
    assert text.count("hidden=") >= 2
    ml.catalog.close()


@pytest.mark.skipif(find_spec("torch") is None, reason="the torch extra is not installed")
def test_the_convolutional_network_trains(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    home = twice[0]
    _run(home, "-m", "deriva_ml.cli.run", "model_config=cnn", "model_config.epochs=1")
    ml = _connect(home, monkeypatch)
    names = {asset.filename for asset in ml.list_assets("Execution_Asset")}
    ml.catalog.close()
    assert "cnn.pt" in names


def test_the_command_lists_the_groups_with_descriptions(tmp_path: Path) -> None:
    printed = _run(tmp_path, "-m", "deriva_ml.cli.run", "--info")
    for told in (
        "experiment=NAME",
        "Baseline perceptron",
        "model_config=NAME",
        "+multirun=NAME",
        "Hidden units by learning rate: six perceptrons",
        "No data yet",
    ):
        assert told in printed


def test_the_code_of_its_readme_tells_the_accuracy_of_each_run(
    twice: Twice,
) -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert _run(twice[0], "-c", code).count("Baseline perceptron") == 1

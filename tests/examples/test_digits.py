"""The digits project as its user runs it: the demonstration, again, killed, and its command.

`DIGITS_KILLS` says how many kills to try (default 1), `DIGITS_SEED` which random moments.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from deriva_ml import DerivaML
from digits_content import Content, content, difference, problems

pytest.importorskip("matplotlib", reason="the examples extra is not installed")
pytest.importorskip("sklearn", reason="the examples extra is not installed")

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "examples" / "digits"
IMAGES = 60
KILLS = int(os.environ.get("DIGITS_KILLS", "1"))
SEED = int(os.environ.get("DIGITS_SEED", "20"))
KILLS_IN_ONE_HOME = 2
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Twice:
    """A home after two demonstrations that nobody disturbed.

    Attributes:
        home: Where their catalog is.
        printed: What each printed.
        known: The executions that there were after each.
        content: What the first left.
        seconds: How long the first took.
    """

    home: Path
    printed: list[str]
    known: list[set[str]]
    content: Content
    seconds: float


def _start(home: Path, *command: str, apart: bool = False) -> subprocess.Popen[str]:
    """Start a command of the project, perhaps in a process group of its own."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "DERIVA_ML_HOME": str(home),
        "COLUMNS": "100",
    }
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=apart,
    )


def _run(home: Path, *command: str) -> str:
    with _start(home, *command) as process:
        printed, _ = process.communicate()
    assert process.returncode == 0, printed[-6000:]
    return printed


def _demo(home: Path) -> list[str]:
    return [str(PROJECT / "demo.py"), "--home", str(home), "--images", str(IMAGES)]


def _killed(home: Path, after: float) -> bool:
    """Kill all processes of the demonstration `after` seconds, unless it ended before."""
    with _start(home, *_demo(home), apart=True) as process:
        try:
            printed, _ = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return True
    assert process.returncode == 0, printed[-6000:]
    return False


def _connect(home: Path, patch: pytest.MonkeyPatch) -> DerivaML:
    patch.setenv("DERIVA_ML_HOME", str(home))
    return DerivaML("localhost", "digits")


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Twice:
    home = tmp_path_factory.mktemp("digits")
    began = time.monotonic()
    printed = [_run(home, *_demo(home))]
    seconds = time.monotonic() - began
    first = content(home)
    assert first is not None
    known = [_executions(home)]
    printed.append(_run(home, *_demo(home)))
    known.append(_executions(home))
    return Twice(home, printed, known, first, seconds)


def _executions(home: Path) -> set[str]:
    with pytest.MonkeyPatch.context() as patch:
        ml = _connect(home, patch)
        known = {run.execution_rid for run in ml.find_executions()}
        ml.catalog.close()
    return known


def test_a_second_run_adds_one_experiment_and_keeps_the_rest(
    twice: Twice, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, again = twice.known
    ml = _connect(twice.home, monkeypatch)
    runs = {r.execution_rid: r for r in ml.find_executions() if r.execution_rid in again}
    assert once < again
    added = [runs[rid] for rid in again - once]
    assert [run.description.partition(" [")[0] for run in added] == [
        "Three epochs, to see that everything works"
    ]
    # The catalog's own stand-in for unknown executions never started.
    assert {str(run.status) for run in runs.values() if run.start_time} == {"Uploaded"}
    assert len(ml.list_assets("Image")) == IMAGES
    assert len(list(ml.find_datasets())) == 4
    ml.catalog.close()


def test_every_training_run_leaves_pictures_metrics_and_a_model(
    twice: Twice, monkeypatch: pytest.MonkeyPatch
) -> None:
    ml = _connect(twice.home, monkeypatch)
    runs = [
        r for r in ml.find_executions(workflow_type="Training") if r.execution_rid in twice.known[1]
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
    ml = _connect(twice.home, monkeypatch)
    manifests = sorted((ml.cache_dir / "bags").rglob("bagit.txt"))
    ml.catalog.close()
    assert manifests
    for manifest in manifests:
        bdbag_api.validate_bag(str(manifest.parent), fast=False)


def test_what_it_prints_fits_in_a_hundred_columns_and_has_no_warnings(
    twice: Twice,
) -> None:
    for printed in twice.printed:
        assert "UserWarning" not in printed
        table = [line for line in printed.splitlines() if line.startswith(("┃", "│"))]
        assert table
        assert max(map(len, table)) <= 100


@pytest.mark.skipif(find_spec("papermill") is None, reason="the notebook extra is not installed")
def test_the_notebook_compares_the_runs(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    home = twice.home
    notebook = "notebooks/results.ipynb"
    _run(home, "-m", "deriva_ml.cli.run_notebook", notebook, "-p", "best", "2")
    ml = _connect(home, monkeypatch)
    [run] = ml.find_executions(workflow_type="Analysis Notebook", status="Uploaded")
    outputs = {asset.filename: asset for asset in run.list_assets(asset_role="Output")}
    table = ml.catalog.objects.read(outputs["runs.csv"].url).decode()
    assert len(twice.known[1] & set(re.findall(r"^([^,]+),", table, re.MULTILINE))) == 8
    text = ml.catalog.objects.read(outputs["results.md"].url).decode()
    assert text.count("hidden=") >= 2
    ml.catalog.close()


@pytest.mark.skipif(find_spec("torch") is None, reason="the torch extra is not installed")
def test_the_convolutional_network_trains(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    home = twice.home
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
    assert _run(twice.home, "-c", code).count("Baseline perceptron") == 1


@pytest.mark.parametrize("case", range(-(-KILLS // KILLS_IN_ONE_HOME)))
def test_a_killed_demo_ends_in_the_content_of_an_undisturbed_one(
    twice: Twice, case: int, tmp_path: Path
) -> None:
    moments = random.Random(SEED + case)
    kills = min(KILLS_IN_ONE_HOME, KILLS - case * KILLS_IN_ONE_HOME)
    part = twice.seconds * 2 / 3 / kills
    killed_after = []
    for kill in range(kills):
        # One in each part of the first two thirds: kills in a row meet different steps.
        after = moments.uniform(max(kill * part, 0.3), (kill + 1) * part)
        if not _killed(tmp_path, after):
            break
        killed_after.append(round(after, 2))
        found = content(tmp_path)
        if found is not None and not difference(found, twice.content):
            break  # it was killed after its last step: another run would be the second one
    else:
        _run(tmp_path, *_demo(tmp_path))
    found = content(tmp_path)
    assert found is not None
    assert difference(found, twice.content) == [], f"killed after {killed_after} seconds"
    assert problems(tmp_path) == []

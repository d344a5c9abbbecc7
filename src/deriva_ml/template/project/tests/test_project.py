"""The whole way, on a catalog that goes away: load, run, look."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deriva_ml import DerivaML

from catalog import NAME
from load import load
from summary import runs_frame

SOURCE = Path(__file__).parents[1] / "src"


def test_a_run_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("datasets.json"))
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    record = tmp_path / "src" / "configs" / "datasets.json"
    load("localhost", 40, record)
    loaded = record.read_text()
    load("localhost", 40, record)
    assert capsys.readouterr().out.count("was done before") == 3
    assert record.read_text() == loaded
    command = [sys.executable, "-m", "deriva_ml.cli.run", "-m", "+experiment=quick"]
    subprocess.run([*command, "model_config.epochs=0,3"], cwd=tmp_path, check=True)

    ml = DerivaML("localhost", NAME)
    runs = runs_frame(ml)
    assert runs["epoch"].fillna(0).tolist() == [3, 0]  # without an epoch nothing was measured
    run = ml.lookup_execution(runs["run"][0])
    assert "weights.npy" in {asset.filename for asset in run.list_assets(asset_role="Output")}
    assert len(run.list_input_datasets()) == 1

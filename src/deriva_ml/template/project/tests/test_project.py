"""The whole way, on a catalog that goes away: load, run, look."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from deriva_ml import DerivaML

from catalog import NAME

SOURCE = Path(__file__).parents[1] / "src"


def test_a_run_is_recorded(tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("datasets.json"))
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DERIVA_ML_ALLOW_DIRTY", "true")
    for words in (
        ["src/load.py", "--pictures", "40"],
        ["-m", "deriva_ml.cli.run", "+experiment=quick"],
    ):
        subprocess.run([sys.executable, *words], cwd=tmp_path, env=os.environ, check=True)

    ml = DerivaML("localhost", NAME)
    (run,) = ml.find_executions(workflow_type="Training", status="Uploaded")
    outputs = {asset.filename for asset in run.list_assets(asset_role="Output")}
    assert "weights.npy" in outputs
    assert len(run.list_input_datasets()) == 1

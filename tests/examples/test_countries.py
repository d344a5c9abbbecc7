"""The example of linked tables as its user runs it, twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from deriva_ml import DerivaML
from deriva_ml.schema import create_ml_catalog

pytest.importorskip("plotly", reason="the examples extra is not installed")

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "examples" / "countries"
pytestmark = pytest.mark.slow


def _run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROJECT / "demo.py"), "--home", str(home), *words],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def _demo(home: Path, *words: str) -> str:
    done = _run(home, *words)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


def test_the_example_tells_its_story_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = _demo(tmp_path)
    assert "34 countries: 3 of 3 judges agree" in told
    assert "Execution_Country_Judged: 426 added, 0 changed, 0 deleted" in told
    assert "95 countries to train with, 47 to test with" in told
    (share,) = re.findall(r"(\d+)% of the countries of the test were predicted", told)
    assert int(share) > 50  # a guess would be right for a third
    lineage = told.partition("Execution ")[2]
    origin = ["model.py", "demo.py", "judges.py", "tables.py", "gapminder.csv.gz"]
    assert [word for word in re.findall(r"\S+\.(?:py|csv\.gz)", lineage)] == origin

    again = _demo(tmp_path, "--until", "1992")
    assert again.strip().startswith("== Predict the level from the surveys up to 1992")

    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path))
    ml = DerivaML("localhost", "countries")
    assert len(list(ml.find_executions(workflow_type="Training", status="Uploaded"))) == 2
    shares = []
    for kind in ("Training", "Testing"):
        part = next(d for d in ml.find_datasets() if kind in d.dataset_types)
        levels = Counter(v.Level for v in part.feature_values("Country", "Agreed"))  # type: ignore[attr-defined]
        shares.append({level: n / levels.total() for level, n in levels.items()})
    assert shares[0] == pytest.approx(shares[1], abs=0.03)
    ml.catalog.close()


def test_a_first_run_that_stopped_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path))
    create_ml_catalog("localhost", "countries").close()
    done = _run(tmp_path)
    assert done.returncode == 1
    assert f"DERIVA_ML_HOME='{tmp_path}' deriva-catalog delete --yes countries" in done.stderr
    assert "Traceback" not in done.stderr

"""``deriva-ml-config``, on a real catalog."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml.cli.check_schema import main as check_schema
from deriva_ml.cli.config import main
from deriva_ml.core.base import DerivaML
from deriva_ml.execution.configuration import ExecutionConfiguration

ROOT = Path(__file__).parents[3]

BASE = """
from hydra_zen import builds, store
from deriva_ml.execution import create_model_config, multirun_config

def train(lr: float = 0.1, *, ml_instance, execution): ...

store(create_model_config(description="Of the test"), name="deriva_model")
store(builds(train, populate_full_signature=True, zen_partial=True),
      group="model_config", name="default_model", zen_meta={"description": "The only one."})
multirun_config("rates", ["model_config.lr=1,2"], "Two rates.")
"""


@pytest.fixture
def filled(ml: DerivaML) -> DerivaML:
    """A catalog with a dataset and a file that a run made."""
    workflow = ml.create_workflow("Sort", "Training", "Sorts pictures.")
    run = ml.create_execution(ExecutionConfiguration(description="t"), workflow=workflow)
    with run.execute():
        run.asset_file_path("Execution_Asset", "model.bin").write_text("m")
    run.upload_execution_outputs()
    run.create_dataset("Training", description='Pictures of "cats"\nand dogs')
    return ml


@pytest.fixture
def project(filled: DerivaML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that says in a file which catalog it belongs to."""
    place = tmp_path / "project"
    place.mkdir()
    filled.write_context(place)
    monkeypatch.chdir(place)
    return place


def composed(project: Path, *words: str) -> str:
    """What `deriva-ml-run` makes of the project's configuration."""
    done = subprocess.run(
        [sys.executable, "-m", "deriva_ml.cli.run", "--cfg", "job", *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_proposed_is_written_once_and_runs(
    filled: DerivaML, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configs = project / "src" / "configs"
    assert main(["propose", "--write", "src/configs"]) == 0
    assert capsys.readouterr().out.count("written: ") == 4
    (configs / "workflow.py").unlink()
    (configs / "datasets.py").write_text("# mine\n")
    assert main(["propose", "--write", "src/configs"]) == 0
    told = capsys.readouterr().out
    assert told.count("written: ") == 1
    assert told.count("kept, because it is there: ") == 3
    assert (configs / "datasets.py").read_text() == "# mine\n"

    (configs / "datasets.py").unlink()
    words = ["propose", "--kind", "datasets", "--json", "--write", "src/configs"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"written": ["src/configs/datasets.py"], "kept": []}
    (configs / "base.py").write_text(BASE)
    assert main(["check"]) == 0
    assert "all valid" in capsys.readouterr().out
    text = composed(project, "datasets=pictures_of_cats_and_dogs", "workflow=sort")
    for expected in (filled.host_name, "version: 0.1.0", "name: Sort", "lr: 0.1"):
        assert expected in text
    assert 'Pictures of "cats"' in text


def test_the_context_file_connects_a_project_without_a_connection(
    filled: DerivaML, project: Path
) -> None:
    assert main(["propose", "--write", "src/configs"]) == 0
    (project / "src" / "configs" / "base.py").write_text(BASE)
    (project / "src" / "configs" / "deriva.py").unlink()
    assert f"hostname: {filled.host_name}" in composed(project)
    (project / "src" / "configs" / "deriva.py").write_text(
        "from hydra_zen import store\nfrom deriva_ml import DerivaMLConfig\n"
        "store(DerivaMLConfig, group='deriva_ml', name='default_deriva', hostname='mine.org')\n"
    )
    assert "hostname: mine.org" in composed(project)


def test_the_listing_for_programs_has_every_description(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["propose", "--write", "src/configs"]) == 0
    (project / "src" / "configs" / "base.py").write_text(BASE)
    done = subprocess.run(
        [sys.executable, "-m", "deriva_ml.cli.config", "list", "--json"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    described = {(o["group"], o["name"]): o["description"] for o in found["options"]}
    assert described["model_config", "default_model"] == "The only one."
    assert described["workflow", "sort"] == described["workflow", "default_workflow"]
    assert described["workflow", "sort"] == "Sorts pictures."
    assert described["datasets", "default_dataset"].startswith("No datasets")
    assert described["deriva_ml", "default_deriva"].startswith("Catalog ")
    (sweep,) = found["multiruns"]
    assert (sweep["name"], sweep["description"]) == ("rates", "Two rates.")


def test_what_is_wrong_is_named_and_counts_as_a_failure(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "a.py").write_text("DatasetSpecConfig('9-ZZZZ', '1.0.0')\n")
    (project / "b.py").write_text("x = (\n")
    assert main(["check", "a.py", "b.py", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["file_count"], report["all_valid"]) == (2, False)
    assert report["results"][0]["reasons"] == ["rid_not_found"]
    assert main(["check", "a.py"]) == 1
    assert "a.py:1:1: 9-ZZZZ: rid_not_found" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["check", "nowhere"], "There is no 'nowhere' to check"),
        (["check", "--host", "./nowhere"], "nowhere"),
        (["propose", "--type", "Training", "--host", "./nowhere"], "nowhere"),
        (["list", "nowhere"], "no configuration package in 'nowhere'"),
        (["context"], "context needs --host"),
        (["context", "--host", "h", "--directory", "nowhere"], "make it first"),
    ],
)
def test_a_slip_is_told_in_one_line(
    project: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "src" / "configs").mkdir(parents=True)
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("deriva-ml-config: ")
    assert says in line


def test_without_a_context_file_the_host_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["propose"]) == 2
    assert "give --host" in capsys.readouterr().err
    assert main(["context", "--host", "localhost", "--catalog", "zoo"]) == 0
    assert json.loads((tmp_path / ".deriva-context.json").read_text()) == {
        "hostname": "localhost",
        "catalog_id": "zoo",
    }
    database = "postgresql://me:s3cret@db.org/zoo"
    assert main(["context", "--host", database, "--catalog", "1"]) == 0
    assert json.loads((tmp_path / ".deriva-context.json").read_text()) == {
        "hostname": "postgresql://me@db.org/zoo",
        "catalog_id": "1",
    }


def test_the_schema_is_that_of_the_projects_catalog(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_schema(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"]

"""The command for notebooks, with real kernels, in processes of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deriva_ml import DerivaML
from deriva_ml.execution.record import ExecutionRecord

CONFIGS = """
from dataclasses import dataclass
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from deriva_ml.execution import BaseConfig, notebook_config

conf = builds(DerivaMLConfig, populate_full_signature=True)
store(conf(hostname="./catalog", working_dir="work"), group="deriva_ml", name="default_deriva")
store(conf(hostname="./nowhere", working_dir="work"), group="deriva_ml", name="lost")
store([], group="assets", name="different_weights")
store(["3-ZZZZ"], group="assets", name="unknown_weights")

@dataclass
class Analysis(BaseConfig):
    threshold: float = 0.5

notebook_config("analysis", config_class=Analysis, description="Looks at results.")
"""

IMPORTS = "import os, sys, time\nimport pandas as pd"
PARAMETERS = """# What a run may change.
folds: int = 3  # how many parts
label: str = "a"
fail: bool = False
sizes: list[int] = [1, 2]
wait: float = 0
host = ""
"""
BEGIN = "from deriva_ml.execution import run_notebook\nml, execution, config = run_notebook()"
MAKE = """
made = execution.asset_file_path("Execution_Asset", "made.txt")
_ = made.write_text(f"{folds} {label} {sizes} {config.threshold} {host}")
print("at", ml.session.hostname)
"""
SHOW = "pd.DataFrame({'name': ['x|y', 'z'], 'count': [1, 2]})"
WAIT = (
    "print('waiting', flush=True)\ntime.sleep(wait)\nif fail:\n    raise ValueError('told to fail')"
)
CELLS = [IMPORTS, PARAMETERS, BEGIN, MAKE, SHOW, WAIT]


def notebook(cells: list[str], tagged: str | None = PARAMETERS) -> str:
    """A notebook as a file holds it; the cell with this text is the one with parameters."""
    found: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {"tags": ["parameters"]} if source == tagged else {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(cells)
    ]
    return json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@dataclass
class Project:
    """A project with a catalog of its own, and the command in it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "deriva_ml.cli.run_notebook"]

    def surroundings(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
        paths = os.pathsep.join(filter(None, sys.path))
        return {**kept, "PYTHONPATH": paths, "HOME": str(self.root), **self.environment}

    def write(self, name: str, cells: list[str], tagged: str | None = PARAMETERS) -> str:
        path = f"notebooks/{name}.ipynb"
        (self.root / path).write_text(notebook(cells, tagged))
        return path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *words],
            cwd=self.root,
            env=self.surroundings(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def connect(self) -> DerivaML:
        return DerivaML(str(self.root / "catalog"), working_dir=self.root / "other")

    def executions(self) -> list[str]:
        ml = self.connect()
        try:
            return sorted(e.execution_rid for e in ml.find_executions())
        finally:
            ml.catalog.close()


@pytest.fixture(scope="module")
def project(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(_template, root / "catalog")
    for directory in ("notebooks", "src/configs"):
        (root / directory).mkdir(parents=True)
    (root / "src/configs/__init__.py").write_text("")
    (root / "src/configs/base.py").write_text(CONFIGS)
    made = Project(root)
    made.write("analysis", CELLS)
    return made


@pytest.fixture
def ml(project: Project) -> Iterator[DerivaML]:
    connection = project.connect()
    yield connection
    connection.catalog.close()


def made_by(ml: DerivaML, text: str) -> ExecutionRecord:
    """The execution that the output of a command names."""
    found = re.search(r"^Execution (\S+): ", text, re.MULTILINE)
    assert found is not None, text
    return ml.lookup_execution(found[1])


def files_of(record: ExecutionRecord, directory: Path) -> dict[str, str]:
    """The texts of the executed notebook, its Markdown, and what the cells made, by name."""
    texts = {}
    for asset in record.list_assets("Output"):
        if asset.asset_table == "Execution_Asset":
            texts[asset.filename] = asset.download(directory).read_text()
    return texts


@pytest.mark.slow
def test_a_run_with_everything(project: Project, ml: DerivaML, tmp_path: Path) -> None:
    (project.root / "values.yml").write_text("label: from the file\nsizes: [4, 5]\n")
    done = project.run(
        "notebooks/analysis.ipynb",
        *("-p", "folds", "5", "-p", "label", "from the command", "--file", "values.yml"),
        *("--host", str(project.root / "catalog"), "--log-output"),
        *("threshold=0.25", "assets=different_weights"),
    )
    assert done.returncode == 0, done.stderr
    record = made_by(ml, done.stdout)
    assert record.status == "Uploaded"
    assert done.stdout.splitlines()[-1].endswith(f"/id/catalog/{record.execution_rid}")
    workflow = ml.lookup_workflow(str(record.workflow_rid))
    assert (workflow.name, workflow.is_notebook) == ("Analysis", True)
    files = files_of(record, tmp_path)
    assert set(files) == {"made.txt", "analysis.ipynb", "analysis.md"}
    host = project.root / "catalog"
    assert files["made.txt"] == f"5 from the file [4, 5] 0.25 {host}"
    assert f"at {host}" in done.stdout
    assert "cell 7 of 7" in done.stderr
    assert "| 0 | x\\|y | 1 |" in files["analysis.md"]
    executed = json.loads(files["analysis.ipynb"])
    assert [c["metadata"]["papermill"]["status"] for c in executed["cells"]] == ["completed"] * 7
    noted = executed["metadata"]["papermill"]
    assert not {"input_path", "output_path"} & set(noted)
    assert noted["parameters"]["folds"] == 5
    kinds = {a.filename: a.asset_types for a in record.list_assets("Output")}
    assert "Notebook_Output" in kinds["analysis.ipynb"]
    assert "Notebook_Output" in kinds["analysis.md"]


@pytest.mark.slow
def test_what_a_failing_cell_leaves(project: Project, ml: DerivaML, tmp_path: Path) -> None:
    done = project.run("notebooks/analysis.ipynb", "-p", "fail", "true")
    assert done.returncode == 1
    assert "Cell 7 of 7: ValueError: told to fail" in done.stderr
    record = made_by(ml, done.stdout)
    assert record.status == "Failed"
    detail = ml.retrieve_rid(record.execution_rid)["Status_Detail"]
    assert detail.startswith("Cell 7 of 7: ValueError: told to fail\n")
    assert "raise ValueError('told to fail')" in detail
    assert "\x1b" not in detail
    files = files_of(record, tmp_path)
    assert set(files) == {"analysis.failed.ipynb", "analysis.failed.md"}
    assert "ValueError: told to fail" in files["analysis.failed.md"]

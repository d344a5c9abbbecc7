"""The blocks and lines of the document on notebooks, with real kernels and a real repository.

======================================  ==========================================================
heading of the document                 test
======================================  ==========================================================
Version Control and Semantic Versions   test_a_version_is_a_tag_and_leaves_nothing_to_commit
Clearing Notebook Outputs               test_a_commit_has_no_outputs
Setting Notebook Parameters             test_a_dry_run_leaves_no_trace
Notebook Structure and Execution Flow   test_a_dry_run_leaves_no_trace
Commit and Tagging Procedures           test_a_commit_has_no_outputs
Configuring Notebooks with Hydra        test_a_notebook_runs_as_it_is_configured
Quick Example                           test_a_notebook_runs_as_it_is_configured
Quick Example                           test_words_change_the_run
Executing Notebooks with DerivaML       test_a_notebook_runs_as_it_is_configured
Executing Notebooks with DerivaML       test_words_change_the_run
Executing Notebooks with DerivaML       test_the_parameters_are_told
Executing Notebooks with DerivaML       test_a_file_has_values
Executing Notebooks with DerivaML       test_a_dry_run_leaves_no_trace
======================================  ==========================================================
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deriva_ml import DerivaML
from deriva_ml.execution import Workflow
from warm_python import WarmPython, warm_python

NOTEBOOK = Path("notebooks/comparison.ipynb")
RUN = f"deriva-ml-run-notebook {NOTEBOOK}"
LIBRARIES = (
    "hydra._internal.hydra",
    "rich.console",
    "papermill",
    "pandas",
    "deriva_catalog.catalog.local",
    "deriva_catalog.catalog.remote",
    "deriva_catalog.engine.sqlite.storage",
    "deriva_ml.core.base",
    "deriva_ml.dataset.dataset",
    "deriva_ml.execution.commit",
    "deriva_ml.execution.execution",
    "deriva_ml.notebook.run",
)


@pytest.fixture(scope="module")
def clone(lab: Any) -> Path:
    """A repository whose notebook was tried out, committed and tagged, as the document says."""
    place: Path = lab.project("notebook_project")
    lab.shell(lab.root, "git init --quiet --bare shared.git")
    lab.git(place, "remote", "set-url", "origin", str(lab.root / "shared.git"))
    lab.shell(place, "nbstripout --install")
    written = json.loads((place / NOTEBOOK).read_text())
    written["cells"][3] |= {
        "execution_count": 7,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["tried out\n"]}],
    }
    (place / NOTEBOOK).write_text(json.dumps(written, indent=1) + "\n")
    (place / "notes.md").write_text("What was tried.\n")
    lines = 'git add -A && git commit -m "Notebook ready for execution"\nuv run bump-version patch'
    assert lab.shell(place, lines).splitlines()[-1] == "v0.1.0"
    lab.git(place, "remote", "set-url", "origin", "https://example.org/lab.git")
    return place


@pytest.fixture(scope="module")
def warm(lab: Any, clone: Path) -> Iterator[WarmPython]:
    with warm_python(clone, lab.environment, LIBRARIES) as ready:
        yield ready


@pytest.fixture(scope="module")
def ml(lab: Any) -> Iterator[DerivaML]:
    connection = DerivaML("localhost", 1)
    yield connection
    connection.catalog.close()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made_by(text: str) -> str:
    """The RID of the execution that the command tells of."""
    (rid,) = re.findall(r"^Execution (\S+): Uploaded$", text, re.MULTILINE)
    return str(rid)


def ran(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def outputs(ml: DerivaML, rid: str) -> dict[str, str]:
    """The texts of the files that an execution made, by name."""
    files = [a for a in ml.lookup_execution(rid).list_assets("Output")]
    files = [a for a in files if a.asset_table == "Execution_Asset"]
    return {a.filename: Path(a.download(Path(a.asset_rid))).read_text() for a in files}


def test_a_commit_has_no_outputs(lab: Any, clone: Path) -> None:
    assert lab.git(clone, "log", "-1", "--format=%s", "v0.1.0") == "Notebook ready for execution"
    committed = json.loads(lab.git(clone, "show", f"v0.1.0:{NOTEBOOK}"))
    code = [cell for cell in committed["cells"] if cell["cell_type"] == "code"]
    assert {(str(c["outputs"]), c["execution_count"]) for c in code} == {("[]", None)}
    assert "tried out" in (clone / NOTEBOOK).read_text()
    assert lab.git(clone, "status", "--porcelain") == ""
    assert lab.git(lab.root / "shared.git", "tag", "--list") == "v0.1.0"


def test_a_version_is_a_tag_and_leaves_nothing_to_commit(lab: Any, tmp_path: Path) -> None:
    lab.git(tmp_path, "init", "--quiet")
    own = '[project]\nname = "lab"\nversion = "0.3.0"\nrequires-python = ">=3.11"\n'
    (tmp_path / "pyproject.toml").write_text(own)
    (tmp_path / ".gitignore").write_text(".venv\n")
    lab.shell(
        tmp_path,
        "git config user.email lab@example.org && git config user.name Lab\n"
        "git add -A && git commit -qm Begin && git tag v0.3.0",
    )
    # Here uv makes the environment, and the lock of what is in it.
    real = {"UV_NO_SYNC": "0", "UV_PROJECT_ENVIRONMENT": ".venv", "UV_PYTHON": sys.executable}
    lines = "\n".join(f"uv run bump-version {part}" for part in ("major", "minor", "patch"))
    assert lab.shell(tmp_path, lines, **real).split() == ["v1.0.0", "v1.1.0", "v1.1.1"]
    assert lab.git(tmp_path, "status", "--porcelain") == ""
    assert 'version = "1.1.1"' in lab.git(tmp_path, "show", "v1.1.1:uv.lock")


def test_a_notebook_runs_as_it_is_configured(lab: Any, clone: Path, ml: DerivaML) -> None:
    rid = made_by(lab.shell(clone, f"uv run {RUN}"))
    run = ml.lookup_execution(rid)
    assert [d.dataset_rid for d in run.list_input_datasets()] == [lab.rids["PIXB"]]
    read = {a.asset_rid for a in run.list_assets("Input")}
    assert {lab.rids["WTSA"], lab.rids["WTSB"]} <= read
    kept = {a.filename: a.asset_types for a in run.list_assets("Output")}
    assert "Notebook_Output" in kept["comparison.ipynb"]
    assert "Notebook_Output" in kept["comparison.md"]
    made = outputs(ml, rid)
    assert "2 pictures, Weights of this week and of the last." in made["comparison.md"]
    assert made["table.csv"].splitlines()[0] == "weights,length"
    cells = json.loads(made["comparison.ipynb"])["cells"]
    assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code")
    workflow = ml.lookup_workflow(str(run.workflow_rid))
    assert (workflow.name, workflow.workflow_types) == ("Comparison", ["Analysis Notebook"])
    commit = lab.git(clone, "log", "-1", "--format=%H", "--", str(NOTEBOOK))
    assert workflow.url == f"https://example.org/lab/blob/{commit}/{NOTEBOOK}"
    assert workflow.checksum == Workflow.get_url_and_checksum(clone / NOTEBOOK)[1]
    assert workflow.version == "0.1.0"


def test_words_change_the_run(lab: Any, warm: WarmPython) -> None:
    rid = made_by(ran(warm.run(f"{RUN} \\\n    assets=different_weights deriva_ml=production")))
    staging = DerivaML(str(lab.staging))
    made, run = outputs(staging, rid), staging.lookup_execution(rid)
    assert "overrides: assets=different_weights, deriva_ml=production" in run.description
    assert "one file" in made["comparison.md"]
    assert made["table.csv"].splitlines() == ["weights,length", "new,0.67"]
    staging.catalog.close()


def test_the_parameters_are_told(warm: WarmPython) -> None:
    told = ran(warm.run(f"{RUN} --inspect"))
    assert "measure" in told
    assert "length" in told
    assert re.search(r"digits *: *int .*2", told)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("values.json", '{"measure": "depth", "digits": "one"}'),
        ("values.yaml", "measure: depth\ndigits: one\n"),
    ],
)
def test_a_file_has_values(warm: WarmPython, tmp_path: Path, name: str, text: str) -> None:
    values = tmp_path / name
    values.write_text(text)
    done = warm.run(f"{RUN} --file {values}")
    assert done.returncode == 2
    assert "'digits' is declared as int, and 'one' is none" in done.stderr
    assert "measure" not in done.stderr


def test_a_dry_run_leaves_no_trace(warm: WarmPython, ml: DerivaML) -> None:
    before = ml.catalog.latest_snapshot()
    told = ran(warm.run(f"{RUN} \\\n    -p measure depth -p digits 1 dry_run=True"))
    assert ml.catalog.latest_snapshot() == before
    (kept,) = re.findall(r"it is (\S+\.ipynb)", told)
    cells = json.loads(Path(kept).read_text())["cells"]
    (at,) = (n for n, c in enumerate(cells) if "parameters" in c["metadata"].get("tags", ()))
    injected = "".join(cells[at + 1]["source"])
    assert 'measure = "depth"' in injected
    assert "digits = 1" in injected

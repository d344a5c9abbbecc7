"""A notebook of a project under git, cell by cell in a real kernel, as Jupyter runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from deriva_ml import DerivaML
from deriva_ml.execution import Workflow

CONFIGS = """
from hydra_zen import builds, store
from deriva_ml import DerivaMLConfig
from deriva_ml.execution import notebook_config

store(group="deriva_ml")(
    builds(DerivaMLConfig, hostname={place!r}, working_dir={work!r}), name="default_deriva")
notebook_config("analysis", description="Looks at results.")
"""

FAILING = "print(execution.status)\nif not ready:\n    raise ValueError('not yet')"
TELL = """
def tell(_):
    print(execution.status, "|", ml.retrieve_rid(execution.rid)["Status_Detail"])

get_ipython().events.register("post_run_cell", tell)
"""
CELLS = [
    "from deriva_ml.execution import run_notebook\nml, execution, config = run_notebook()",
    TELL,
    "ready = False",
    FAILING,
    "ready = True",
    "_ = execution.asset_file_path('Execution_Asset', 'made.txt').write_text('made')",
    "get_ipython().events.unregister('post_run_cell', tell)",
    "_ = execution.upload_execution_outputs()\nprint(execution.has_finished, execution.rid)",
]


def write(path: Path, output: str | None = None) -> None:
    """The notebook, perhaps with an output in its cells."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "execution_count": 7 if output else None,
            "outputs": outputs,
            "source": source,
        }
        for number, source in enumerate(CELLS)
    ]
    path.write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )


def run_all(notebook: Path) -> str:
    """Run the cells where Jupyter would; returns what they printed."""
    path = os.pathsep.join(filter(None, sys.path))
    surroundings = {"PYTHONPATH": path, "JPY_SESSION_NAME": str(notebook)}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
    manager, client = start_new_kernel(env={**kept, **surroundings}, cwd=str(notebook.parent))
    told: list[str] = []

    def listen(message: dict[str, Any]) -> None:
        content = message["content"]
        if content.get("name") == "stdout":
            told.append(content["text"])

    try:
        for source in CELLS:
            reply = client.execute_interactive(source, timeout=180, output_hook=listen)
            if reply["content"]["status"] != "ok":
                assert (source, reply["content"]["evalue"]) == (FAILING, "not yet")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
    return "".join(told).strip()


@pytest.mark.slow
def test_a_notebook_finds_its_project_and_is_known_without_its_outputs(
    place: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    notebook = project / "notebooks" / "analysis.ipynb"
    for directory in (notebook.parent, project / "src" / "configs"):
        directory.mkdir(parents=True)
    write(notebook)
    (project / "src" / "configs" / "__init__.py").write_text("")
    text = CONFIGS.format(place=str(place), work=str(tmp_path / "work"))
    (project / "src" / "configs" / "base.py").write_text(text)
    for words in (
        ["init", "-q"],
        ["remote", "add", "origin", "https://example.org/lab.git"],
        ["add", "-A"],
        ["-c", "user.name=Lab", "-c", "user.email=lab@example.org", "commit", "-qm", "Start"],
    ):
        subprocess.run(["git", *words], cwd=project, check=True)
    plain = Workflow.get_url_and_checksum(notebook)
    told = run_all(notebook)
    rid = told.split()[-1]
    # A cell that fails makes the execution fail, until a cell is run again.
    *_, first, failed, detail = told.splitlines()[:5]
    assert (first, failed) == ("Running", "Failed | ValueError: not yet")
    assert detail == ""
    assert "    raise ValueError('not yet')" in told
    assert "Cell [4], line 3" in told
    assert told.splitlines()[-3:] == ["Running | None", "Running | None", f"True {rid}"]
    ml = DerivaML(str(place), working_dir=tmp_path / "work")
    try:
        record = ml.lookup_execution(rid)
        workflow = ml.lookup_workflow(str(record.workflow_rid))
        assert (workflow.name, record.status) == ("Analysis", "Uploaded")
        assert (workflow.url, workflow.checksum) == plain
        assert workflow.url.startswith("https://example.org/lab/blob/")
        assert workflow.url.endswith("/notebooks/analysis.ipynb")
        assert "made.txt" in {asset.filename for asset in record.list_assets("Output")}
    finally:
        ml.catalog.close()
    write(notebook, output="something")
    assert Workflow.get_url_and_checksum(notebook) == plain

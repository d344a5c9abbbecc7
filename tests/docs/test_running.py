"""The pages about running: their files are written, and their commands run, from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml import DerivaML

PAGES = Path(__file__).parents[2] / "docs" / "running"
BLOCK = re.compile(r"^```(?P<kind>py|yaml|sh)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(page: str, folder: Path) -> None:
    """Do what a page says: write files that begin with their names, run commands (``sh``).

    Variations of these commands are marked ``bash`` there, and not run: each takes seconds.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DERIVA_")}
    environment |= {
        "PATH": f"{folder / 'bin'}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": str(folder),
        "FLEXLOCK_POLL_INTERVAL": "0.5",
    }
    for block in BLOCK.finditer((PAGES / page).read_text()):
        name, _, text = block["text"].partition("\n")
        if block["kind"] != "sh":
            path = folder / name.removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            continue
        done = subprocess.run(
            ["bash", "-euc", block["text"]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block['text']}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"


@pytest.mark.slow
def test_the_first_run_the_sweep_and_the_task_lists(tmp_path: Path) -> None:
    for name in ("deriva-ml-run", "python"):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        module = " -m deriva_ml.cli.run" if name != "python" else ""
        script.write_text(f'#!/bin/sh\nexec {sys.executable}{module} "$@"\n')
        script.chmod(0o755)
    (tmp_path / "src" / "configs").mkdir(parents=True)
    (tmp_path / "src" / "configs" / "__init__.py").touch()
    follow("index.md", tmp_path)
    follow("tasks.md", tmp_path)
    ml = DerivaML(str(tmp_path / "lab"), working_dir=tmp_path / "look")
    try:
        states = [run.status.value for run in ml.find_executions(workflow_type="Training")]
    finally:
        ml.catalog.close()
    # One run; a sweep of two; a table of two rows, a list of two lines in a script.
    assert states == ["Uploaded"] * (1 + (1 + 2) + (1 + 2) + (1 + 2))

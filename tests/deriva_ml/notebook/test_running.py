"""Running cells, as far as it needs no kernel."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from deriva_ml.notebook.running import Limits, Stopper, _Manager, _Run, _Stopped, run_cells


def test_whatever_ends_a_run_is_its_outcome(tmp_path: Path) -> None:
    source = tmp_path / "look.ipynb"
    cells = [nbformat.v4.new_code_cell("x = 1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source)
    outcome = run_cells(
        source,
        tmp_path / "absent" / "executed.ipynb",
        "python3",
        language="python",
        parameters={},
        environment={},
    )
    assert not outcome.ok
    assert "absent" in outcome.summary


def test_a_cell_that_did_not_run_is_not_said_to_be_complete(tmp_path: Path) -> None:
    """The limit of the whole begins with the first cell, not with the start of the kernel."""
    cells = [nbformat.v4.new_code_cell(f"x = {n}") for n in range(3)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.papermill = nbformat.NotebookNode()
    target, stopper = tmp_path / "executed.ipynb", Stopper()
    manager = _Manager(notebook, output_path=str(target), progress_bar=False)
    manager.run = _Run({}, tmp_path / "log", Limits(whole_s=0.01), None, None, stopper)
    manager.notebook_start()
    assert stopper._timers == []
    manager.cell_start(cells[0], 0)
    stopper._timers[0].join()
    assert stopper.reason == "whole_limit"
    manager.cell_complete(cells[0], 0)
    with pytest.raises(_Stopped):
        manager.cell_start(cells[1], 1)
    manager.cell_complete(cells[1], 1)  # which papermill calls all the same
    stopper.close()
    manager.notebook_complete()
    saved = json.loads(target.read_text())
    states = [cell["metadata"]["papermill"]["status"] for cell in saved["cells"]]
    assert states == ["completed", "pending", "pending"]
    assert saved["metadata"]["papermill"]["duration"] >= 0.01

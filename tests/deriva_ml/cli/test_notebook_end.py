"""What the command for notebooks does when the kernel has ended, or was lost."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from deriva_ml import DerivaML
from deriva_ml.cli.notebook_request import Request
from deriva_ml.cli.notebook_run import _completed, _finish, _Setting
from deriva_ml.execution import ExecutionConfiguration
from deriva_ml.execution.execution import Execution
from deriva_ml.notebook.document import Document
from deriva_ml.notebook.keeping import Place, new_place, places_of
from deriva_ml.notebook.running import Outcome

COMMAND = ["deriva-ml-run-notebook", "look.ipynb"]
WELL = Outcome(2)
BADLY = Outcome(2, 2, "ValueError: no", "Traceback of it")


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    path = tmp_path / "look.ipynb"
    cells = [nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell("y = 1")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, path)
    return Request(Document(path, notebook), {}, (), None)


def begun(ml: DerivaML, request: Request, place: Place, *states: str) -> Execution:
    """A running execution whose notebook was saved when its cells had come so far."""
    about = ExecutionConfiguration(description="Looks.")
    execution = ml.create_execution(about, workflow=ml.create_workflow("Look", "Analysis Notebook"))
    execution.execution_start()
    node = request.document.node
    node.metadata.papermill = {}
    for cell, state in zip(node.cells, states or ("completed", "completed"), strict=True):
        cell.metadata.papermill = {"status": state}
    nbformat.write(node, place.notebook)
    who = {"execution_rid": execution.rid, "working_dir": str(ml.session.working_dir)}
    place.who.write_text(json.dumps({"hostname": ml.session.hostname, **who}))
    return execution


def uploaded(execution: Execution) -> set[str]:
    found = execution.list_assets("Output")
    return {a.filename for a in found if a.asset_table == "Execution_Asset"}


def test_a_run_that_the_notebook_itself_failed_stays_failed(
    ml: DerivaML, request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_place(ml.session.working_dir) as place:
        execution = begun(ml, request_, place)
        execution.asset_file_path("Execution_Asset", "half.txt").write_text("half")
        execution.update_status("Failed", error="The scanner was off.")
        setting = _Setting("python3", ("", ""))
        assert _finish(request_, setting, place, WELL, COMMAND) == 1
    assert uploaded(execution) == {"look.failed.ipynb", "look.failed.md"}
    row = ml.retrieve_rid(execution.rid)
    assert (row["Status"], row["Status_Detail"]) == ("Failed", "The scanner was off.")
    assert "The scanner was off." in capsys.readouterr().err


@pytest.mark.parametrize(("outcome", "status"), [(WELL, 0), (BADLY, 1)])
def test_nothing_of_a_run_that_was_given_up_is_uploaded(
    ml: DerivaML,
    request_: Request,
    capsys: pytest.CaptureFixture[str],
    outcome: Outcome,
    status: int,
) -> None:
    with new_place(ml.session.working_dir) as place:
        execution = begun(ml, request_, place)
        execution.abort()
        setting = _Setting("python3", ("", ""))
        assert _finish(request_, setting, place, outcome, COMMAND) == status
    told = capsys.readouterr()
    assert f"it is {place.told()}." in told.err
    assert place.notebook.exists()
    assert "again" not in told.err
    assert ("Traceback of it" in told.err) is bool(status)
    assert "uploaded;" not in told.err
    assert f"Execution {execution.rid}: Aborted" in told.out
    assert places_of(ml.session.working_dir, execution.rid) == []
    assert uploaded(execution) == set()


def test_only_a_run_whose_cells_all_ended_is_completed(
    ml: DerivaML, request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_place(ml.session.working_dir) as place:
        whole = begun(ml, request_, place)
    whole.execution_stop()
    assert _completed(request_, whole, ml)
    assert (whole.status, uploaded(whole)) == ("Uploaded", {"look.ipynb", "look.md"})

    with new_place(ml.session.working_dir) as place:
        stopped = begun(ml, request_, place, "completed", "running")
    stopped.execution_stop()
    assert not _completed(request_, stopped, ml)
    assert (stopped.status, stopped.has_finished) == ("Failed", False)
    assert "its cells are run again" in capsys.readouterr().err
    assert uploaded(stopped) == set()

    with new_place(ml.session.working_dir) as place:
        partly = begun(ml, request_, place, "completed", "pending")
    partly.asset_file_path("Execution_Asset", "made.txt").write_text("made")
    partly.upload_execution_outputs(clean_folder=False)
    assert not _completed(request_, partly, ml)
    assert (partly.status, partly.has_finished) == ("Failed", False)
    assert uploaded(partly) == {"made.txt", "look.failed.ipynb", "look.failed.md"}
    assert "a new one is made" in capsys.readouterr().err

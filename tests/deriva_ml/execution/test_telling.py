"""What a command prints at the end of a run."""

from __future__ import annotations

import pytest

from deriva_ml import DerivaML
from deriva_ml.execution import ExecutionConfiguration
from deriva_ml.execution.planned import Outcome
from deriva_ml.execution.telling import tell_result, tell_resuming


def test_the_files_the_state_and_the_address_are_told(
    ml: DerivaML, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow = ml.create_workflow("Train", "Training")
    with ml.create_execution(ExecutionConfiguration(), workflow=workflow) as run:
        run.asset_file_path("Execution_Asset", "weights.pt").write_text("1")
        run.asset_file_path("Image", "plot.png").write_text("2")
    run.upload_execution_outputs()
    tell_result(ml, run.execution_rid)
    assert sorted(capsys.readouterr().out.splitlines()) == [
        f"Catalog {ml.catalog.id}: {ml.catalog.url}",
        f"Execution {run.execution_rid}: Uploaded",
        "Uploaded to Execution_Asset: 'weights.pt'",
        "Uploaded to Image: 'plot.png'",
    ]


def test_it_is_told_when_nothing_was_resumed(
    ml: DerivaML, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow = ml.create_workflow("Train", "Training")
    run = ml.create_execution(ExecutionConfiguration(), workflow=workflow)
    tell_resuming(Outcome(run.execution_rid, None, run, resumed=True))
    tell_resuming(Outcome(run.execution_rid, elsewhere=True))
    assert capsys.readouterr().out == ""
    tell_resuming(Outcome(run.execution_rid, None, run))
    assert "nothing to resume" in capsys.readouterr().out
    tell_resuming(Outcome(run.execution_rid))
    assert "completed before" in capsys.readouterr().out

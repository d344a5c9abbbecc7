"""What is uploaded of an execution that failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_ml import DerivaML, ExecutionConfiguration, Workflow
from deriva_ml.core.exceptions import DerivaMLExecutionError

WORKFLOW = {
    "name": "train.py",
    "workflow_type": "Training",
    "url": "https://example.org/t.py",
    "checksum": "c0ffee",
}

DYING = """
import os, signal, sys
from deriva_ml import DerivaML, ExecutionConfiguration, Workflow

ml = DerivaML(sys.argv[1], working_dir=sys.argv[2])
exe = ml.create_execution(ExecutionConfiguration(), workflow=Workflow(**{workflow!r}))
exe.execution_start()
log = exe.asset_file_path("Execution_Asset", "run.log")
log.write_text("what happened")
exe.update_status("Failed", error="why")
print(exe.execution_rid, flush=True)

def stop_at_journal(frame, event, argument):
    # The catalog has the files by now, and the journal does not know it.
    if event == "call" and frame.f_code.co_qualname == "Journal.uploaded":
        os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(stop_at_journal)
exe.upload_failed_outputs([log])
"""


def made(ml: DerivaML, rid: str) -> list[str]:
    outputs = ml.lookup_execution(rid).list_assets("Output")
    return sorted(a.filename for a in outputs if a.asset_table == "Execution_Asset")


def test_only_what_is_named_and_what_describes_the_run(ml: DerivaML) -> None:
    exe = ml.create_execution(ExecutionConfiguration(), workflow=Workflow(**WORKFLOW))
    exe.execution_start()
    log = exe.asset_file_path("Execution_Asset", "run.log")
    log.write_text("what happened")
    exe.asset_file_path("Execution_Asset", "half.bin").write_bytes(b"half")
    with pytest.raises(DerivaMLExecutionError, match="is Running, not Failed"):
        exe.upload_failed_outputs([log])
    exe.update_status("Failed", error="why")
    with pytest.raises(DerivaMLExecutionError, match="is no registered output"):
        exe.upload_failed_outputs(["run.txt"])
    for _ in range(2):
        exe.upload_failed_outputs([log])
        assert made(ml, exe.execution_rid) == ["run.log"]
    row = ml.retrieve_rid(exe.execution_rid)
    assert (row["Status"], row["Status_Detail"]) == ("Failed", "why")
    described = {a.filename for a in ml.lookup_execution(exe.execution_rid).list_assets("Output")}
    assert "configuration.json" in described
    # Another attempt makes the rest again.
    again = ml.resume_execution(exe.execution_rid)
    again.restart()
    with again.execute():
        again.asset_file_path("Execution_Asset", "whole.bin").write_bytes(b"whole")
    again.upload_execution_outputs()
    assert made(ml, exe.execution_rid) == ["run.log", "whole.bin"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="kills with a signal of POSIX")
def test_a_second_call_after_a_kill_adds_nothing_twice(place: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DYING.format(workflow=WORKFLOW), str(place), str(tmp_path / "w")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    rid = done.stdout.strip()
    ml = DerivaML(str(place), working_dir=tmp_path / "w")
    try:
        assert made(ml, rid) == ["run.log"]
        exe = ml.resume_execution(rid)
        exe.upload_failed_outputs([exe.asset_file_path("Execution_Asset", "run.log")])
        assert made(ml, rid) == ["run.log"]
        assert len(ml.get_table_as_dict("Execution_Asset")) == 1
        assert all(p.asset_rid for p in exe.uploaded_assets["deriva-ml/Execution_Asset"])
        assert exe.status == "Failed"
    finally:
        ml.catalog.close()

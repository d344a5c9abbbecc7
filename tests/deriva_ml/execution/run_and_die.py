"""A run in a process of its own that kills itself, as `kill -9` would, at a chosen point.

    python run_and_die.py CATALOG WORKING_DIR [POINT]

POINT counts calls of functions of the library from the creation of the execution on, or is the
name of the function that is not to be entered; without one, the run is left alone and the number
of its calls is printed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from deriva_ml import ExecutionConfiguration, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.execution.execution import Execution

WORKFLOW = Workflow(
    name="train.py", workflow_type="Training", url="https://example.org/t.py", checksum="c0ffee"
)


def train(ml: DerivaML, exe: Execution) -> None:
    """The model function: two files, rows of a table, and a feature value with a file."""
    exe.asset_file_path("Execution_Asset", "log.txt", description="log").write_text("fine")
    mask = exe.asset_file_path("Mask", "mask.png", ["Mask", "Model_File"])
    mask.write_bytes(b"m" * 2_000_000)
    exe.table_path("Subject").write_text("Name\nRex\nIda\n")
    outline = ml.feature_record_class("Subject", "Outline")
    subject = next(r["RID"] for r in ml.get_table_as_dict("Subject") if r["Name"] == "Tom")
    exe.add_features([outline(Subject=subject, Mask=mask)])


def whole_run(ml: DerivaML) -> None:
    """Create, run, upload."""
    config = ExecutionConfiguration(description="a run", argv=[])
    exe = ml.create_execution(config, workflow=WORKFLOW)
    with exe.execute():
        train(ml, exe)
    exe.upload_execution_outputs()


def main(place: str, work: str, point: str = "") -> None:
    """Run, and die at the point."""
    ml = DerivaML(place, 1, working_dir=work)
    calls = 0
    number = int(point) if point.isdecimal() else None

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        if event in ("call", "return") and f"{os.sep}deriva_" in frame.f_code.co_filename:
            calls += 1
            if calls == number or (event == "call" and frame.f_code.co_qualname == point):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    whole_run(ml)
    sys.setprofile(None)
    print(calls)


if __name__ == "__main__":
    main(*sys.argv[1:])
    Path(sys.argv[2]).mkdir(exist_ok=True)

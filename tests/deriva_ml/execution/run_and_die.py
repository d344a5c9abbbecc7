"""A run that kills itself, as `kill -9` would, at a chosen point, in a process of its own.

    python run_and_die.py CATALOG WORKING_DIR [POINT]
    python run_and_die.py CATALOG WORKING_DIR --serve

POINT counts the boundaries of steps: calls and returns of the functions that write something, from
the creation of the execution on. Or it is the name of a function that is not to be entered.
Without one, the run is left alone, and for each change of what is on the disk the number of the
first boundary after it is printed.

A point ``additive:N`` lets a whole run succeed, then counts the steps of a second upload of the
same execution; ``additive:`` alone prints how many there are.

With ``--serve``, points are read, a line each. For each of them a run takes place in a process that
is forked off, so that imports are paid once, and a line is printed: how the process ended, and what
it printed. The caller brings the catalog to its beginning between the runs.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from deriva_ml import ExecutionConfiguration, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.execution.execution import Execution

if TYPE_CHECKING:
    from _typeshed import TraceFunction

STEPS = tuple(
    str(Path(*parts))
    for parts in (
        ("deriva_ml", "execution"),
        ("deriva_catalog", "objects"),
        ("deriva_catalog", "engine", "store"),
        ("deriva_catalog", "engine", "sqlite", "storage"),
    )
)
"""Parts of the paths of the modules whose functions are steps."""

WORKFLOW = Workflow(
    name="train.py", workflow_type="Training", url="https://example.org/t.py", checksum="c0ffee"
)


def train(ml: DerivaML, exe: Execution) -> None:
    """The model function: a dataset, files (two are equal), rows, a feature value with a file."""
    subject = next(r["RID"] for r in ml.get_table_as_dict("Subject") if r["Name"] == "Tom")
    dataset = exe.create_dataset(["Training"], description="made")
    dataset.add_dataset_members({"Subject": [subject]})
    dataset.add_dataset_type("Labeled")
    assert str(dataset.release("major", "first")) == "1.0.0"
    exe.asset_file_path("Execution_Asset", "log.txt", description="log").write_text("fine")
    for name in ("a/same.txt", "b/same.txt"):
        exe.asset_file_path("Execution_Asset", name).write_text("same")
    mask = exe.asset_file_path("Mask", "mask.png", ["Mask", "Model_File"])
    mask.write_bytes(b"m" * 2_000_000)
    exe.table_path("Subject").write_text("Name\nRex\nIda\n")
    outline = ml.feature_record_class("Subject", "Outline")
    exe.add_features([outline(Subject=subject, Mask=mask)])


def whole_run(ml: DerivaML) -> None:
    """Create, run, upload."""
    config = ExecutionConfiguration(description="a run", argv=[])
    exe = ml.create_execution(config, workflow=WORKFLOW)
    with exe.execute():
        train(ml, exe)
    exe.upload_execution_outputs()


def more(ml: DerivaML) -> None:
    """Add outputs to the execution that is uploaded already, and upload them."""
    (found,) = ml.list_executions()
    exe = ml.resume_execution(found.rid)
    if exe.status is not ExecutionStatus.Uploaded:  # all of it was registered before
        exe.upload_execution_outputs()
        return
    if any(p.name == "late.txt" for p in exe.uploaded_assets["deriva-ml/Execution_Asset"]):
        return
    exe.asset_file_path("Execution_Asset", "late.txt").write_text("late")
    exe.asset_file_path("Execution_Asset", "c/same.txt").write_text("same")
    mask = exe.asset_file_path("Mask", "late.png")
    mask.write_bytes(b"l" * 1_500_000)
    exe.table_path("Subject").write_text("Name\nBob\n")
    rex = next(r["RID"] for r in ml.get_table_as_dict("Subject") if r["Name"] == "Rex")
    outline = ml.feature_record_class("Subject", "Outline")
    exe.add_features([outline(Subject=rex, Mask=mask)])
    exe.upload_execution_outputs()


def on_disk(*places: str) -> dict[str, tuple[int, int]]:
    """Size and time of change of each file, by path."""
    found = {}
    waiting = list(places)
    while waiting:
        with suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:  # the threads of an upload are at work meanwhile
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif not entry.name.endswith("-shm"):  # which only says who has a file open
                    seen = entry.stat(follow_symlinks=False)
                    found[entry.path] = (seen.st_size, seen.st_mtime_ns)
    return found


@cache
def is_step(file: str) -> bool:
    """Whether the functions of a module are steps."""
    return any(part in file for part in STEPS)


def main(place: str, work: str, point: str = "") -> None:
    """Run, and die at the point."""
    die_or_tell(DerivaML(place, 1, working_dir=work), (place, work), point)


def die_or_tell(ml: DerivaML, places: tuple[str, str], point: str) -> None:
    """Run, and die at the point; without one, print after which steps files had changed."""
    additive, _, rest = point.rpartition(":")
    if additive:
        whole_run(ml)
        point = rest
    steps = 0
    number = int(point) if point.isdecimal() else None
    seen, changes = on_disk(*places), []

    def count(frame: FrameType, event: str, argument: Any) -> TraceFunction | None:
        nonlocal steps, seen
        if not is_step(frame.f_code.co_filename):
            return None
        frame.f_trace_lines = False
        if event == "exception":  # the return follows
            return count
        if event == "call" and frame.f_code.co_qualname == point:
            os.kill(os.getpid(), signal.SIGKILL)
        if threading.current_thread() is threading.main_thread():
            steps += 1
            if steps == number:
                os.kill(os.getpid(), signal.SIGKILL)
            if not point and not additive and (now := on_disk(*places)) != seen:
                seen = now
                changes.append(steps)
        return count

    # Tracing, unlike profiling, tells nothing of what is called in C: most of what is called.
    threading.settrace(count)
    sys.settrace(count)
    (more if additive else whole_run)(ml)
    sys.settrace(None)
    print(json.dumps(steps if additive else changes), flush=True)


def serve(place: str, work: str) -> None:
    """Do what standard input says, each line in a process of its own, on a connection of ours."""
    ml = DerivaML(place, 1, working_dir=work)
    whole_run(ml)  # so that what is compiled and read once is there before the forks
    ml.catalog.close()
    gc.collect()
    gc.freeze()  # no child looks for garbage among what was imported
    print("ready", flush=True)
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writing, 1)
            die_or_tell(ml, (place, work), line.strip())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as output:
            told = output.read()
        _, status = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), told]), flush=True)


if __name__ == "__main__":
    if sys.argv[3:] == ["--serve"]:
        serve(*sys.argv[1:3])
    else:
        main(*sys.argv[1:])

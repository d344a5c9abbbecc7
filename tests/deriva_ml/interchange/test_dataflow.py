"""Dataflows that an execution ran, as they are recorded and read back."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.interchange import DataflowRecorder
from deriva_ml.interchange.dataflow import read_dataflow
from hamilton import driver
from hamilton.execution.executors import MultiThreadingExecutor, SynchronousLocalTaskExecutor
from interchange_lab import SECRET, workflow

PARALLEL = """
from hamilton.htypes import Collect, Parallelizable

def part(count: int) -> Parallelizable[int]:
    yield from range(count)

def square(part: int) -> int:
    return part * part

def total(square: Collect[int]) -> int:
    return sum(square)
"""


@pytest.fixture
def parallel() -> Iterator[ModuleType]:
    """A module whose functions run once for each part."""
    module = ModuleType("recorded_parallel")
    sys.modules[module.__name__] = module
    exec(compile(PARALLEL, module.__name__, "exec"), module.__dict__)
    yield module
    del sys.modules[module.__name__]


def test_each_task_of_a_parallel_flow_is_recorded(ml: DerivaML, parallel: ModuleType) -> None:
    with ml.create_execution(workflow=workflow("parallel.py")) as exe:
        flow = (
            driver.Builder()
            .with_modules(parallel)
            .enable_dynamic_execution(allow_experimental_mode=True)
            .with_local_executor(SynchronousLocalTaskExecutor())
            .with_remote_executor(MultiThreadingExecutor(max_tasks=2))
            .with_adapters(DataflowRecorder(exe))
            .build()
        )
        assert flow.execute(["total"], inputs={"count": 3, "token": SECRET})["total"] == 5
    recorded = [f for f in exe.upload_execution_outputs()["deriva-ml/Execution_Metadata"]]
    (rid,) = (str(f.asset_rid) for f in recorded if f.name.startswith("dataflow-"))
    found = read_dataflow(ml.assets.download(rid, ml.working_dir / "read"))
    assert found is not None
    squares = [run for run in found.runs if run.name == "square"]
    assert len({run.task_id for run in squares}) == 3
    assert all(found.started <= run.started <= run.ended <= found.ended for run in found.runs)
    assert found.nodes["total"].needs == ("square",)
    assert found.inputs["count"] == 3
    assert found.inputs["token"].startswith("***")
    assert not list(exe.working_dir.glob("dataflow-*.jsonl"))


def test_a_recorder_that_was_sent_to_a_worker_only_writes_down_runs(ml: DerivaML) -> None:
    exe = ml.create_execution(workflow=workflow("sent.py"))
    recorder = DataflowRecorder(exe)
    sent = pickle.loads(pickle.dumps(recorder))
    flow = driver.Builder().with_modules(_module()).with_adapters(sent).build()
    assert flow.execute(["doubled"], inputs={"rate": 2.0})["doubled"] == 4.0
    (lines,) = exe.working_dir.glob("dataflow-*.jsonl")
    (run,) = map(json.loads, lines.read_text().splitlines())
    assert (run["name"], run["error"]) == ("doubled", None)
    assert not any("dataflow" in o.file_name for o in exe._run.journal.outputs())


def _module() -> ModuleType:
    import interchange_flow

    return interchange_flow


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"kind": "other", "format": 1}', '{"kind": "hamilton dataflow"}']
)
def test_other_files_are_no_record(tmp_path: Path, text: str) -> None:
    file = tmp_path / "some.json"
    file.write_text(text)
    assert read_dataflow(file) is None
    assert read_dataflow(tmp_path / "some.txt") is None

"""Runs recorded by ExperimentTracker, read back as a user's script would."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from hamilton import ad_hoc_utils, driver
from hamilton.io.materialization import to
from hamilton.plugins.h_experiments import ExperimentTracker
from hamilton.runs.record import UnreadableRun, find_runs, read_run

FLOW = """
import numpy as np
from hamilton.htypes import Collect, Parallelizable

def doubled(x: int) -> int:
    return 2 * x

def scores(doubled: int) -> dict:
    return {"low": doubled / 10, "high": np.float64(doubled)}

def mean(doubled: int) -> np.float32:
    return np.float32(doubled / 2)

def endless(doubled: int) -> float:
    return float("inf")

def facts(doubled: int) -> dict:
    return {"doubled": doubled, "text": "<b>"}

def broken(doubled: int) -> int:
    raise ValueError(f"cannot take {doubled}")

def item(x: int) -> Parallelizable[int]:
    yield from range(x)

def square(item: int) -> int:
    return item**2

def total(square: Collect[int]) -> int:
    return sum(square)
"""


@pytest.fixture
def flow():
    return ad_hoc_utils.module_from_source(FLOW, None)


def built(module, *adapters, **config):
    return driver.Builder().with_modules(module).with_config(config).with_adapters(*adapters)


def test_a_run_is_recorded_with_what_went_in_and_came_out(flow, tmp_path):
    tracker = ExperimentTracker("trial", tmp_path)
    dr = built(flow, tracker, rate=0.5, where=tmp_path).build()
    dr.execute(["scores", "mean", "endless", "facts"], inputs={"x": 3}, overrides={"doubled": 8})
    run = read_run(tracker.run_directory)
    assert tracker.run_directory.parent == tmp_path / "trial"
    assert run.head.status == "succeeded"
    assert run.head.requested == ("scores", "mean", "endless", "facts")
    assert run.head.config == {"rate": 0.5, "where": str(tmp_path)}
    assert run.head.inputs == {"x": 3}
    assert run.head.overrides == {"doubled": 8}
    assert run.metrics == {"scores.low": 0.8, "scores.high": 8.0, "mean": 4.0}
    assert run.results == {"endless": "inf", "facts": "{'doubled': 8, 'text': '<b>'}"}
    assert run.head.seconds >= sum(node.seconds for node in run.nodes)
    assert {node.name for node in run.nodes} == {"scores", "mean", "endless", "facts"}
    assert "scores" in (run.folder / "graph.svg").read_text()


def test_relative_paths_of_savers_are_in_the_folder_of_their_run(flow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = ExperimentTracker("trial")
    dr = built(flow, tracker).build()
    elsewhere = tmp_path / "elsewhere.json"
    savers = [
        to.json(id="near", dependencies=["facts"], path="out/facts.json"),
        to.json(id="far", dependencies=["facts"], path=str(elsewhere)),
    ]
    folders = []
    for x in (1, 2):
        metadata, _ = dr.materialize(*savers, inputs={"x": x})
        folders.append(tracker.run_directory)
        place = tracker.run_directory / "out" / "facts.json"
        assert json.loads(place.read_text())["doubled"] == 2 * x
        assert metadata["near"]["file_metadata"]["path"] == str(place)
        assert metadata["near"]["file_metadata"]["size"] == place.stat().st_size
    assert folders[0] != folders[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere.json", "experiments"]
    newest, oldest = find_runs(tmp_path / "experiments")
    assert (newest.folder, oldest.folder) == (folders[1], folders[0])
    near, far = newest.artifacts
    assert (near.path, near.kind) == ("out/facts.json", "json")
    assert (far.path, far.size) == (str(elsewhere), elsewhere.stat().st_size)
    # Outside a run the working directory counts again.
    built(flow).build().materialize(savers[0], inputs={"x": 1})
    assert (tmp_path / "out" / "facts.json").exists()


def test_savers_over_a_dataflow_leave_the_version_of_its_code(flow, tmp_path):
    tracker = ExperimentTracker("trial", tmp_path)
    dr = built(flow, tracker).build()
    dr.execute(["facts"], inputs={"x": 1})
    dr.materialize(to.json(id="s", dependencies=["facts"], path="f.json"), inputs={"x": 1})
    one, two = find_runs(tmp_path)
    assert one.head.version == two.head.version != ""


def test_a_failed_run_says_why_and_keeps_its_nodes(flow, tmp_path):
    tracker = ExperimentTracker("trial", tmp_path)
    with pytest.raises(ValueError, match="cannot take 2"):
        built(flow, tracker).build().execute(["broken"], inputs={"x": 1})
    run = read_run(tracker.run_directory)
    assert run.head.status == "failed"
    assert (run.head.error.type, run.head.error.node) == ("ValueError", "broken")
    assert run.head.error.message == "cannot take 2"
    assert "Traceback" in run.head.error.traceback
    assert [(node.name, node.ok) for node in run.nodes] == [("doubled", True), ("broken", False)]


def test_a_request_that_makes_no_sense_is_recorded_and_raised(flow, tmp_path):
    tracker = ExperimentTracker("trial", tmp_path)
    dr = built(flow, tracker).build()
    with pytest.raises(ValueError, match="Unknown nodes"):
        dr.execute(["nothing"], inputs={"x": 1})
    with pytest.raises(ValueError, match="Required input"):
        dr.execute(["facts"])
    assert [run.head.status for run in find_runs(tmp_path)] == ["failed", "failed"]


@pytest.mark.slow
def test_nodes_in_worker_processes_are_recorded(importable, tmp_path):
    from hamilton.execution.executors import MultiProcessingExecutor

    module = importable("recorded_flow", FLOW)
    tracker = ExperimentTracker("trial", tmp_path / "runs")
    dr = (
        built(module, tracker)
        .enable_dynamic_execution()
        .with_remote_executor(MultiProcessingExecutor(2))
        .build()
    )
    assert dr.execute(["total"], inputs={"x": 3}) == {"total": 5}
    run = read_run(tracker.run_directory)
    squares = [node for node in run.nodes if node.name == "square"]
    assert len({node.task_id for node in squares}) == 3
    assert run.metrics == {"total": 5}


KILLED = """
import os, signal, sys
from hamilton import ad_hoc_utils, driver
from hamilton.plugins.h_experiments import ExperimentTracker

def first() -> int:
    return 1

def second(first: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)

module = ad_hoc_utils.create_temporary_module(first, second)
tracker = ExperimentTracker("trial", sys.argv[1])
driver.Builder().with_modules(module).with_adapters(tracker).build().execute(["second"])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills at once")
def test_a_killed_run_shows_how_far_it_came(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": "src"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    (run,) = find_runs(tmp_path)
    assert (run.head.status, run.head.ended) == ("running", None)
    assert [node.name for node in run.nodes] == ["first"]


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden"])
def test_an_experiment_must_be_a_folder(name, tmp_path):
    with pytest.raises(ValueError, match="name of a folder"):
        ExperimentTracker(name, tmp_path)


def test_other_folders_are_no_runs(flow, tmp_path):
    (tmp_path / "trial" / "odd").mkdir(parents=True)
    (tmp_path / "trial" / "odd" / "run.json").write_text('{"format": 99}')
    (tmp_path / "trial" / "half").mkdir()
    (tmp_path / "trial" / "half" / "run.json").write_text("{")
    assert find_runs(tmp_path) == []
    with pytest.raises(UnreadableRun, match="format"):
        read_run(tmp_path / "trial" / "odd")
    with pytest.raises(UnreadableRun, match="no readable run"):
        read_run(tmp_path / "trial" / "half")


def test_large_and_odd_inputs_become_short_texts(flow, tmp_path):
    tracker = ExperimentTracker("trial", tmp_path)
    odd = {"array": np.zeros((3, 2)), "many": list(range(500)), "nan": float("nan"), "t": (1, "a")}
    built(flow, tracker).build().execute(["facts"], inputs={"x": 1, **odd})
    found = read_run(tracker.run_directory).head.inputs
    assert found["array"] == "<ndarray of shape (3, 2)>"
    assert found["many"] == "<list of 500 items>"
    assert (found["nan"], found["t"]) == ("nan", [1, "a"])

"""One good MLflow run of each run directory is active."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flexlock import active_runs, mlflow_lock
from flexlock.errors import CorruptLockError, LockNotFoundError, MissingExtraError
from flexlock.lock.document import write_lock
from flexlock.lock.identity import new_run_id
from flexlock.lock.record import DataState, PrevState, RepoState, RunLock
from flexlock.mlflow_link import logical_run_id

mlflow = pytest.importorskip("mlflow")
# MLflow's own: what it uses of SQLAlchemy is about to change.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SOURCES = str(Path(__file__).parents[2] / "src")

LOCK = RunLock(
    id="",
    timestamp="2026-11-20T21:02:52+00:00",
    status="complete",
    config={
        "param": 1,
        "save_dir": "results/process",
        "deep": {"lr": 0.1, "sizes": [1, 2], "empty": {}},
        "odd/key!": None,
        "password": "***0123456789ab",
        "long": "x" * 7_000,
    },
    repos={"main": RepoState(".", commit="c" * 40, tree="t" * 40, is_dirty=True)},
    data={"input": DataState("data/input.csv", algorithm="blake3", hash="ab" * 32)},
    prevs={"pre": PrevState("data/pre", id="01PRE")},
)


@pytest.fixture(scope="module", params=["sqlite", "file"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp(request.param)
    return f"sqlite:///{folder}/mlflow.db" if request.param == "sqlite" else f"file:{folder}/runs"


@pytest.fixture
def experiment(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A new experiment in the store, which is MLflow's current one."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(store)
    name = f"experiment-{tmp_path.name}"
    mlflow.create_experiment(name, artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment(name)
    yield name
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture
def save_dir(experiment: str, tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    folder = tmp_path / "results" / "process"
    folder.mkdir(parents=True)
    write_lock(folder / "run.lock", replace(LOCK, id=new_run_id()))
    (folder / "out.txt").write_text("result")
    return folder


def log_run(save_dir: str | Path, **options: Any) -> str:
    with mlflow_lock(save_dir, **options) as run:
        mlflow.log_metric("score", 1.0)
        mlflow.log_artifact("results/process/out.txt")
    return str(run.info.run_id)


def tags(run_id: str) -> dict[str, str]:
    return dict(mlflow.get_run(run_id).data.tags)


def statuses(*run_ids: str) -> list[str]:
    return [tags(run_id)["flexlock.run_status"] for run_id in run_ids]


def test_logging_twice_leaves_one_active_and_one_deprecated(save_dir: Path) -> None:
    first = log_run("results/process")
    assert statuses(first) == ["active"]
    second = log_run("results/process")
    assert statuses(first, second) == ["deprecated", "active"]
    assert tags(first)["flexlock.superseded_by"] == second
    assert tags(second)["flexlock.supersedes"] == first
    assert tags(second)["flexlock.logical_run_id"] == "results/process"
    assert tags(second)["flexlock.dir"] == str(save_dir)
    assert tags(second)["flexlock.status"] == "active"
    assert [run.info.run_id for run in active_runs()] == [second]
    found = mlflow.search_runs(
        filter_string="tags.`flexlock.run_status` = 'active'", output_format="list"
    )
    assert [run.info.run_id for run in found] == [second]
    assert mlflow.get_run(second).info.status == "FINISHED"


def test_run_sheet_is_logged(save_dir: Path) -> None:
    (save_dir / "stdout.log").write_text("hello")
    run = mlflow.get_run(log_run(save_dir))
    params = run.data.params
    assert params["param"] == "1"
    assert params["deep.lr"] == "0.1"
    assert params["deep.sizes"] == "[1, 2]"
    assert params["deep.empty"] == "{}"
    assert params["odd_key_"] == "null"
    assert params["password"] == "***0123456789ab"
    assert len(params["long"]) == 6_000
    assert run.data.tags["flexlock.repos.main.tree"] == "t" * 40
    assert run.data.tags["flexlock.repos.main.commit"] == "c" * 40
    assert run.data.tags["flexlock.data.input"] == "blake3:" + "ab" * 32
    assert run.data.tags["flexlock.prevs.pre"] == "01PRE"
    assert run.data.metrics == {"score": 1.0}
    artifacts = {a.path for a in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert artifacts == {"run.lock", "stdout.log", "out.txt"}


def test_failing_body_never_becomes_active(save_dir: Path) -> None:
    good = log_run(save_dir)
    with pytest.raises(ZeroDivisionError), mlflow_lock(save_dir) as bad:
        1 / 0  # noqa: B018
    assert statuses(good, bad.info.run_id) == ["active", "failed"]
    assert mlflow.get_run(bad.info.run_id).info.status == "FAILED"
    assert mlflow.active_run() is None
    with pytest.raises(KeyboardInterrupt), mlflow_lock(save_dir) as stopped:
        raise KeyboardInterrupt
    assert mlflow.get_run(stopped.info.run_id).info.status == "KILLED"
    assert [run.info.run_id for run in active_runs(save_dir)] == [good]


def test_all_older_active_runs_are_deprecated(save_dir: Path) -> None:
    older = [log_run(save_dir) for _ in range(2)]
    for run_id in older:  # as a crash between two steps may leave them
        mlflow.MlflowClient().set_tag(run_id, "flexlock.run_status", "active")
    assert [run.info.run_id for run in active_runs()] == [older[1]]
    newest = log_run(save_dir)
    assert statuses(*older, newest) == ["deprecated", "deprecated", "active"]


def test_run_from_a_machine_with_a_slow_clock_still_becomes_active(save_dir: Path) -> None:
    ahead = log_run(save_dir)
    client = mlflow.MlflowClient()
    start = mlflow.get_run(ahead).info.start_time
    with mlflow_lock(save_dir) as run:
        assert run.info.start_time >= start
        client.set_tag(ahead, "flexlock.sequence", "41")  # many logs later
    assert statuses(ahead, run.info.run_id) == ["deprecated", "active"]


def test_inside_of_another_run_it_is_nested(save_dir: Path) -> None:
    with mlflow.start_run() as outer:
        inner = log_run(save_dir)
        assert mlflow.active_run().info.run_id == outer.info.run_id
    assert tags(inner)["mlflow.parentRunId"] == outer.info.run_id
    assert statuses(inner) == ["active"]


def test_body_may_end_the_run_itself(save_dir: Path) -> None:
    with mlflow_lock(save_dir) as run:
        mlflow.end_run()
    assert statuses(run.info.run_id) == ["active"]
    assert mlflow.get_run(run.info.run_id).info.status == "FINISHED"


def test_options(save_dir: Path) -> None:
    first = log_run(save_dir, tags={"who": "me", "what": "old"}, run_name="named")
    assert mlflow.get_run(first).info.run_name == "named"
    second = log_run(
        save_dir, tags={"what": "new"}, inherit_tags=True, log_config=False, log_artifacts=False
    )
    assert (tags(second)["who"], tags(second)["what"]) == ("me", "new")
    assert mlflow.get_run(second).data.params == {}
    elsewhere = log_run(save_dir, experiment_name=f"other-{save_dir.parts[-3]}")
    assert statuses(second, elsewhere) == ["active", "active"]  # one in each experiment
    names = [f"other-{save_dir.parts[-3]}"]
    assert [r.info.run_id for r in active_runs(experiment_names=names)] == [elsewhere]


def test_each_directory_has_its_own_active_run(save_dir: Path) -> None:
    other = save_dir.with_name("it's")
    other.mkdir()
    write_lock(other / "run.lock", replace(LOCK, id=new_run_id()))
    one, two = log_run(save_dir), log_run(other)
    assert [run.info.run_id for run in active_runs()] == [two, one]
    assert [run.info.run_id for run in active_runs(other)] == [two]
    assert statuses(one, two, log_run(other)) == ["active", "deprecated", "active"]


def test_directory_without_a_readable_sheet_logs_nothing(save_dir: Path) -> None:
    with pytest.raises(LockNotFoundError, match="results"), mlflow_lock(save_dir.parent):
        pass
    (save_dir / "run.lock").write_text("[")
    with pytest.raises(CorruptLockError), mlflow_lock(save_dir):
        pass
    assert mlflow.search_runs(output_format="list") == []


RACER = """
import sys, warnings
import mlflow
from flexlock import mlflow_lock
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment(sys.argv[2])
with mlflow_lock(sys.argv[3]) as run:
    print(run.info.run_id, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite"], indirect=True, scope="module")
def test_two_processes_that_finish_at_once_leave_one_active(
    store: str, experiment: str, save_dir: Path
) -> None:
    racer = subprocess.Popen(
        [sys.executable, "-c", RACER, store, experiment, str(save_dir)],
        env={**os.environ, "PYTHONPATH": SOURCES},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert racer.stdin is not None
    assert racer.stdout is not None
    try:
        with mlflow_lock(save_dir) as run:
            other = racer.stdout.readline().strip()
            racer.stdin.write("go\n")
            racer.stdin.flush()
        assert racer.wait(timeout=60) == 0
    finally:
        racer.kill()
        racer.communicate()
    assert sorted(statuses(run.info.run_id, other)) == ["active", "deprecated"]


def test_names_of_logical_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "results").mkdir()
    (project / "results" / "pyproject.toml").touch()
    assert logical_run_id(project / "results" / "a") == "results/a"
    monkeypatch.chdir(project / "results")
    assert logical_run_id(Path("b")) == "results/b"


def test_missing_mlflow_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"derivaml\[tracking\]"):
        active_runs()
    with pytest.raises(ImportError), mlflow_lock(tmp_path):
        pass

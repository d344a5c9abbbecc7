"""``flexlock status``, ``export`` and ``worker`` on the queue of a sweep, and ordered stages."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from flexlock.cli.program import main
from flexlock.lock.document import read_lock
from flexlock.run import run_status
from flexlock.tasks.commands import SweepStatus, sweep_status
from flexlock.tasks.export import export_rows
from flexlock.tasks.queue.records import TaskRow
from sweeps import Sweep, until

SCRIPT = """
import time
from pathlib import Path
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    save_dir = "out"

@clicfg(config_class=Config)
def main(cfg):
    if cfg.param == 2:
        raise ValueError("two is bad")
    if cfg.param == 3:
        Path("begun").touch()
        until = time.monotonic() + 30
        while not Path("go").exists() and time.monotonic() < until:
            time.sleep(0.02)
    return {"loss": 1 / cfg.param, "names": ["a"], "big": 10**30}

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    monkeypatch.chdir(tmp_path)
    made = Sweep(tmp_path)
    made.write(SCRIPT, 4)
    yield made
    (tmp_path / "go").touch()  # so that nothing waits on after a test that failed


def test_status_follows_a_sweep_from_running_to_lost_to_done(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    process = sweep.start("-q")
    until(lambda: (sweep.folder / "begun").exists())
    assert run_status(sweep.root / "param=3").name == "running"
    assert main(["status", "out"]) == 1
    shown = capsys.readouterr().out
    assert "out: 4 tasks: 1 done, 1 failed, 1 running, 1 pending" in shown
    assert "param=3 running for" in shown
    assert "param=2 failed: raised ValueError: two is bad" in shown
    process.kill()
    process.communicate()
    assert run_status(sweep.root / "param=3").name == "lost"
    assert main(["status", "out", "--state", "lost"]) == 1
    assert "param=3 lost: process" in capsys.readouterr().out
    (sweep.folder / "go").touch()
    sweep.run("-q")
    assert main(["status", "out/run.lock.tasks.db", "--all"]) == 1
    shown = capsys.readouterr().out
    assert "4 tasks: 3 done, 1 failed" in shown
    assert "param=4 done" in shown
    assert main(["status", "out", "--failed", "--json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)["sweeps"]
    assert told["counts"] == {"done": 3, "failed": 1}
    assert [row["name"] for row in told["tasks"]] == ["param=2"]


def test_watching_ends_when_the_tasks_have(sweep: Sweep) -> None:
    (sweep.folder / "go").touch()
    process = sweep.start("-q")
    until(lambda: sweep.root.exists() and sweep.rows())
    command = [sys.executable, "-m", "flexlock", "status", "out", "--watch", "--interval", "0.1"]
    watched = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    process.communicate()
    assert "4 tasks: " in watched.stdout
    assert watched.returncode in (0, 1)


def test_export_writes_csv_json_and_parquet(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    (sweep.folder / "go").touch()
    sweep.run("-q")
    assert main(["export", "out", "t.csv"]) == 0
    assert main(["export", "out", "t.json", "--state", "done"]) == 0
    assert main(["export", "out", "t.parquet", "--json"]) == 0
    with (sweep.folder / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["done", "failed", "done", "done"]
    assert rows[1]["error"] == "two is bad"
    assert rows[3]["result.loss"] == "0.25"
    assert rows[3]["result.names"] == '["a"]'
    told = json.loads((sweep.folder / "t.json").read_text())
    assert [row["values.param"] for row in told] == [1, 3, 4]
    table = pyarrow.parquet.read_table(sweep.folder / "t.parquet")
    assert table.column("result.loss").to_pylist() == [1.0, None, 1 / 3, 0.25]
    assert table.column("result.big").to_pylist() == [str(10**30), None, str(10**30), str(10**30)]
    assert '"tasks": 4' in capsys.readouterr().out


def test_json_is_strict_about_numbers(tmp_path: Path) -> None:
    values = [1.5, float("nan"), float("inf"), float("-inf")]
    rows = tuple(TaskRow(str(i), i, str(i), {"x": x}, str(i)) for i, x in enumerate(values))
    export_rows(rows, tmp_path / "t.json")
    export_rows(rows, tmp_path / "t.csv")
    told = json.loads((tmp_path / "t.json").read_text(), parse_constant=pytest.fail)
    assert [row["values.x"] for row in told] == [1.5, None, None, None]
    shown = SweepStatus(tmp_path, rows, (), {}, ()).to_dict()["tasks"]
    assert [row["values.x"] for row in shown] == [1.5, None, None, None]
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [row["values.x"] for row in csv.DictReader(file)] == ["1.5", "nan", "inf", "-inf"]


def test_commands_refuse_what_is_not_there(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, status in (
        (["export", "nowhere", "t.csv"], 1),
        (["worker", "nowhere"], 1),
        (["worker", "nowhere", "--n_jobs", "0"], 2),
        (["export", "nowhere", "t.csv", "--state", "x"], 2),
    ):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == status
    assert "no task queue at 'nowhere'" in capsys.readouterr().err
    (sweep.folder / "go").touch()
    sweep.run("-q")
    with pytest.raises(SystemExit) as end:
        main(["export", "out", "t.xls"])
    assert end.value.code == 2


def test_workers_go_on_for_a_command_that_is_gone(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    process = sweep.start("-q")
    until(lambda: (sweep.folder / "begun").exists())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (sweep.folder / "go").touch()
    assert main(["worker", "out", "--n_jobs", "1", "-q"]) == 1
    assert sweep.states() == ["done", "failed", "done", "done"]
    assert "3 done, 1 failed" in capsys.readouterr().err
    assert sweep_status(sweep.root).counts == {"done": 3, "failed": 1}


def test_code_that_was_edited_before_a_worker_loaded_it_is_named(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    (sweep.folder / ".gitignore").write_text("out\nbegun\ngo\n")
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], check=True)
    process = sweep.start("-q")
    until(lambda: (sweep.folder / "begun").exists())
    process.kill()
    process.communicate()
    (sweep.folder / "go").touch()
    (sweep.folder / "job.py").write_text(SCRIPT + "\n# edited\n")
    assert main(["worker", "out", "-q"]) == 1
    assert "the code was edited after it was recorded: job.py" in capsys.readouterr().err
    sheet = read_lock(sweep.root / "param=4")
    assert sheet.extra["code_drift"] == {"main": ["job.py"]}
    assert "Code was changed" in sheet.warnings[0]


STEPS = """
from pathlib import Path

def prepare(n: int = 1, save_dir: str = "out/prepare"):
    Path(save_dir, "data.txt").write_text("x" * n)

def fit(source: str = "", rate: float = 0.1, save_dir: str = "out/fit"):
    if rate > 1:
        raise ValueError("too fast")
    return len(Path(source).read_text()) * rate
"""

STAGES = """
root: out
prepare:
  _target_: steps.prepare
  n: 4
  save_dir: ${root}/prepare
fit:
  _target_: steps.fit
  source: ${prepare.save_dir}/data.txt
  save_dir: ${root}/fit
fast:
  _target_: steps.fit
  rate: 2
  save_dir: ${root}/fast
"""


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    name = f"steps_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(STEPS)
    (tmp_path / "conf.yml").write_text(STAGES.replace("steps.", f"{name}."))
    return tmp_path


def run_stages(*words: str) -> int:
    try:
        return main(["run", "-c", "conf.yml", *words])
    except SystemExit as end:
        return int(end.code or 0)


def test_stages_run_in_their_order(stages: Path) -> None:
    assert run_stages("-s", "prepare", "fit") == 0
    assert run_status(stages / "out/prepare").name == "complete"
    assert run_status(stages / "out/fit").name == "complete"


def test_a_failed_stage_is_the_last(stages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="too fast"):
        run_stages("-s", "prepare", "-s", "fast", "fit")
    assert "stage fast did not succeed, so fit did not run" in capsys.readouterr().err
    assert not (stages / "out/fit").exists()


def test_stages_with_tasks_wait_for_all_tasks(
    stages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stages("-s", "prepare") == 0
    (stages / "rates.txt").write_text("0.5\n2\n")
    words = ["--tasks", "rates.txt", "--task_to", "rate"]
    assert run_stages("-s", "fit", "fast", *words) == 1
    assert "stage fit did not succeed, so fast did not run" in capsys.readouterr().err
    assert run_status(stages / "out/fit/rate=0.5").name == "complete"


def test_stages_without_a_function_or_a_name_are_refused(
    stages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stages("-s", "prepare", "nothing") == 2
    assert "which function the stage 'nothing' is" in capsys.readouterr().err
    assert run_stages("-s") == 2
    assert not (stages / "out").exists()

"""A script with tasks, from the command line: lists, workers, logs, resuming."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flexlock.lock.document import read_lock
from flexlock.target import import_file
from flexlock.tasks.options import cores
from sweeps import Sweep

SCRIPT = """
import os, sys
from pathlib import Path
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    factor = 1
    api_token = "canary-7f3a"
    save_dir = "out"

@clicfg(config_class=Config)
def main(cfg):
    with open("journal", "a") as file:
        file.write(f"{type(cfg.param).__name__} {cfg.param} {os.getpid()}\\n")
    print("out", cfg.param)
    print("err", cfg.param, file=sys.stderr)
    os.system(f"echo child {cfg.param}")
    assert cfg.api_token == "canary-7f3a"
    if Path(f"fail{cfg.param}").exists():
        raise ValueError(f"no {cfg.param}")
    if Path(f"exit{cfg.param}").exists():
        sys.exit(3)
    Path(cfg.save_dir, "result.txt").write_text(str(cfg.param))
    return {"square": cfg.param ** 2 * cfg.factor, "threads": os.environ.get("OMP_NUM_THREADS")}

if __name__ == "__main__":
    main()
"""


@dataclass(frozen=True)
class Told:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Told]


@pytest.fixture
def run(sweep: Sweep, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, which takes a tenth of the time."""
    monkeypatch.chdir(sweep.folder)

    def call(*more: str, words: list[str] | None = None) -> Told:
        for name in [name for name in sys.modules if name.startswith("_flexlock_script_")]:
            del sys.modules[name]  # the script may have been written anew
        main = import_file(sweep.folder / "job.py").main
        code = 0
        try:
            main.cli([*(sweep.command()[2:] if words is None else words), *more])
        except SystemExit as end:
            code = end.code
        output, errors = capfd.readouterr()
        return Told(code, output, errors)

    return call


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    for name in ("OMP_NUM_THREADS", "FLEXLOCK_DEFAULT_N_JOBS", "FLEXLOCK_QUEUE"):
        monkeypatch.delenv(name, raising=False)
    made = Sweep(tmp_path)
    made.write(SCRIPT, 5)
    return made


def in_git(folder: Path) -> None:
    (folder / ".gitignore").write_text("out\njournal\n__pycache__\n")
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


def squares(sweep: Sweep) -> list[int]:
    return [row.outcome.result["square"] for row in sweep.rows()]


def test_a_list_runs_main_once_for_each_line_with_values_of_their_type(sweep: Sweep) -> None:
    done = sweep.run()
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in sweep.journal()] == [["int", str(n)] for n in range(1, 6)]
    assert [line for line in done.stdout.splitlines() if "out" in line] == [
        f"out {n}" for n in range(1, 6)
    ]
    assert squares(sweep) == [1, 4, 9, 16, 25]
    sheet = read_lock(sweep.root / "param=3")
    assert sheet.status == "complete"
    assert sheet.config["param"] == 3
    assert sheet.config["save_dir"] == "out/param=3"
    assert sheet.result["square"] == 9
    assert sheet.parent == read_lock(sweep.root).id
    assert (sweep.root / "param=3" / "result.txt").read_text() == "3"


def test_parallel_workers_run_every_task_once_and_keep_logs_apart(sweep: Sweep) -> None:
    done = sweep.run("--n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert sorted(int(line.split()[1]) for line in sweep.journal()) == [1, 2, 3, 4, 5]
    assert squares(sweep) == [1, 4, 9, 16, 25]
    share = max(1, cores() // 2)
    assert {row.outcome.result["threads"] for row in sweep.rows()} == {str(share)}
    log = (sweep.root / "param=2" / "stdout.log").read_text()
    assert sorted(log.splitlines()) == ["child 2", "out 2"]
    assert (sweep.root / "param=2" / "stderr.log").read_text() == "err 2\n"
    assert sorted(done.stdout.splitlines()) == sorted(
        f"{word} {n}" for n in range(1, 6) for word in ("out", "child")
    )
    assert sorted(path.name for path in sweep.root.iterdir() if path.is_file()) == [
        *(".run.owner.guard", "run.complete", "run.lock", "run.lock.tasks.db")
    ]


def test_a_failed_task_is_named_and_loses_no_other(sweep: Sweep, run: Run) -> None:
    (sweep.folder / "fail3").touch()
    (sweep.folder / "exit4").touch()
    done = run("--n_jobs=2", "-q")
    assert done.returncode == 1
    assert "param=3 failed: raised ValueError: no 3" in done.stderr
    assert "param=4 failed: exited with 3" in done.stderr
    assert sweep.states() == ["done", "done", "failed", "failed", "done"]
    log = (sweep.root / "param=3" / "stderr.log").read_text()
    assert "ValueError: no 3" in log
    assert "flexlock" not in log
    assert json.loads((sweep.root / "param=3" / "run.error").read_text())["attempt"] == 1
    assert read_lock(sweep.root / "param=3").status == "failed"
    assert read_lock(sweep.root).status == "failed"


def test_the_same_command_again_runs_only_what_is_not_done(sweep: Sweep, run: Run) -> None:
    (sweep.folder / "fail2").touch()
    assert run().returncode == 1
    (sweep.folder / "fail2").unlink()
    left = run("--retry", "none")
    assert left.returncode == 1
    assert len(sweep.journal()) == 5
    again = run()
    assert again.returncode == 0
    assert [line.split()[1] for line in sweep.journal()[5:]] == ["2"]
    assert "again, failed: 1 tasks (param=2)" in again.stderr
    nothing = run()
    assert "5 done, 5 of them before" in nothing.stderr
    assert len(sweep.journal()) == 6
    assert run("--retry", "all").returncode == 0
    assert len(sweep.journal()) == 11
    assert {row.attempt for row in sweep.rows()} == {2, 3}


def test_more_tasks_join_and_a_removed_directory_runs_again(sweep: Sweep, run: Run) -> None:
    run()
    sweep.list(6)
    assert run().returncode == 0
    assert [line.split()[1] for line in sweep.journal()[5:]] == ["6"]
    (sweep.root / "param=1" / "run.complete").unlink()
    again = run()
    assert "its run directory is gone: 1 tasks (param=1)" in again.stderr
    assert [line.split()[1] for line in sweep.journal()[6:]] == ["1"]


def test_tasks_that_left_the_list_are_let_be(sweep: Sweep, run: Run) -> None:
    (sweep.folder / "fail1").touch()
    run("--stop_on_error")
    assert sweep.states() == ["failed", *["pending"] * 4]
    sweep.list([2, 3])
    done = run()
    assert done.returncode == 0
    assert sweep.states() == ["failed", "done", "done", "pending", "pending"]


def test_another_config_runs_all_tasks_again(sweep: Sweep, run: Run) -> None:
    run()
    again = run("-o", "factor=10")
    assert "again, the config changed: 5 tasks" in again.stderr
    assert squares(sweep) == [10, 40, 90, 160, 250]
    kept = [path.name for path in (sweep.root / "param=1").glob("run.lock.*")]
    assert len(kept) == 1


def test_done_tasks_of_other_code_are_listed_and_rerun_when_asked(sweep: Sweep, run: Run) -> None:
    in_git(sweep.folder)
    run()
    sweep.list(6)  # a longer list is no other code
    assert "other code" not in run().stderr
    (sweep.folder / "job.py").write_text(SCRIPT.replace("** 2", "** 3"))
    listed = run()
    assert "done with other code (job.py): 6 tasks" in listed.stderr
    assert squares(sweep) == [n**2 for n in range(1, 7)]
    assert run("--rerun_changed").returncode == 0
    assert squares(sweep) == [n**3 for n in range(1, 7)]
    assert "other code" not in run().stderr


def test_done_tasks_of_other_data_are_listed_and_rerun_when_asked(sweep: Sweep, run: Run) -> None:
    script = SCRIPT.replace(
        "    factor = 1", '    factor = 1\n    input = "${runlock_data:data/${param}.txt}"'
    )
    sweep.write(script, 2)
    (sweep.folder / "data").mkdir()
    for n in (1, 2):
        (sweep.folder / "data" / f"{n}.txt").write_text("old")
    assert run().returncode == 0
    assert read_lock(sweep.root / "param=2").data["2"].path == "data/2.txt"
    (sweep.folder / "data" / "2.txt").write_text("new data")
    listed = run()
    assert "done with other data (2): 1 tasks (param=2)" in listed.stderr
    run("--rerun_changed")
    assert [line.split()[1] for line in sweep.journal()] == ["1", "2", "2"]
    assert "other data" not in run().stderr


def test_equal_lines_run_once_unless_duplicates_are_allowed(sweep: Sweep, run: Run) -> None:
    sweep.list([1, 2, 1])
    run()
    assert len(sweep.journal()) == 2
    run("--allow_duplicates")
    assert len(sweep.journal()) == 3
    assert (sweep.root / "param=1~2" / "run.complete").exists()


def test_tasks_that_set_their_save_dir_write_there(sweep: Sweep, run: Run) -> None:
    (sweep.folder / "t.csv").write_text("param,save_dir\n1,elsewhere/one\n2,\n")
    done = run(words=["--tasks", "t.csv"])
    assert done.returncode == 0, done.stderr
    assert (sweep.folder / "elsewhere" / "one" / "result.txt").exists()
    assert (sweep.root / "param=2" / "result.txt").exists()
    again = run(words=["--tasks", "t.csv"])
    assert "2 of them before" in again.stderr


def test_secrets_reach_the_tasks_and_no_file(sweep: Sweep, run: Run) -> None:
    assert run("--n_jobs=2").returncode == 0
    assert run("--retry", "all").returncode == 0
    for path in sweep.folder.rglob("*"):
        if path.is_file() and path.name != "job.py" and path.suffix != ".pyc":
            assert b"canary-7f3a" not in path.read_bytes(), path


def test_nothing_is_written_for_wrong_use_and_for_a_dry_run(sweep: Sweep, run: Run) -> None:
    (sweep.folder / "texts.txt").write_text("some\n")
    for words in (
        ["--tasks", "tasks.txt"],
        ["--tasks", "tasks.txt", "--task_to", "parm"],
        ["--tasks", "texts.txt", "--task_to", "api_token"],
        ["--tasks", "none.txt", "--task_to", "param"],
        ["--tasks", "tasks.txt", "--task_to", "param", "--n_jobs", "0"],
        ["--tasks", "tasks.txt", "--task_to", "param", "--export", "table.xls"],
        ["--tasks", "tasks.txt", "--task_to", "param", "--slurm_config", "none.yaml"],
    ):
        done = run(words=words)
        assert (done.returncode, done.stdout) == (2, ""), (words, done.stderr)
        assert "error:" in done.stderr
    nowhere = run("-o", "save_dir", "tasks.txt/x")
    assert (nowhere.returncode, nowhere.stdout) == (1, "")
    assert "'tasks.txt/x' cannot be written: Not a directory" in nowhere.stderr
    dry = run("--dry_run")
    assert dry.returncode == 0
    assert "param=5 -> out/param=5" in dry.stdout
    assert not sweep.root.exists()


def test_dry_run_prints_the_script_of_a_cluster_with_advice(sweep: Sweep, run: Run) -> None:
    (sweep.folder / "slurm.yaml").write_text("partition: main\n")
    dry = run("--slurm_config=slurm.yaml", "--dry_run")
    assert "#SBATCH --array=0-4" in dry.stdout
    assert "note: No time limit is asked for" in dry.stdout
    assert not sweep.root.exists()


def test_helping_needs_a_command_at_work_on_the_same_tasks(sweep: Sweep, run: Run) -> None:
    early = run("--attach")
    assert early.returncode == 1
    assert "No command has begun these tasks in 'out'" in early.stderr
    assert run("-q").returncode == 0
    other = run("--attach", "--retry", "all", "-o", "factor", "2")
    assert other.returncode == 1
    assert "has another config" in other.stderr


def test_an_empty_list_runs_nothing(sweep: Sweep, run: Run) -> None:
    sweep.list([])
    done = run()
    assert done.returncode == 0
    assert "no tasks" in done.stderr
    assert not sweep.root.exists()


def test_the_one_line_list_of_a_shell_without_escapes_is_split_with_a_warning(
    sweep: Sweep, run: Run
) -> None:
    (sweep.folder / "tasks.txt").write_text("1\\n2\\n3\n")
    done = run()
    assert len(sweep.journal()) == 3
    assert "flexlock: tasks.txt has one line" in done.stderr


def test_a_damaged_queue_is_rebuilt_from_the_directories(sweep: Sweep, run: Run) -> None:
    (sweep.folder / "fail2").touch()
    run()
    (sweep.folder / "fail2").unlink()
    (sweep.root / "run.lock.tasks.db").write_bytes(b"not a database" * 1000)
    again = run()
    assert again.returncode == 0, again.stderr
    assert "4 done tasks were found" in again.stderr
    assert [line.split()[1] for line in sweep.journal()[5:]] == ["2"]
    assert [row.outcome.result["square"] for row in sweep.rows()] == [1, 4, 9, 16, 25]
    assert len(list(sweep.root.glob("*.damaged-*"))) == 1


def test_results_are_exported_as_a_table(sweep: Sweep, run: Run) -> None:
    in_git(sweep.folder)
    run("--export", "table.json")
    table = json.loads((sweep.folder / "table.json").read_text())
    assert [row["result.square"] for row in table] == [1, 4, 9, 16, 25]
    assert [row["values.param"] for row in table] == [1, 2, 3, 4, 5]
    assert all(row["peak_bytes"] > 1 << 20 and row["wall_s"] > 0 for row in table)
    assert "other code" not in run("--export", "table.json").stderr  # the table is no code


def test_files_serve_as_queue_too(sweep: Sweep, run: Run) -> None:
    (sweep.folder / "fail2").touch()
    assert run("--queue", "files", "--n_jobs=2").returncode == 1
    (sweep.folder / "fail2").unlink()
    assert run().returncode == 0
    assert sweep.states() == ["done"] * 5
    assert len(sweep.journal()) == 6
    assert not (sweep.root / "run.lock.tasks.db").exists()

"""The lines that users were promised, run as they stand: shell, Python, git, MLflow."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flexlock import active_runs, mlflow_lock, read_lock, runlock

Shell = Callable[..., subprocess.CompletedProcess[str]]

PROCESS = """\
# process.py
from pathlib import Path
from flexlock import clicfg

class Config:
    param = 1
    input_path = 'data/input.csv'
    save_dir = 'results/process'

@clicfg(config_class=Config)
def main(cfg):
    print('param', cfg.param, type(cfg.param).__name__)
    with open('results/process/out.txt', 'w') as f:
        for _ in range(cfg.param):
            f.write(Path(cfg.input_path).read_text())

def log_run(save_dir):
        ...

if __name__ == '__main__':
    main(Config())
"""


@pytest.fixture
def process(folder: Path) -> Path:
    (folder / "process.py").write_text(PROCESS)
    (folder / "conf").mkdir()
    (folder / "conf" / "new_conf.yml").write_text("param: 3\n")
    (folder / "conf" / "multi_stage.yml").write_text("process: {param: 4}\ntrain: {lr: 0.1}\n")
    return folder


@pytest.mark.parametrize(
    ("line", "param"),
    [
        ("python process.py", 1),
        ("python process.py --config conf/new_conf.yml", 3),
        ("python process.py --config conf/multi_stage.yml --experiment process", 4),
        ("python process.py -o param 10", 10),
    ],
)
def test_usage_lines(process: Path, shell: Shell, line: str, param: int) -> None:
    for _ in range(2):  # each may be repeated
        done = shell(line)
        assert (done.returncode, done.stdout) == (0, f"param {param} int\n"), done.stderr
    assert (process / "results/process/out.txt").read_text() == "a,b\n1,2\n" * param
    sheet = read_lock(process / "results/process")
    assert sheet.status == "complete"
    assert sheet.config["param"] == param
    assert sheet.config["input_path"] == "data/input.csv"  # defaults are kept
    assert sheet.repos["main"].tree
    assert sheet.caller.file == "process.py"
    assert len(list((process / "results/process").glob("run.lock.*"))) == 1


def test_start_and_end_are_told_on_stderr(process: Path, shell: Shell) -> None:
    told = shell("python process.py").stderr.splitlines()
    assert told[0].startswith("flexlock: run ")
    assert told[0].endswith(" in results/process")
    assert told[1].startswith("flexlock: complete in ")
    assert shell("python process.py -q").stderr == ""


class TestRunlock:
    class Config:
        param = 1
        input_path = "data/input.csv"
        save_dir = "results/process"

    def test_snippet(self, folder: Path) -> None:
        (folder / "process.py").write_text("# code\n")
        runlock(config={"save_dir": "data"}, repos=["."])  # the run that made the input
        cfg = self.Config()

        def main(cfg: TestRunlock.Config = cfg) -> None:
            runlock(
                config=cfg,
                repos=["."],
                data=[cfg.input_path],
                prevs=[Path(cfg.input_path).parent],
                runlock_path=Path(cfg.save_dir) / "run.lock",
            )

        main()
        sheet = read_lock(folder / "results" / "process")
        assert sheet.config == {
            "param": 1, "input_path": "data/input.csv", "save_dir": "results/process",
        }  # fmt: skip
        (repo,) = sheet.repos.values()
        assert repo.tree
        (data,) = sheet.data.values()
        assert (data.path, data.bytes) == ("data/input.csv", 8)
        (prev,) = sheet.prevs.values()
        assert prev.id == read_lock(folder / "data").id

    def test_path_follows_from_the_config(self, folder: Path) -> None:
        runlock(config=self.Config())
        assert read_lock(folder / "results/process").config["param"] == 1
        runlock(config=self.Config)
        with pytest.raises(ValueError, match=r"runlock_path=.*save_dir"):
            runlock(config={"param": 1})


def test_sheet_of_main_joins_that_of_the_command(folder: Path, shell: Shell) -> None:
    script = PROCESS.replace(
        "    print('param'",
        "    from flexlock import runlock\n"
        "    runlock(config=cfg, repos=['.'], data=[cfg.input_path],\n"
        "            outputs=['results/process/out.txt'])\n"
        "    print('param'",
    )
    (folder / "process.py").write_text(script)
    assert shell("python process.py").returncode == 0
    sheet = read_lock(folder / "results/process")
    assert [one.path for one in sheet.data.values()] == ["data/input.csv"]
    assert len(sheet.outputs) == 1
    assert sheet.status == "complete"
    assert sheet.caller.argv == ("process.py",)
    assert not list((folder / "results/process").glob("run.lock.*"))  # one run, one sheet


def test_resolvers_declare_tracking_from_the_config_alone(folder: Path, shell: Shell) -> None:
    (folder / "data" / "preprocess").mkdir()
    (folder / "data/preprocess/input.csv").write_text("x\n")
    runlock(config={"save_dir": "data/preprocess"}, repos=["."])
    (folder / "process.py").write_text(PROCESS)
    (folder / "conf.yml").write_text(
        "input_path: '${runlock_data:data/preprocess/input.csv}'\n"
        "runlock: {prevs: ['${runlock_prev:data/preprocess}']}\n"
    )
    done = shell("python process.py --config conf.yml")
    assert done.returncode == 0, done.stderr
    sheet = read_lock(folder / "results/process")
    assert [one.path for one in sheet.data.values()] == ["data/preprocess/input.csv"]
    (prev,) = sheet.prevs.values()
    assert prev.id == read_lock(folder / "data/preprocess").id
    assert sheet.config["input_path"] == "data/preprocess/input.csv"
    assert sheet.config_raw is not None
    assert sheet.config_raw["input_path"] == "${runlock_data:data/preprocess/input.csv}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_log_run_twice(process: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((process / "mlruns").as_uri())
    mlflow.set_experiment("seed")
    assert shell("python process.py").returncode == 0

    def log_run(save_dir: str) -> None:
        with mlflow_lock(save_dir) as run:
            mlflow.log_artifact("results/process/out.txt")
        assert run is not None

    log_run("results/process")
    log_run("results/process")
    runs = mlflow.search_runs(output_format="list")
    assert sorted(r.data.tags["flexlock.run_status"] for r in runs) == ["active", "deprecated"]
    (active,) = active_runs()
    assert active.data.params["param"] == "1"
    assert active.data.tags["flexlock.logical_run_id"] == "results/process"
    assert (
        active.data.tags["flexlock.repos.main.tree"]
        == read_lock(Path("results/process")).repos["main"].tree
    )


class TestTasks:
    LINE = "python process.py --tasks list.txt --task_to param"

    @pytest.fixture
    def tasks(self, folder: Path, shell: Shell) -> Path:
        (folder / "process.py").write_text(
            PROCESS.replace(
                "open('results/process/out.txt', 'w')", "open(cfg.save_dir + '/out', 'w')"
            )
        )
        # What bash writes here is one line with the two characters \n between the values.
        assert shell('echo "1\\n2\\n3\\n4\\n5" >> list.txt').returncode == 0
        assert (folder / "list.txt").read_text() == "1\\n2\\n3\\n4\\n5\n"
        return folder

    def check(self, folder: Path) -> None:
        sweep = read_lock(folder / "results" / "process")
        for value in range(1, 6):
            run = folder / "results" / "process" / f"param={value}"
            assert (run / "out").read_text() == "a,b\n1,2\n" * value
            sheet = read_lock(run)
            assert (sheet.status, sheet.config["param"]) == ("complete", value)
            assert sheet.parent == sweep.id
            assert sheet.repos["main"].tree == sweep.repos["main"].tree

    def test_one_run_a_line(self, tasks: Path, shell: Shell) -> None:
        done = shell(self.LINE)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [f"param {n} int" for n in range(1, 6)]
        self.check(tasks)
        again = shell(self.LINE)
        assert (again.returncode, again.stdout) == (0, "")  # all done before

    def test_in_parallel(self, tasks: Path, shell: Shell) -> None:
        done = shell(f"{self.LINE} --n_jobs=10")
        assert done.returncode == 0, done.stderr
        self.check(tasks)

    def test_declared_types_reach_the_tasks_and_mistakes_stop_before_the_first(
        self, folder: Path, shell: Shell
    ) -> None:
        (folder / "process.py").write_text(
            PROCESS.replace("param = 1", "param: str = 'x'").replace("range(cfg.param)", "[]")
        )
        (folder / "list.txt").write_text("007\n1e-3\n")
        done = shell(f"{self.LINE} -q")
        assert done.stdout.splitlines() == ["param 007 str", "param 1e-3 str"]
        for words, message in (
            ("--tasks list.txt --task_to parm", "There is no parameter 'parm'"),
            ("--tasks list.txt", "--task_to"),
            ("--tasks gone.txt --task_to param", "gone.txt"),
        ):
            done = shell(f"python process.py {words} -o save_dir other")
            assert (done.returncode, message in done.stderr) == (2, True), done.stderr
            assert not (folder / "other").exists()

    def test_failed_tasks_are_told_and_secrets_are_not(self, folder: Path, shell: Shell) -> None:
        failing = "    if cfg.param > 1: raise ValueError('bad ' + cfg.password)\n    print("
        script = PROCESS.replace("    save_dir =", "    password = 'x'\n    save_dir =")
        (folder / "process.py").write_text(script.replace("    print(", failing))
        (folder / "list.txt").write_text("1\n2\n")
        for line in (self.LINE, f"{self.LINE} --n_jobs=2 --retry all"):
            done = shell(f"{line} -o password canary-5e0b", FLEXLOCK_DEBUG="1")
            assert done.returncode == 1
            assert "canary" not in done.stderr
            assert "Traceback" not in done.stdout
            assert "param=2" in done.stderr
        found = subprocess.run(
            ["grep", "-r", "-l", "canary-5e0b", "."], capture_output=True, text=True, check=False
        )
        assert found.stdout == ""

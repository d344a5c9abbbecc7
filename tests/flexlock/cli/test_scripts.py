"""Decorated scripts as people start them: exit statuses, signals, secrets, what is loaded."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flexlock import read_lock, run_status

Shell = Callable[..., subprocess.CompletedProcess[str]]
SOURCES = str(Path(__file__).parents[3] / "src")

SCRIPT = """
import os, shutil, sys, time
from flexlock import clicfg, runlock, unsafe_debug

class Config:
    what = 'nothing'
    param = 1
    password = 'from the defaults'
    save_dir = 'results/process'

@unsafe_debug
@clicfg(config_class=Config)
def main(cfg):
    if cfg.what == 'fail':
        raise ValueError(f'bad {cfg.password}')
    if cfg.what == 'interrupt':
        raise KeyboardInterrupt
    if cfg.what == 'exit':
        sys.exit(cfg.param)
    if cfg.what == 'wait':
        print('waiting', flush=True)
        time.sleep(60)
    if cfg.what == 'spoil':
        shutil.rmtree(cfg.save_dir)
        open(cfg.save_dir, 'w').close()
    if cfg.what == 'lock':
        runlock(config=cfg)
    return {'password': cfg.password, 'param': cfg.param}

if __name__ == '__main__':
    main()
"""
CANARY = "canary-7d1f"


@pytest.fixture
def script(folder: Path) -> Path:
    (folder / "process.py").write_text(SCRIPT)
    return folder


def side_file(folder: Path, name: str) -> dict[str, object]:
    facts: dict[str, object] = json.loads((folder / "results/process" / name).read_text())
    return facts


class TestEndings:
    @pytest.mark.parametrize(
        ("what", "code", "status"),
        [
            ("nothing", 0, "complete"),
            ("fail", 1, "failed"),
            ("interrupt", 130, "interrupted"),
            ("exit -o param 0", 0, "complete"),
            ("exit -o param 7", 7, "failed"),
        ],
    )
    def test_exit_status_and_status(
        self, script: Path, shell: Shell, what: str, code: int, status: str
    ) -> None:
        done = shell(f"python process.py -o what {what}")
        assert done.returncode == code, done.stderr
        assert run_status(script / "results/process").name == status
        assert read_lock(script / "results/process").status == status
        assert ("Traceback" in done.stderr) == (what == "fail")

    def test_result_is_kept_when_the_end_cannot_be_written(
        self, script: Path, shell: Shell
    ) -> None:
        done = shell("python process.py -o what spoil param 5", TMPDIR=str(script))
        assert done.returncode == 3, done.stderr
        (kept,) = script.glob("flexlock-*.json")
        assert str(kept) in done.stderr
        assert json.loads(kept.read_text())["result"]["param"] == 5
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
    )
    def test_signals_are_recorded(self, script: Path, number: signal.Signals, code: int) -> None:
        process = subprocess.Popen(
            [sys.executable, "process.py", "-o", "what", "wait"],
            env={**os.environ, "PYTHONPATH": SOURCES},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        assert run_status(script / "results/process").name == "running"
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
        assert process.returncode == code
        assert "Traceback" not in told
        assert "flexlock: interrupted after" in told
        assert run_status(script / "results/process").name == "interrupted"

    def test_living_run_keeps_its_directory(self, script: Path, shell: Shell) -> None:
        process = subprocess.Popen(
            [sys.executable, "process.py", "-o", "what", "wait"],
            env={**os.environ, "PYTHONPATH": SOURCES},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            process.stdout.readline()
            sheet = (script / "results/process/run.lock").read_bytes()
            done = shell("python process.py")
            assert done.returncode == 1
            assert re.search(r"^error: .*results/process", done.stderr, re.MULTILINE)
            assert "Traceback" not in done.stderr
            assert (script / "results/process/run.lock").read_bytes() == sheet
        finally:
            process.kill()
            process.communicate()


class TestWrongUse:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("-o parm 3", "There is no parameter 'parm'. Did you mean 'param'?"),
            ("-o param", "Value missing for 'param'"),
            ("--tsks list.txt", "There is no option '--tsks'. Did you mean '--tasks'?"),
            ("--param 3", "as in `-o param 3`"),
            ("extra", "Nothing takes the words 'extra'"),
            ("--config nowhere.yml", "There is no config file 'nowhere.yml'"),
            ("--experiment nowhere", "There is no experiment 'nowhere'"),
            ("--n_jobs zero", "--n_jobs"),
            ("-o a.b '[1'", "There is no parameter 'a'"),
        ],
    )
    def test_one_line_says_what_is_wrong_and_nothing_is_written(
        self, script: Path, line: str, words: str
    ) -> None:
        import shlex

        done = subprocess.run(
            [sys.executable, "process.py", *shlex.split(line)],
            env={**os.environ, "PYTHONPATH": SOURCES},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert not (script / "results").exists()

    def test_missing_data_is_an_error_before_the_function(self, script: Path, shell: Shell) -> None:
        done = shell("python process.py -o '+input=${runlock_data:gone.csv}'")
        assert done.returncode == 1
        assert "gone.csv" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (script / "results/process/run.lock").exists()


class TestSecrets:
    def test_canary_is_nowhere(self, script: Path, shell: Shell) -> None:
        for what in ("nothing", "fail", "lock"):
            done = shell(f"python process.py -o password {CANARY} what {what}", FLEXLOCK_DEBUG="1")
            ours = [x for x in done.stderr.splitlines() if x.startswith(("flexlock", "error"))]
            assert CANARY not in "\n".join([done.stdout, *ours])
        printed = shell(f"python process.py --print_config -o password {CANARY}")
        assert CANARY not in printed.stdout
        assert "password: '***" in printed.stdout
        found = subprocess.run(
            ["grep", "-r", "-l", CANARY, "."], capture_output=True, text=True, check=False
        )
        assert found.stdout == ""
        shown = shell("python -m flexlock show results/process --json")
        assert json.loads(shown.stdout)["run"]["config"]["password"].startswith("***")

    def test_defaults_in_the_help_are_masked(self, script: Path, shell: Shell) -> None:
        assert "from the defaults" not in shell("python process.py --help").stdout

    def test_variables_of_a_failed_function_are_kept_when_debugging(
        self, script: Path, shell: Shell
    ) -> None:
        shell(f"python process.py -o what fail password {CANARY}", FLEXLOCK_DEBUG="1")
        facts = side_file(script, "run.error")
        assert facts["exc_type"] == "ValueError"
        assert str(facts["frame"]).startswith("main (process.py:")
        assert "'param': 1" in str(facts["locals"])
        shell(f"python process.py -o what fail password {CANARY}")
        assert "locals" not in side_file(script, "run.error")


class TestCost:
    """What is loaded, rather than how long it takes."""

    HEAVY = frozenset(
        (
            *("omegaconf", "yaml", "antlr4", "sqlite3", "numpy", "pandas", "mlflow", "joblib"),
            *("loky", "rich", "pydantic", "hydra", "importlib.metadata", "subprocess", "asyncio"),
            *("blake3", "xxhash", "psutil"),
        )
    )

    def loaded(self, *arguments: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *arguments],
            env={**os.environ, "PYTHONPATH": SOURCES},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        bare = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "pass"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows = [row.rpartition("|")[2].strip() for row in done.stderr.splitlines() if "|" in row]
        mine = {row.rpartition("|")[2].strip() for row in bare.stderr.splitlines() if "|" in row}
        return set(rows) - mine

    def test_importing_loads_next_to_nothing(self, folder: Path) -> None:
        before = set(folder.rglob("*"))
        loaded = self.loaded(
            "-c", "import flexlock; from flexlock import clicfg, runlock, unsafe_debug"
        )
        assert not loaded & self.HEAVY
        assert len(loaded) < 75
        assert set(folder.rglob("*")) == before  # and writes nothing

    @pytest.mark.parametrize("line", ["process.py --help", "-m flexlock --help"])
    def test_help_loads_only_the_standard_library(self, script: Path, line: str) -> None:
        loaded = self.loaded(*line.split())
        assert not loaded & self.HEAVY
        assert len(loaded) < 110

    def test_a_run_of_local_files_loads_no_web_client(self, script: Path) -> None:
        assert not self.loaded("process.py", "-q") & {"urllib.request", "http.client", "ssl"}


def test_two_processes_get_two_numbered_directories(folder: Path) -> None:
    (folder / "process.py").write_text(
        "import sys, time\n"
        "from flexlock import clicfg\n"
        "@clicfg\n"
        "def main(save_dir='${vinc:out/run}', wait=0):\n"
        "    time.sleep(wait)\n"
        "main()\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "process.py", "-q", "-o", "wait", "0.5"],
            env={**os.environ, "PYTHONPATH": SOURCES},
        )
        for _ in range(3)
    ]
    assert [racer.wait(timeout=60) for racer in racers] == [0, 0, 0]
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == ["run_0000", "run_0001", "run_0002"]
    assert all(run_status(folder / "out" / name).name == "complete" for name in names)


def test_module_of_a_package_is_a_program_too(folder: Path, shell: Shell) -> None:
    (folder / "stages").mkdir()
    (folder / "stages" / "__init__.py").touch()
    (folder / "stages" / "helper.py").write_text("VALUE = 5\n")
    (folder / "stages" / "process.py").write_text(
        "from flexlock import clicfg\n"
        "from .helper import VALUE\n"
        "@clicfg(config_class={'param': VALUE, 'save_dir': 'out'})\n"
        "def main(cfg):\n"
        "    print(cfg.param)\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    done = shell("python -m stages.process -o param 6")
    assert done.stdout == "6\n", done.stderr
    caller = read_lock(folder / "out").caller
    assert (caller.module, caller.function) == ("stages.process", "main")
    assert "usage: python -m stages.process" in shell("python -m stages.process --help").stdout


def test_call_from_another_script_does_not_read_its_command_line(
    folder: Path, shell: Shell
) -> None:
    (folder / "process.py").write_text(SCRIPT)
    (folder / "other.py").write_text(
        "import process\nprint(process.main(param=3, save_dir='x')['param'])\n"
    )
    done = shell("python other.py --verbose -o unrelated")
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert read_lock(folder / "x").caller.argv == ()


def test_time_of_a_killed_run_is_lost_not_running(script: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "process.py", "-o", "what", "wait"],
        env={**os.environ, "PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    limit = time.monotonic() + 10
    while run_status(script / "results/process").name == "running":
        assert time.monotonic() < limit
    assert run_status(script / "results/process").name == "lost"

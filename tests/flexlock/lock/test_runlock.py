"""`runlock` as people call it, and what is left behind when it cannot work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from flexlock import current_run, hash_data, open_run, run_status, runlock
from flexlock.errors import (
    CodeError,
    ConfigError,
    LockError,
    MissingDataError,
    OccupiedError,
)
from flexlock.lock.document import read_lock
from flexlock.lock.record import RunLock

from ..repository import Repository, new_repository

SOURCES = Path(__file__).parents[3] / "src"
ENVIRONMENT = {"PYTHONPATH": str(SOURCES)}


class Config:
    param = 1
    input_path = "data/input.csv"
    save_dir = "results/process"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = new_repository(tmp_path / "project")
    made.write(process_py="p = 1\n")
    made.commit()
    made.write(data__input_csv="a,b\n")
    (made.root / "data/input_csv").rename(made.root / "data/input.csv")
    (made.root / ".gitignore").write_text("data/\nresults/\n")
    monkeypatch.chdir(made.root)
    return made


SCRIPT = """
from pathlib import Path
from flexlock import runlock

class Config:
    param = 1
    input_path = 'data/input.csv'
    save_dir = 'results/process'

def main(cfg: Config=Config()):
    runlock(
        config=cfg,
        repos=['.'],
        data=[cfg.input_path],
        runlock_path=Path(cfg.save_dir) / 'run.lock',
    )
    with open('results/process/out.txt', 'w') as f:
        for _ in range(cfg.param):
            f.write(Path(cfg.input_path).read_text())

main()
"""


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_of_the_introduction_runs_twice(project: Repository) -> None:
    script = project.root / "process.py"
    script.write_text(SCRIPT)
    for _ in range(2):
        done = run(script)
        assert (done.returncode, done.stderr) == (0, "")
    lock = read_lock(project.root / "results/process")
    assert lock.caller.function == "main"
    assert (lock.caller.file, lock.caller.repo) == ("process.py", "main")
    assert lock.caller.cwd == str(project.root)
    assert lock.config == {
        "param": 1, "input_path": "data/input.csv", "save_dir": "results/process"
    }  # fmt: skip
    assert lock.data["input"].hash == hash_data("data/input.csv")
    assert set(project.tree_of(lock.repos["main"].tree or "")) == {".gitignore", "process.py"}
    assert lock.status == "recorded"
    assert len(list((project.root / "results/process").glob("run.lock.*"))) == 1


@dataclass
class Typed:
    param: int = 1
    save_dir: Path = Path("results/typed")


@pytest.mark.parametrize(
    "config",
    [Config, Config(), Typed(), {"param": 1, "save_dir": "r"}, SimpleNamespace(save_dir="r")],
)
def test_any_kind_of_config(project: Repository, config: object) -> None:
    handle = runlock(config)
    assert handle.path.name == "run.lock"
    assert read_lock(handle.path) == handle.lock


@pytest.mark.parametrize(
    "repos", [".", ["."], [Path()], {"main": "."}, {"main": {"path": "data"}}, [".", "data"]]
)
def test_any_kind_of_repositories(project: Repository, repos: object) -> None:
    (state,) = runlock(Config, repos).lock.repos.values()
    assert state.path == str(project.root)


def test_no_repositories_and_several(project: Repository, tmp_path: Path) -> None:
    assert runlock(Config, []).lock.repos == {}
    other = new_repository(tmp_path / "lib")
    other.write(a="1")
    states = runlock(Config, [".", str(other.root)]).lock.repos
    assert list(states) == ["main", "lib"]
    by_module = runlock(Config, {"code": {"module": "flexlock.lock"}}).lock.repos["code"]
    assert (Path(by_module.path) / "src/flexlock").is_dir()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"repos": 3}, "repos=3 is neither"),
        ({"repos": [3]}, "repos has 3"),
        ({"repos": {"x": {"pth": "."}}}, r"unknown keys \['pth'\]"),
        ({"repos": {"x": {}}}, "not one of path and module"),
        ({"repos": {"x": {"module": "no.such"}}}, "'no.such', which has no file"),
        ({"data": 3}, "data=3 is neither"),
        ({"prevs": [3]}, "prevs has 3"),
    ],
)
def test_bad_arguments_change_nothing(
    project: Repository, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        runlock(Config, **arguments)  # type: ignore[arg-type]
    assert not (project.root / "results").exists()


def test_missing_data_changes_nothing(project: Repository) -> None:
    with pytest.raises(MissingDataError, match=r"data 'none': 'none\.csv' does not exist"):
        runlock(Config, data=["none.csv"])
    assert not (project.root / "results").exists()
    lock = runlock(Config, data=["none.csv"], allow_missing=True).lock
    assert lock.data["none"].hash is None
    assert lock.warnings == ("data 'none': 'none.csv' does not exist.",)


def test_where_the_sheet_goes(project: Repository) -> None:
    root = project.root
    assert runlock(Config).path == root / "results/process/run.lock"
    assert runlock(Config, runlock_path="elsewhere").path == root / "elsewhere/run.lock"
    assert runlock(Config, runlock_path="elsewhere").path == root / "elsewhere/run.lock"
    assert runlock(Config, runlock_path="made/new.lock").path == root / "made/new.lock"
    assert runlock({}, runlock_path=Path("data")).path == root / "data/run.lock"
    for config in (None, {}, {"save_dir": None}):
        with pytest.raises(ValueError, match=r"Give runlock_path=.*save_dir"):
            runlock(config)


def test_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lock = runlock(Config, ".").lock
    state = lock.repos["main"]
    assert (state.tree, state.commit) == (None, None)
    assert "is not inside a git repository" in (state.reason or "")
    assert lock.warnings[0].startswith(f"The code in {str(tmp_path)!r} has no version")
    assert read_lock(tmp_path / "results/process") == lock
    with pytest.raises(CodeError):
        runlock(Config, ".", strict=True)


def test_a_program_from_elsewhere_is_used_on_a_project(project: Repository, tmp_path: Path) -> None:
    tool = tmp_path / "tool.py"
    tool.write_text("from flexlock import runlock\nrunlock({'save_dir': 'results'})\n")
    assert run(tool).returncode == 0
    lock = read_lock(project.root / "results")
    assert lock.repos["main"].path == str(project.root)
    assert lock.caller.file == str(tool)


def test_the_script_in_a_result_directory_is_code(project: Repository) -> None:
    folder = project.root / "experiment"
    folder.mkdir()
    (folder / "go.py").write_text(
        "from flexlock import runlock\nrunlock({'save_dir': 'experiment'})\n"
    )
    (folder / "out.txt").write_text("result")
    assert run(folder / "go.py").returncode == 0
    tree = project.tree_of(read_lock(folder).repos["main"].tree or "")
    assert "experiment/go.py" in tree
    assert "experiment/out.txt" not in tree


def test_secrets_are_nowhere(project: Repository) -> None:
    script = project.root / "process.py"
    script.write_text(
        "from flexlock import runlock\n"
        "runlock({'save_dir': 'results', 'api_key': 'canary-secret', 'url': 'x?k=canary-secret'},"
        " note='n')\n"
    )
    assert run(script, "--api-key", "canary-secret").returncode == 0
    text = (project.root / "results/run.lock").read_text()
    assert "canary" not in text
    assert yaml.safe_load(text)["config"]["api_key"].startswith("***")


def test_what_the_config_declares_is_tracked(project: Repository) -> None:
    with runlock({"save_dir": "results/first"}, []):
        pass
    (project.root / "results/first/out.csv").write_text("x")
    config = {
        "save_dir": "results/second",
        "input": "${runlock_data:data/input.csv}",
        "model": "${runlock_prev:results/first/out.csv}",
    }
    lock = runlock(config).lock
    assert lock.config["input"] == "data/input.csv"
    assert (lock.config_raw or {})["input"] == "${runlock_data:data/input.csv}"
    assert (list(lock.data), list(lock.prevs)) == (["input"], ["first"])
    more = runlock(config, data={"mine": "process.py"}, prevs={"one": "results/first"}).lock
    assert (list(more.data), list(more.prevs)) == (["mine", "input"], ["one"])
    again = runlock(config, data=["data/input.csv"], prevs="results/first").lock
    assert (list(again.data), list(again.prevs)) == (["input"], ["first"])


class TestRuns:
    """Joining a run, and being one."""

    def test_within_a_run_the_sheet_becomes_richer(self, project: Repository) -> None:
        first = RunLock("01FIRST", "t", parent="sweep", note="n", extra={"task": 3})
        with open_run(Path("results/process"), lock=first) as session:
            handle = runlock(Config, data=["data/input.csv"])
            assert handle.path == session.sheet
            lock = read_lock(session.sheet)
            assert (lock.id, lock.timestamp, lock.status) == ("01FIRST", "t", "running")
            assert (lock.parent, lock.note, lock.extra["task"]) == ("sweep", "n", 3)
            assert list(lock.data) == ["input"]
            with handle as joined:
                assert joined is session
            assert current_run() is session
        assert read_lock(session.sheet).status == "complete"
        assert sorted(p.name for p in session.save_dir.glob("run.lock*")) == ["run.lock"]

    def test_within_a_run_the_code_is_captured_once(
        self, project: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = runlock(Config, ["."]).lock
        with open_run(Path("results/process"), lock=lock):
            monkeypatch.setenv("PATH", "/nowhere")  # no git can be started now
            assert runlock(Config).lock.repos == lock.repos
            assert runlock(Config, ["data"]).lock.repos == lock.repos
            assert runlock(Config, {"code": "."}).lock.repos == {"code": lock.repos["main"]}
            other = runlock(Config, {"code": {"path": ".", "include": ["*.py"]}}).lock
            assert "'git' is not there" in (other.repos["code"].reason or "")

    def test_within_a_run_a_config_without_a_directory_joins(self, project: Repository) -> None:
        with open_run(Path("results/process"), lock=RunLock("01FIRST", "t")):
            assert runlock({"x": 1}).id == "01FIRST"
            assert runlock({"save_dir": "results/inner"}).id != "01FIRST"

    def test_within_a_run_another_path_is_another_sheet(self, project: Repository) -> None:
        with open_run(Path("results/process"), lock=RunLock("01FIRST", "t")):
            other = runlock(Config, runlock_path="results/other/run.lock")
            assert other.id != "01FIRST"
            assert read_lock(other.path).status == "recorded"

    def test_a_handle_can_be_a_run(self, project: Repository) -> None:
        output = project.root / "results/process/out.txt"
        with runlock(Config, outputs=[output]) as session:
            session.result = {"score": 1}
            assert read_lock(session.sheet).status == "running"
            output.write_text("o")
        lock = read_lock(session.sheet)
        assert (lock.status, lock.result) == ("complete", {"score": 1})
        assert lock.outputs["out"].hash == hash_data(output)
        assert sorted(p.name for p in session.save_dir.glob("run.lock*")) == ["run.lock"]
        with pytest.raises(ConfigError, match=r"ends in 'run.lock'"):
            runlock(Config, runlock_path="a.lock").__enter__()

    def test_a_living_run_elsewhere_is_not_disturbed(self, project: Repository) -> None:
        holder = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys, pathlib\nfrom flexlock import open_run\n"
                "with open_run(pathlib.Path('results/process')): print(1, flush=True); input()",
            ],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            with pytest.raises(OccupiedError, match="A run is going on"):
                runlock(Config)
            holder.kill()
        assert runlock(Config).path.exists()

    def test_data_that_changes_while_it_runs_is_told_on_request(self, project: Repository) -> None:
        data = {"same": "process.py", "edited": "data/input.csv", "gone": "data/gone"}
        for recheck in (True, False):
            (project.root / "data/gone").write_text("g")
            (project.root / "data/input.csv").write_text("old")
            with runlock(Config, [], data, recheck=recheck) as session:
                (project.root / "data/input.csv").write_text("new")
                (project.root / "data/gone").unlink()
            lock = read_lock(session.sheet)
            assert lock.extra == ({"data_changed": ["edited", "gone"]} if recheck else {})
        with open_run(Path("results/joined"), lock=RunLock("01FIRST", "t")) as session:
            runlock({}, [], data=["data/input.csv"], recheck=True)
            (project.root / "data/input.csv").write_text("newer")
        assert read_lock(session.sheet).extra["data_changed"] == ["input"]

    def test_code_that_changes_while_it_runs_is_told(self, project: Repository) -> None:
        script = project.root / "process.py"
        (project.root / "helper.py").write_text("x = 1\n")
        script.write_text(
            "import helper, pathlib\nfrom flexlock import runlock\n"
            "with runlock({'save_dir': 'results'}):\n"
            "    pathlib.Path(helper.__file__).write_text('x = 2\\n')\n"
        )
        assert run(script).returncode == 0
        lock = read_lock(project.root / "results")
        assert lock.status == "complete"
        assert lock.extra["code_drift"] == {"main": ["helper.py"]}
        assert "helper.py" in lock.warnings[-1]


class TestTrouble:
    """Disks that are full or read-only, and processes that are killed."""

    def test_a_full_disk_is_an_error_before_anything_runs(self, project: Repository) -> None:
        mounted = mount(project.root / "small", "size=64k")
        try:
            (mounted / "fill").write_bytes(bytes(56_000))
            config = {"save_dir": str(mounted / "r"), "text": "x" * 60_000}
            with pytest.raises(LockError, match=r"cannot be written: No space left"):
                runlock(config)
            assert not (mounted / "r/run.lock").exists()
            assert [p.name for p in (mounted / "r").iterdir() if "tmp" in p.name] == []
        finally:
            unmount(mounted)

    def test_a_read_only_directory_is_an_error_that_names_it(self, project: Repository) -> None:
        mounted = mount(project.root / "frozen", "ro")
        try:
            with pytest.raises(LockError, match=r"frozen/r.* cannot be written: Read-only"):
                runlock({"save_dir": str(mounted / "r")})
        finally:
            unmount(mounted)

    def test_killing_at_any_moment_leaves_the_old_or_the_new_sheet(
        self, project: Repository
    ) -> None:
        script = project.root / "process.py"
        script.write_text(
            "import sys\nfrom flexlock import runlock\n"
            "runlock({'save_dir': 'results', 'n': 0}, [])\nprint(1, flush=True)\n"
            "for n in range(1, 10**9):\n"
            "    runlock({'save_dir': 'results', 'n': n, 'pad': str(n % 10) * 100_000}, [])\n"
        )
        chance = random.Random(7)
        for _ in range(6):
            worker = subprocess.Popen(
                [sys.executable, str(script)],
                env={**os.environ, **ENVIRONMENT},
                stdout=subprocess.PIPE,
            )
            with worker:
                assert worker.stdout is not None
                worker.stdout.readline()
                time.sleep(chance.uniform(0, 0.08))  # another moment of the loop each time
                worker.send_signal(signal.SIGKILL)
            lock = read_lock(project.root / "results")
            pad = lock.config.get("pad", "")
            assert pad == str(lock.config["n"] % 10) * len(pad)
            assert run_status(project.root / "results").name == "recorded"


def mount(place: Path, options: str) -> Path:
    """Mount a small file system in memory, or skip where that is not allowed."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    return place


def unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], check=True)

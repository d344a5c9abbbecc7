"""The `flexlock` command and its subcommands."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from flexlock import read_lock
from flexlock.cli.program import COMMANDS

Printed = Callable[..., tuple[int, str, str]]
PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"

SCRIPT = """
from flexlock import clicfg

class Config:
    param = 1
    save_dir = 'results/a'
    token = 'canary-token'

@clicfg(config_class=Config)
def main(cfg):
    with open('results/a/out.txt', 'w') as file:
        file.write('x')
    return {'score': cfg.param}

def train(lr: float = 0.1, save_dir='results/b'):
    '''Train something.'''
    if lr < 0:
        raise ValueError('negative')
    return lr

if __name__ == '__main__':
    main()
"""


@pytest.fixture
def script(folder: Path) -> Path:
    (folder / "work_script.py").write_text(SCRIPT)
    return folder


def test_help_lists_every_command_and_each_explains_itself(flexlock: Printed) -> None:
    status, text, _ = flexlock("--help")
    assert status == 0
    for name, summary in COMMANDS.items():
        assert f"{name} " in text
        assert summary in text
        assert callable(importlib.import_module(f"flexlock.cli.commands.{name}").main)
        status, own, _ = flexlock(name, "--help")
        assert status == 0
        assert "--json" in own
        assert "examples:\n  flexlock " in own
        assert "exit status:\n  0  " in own
    assert flexlock()[0] == 2
    assert flexlock("--version")[1].startswith("flexlock ")


@pytest.mark.parametrize("name", ["run", "diff", "status"])
def test_other_names(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]
    module, _, function = scripts[f"flexlock-{name}"].partition(":")
    monkeypatch.setattr(sys, "argv", [f"flexlock-{name}", "--help"])
    with pytest.raises(SystemExit) as stopped:
        getattr(importlib.import_module(module), function)()
    assert not stopped.value.code
    assert f"usage: flexlock {name} " in capsys.readouterr().out


def test_wrong_use_is_one_line(flexlock: Printed) -> None:
    for words, message in (
        (["shw"], "There is no command 'shw'. Did you mean 'show'?"),
        (["show"], "arguments are required: run"),
        (["show", "x", "--jsn"], "nrecognized arguments: --jsn"),
        (["verify", "x", "--only", "nothing"], "invalid choice"),
        (["run", "work_script"], "names no function"),
        (["run", "nowhere.py"], "there is no such file"),
    ):
        status, _, told = flexlock(*words)
        assert status == 2
        assert told.startswith("error: ")
        assert message in told
        assert told.count("\n") == 1


class TestRun:
    def test_decorated_function_of_a_file(self, script: Path, flexlock: Printed) -> None:
        status, text, told = flexlock("run", "work_script.py", "-o", "param", "5", "--json")
        assert status == 0, told
        facts = json.loads(text)
        assert facts["schema_version"] == 1
        assert facts["result"] == {"score": 5}
        assert facts["save_dir"] == "results/a"
        sheet = read_lock(script / "results/a")
        assert sheet.id == facts["id"]
        assert (sheet.caller.file, sheet.caller.function) == ("work_script.py", "main")

    def test_any_function_by_its_signature(self, script: Path, flexlock: Printed) -> None:
        status, text, _ = flexlock("run", "work_script.py:train", "-o", "lr", "0.5", "--json")
        assert (status, json.loads(text)["result"]) == (0, 0.5)
        assert read_lock(script / "results/b").config == {"lr": 0.5, "save_dir": "results/b"}
        _, text, _ = flexlock("run", "work_script.py:train", "--help")
        assert text.startswith("usage: flexlock run work_script.py:train [options]")
        assert "lr                    float, default 0.1" in text
        assert "Train something." in text
        status, _, told = flexlock("run", "work_script.py:train", "-o", "lr", "fast")
        assert (status, told) == (2, "error: 'lr' must be float, not 'fast'.\n")
        status, _, told = flexlock("run", "work_script.py:trian")
        assert (status, "Did you mean 'train'" in told) == (2, True)

    def test_function_of_a_module(self, script: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "flexlock", "run", "work_script:train", "-o", "lr=-1"],
            env={"PYTHONPATH": str(Path(__file__).parents[3] / "src"), "HOME": str(script)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "ValueError: negative" in done.stderr
        assert read_lock(script / "results/b").status == "failed"


class TestLooking:
    @pytest.fixture
    def run(self, script: Path, flexlock: Printed) -> Path:
        assert flexlock("run", "work_script.py")[0] == 0
        return script / "results" / "a"

    def test_show(self, run: Path, flexlock: Printed) -> None:
        status, text, _ = flexlock("show", "results/a")
        assert status == 0
        lock = read_lock(run)
        assert text.startswith(f"{lock.id}  complete\n")
        for words in ("program   work_script.py:main", "param: 1", "score: 1", "tree "):
            assert words in text
        assert "canary" not in text
        status, text, _ = flexlock("show", "results/a/run.lock", "--json")
        assert json.loads(text)["run"]["id"] == lock.id
        status, _, told = flexlock("show", "results")
        assert (status, told.startswith("error: There is no run sheet")) == (1, True)
        (run / "run.lock").write_text("[")
        status, _, told = flexlock("show", "results/a")
        assert (status, "run.lock" in told) == (1, True)

    def test_status(self, run: Path, flexlock: Printed) -> None:
        assert flexlock("status", "results/a")[:2] == (0, "results/a  complete\n")
        status, text, _ = flexlock("status", "results/a", "results", "--json")
        assert status == 1
        assert [row["status"] for row in json.loads(text)["runs"]] == ["complete", "unknown"]

    def test_verify(self, run: Path, flexlock: Printed) -> None:
        status, text, told = flexlock("verify", "results/a")
        assert status == 0, told
        assert "same" in text
        (run.parent.parent / "work_script.py").write_text(SCRIPT + "# changed\n")
        status, text, _ = flexlock("verify", "results/a", "--json", "--only", "code")
        facts = json.loads(text)
        assert (status, facts["holds"]) == (1, False)
        assert "work_script.py" in text
        assert flexlock("verify", "results/a", "--only", "data")[0] == 0
        assert flexlock("verify", "nowhere")[0] == 1

    def test_py2cfg(self, script: Path, flexlock: Printed) -> None:
        status, text, _ = flexlock("py2cfg", "work_script.py:train")
        assert status == 0
        assert text.endswith("lr: 0.1\nsave_dir: results/b\n")
        _, text, _ = flexlock("py2cfg", "work_script.py:main")  # decorated: its own config
        assert text.startswith("param: 1\nsave_dir: results/a\ntoken: ")
        assert "canary" not in text
        _, text, _ = flexlock("py2cfg", "textwrap:fill", "--json")
        assert json.loads(text)["config"] == {
            "_target_": "textwrap.fill", "text": "???", "width": 70,
        }  # fmt: skip

"""Configs from signatures, and calls from configs."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flexlock.config import instantiate, py2cfg, to_plain
from flexlock.errors import ConfigError, TargetImportError

SOURCES = str(Path(__file__).parents[3] / "src")


class Optimizer:
    def __init__(self, lr: float = 0.1, momentum: float = 0.0) -> None:
        self.lr, self.momentum = lr, momentum


def relu(x: float, slope: float = 0.0) -> float:
    return x if x > 0 else slope * x


def train(data: str, optimizer: Any = Optimizer, activation: Any = relu, epochs: int = 3) -> Any:
    return data, optimizer, activation, epochs


def test_signature_becomes_a_config() -> None:
    config = to_plain(py2cfg(train, epochs=5))
    here = train.__module__
    assert config == {
        "_target_": f"{here}.train",
        "data": "???",
        "optimizer": {"_target_": f"{here}.Optimizer", "lr": 0.1, "momentum": 0.0},
        "activation": {"_target_": f"{here}.relu", "_partial_": True, "slope": 0.0},
        "epochs": 5,
    }


def test_positional_arguments_and_partials() -> None:
    assert to_plain(py2cfg(train, "x"))["_args_"] == ["x"]
    config = to_plain(py2cfg(functools.partial(relu, slope=2.0)))
    assert config == {"_target_": f"{relu.__module__}.relu", "_partial_": True, "slope": 2.0}


def test_instantiate_calls_what_was_described() -> None:
    data, optimizer, activation, epochs = instantiate(CALL)
    assert (data, optimizer.lr, activation(-1.0), epochs) == ("d", 0.1, 0.0, 3)


CALL = {
    "_target_": "tests_of_signature.train",
    "data": "d",
    "optimizer": {"_target_": "tests_of_signature.Optimizer"},
    "activation": {"_target_": "tests_of_signature.relu", "_partial_": True},
    "_snapshot_": {"repos": ["."]},
}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tests_of_signature", sys.modules[__name__])


def test_values_can_be_added_to_the_call() -> None:
    assert instantiate({"_target_": "pathlib.PurePath", "_args_": ["a"]}, "b").name == "b"
    assert instantiate({"_target_": "builtins.dict", "a": 1, "b": "${a}"}, c=3) == {
        "a": 1, "b": 1, "c": 3,
    }  # fmt: skip
    assert instantiate([{"x": {"_target_": "builtins.dict"}}]) == [{"x": {}}]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_module_here.f", "no such module"),
        ("json.nothing", "there is no 'nothing' in it"),
        ("json.__name__", "cannot be called"),
        ("json", "no such module"),
    ],
)
def test_missing_targets_are_named(target: str, words: str) -> None:
    with pytest.raises(TargetImportError, match=f"{target}.*{words}"):
        instantiate({"_target_": target})
    with pytest.raises(ImportError):
        instantiate({"_target_": target})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: py2cfg(train, epoch=1), "no parameter 'epoch'. Did you mean 'epochs'"),
        (lambda: py2cfg(3), "cannot be called"),
        (lambda: py2cfg(lambda: 0), "no import path"),
        (lambda: instantiate(py2cfg(train)), "No value for 'data'"),
    ],
)
def test_what_cannot_be_described_is_refused(call: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        call()


def test_script_is_named_as_seen_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    script = tmp_path / "stages" / "fit.py"
    script.write_text("from flexlock.config import py2cfg\ndef f(a=1): ...\nprint(py2cfg(f))\n")
    done = subprocess.run(
        [sys.executable, "stages/fit.py"], cwd=tmp_path,
        env={"PYTHONPATH": SOURCES}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "{'_target_': 'stages.fit.f', 'a': 1}\n"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


def test_classes_are_described_by_their_constructor() -> None:
    config = py2cfg(Point, x=1)
    assert to_plain(config) == {"_target_": f"{Point.__module__}.Point", "x": 1, "y": 2}

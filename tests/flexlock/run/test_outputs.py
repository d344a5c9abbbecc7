"""Declared outputs: found, hashed, and looked at by the user's own function."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flexlock import clicfg, hash_data, runlock
from flexlock.errors import ConfigError, DataError
from flexlock.lock.document import read_lock
from flexlock.lock.record import OutputState
from flexlock.run.outputs import Output, read_outputs
from flexlock.run.status import run_status


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_long(path: Path, least: int = 3) -> bool:
    return len(path.read_text()) >= least


def run(declared: object, text: str, **config: object) -> OutputState:
    with runlock({"save_dir": "r", **config}, [], outputs=declared):
        Path("r/out.txt").write_text(text)
    return read_lock(Path("r")).outputs["out"]


@pytest.mark.parametrize(
    "declared",
    ["r/out.txt", ["r/out.txt"], {"out": Path("r/out.txt")}, {"out": {"path": "r/out.txt"}}],
)
def test_hashes_and_sizes(declared: object) -> None:
    expected = OutputState("r/out.txt", "file", "blake3", None, 4, 1)
    found = run(declared, "text")
    assert found.hash == hash_data("r/out.txt")
    assert found == OutputState(expected.path, expected.kind, expected.algorithm, found.hash, 4, 1)


def test_missing_outputs_fail_the_run(here: Path) -> None:
    with (
        pytest.raises(DataError, match="output 'model'"),
        runlock({"save_dir": "r"}, [], outputs={"model": "r/m"}),
    ):
        pass
    assert run_status(here / "r").name == "failed"


def test_a_class_declares_outputs_and_a_program_tells_in_one_line_which_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Config:
        save_dir = "r"
        _outputs_ = ("r/model.bin",)

    main = clicfg(config_class=Config)(lambda cfg: None)
    with pytest.raises(SystemExit) as end:
        main.cli([])
    assert end.value.code == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("flexlock: output 'model': ")
    assert run_status(here / "r").name == "failed"


@pytest.mark.parametrize(
    "validator",
    [is_long, f"{__name__}:is_long", {"_target_": f"{__name__}.is_long", "least": 3}],
    ids=["function", "address", "target"],
)
def test_validators(here: Path, validator: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[is_long.__module__])
    declared = {"out": {"path": "r/out.txt", "validator": validator}}
    assert run(declared, "long").bytes == 4
    with pytest.raises(DataError, match=r"'out' .* is not valid: its validator says no"):
        run(declared, "s")
    assert run_status(here / "r").name == "failed"


def test_a_validator_that_raises() -> None:
    declared = {"out": {"path": "r/out.txt", "validator": lambda path: 1 / 0}}
    with pytest.raises(DataError, match="ZeroDivisionError"):
        run(declared, "x")


def test_declared_in_the_config(here: Path) -> None:
    found = run(None, "x", _outputs_={"out": {"path": "r/out.txt", "sha256": False}})
    assert found == OutputState("r/out.txt", "file", None, None, 1, 1)
    with pytest.raises(DataError), runlock({"save_dir": "r2", "_outputs_": ["r2/x"]}, []):
        pass


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"x": 3}, "'x' is 3"),
        ({"x": {"pth": "a"}}, "is {'pth'"),
        ({"x": {"path": "a", "validator": 3}}, "is 3"),
        ({"x": {"path": "a", "validator": "no.such:thing"}}, "cannot be imported"),
        ({"x": {"path": "a", "validator": "os:sep"}}, "which is no function"),
        (3, "is neither a path"),
    ],
)
def test_what_is_not_understood(here: Path, declared: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        runlock({"save_dir": "r"}, [], outputs=declared)
    assert not (here / "r").exists()


def test_reading_twice_is_reading_once() -> None:
    once = read_outputs(["a"])
    assert read_outputs(once) == once == {"a": Output(Path("a").absolute())}


def test_sheet_names_them_before_they_are_there(here: Path) -> None:
    with runlock({"save_dir": "r"}, [], outputs={"out": "r/out.txt"}) as session:
        first = read_lock(Path("r")).outputs["out"]
        assert (first.path, first.hash) == ("r/out.txt", None)
        runlock({"save_dir": "r"}, [], outputs={"more": "r/more.txt"})
        assert sorted(read_lock(Path("r")).outputs) == ["more", "out"]
        for output in session.outputs.values():
            assert isinstance(output, Output)
            output.path.write_text("x")
    assert all(state.hash for state in read_lock(Path("r")).outputs.values())

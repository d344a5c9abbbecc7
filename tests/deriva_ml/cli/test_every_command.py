"""Every command that is installed explains itself, and answers a slip in one clear line."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
COMMANDS = sorted(PROJECT["scripts"].items())


def run(name: str, entry: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command as its script does, and return its exit status."""
    module, _, function = entry.partition(":")
    monkeypatch.setattr(sys, "argv", [name, *words])
    try:
        status = getattr(importlib.import_module(module), function)()
    except SystemExit as ended:
        status = ended.code
    return int(status or 0)


@pytest.mark.parametrize(("name", "entry"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_help_teaches_with_an_example_and_tells_the_exit_status(
    name: str, entry: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, entry, ["--help"], monkeypatch) == 0
    told = capsys.readouterr().out
    spoken = f"(?:{name}|{name.replace('-', ' ', 1)})"
    assert re.search(rf"^ +{spoken}( |$)", told.partition("example")[2], re.MULTILINE), told
    assert re.search("exit status", told, re.IGNORECASE), told


# What looks at a project first is tried in one, by the tests of these commands.
ALONE = [(name, entry) for name, entry in COMMANDS if not name.startswith("deriva-ml-run")]


@pytest.mark.parametrize(("name", "entry"), ALONE, ids=[name for name, _ in ALONE])
def test_an_unknown_option_is_refused_in_one_line(
    name: str,
    entry: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(name, entry, ["--no-such-option"], monkeypatch) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = [
        line for line in told.err.splitlines() if not line.startswith(("usage:", " ")) and line
    ]
    assert line.startswith((name, "error: "))
    assert list(tmp_path.iterdir()) == []

"""Scripts in a git repository of their own, run as a person would."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOURCES = str(Path(__file__).parents[3] / "src")

Printed = Callable[..., tuple[int, str, str]]
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is a git repository, and the working directory."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def flexlock(capsys: pytest.CaptureFixture[str]) -> Printed:
    """Run the command in this process; return exit status, stdout and stderr."""
    from flexlock.cli import main

    def run(*words: str) -> tuple[int, str, str]:
        try:
            status: Any = main(list(words))
        except SystemExit as stopped:
            status = stopped.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def shell(folder: Path) -> Shell:
    """Run a line in a shell whose `python` is this one; return what it printed."""
    binaries = folder / ".bin"
    binaries.mkdir()
    (binaries / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (binaries / "python").chmod(0o755)
    (folder / ".gitignore").write_text(".bin\n")

    def run(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "PYTHONPATH": SOURCES,
            **variables,
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # each start would compile anew
        return subprocess.run(
            ["bash", "-c", line], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run

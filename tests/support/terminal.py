"""The command line in this process; what is typed comes from a pipe."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from deriva_catalog.cli import main


class Terminal:
    """Runs commands of ``deriva-catalog``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *words: str, typed: str = "", status: int = 0) -> str:
        """What a command prints: its output, or its error if it ends with another status."""
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert main(list(words)) == status
        printed = self._capsys.readouterr()
        return printed.err if status else printed.out

    def json(self, *words: str, typed: str = "") -> Any:
        """What a command prints as JSON."""
        return json.loads(self.run(*words, "--json", typed=typed))

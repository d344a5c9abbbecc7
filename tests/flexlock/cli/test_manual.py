"""The manual's page about commands says what the commands say of themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flexlock.cli.manual import commands_page
from flexlock.cli.program import COMMANDS

PAGE = Path(__file__).parents[3] / "docs/locks/commands.md"
REFERENCE = (3, 11)


def test_every_command_and_option_is_in_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    page = commands_page()
    for name, summary in COMMANDS.items():
        assert f"## flexlock {name}\n" in page
        assert summary in page
    assert "--skip_if_done" in page
    if sys.version_info[:2] == REFERENCE:  # argparse words some lines differently elsewhere
        assert PAGE.read_text() == page, (
            "The page is stale: python -m flexlock.cli.manual > docs/locks/commands.md"
        )

"""The end of a command's process."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from {module} import main

class Kept:
    def __init__(self):
        self.own = self  # so that only the search for garbage finds it
    def __del__(self):
        print("found", flush=True)

kept = Kept()
words = sys.argv[1:]
sys.exit(main(words) if words else 0)
"""


@pytest.mark.parametrize("module", ["deriva_catalog.cli", "deriva_ml.cli.run"])
def test_a_command_ends_without_a_search_for_garbage_and_a_library_does_not(module: str) -> None:
    def last_line(*words: str) -> str:
        program = [sys.executable, "-c", PROGRAM.format(module=module), *words]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        return done.stdout.rpartition("\n")[0].rpartition("\n")[2]

    assert last_line() == "found"
    assert last_line("--help") not in ("", "found")

"""What a command imports is not searched for garbage; what other programs import is."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from deriva_catalog import loading as module
from deriva_catalog.loading import loading, own_process


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_owned", [])
    kept = gc.get_freeze_count()
    yield
    gc.enable()
    if not kept:
        gc.unfreeze()


def test_a_program_that_imports_us_is_left_alone() -> None:
    before = gc.get_freeze_count()
    with loading():
        assert gc.isenabled()
    assert gc.get_freeze_count() <= before


def test_a_command_looks_for_no_garbage_while_it_loads_and_for_its_own_afterwards() -> None:
    own_process()
    before = gc.get_freeze_count()
    seen: list[bool] = []
    with suppress(ImportError), loading():
        seen.append(gc.isenabled())
        raise ImportError
    assert seen == [False]
    assert gc.isenabled()
    assert gc.get_freeze_count() > before


def test_a_program_that_looks_for_no_garbage_goes_on_without() -> None:
    own_process()
    gc.disable()
    with loading():
        pass
    assert not gc.isenabled()


def test_only_a_command_that_was_started_as_one_owns_its_process() -> None:
    code = (
        "import gc, sys\n"
        "from deriva_catalog.cli import main\n"
        "assert main(['whoami', 'HOST:PORT']) == 2 and gc.get_freeze_count() == 0\n"
        "sys.argv[1:] = ['whoami', 'HOST:PORT']\n"
        "assert main() == 2 and gc.get_freeze_count() > 0 and gc.isenabled()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

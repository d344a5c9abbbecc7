"""An interpreter that is ready: what becomes of lines that do not come back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from warm_python import WarmPython, warm_python


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[WarmPython]:
    place = tmp_path / "project"
    place.mkdir()
    with warm_python(place, os.environ, ["signal"]) as ready:
        yield ready


def test_a_line_that_does_not_end_is_ended(warm: WarmPython) -> None:
    (warm.directory / "wait.py").write_text("import signal; signal.pause()\n")
    with pytest.raises(RuntimeError, match=r"'python wait.py' took more than 0.1 s"):
        warm.run("python wait.py", limit_s=0.1)
    assert warm.process.returncode is not None


def test_what_was_said_last_is_shown_when_the_interpreter_is_lost(warm: WarmPython) -> None:
    (warm.directory / "kill.py").write_text(
        "import os, signal, sys\n"
        "print('last words', file=sys.stderr, flush=True)\n"
        "os.kill(os.getppid(), signal.SIGKILL)\n"
    )
    with pytest.raises(RuntimeError, match=r"'python kill.py' lost its interpreter.\nlast words"):
        warm.run("python kill.py")
    (warm.directory / "one.py").write_text("print(1)\n")
    with pytest.raises(RuntimeError, match=r"'python one.py' lost its interpreter.\n$"):
        warm.run("python one.py")

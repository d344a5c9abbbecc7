"""Temporary files in memory: what the script leaves of them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "in_memory.sh"


def run(line: str, **more: str) -> tuple[int, str]:
    """The exit status, and what a line of the shell prints as the script's command."""
    environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    done = subprocess.run(
        [SCRIPT, "sh", "-c", line],
        env={**environment, **more},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("exit 3", 3),
        ("kill -HUP $$", -signal.SIGHUP),
        ("kill -TERM $$", -signal.SIGTERM),
        ("kill -KILL $$", -signal.SIGKILL),
    ],
    ids=["ends", "loses its terminal", "is to end", "is killed"],
)
def test_nothing_is_left_in_memory(line: str, status: int) -> None:
    ended, place = run(f'echo "$TMPDIR"; {line}')
    if not place:
        pytest.skip("there is no room for temporary files in memory")
    assert ended == status
    deadline = time.monotonic() + 30
    while Path(place).exists():  # it is removed after the command
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_chosen_place_is_kept(tmp_path: Path) -> None:
    assert run('echo "$TMPDIR"; exit 3', TMPDIR=str(tmp_path)) == (3, str(tmp_path))

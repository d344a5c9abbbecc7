"""What people see: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

from sweeps import Sweep

SCRIPT = """
import time
from flexlock.cli.decorator import clicfg

class Config:
    param = 1
    save_dir = "out"

@clicfg(config_class=Config)
def main(cfg):
    print("first", cfg.param)
    print("last", cfg.param, end="")
    time.sleep(0.3)
    if cfg.param == 2:
        raise RuntimeError("two")

if __name__ == "__main__":
    main()
"""


def on_a_terminal(sweep: Sweep, *more: str) -> str:
    """Return what the command writes to a terminal, without its control sequences."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        sweep.command(*more),
        cwd=sweep.folder,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    process.wait(timeout=60)
    text = b"".join(pieces).decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")


def test_a_terminal_shows_a_table_and_the_lines_of_tasks_with_their_names(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.write(SCRIPT, 3)
    text = on_a_terminal(sweep, "--n_jobs=2")
    assert re.search(r"━.*\d of 3 tasks ended, \d running", text)
    assert re.search(r"^  param=1 +0 s", text, re.M)
    lines = text.splitlines()
    for expected in ("param=1 | first 1", "param=3 | last 3", "param=2 | RuntimeError: two"):
        assert expected in lines
    assert any(line.startswith("param=2 failed: raised RuntimeError: two") for line in lines)
    assert "3 tasks in out: 2 done, 1 failed" in text


def test_quiet_shows_nothing_but_failures_and_output(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.write(SCRIPT, [1])
    done = sweep.run("--n_jobs=2", "-q")
    assert (done.stdout, done.stderr) == ("first 1\nlast 1\n", "")

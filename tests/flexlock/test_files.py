"""A file has its old content or its new one, never a part."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flexlock.files import write_atomically

SOURCES = Path(__file__).parents[2] / "src"

WRITER = """
import sys
from pathlib import Path
from flexlock.files import write_atomically
path = Path(sys.argv[1])
print("ready", flush=True)
n = 0
while True:
    n += 1
    write_atomically(path, f"{n % 10}" * 200_000, sync=False)
"""


def test_text_and_bytes_replace_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, "é\n")
    assert path.read_bytes() == b"\xc3\xa9\n"
    write_atomically(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_mode_of_the_old_file_and_the_link_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_missing_folder_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "a", "x")
    assert not list(tmp_path.iterdir())


def test_a_failing_replacement_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "a", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_killed_writer_never_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for n in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
            stdout=subprocess.PIPE,
        )
        with writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.003 * n)  # a different moment of the loop each time
            writer.send_signal(signal.SIGKILL)
        if path.exists():
            content = path.read_text()
            assert len(content) == 200_000
            assert len(set(content)) == 1

"""Large files are hashed from their mapping, and nobody can pull it away underneath."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from blake3 import blake3

from flexlock.data.hashing import new_hasher, read_content
from flexlock.data.mapping import map_content

SIZE = (70 << 20) + 3


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(1 << 20) * 70 + b"end")
    return path


def mapped(path: Path) -> bytes | None:
    with path.open("rb") as file:
        return map_content(file.fileno(), SIZE, new_hasher(threads=True), None)


def test_the_hash_is_that_of_the_bytes(large: Path) -> None:
    seen: list[int] = []
    content = read_content(str(large), progress=seen.append)
    assert content.digest == blake3(large.read_bytes()).digest()
    assert content.size == sum(seen) == SIZE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has leases")
def test_a_file_that_is_open_for_writing_is_read_instead(large: Path) -> None:
    expected = mapped(large)
    assert expected is not None
    with large.open("r+b"):
        assert mapped(large) is None
        assert read_content(str(large)).digest == expected


def test_small_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    with (tmp_path / "a").open("rb") as file:
        assert map_content(file.fileno(), 1, new_hasher(), None) is None


@pytest.mark.parametrize("change", ["truncate(5)", "write(b'x')"])
def test_another_process_that_changes_it_meanwhile_does_no_harm(large: Path, change: str) -> None:
    before = large.read_bytes()
    after = before[:5] if "truncate" in change else b"x" + before[1:]
    code = f"import sys; print(1, flush=True); open(sys.argv[1], 'r+b').{change}"
    writers: list[subprocess.Popen[bytes]] = []

    def interfere(_: int) -> None:
        if not writers:
            command = [sys.executable, "-c", code, str(large)]
            writers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            assert writers[0].stdout is not None
            writers[0].stdout.readline()
            time.sleep(0.05)  # it most likely waits by now for the lease; either way holds below

    started = time.monotonic()
    content = read_content(str(large), progress=interfere)
    with writers[0] as writer:
        writer.wait(20)
    assert time.monotonic() - started < 20  # the kernel would take the lease away after 45 s
    assert content.digest in (blake3(before).digest(), blake3(after).digest())
    assert read_content(str(large)).digest == blake3(after).digest()

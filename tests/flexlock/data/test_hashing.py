"""One file: its hash, and what happens when it cannot be read in peace."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3
from xxhash import xxh3_128

from flexlock.data.hashing import ALGORITHMS, check_algorithm, hash_bytes, read_content
from flexlock.errors import ChangingDataError, DataError, MissingDataError, UnreadableDataError
from strangers import open_folder

PEERS = {
    "blake3": lambda data: blake3(data).hexdigest(),
    "sha256": lambda data: hashlib.sha256(data).hexdigest(),
    "xxh3-128": lambda data: xxh3_128(data).hexdigest(),
}
SIZES = (0, 1, 1023, 1 << 20, (1 << 20) + 1, (9 << 20) + 7)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", SIZES)
def test_hash_is_that_of_the_bytes(tmp_path: Path, algorithm: str, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    seen: list[int] = []
    content = read_content(str(tmp_path / "a"), algorithm, seen.append)
    assert content.digest.hex() == PEERS[algorithm](data) == hash_bytes(data, algorithm)
    assert content.size == size == sum(seen)


def test_unknown_algorithm_names_the_known_ones() -> None:
    with pytest.raises(DataError, match="blake3, sha256, xxh3-128"):
        check_algorithm("md5")


@pytest.mark.parametrize("size", [1 << 10, 8 << 20])
def test_a_file_that_changes_each_time_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(size))

    def grow(_: int) -> None:
        with path.open("ab") as file:
            file.write(b"x")

    with pytest.raises(ChangingDataError, match=r"a' changed while it was read, 3 times"):
        read_content(str(path), progress=grow)


def test_a_file_that_changes_once_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(8 << 20))
    cut: list[int] = []

    def shorten(count: int) -> None:
        if not cut:
            os.truncate(path, 5)
        cut.append(count)

    content = read_content(str(path), progress=shorten)
    assert content.digest == blake3(bytes(5)).digest()
    assert content.size == 5


def test_a_file_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    path, new = tmp_path / "a", tmp_path / "new"
    path.write_bytes(b"old")
    new.write_bytes(b"new")

    def replace(_: int) -> None:
        if new.exists():
            new.replace(path)

    assert read_content(str(path), progress=replace).digest == blake3(b"new").digest()


def test_missing_and_special_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingDataError, match=r"nothing' does not exist"):
        read_content(str(tmp_path / "nothing"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"pipe' is a named pipe"):
        read_content(str(tmp_path / "pipe"))
    with pytest.raises(DataError, match="is a directory"):
        read_content(str(tmp_path))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match="leads back to itself"):
        read_content(str(tmp_path / "loop"))
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)
        server.bind("s")
        with pytest.raises(DataError, match=r"s' cannot be read"):
            read_content(str(tmp_path / "s"))


def as_nobody(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code as a user without rights; needs root, or rights that are not there."""
    source = str(Path(__file__).parents[3] / "src")
    lines = f"import os, sys; sys.path.insert(0, {source!r})\n"
    lines += "from flexlock.data.tree import hash_path\nfrom pathlib import Path\n"
    if os.geteuid() == 0:
        lines += "os.setgid(65534); os.setuid(65534)\n"
    command = [sys.executable, "-c", lines + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_unreadable_files_are_named() -> None:
    with open_folder() as folder:
        (folder / "open").write_text("x")
        (folder / "shut").write_text("x")
        (folder / "shut").chmod(0)
        done = as_nobody("hash_path(Path(sys.argv[1]))", str(folder))
    assert f"UnreadableDataError: '{folder}/shut' may not be read by this user." in done.stderr
    assert issubclass(UnreadableDataError, PermissionError)

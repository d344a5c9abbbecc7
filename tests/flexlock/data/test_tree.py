"""Directories: what their hash sees, and what it leaves alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flexlock.data.cache import open_cache
from flexlock.data.scanning import Choice
from flexlock.data.tree import Hashed, hash_path
from flexlock.errors import ChangingDataError, DataError, MissingDataError

SOURCES = Path(__file__).parents[3] / "src"


def fill(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return fill(tmp_path / "tree", {"a": "1", "b": "2", "d/e/c": "3", ".hidden": "4"})


def hashed(path: Path, **choice: object) -> str:
    return hash_path(path, choice=Choice(**choice)).hash  # type: ignore[arg-type]


def test_digest_is_that_of_the_documented_manifest(tree: Path) -> None:
    (tree / "link").symlink_to("a")
    content = {".hidden": b"4", "a": b"1", "b": b"2", "d/e/c": b"3", "link": b"a"}
    lines = [
        f"{name}\0{'l' if name == 'link' else 'f'} 1 {hashlib.sha256(data).hexdigest()}\n"
        for name, data in sorted(content.items())
    ]
    expected = hashlib.sha256(("flexlock manifest 1\n" + "".join(lines)).encode()).hexdigest()
    assert hash_path(tree, algorithm="sha256") == Hashed("dir", "sha256", expected, 4, 4)


def test_rename_swap_move_and_same_time_edit_are_seen(tree: Path) -> None:
    before = hashed(tree)
    seen = {before}
    (tree / "a").rename(tree / "z")
    seen.add(hashed(tree))
    (tree / "z").rename(tree / "a")
    assert hashed(tree) == before
    (tree / "a").write_text("2")
    (tree / "b").write_text("1")
    seen.add(hashed(tree))
    fill(tree, {"a": "1", "b": "2"})
    (tree / "a").rename(tree / "d/a")
    seen.add(hashed(tree))
    (tree / "d/a").rename(tree / "a")
    times = (tree / "a").stat()
    (tree / "a").write_text("9")
    os.utime(tree / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    seen.add(hashed(tree))
    assert len(seen) == 5


def test_modes_times_and_empty_folders_do_not_count(tree: Path) -> None:
    before = hashed(tree)
    (tree / "a").chmod(0o755)
    os.utime(tree / "b", (1, 1))
    (tree / "empty/inside").mkdir(parents=True)
    assert hashed(tree) == before
    assert hashed(Path(shutil.copytree(tree, tree.parent / "copy"))) == before


def test_names_that_are_not_text_and_odd_names(tmp_path: Path) -> None:
    root = tmp_path / "odd"
    root.mkdir()
    plain = hashed(root)
    for name in (b"new\nline", b"\xff\xfe", "é".encode(), b"a b", b"\xee\x80\x80"):
        with open(os.path.join(os.fsencode(root), name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(name)
    with open_cache() or pytest.fail("no cache") as cache:
        first = hash_path(root, cache=cache)
        again = hash_path(root, cache=cache)
    assert first == again
    assert first.files == 5
    assert first.hash != plain


def test_empty_folder_and_file(tmp_path: Path) -> None:
    assert hash_path(tmp_path).files == 0
    (tmp_path / "a").touch()
    assert hash_path(tmp_path / "a") == Hashed(
        "file", "blake3", hash_path(tmp_path / "a").hash, 0, 1
    )


def test_links_are_recorded_and_not_followed(tree: Path) -> None:
    (tree / "to_file").symlink_to("a")
    (tree / "to_folder").symlink_to("d")
    (tree / "to_nothing").symlink_to("nowhere")
    (tree / "cycle").symlink_to(".")
    first = hash_path(tree)
    assert first.files == 4
    assert first.notes == ()
    (tree / "to_file").unlink()
    (tree / "to_file").symlink_to("b")
    assert hashed(tree) != first.hash


def test_links_that_lead_out_are_noted(tree: Path) -> None:
    (tree / "out").symlink_to(tree.parent)
    (note,) = hash_path(tree).notes
    assert note.startswith("out is a link out of the directory; only its text is hashed")


def test_followed_links_stand_for_what_they_point_to(tree: Path) -> None:
    outside = fill(tree.parent / "outside", {"x": "y"})
    (tree / "link").symlink_to(outside)
    followed = hashed(tree, follow_links=True)
    (tree / "link").unlink()
    shutil.copytree(outside, tree / "link")
    assert hashed(tree) == followed


def test_followed_links_must_not_lead_back_or_nowhere(tree: Path) -> None:
    (tree / "d/up").symlink_to("..")
    with pytest.raises(DataError, match=r"d/up' leads back to a folder above it"):
        hashed(tree, follow_links=True)
    (tree / "d/up").unlink()
    (tree / "broken").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"broken' is a symbolic link to nothing"):
        hashed(tree, follow_links=True)


def test_the_path_itself_may_be_a_link(tree: Path) -> None:
    (tree.parent / "link").symlink_to(tree)
    assert hashed(tree.parent / "link") == hashed(tree)
    (tree.parent / "file").symlink_to(tree / "a")
    assert hashed(tree.parent / "file") == hashed(tree / "a")


def test_pipes_and_sockets_are_noted(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashed(tree)
    os.mkfifo(tree / "pipe")
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        found = hash_path(tree)
    assert found.hash == before
    assert set(found.notes) == {
        "pipe (named pipe) is not hashed",
        "socket (socket) is not hashed",
    }
    with pytest.raises(DataError, match="named pipe"):
        hash_path(tree / "pipe")


def test_include_and_exclude(tree: Path) -> None:
    fill(tree, {"x.csv": "5", "raw/y.csv": "6"})
    only = fill(tree.parent / "only", {"x.csv": "5"})
    assert hashed(tree, include=("*.csv",), exclude=("raw/",)) == hashed(only)
    rest = fill(tree.parent / "rest", {"a": "1", "b": "2", "d/e/c": "3", ".hidden": "4"})
    assert hashed(tree, exclude=("*.csv",)) == hashed(rest)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="does not exist"):
        hash_path(tmp_path / "a/b")


def test_a_folder_that_grows_while_it_is_read_is_refused(tree: Path) -> None:
    def grow(_: int) -> None:
        (tree / f"new{len(list(tree.iterdir()))}").touch()

    with pytest.raises(ChangingDataError, match="changed while it was read, 3 times"):
        hash_path(tree, progress=grow)


def test_a_folder_that_changes_once_is_read_again(tree: Path) -> None:
    def change(_: int) -> None:
        (tree / "a").unlink(missing_ok=True)

    after = hash_path(tree, progress=change)
    assert after.hash == hashed(tree)
    assert after.files == 3


def test_reading_by_several_threads_gives_the_same(tmp_path: Path) -> None:
    big = {f"f{n}": chr(65 + n % 26) * 200_000 for n in range(150)}
    root = fill(tmp_path / "big", big)
    lines = [
        f"{name}\0f 200000 {hashlib.sha256(text.encode()).hexdigest()}\n"
        for name, text in sorted(big.items())
    ]
    expected = hashlib.sha256(("flexlock manifest 1\n" + "".join(lines)).encode()).hexdigest()
    assert hash_path(root, algorithm="sha256").hash == expected


class TestCache:
    """With a cache: nothing is read twice, and nothing stale is ever returned."""

    def test_unchanged_is_not_read(self, tree: Path, later: None) -> None:
        read: list[int] = []
        with open_cache() or pytest.fail("no cache") as cache:
            first = hash_path(tree, cache=cache, progress=read.append)
        assert sum(read) == 4
        with open_cache() or pytest.fail("no cache") as cache:
            assert hash_path(tree, cache=cache, progress=read.append) == first
            assert hash_path(tree / "a", cache=cache, progress=read.append).hash == hashed(
                tree / "a"
            )
            assert hash_path(tree / "d", cache=cache, progress=read.append).hash == hashed(
                tree / "d"
            )
        assert sum(read) == 4

    def test_one_changed_of_many_costs_one(self, tmp_path: Path, later: None) -> None:
        root = fill(tmp_path / "many", {f"d{n % 7}/f{n}": "x" * 10 for n in range(500)})
        read: list[int] = []
        with open_cache() or pytest.fail("no cache") as cache:
            hash_path(root, cache=cache, progress=read.append)
            (root / "d3/f3").write_text("yy")
            changed = hash_path(root, cache=cache, progress=read.append)
        assert read[500:] == [2]
        assert changed == hash_path(root)

    def test_a_file_hashed_alone_is_known_in_its_folder(self, tree: Path, later: None) -> None:
        read: list[int] = []
        with open_cache() or pytest.fail("no cache") as cache:
            hash_path(tree / "a", cache=cache, progress=read.append)
            hash_path(tree, cache=cache, progress=read.append)
        assert sum(read) == 4

    def test_what_changed_just_now_is_read_again(self, tree: Path) -> None:
        read: list[int] = []
        with open_cache() or pytest.fail("no cache") as cache:
            hash_path(tree, cache=cache, progress=read.append)
            hash_path(tree, cache=cache, progress=read.append)
        assert sum(read) == 8

    def test_same_size_and_time_edit_is_seen(self, tree: Path, later: None) -> None:
        with open_cache() or pytest.fail("no cache") as cache:
            before = hash_path(tree, cache=cache)
            times = (tree / "a").stat()
            (tree / "a").write_text("9")
            os.utime(tree / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
            after = hash_path(tree, cache=cache)
        assert after.hash != before.hash
        assert after == hash_path(tree)

    def test_choices_and_algorithms_are_kept_apart(self, tree: Path, later: None) -> None:
        with open_cache() or pytest.fail("no cache") as cache:
            for choice in (Choice(), Choice(include=("a",)), Choice(exclude=("a",))):
                for algorithm in ("blake3", "sha256"):
                    for _ in range(2):
                        found = hash_path(tree, algorithm=algorithm, choice=choice, cache=cache)
                        assert found == hash_path(tree, algorithm=algorithm, choice=choice)

    @settings(
        max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        steps=st.lists(
            st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 4)),
            max_size=8,
        )
    )
    def test_any_edits_give_what_is_there(
        self, tmp_path: Path, later: None, steps: list[tuple[str, str, int]]
    ) -> None:
        root = tmp_path / "edited"
        shutil.rmtree(root, ignore_errors=True)
        fill(root, {"a": "a", "sub/b": "b"})
        with open_cache() or pytest.fail("no cache") as cache:
            for first, second, kind in steps:
                one, two = root / first, root / "sub" / second
                if kind == 0:
                    one.write_text(second)
                elif kind == 1:
                    one.unlink(missing_ok=True)
                elif kind == 2 and one.exists():
                    one.rename(two)
                elif kind == 3 and two.exists() and one.exists():
                    one.write_text(two.read_text())
                else:
                    two.write_text(first)
                assert hash_path(root, cache=cache) == hash_path(root)

    def test_several_processes_share_it(self, tmp_path: Path) -> None:
        root = fill(tmp_path / "many", {f"d{n % 9}/f{n}": str(n) for n in range(300)})
        code = (
            "import sys, time\nfrom pathlib import Path\nreal = time.time_ns\n"
            "time.time_ns = lambda: real() + 10**13\n"
            "from flexlock.data.tracking import hash_data\n"
            "for _ in range(5): value = hash_data(sys.argv[1])\nprint(value)"
        )
        environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(root)],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        values = {worker.communicate()[0].strip() for worker in workers}
        assert values == {hashed(root)}
        with open_cache() or pytest.fail("no cache") as cache:
            assert cache.tree(repr((str(root), "blake3", Choice()))) is not None

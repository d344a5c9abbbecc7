"""The command that shows what is kept on this machine, and removes it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_catalog.objects.cache import Wanted
from deriva_ml.cli.storage import main, stored
from deriva_ml.core.content import content_cache


def keep(base: Path, location: str, target: str, data: bytes) -> None:
    cache = base / location / "cache"

    def write(path: Path) -> None:
        path.write_bytes(data)

    md5 = hashlib.md5(data).hexdigest()
    content_cache(cache).get(Wanted(md5=md5), cache / target, write)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Two catalogs, with a bag, two assets and the files of an execution."""
    base = tmp_path / "kept"
    keep(base, "localhost/7", "bags/1-D@1.2.0-0123456789abcdef/Dataset_1-D/data/x", b"x" * 3000)
    keep(base, "localhost/7", "assets/1-A_00/a.bin", b"a" * 2000)
    keep(base, "data.org/1", "assets/2-A_00/b.bin", b"b" * 1000)
    run = base / "data.org" / "1" / "execution" / "3-EXEC" / "assets"
    run.mkdir(parents=True)
    (run / "out.bin").write_bytes(b"o" * 500)
    return base


def asked(base: Path, *words: str) -> int:
    return main([*words, "--working-dir", str(base)])


def test_the_table_shows_everything(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(base) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.strip()]
    assert rows[0] == ["location", "RID", "type", "size", "items", "modified"]
    found = [row[:5] for row in rows[2:-1]]
    assert found == [
        ["data.org/1", "2-A", "asset", "1.0", "KB"],
        ["data.org/1", "3-EXEC", "execution", "500", "bytes"],
        ["localhost/7", "1-A", "asset", "2.0", "KB"],
        ["localhost/7", "1-D@1.2.0", "bag", "3.0", "KB"],
    ]
    assert rows[-1] == ["total", "6.5", "KB"]


@pytest.mark.parametrize(
    ("words", "rids", "total"),
    [
        (["--list", "executions"], ["3-EXEC"], 500),
        (["--list", "cache", "--sort", "size"], ["1-D", "1-A", "2-A"], 6000),
        (["--sort", "type"], ["2-A", "1-A", "1-D", "3-EXEC"], 6500),
    ],
)
def test_a_part_in_an_order(
    base: Path, capsys: pytest.CaptureFixture[str], words: list[str], rids: list[str], total: int
) -> None:
    assert asked(base, *words, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [item["rid"] for item in told["items"]] == rids
    assert told["total_bytes"] == total
    assert all(Path(item["path"]).is_dir() for item in told["items"])


def test_what_is_named_is_removed(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(base, "--delete", "1-D", "2-A", "--yes", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(item["rid"] for item in told["removed"]) == ["1-D", "2-A"]
    assert told["bytes_freed"] == 4000
    assert sorted(kept.rid for s in stored(base).values() for kept in s.kept()) == ["1-A", "3-EXEC"]


def test_a_rid_of_several_catalogs_needs_its_location(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(base, "data.org/1", "assets/1-A_00/a.bin", b"another" * 100)
    assert asked(base, "--delete", "1-A", "2-A", "-y") == 1
    assert "data.org/1/1-A or localhost/7/1-A" in capsys.readouterr().err
    assert sum(len(s.kept()) for s in stored(base).values()) == 5
    assert asked(base, "--delete", "localhost/7/1-A", "2-A", "-y") == 0
    left = {location: sorted(k.rid for k in s.kept()) for location, s in stored(base).items()}
    assert left == {"data.org/1": ["1-A", "3-EXEC"], "localhost/7": ["1-D"]}


def test_nothing_is_removed_when_something_is_not_there(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(base, "--delete", "1-D", "1-B", "-y") == 1
    assert "nothing is kept of '1-B'; did you mean" in capsys.readouterr().err
    assert sum(len(s.kept()) for s in stored(base).values()) == 4


def test_somebody_must_agree(
    base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert asked(base, "--delete", "1-D") == 1
    assert "add --yes" in capsys.readouterr().err
    assert asked(base, "--limit", "0") == 1
    assert sum(len(s.kept()) for s in stored(base).values()) == 4


def test_caches_are_reduced_to_a_limit(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(base, "--limit", "6KB", "-y") == 0
    assert capsys.readouterr().out == "0 items removed, 0 bytes freed.\n"
    assert asked(base, "--limit", "0", "-y", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"items_removed": 3, "bytes_freed": 6000}
    assert [kept.rid for s in stored(base).values() for kept in s.kept()] == ["3-EXEC"]


def test_a_cache_elsewhere_is_shown(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = base / "localhost" / "7" / "cache"
    words = ["--json", "--working-dir", str(tmp_path / "none"), "--cache-dir", str(elsewhere)]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    twice = base / "localhost" / ".." / "localhost" / "7" / "cache"
    assert len(stored(base, twice)) == 2  # it is one of the places already
    assert {item["location"] for item in told["items"]} == {str(elsewhere)}
    assert sorted(item["rid"] for item in told["items"]) == ["1-A", "1-D"]


@pytest.mark.parametrize("words", [["--delete", "1-A", "--limit", "1"], ["--limit", "much"]])
def test_words_that_do_not_go_together_are_refused(base: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        asked(base, *words)
    assert caught.value.code == 2


def test_the_command_runs(base: Path) -> None:
    command = [sys.executable, "-m", "deriva_ml.cli.storage", "--working-dir", str(base)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1-D@1.2.0" in done.stdout


def test_the_screen_removes_what_is_selected(base: Path) -> None:
    pytest.importorskip("textual", reason="install 'derivaml[screen]'")
    from textual.widgets import DataTable

    from deriva_ml.cli.storage_screen import StorageScreen

    async def use() -> list[int]:
        screen = StorageScreen(stored(base))
        counts = []
        async with screen.run_test() as pilot:
            table = screen.query_one(DataTable)
            counts.append(table.row_count)
            await pilot.press("space", "space", "d")  # the two largest
            await pilot.press("n")
            counts.append(table.row_count)
            await pilot.press("d", "y")
            await pilot.pause()
            counts.append(table.row_count)
            await pilot.press("s", "q")
        return counts

    assert asyncio.run(use()) == [4, 4, 2]
    assert sorted(kept.rid for s in stored(base).values() for kept in s.kept()) == ["2-A", "3-EXEC"]

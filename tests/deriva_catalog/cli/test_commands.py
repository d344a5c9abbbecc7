"""The command line, as people and scripts use it: one process a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.catalog import Registry
from deriva_catalog.cli import main
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def digits(home: Path) -> Path:
    """A catalog called ``digits`` with rows and two files."""
    with_rows = Registry().create(alias="digits", client="kim")
    with_rows.create_schema("S")
    with_rows.create_table("S", table_document("T", [column_document("a", "text")]))
    with_rows.insert(TableName("T", "S"), [{"a": "x"}] * 1234, returning=False)
    with_rows.objects.put("/hatrac/a", b"one")
    with_rows.objects.put("/hatrac/b", b"two two")
    with_rows.close()
    return with_rows.directory


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"deriva-catalog {version('derivaml')}\n"


@pytest.mark.slow
def test_a_process_of_its_own_makes_lists_and_tells(home: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deriva_catalog.cli", *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    assert run("init", "digits").returncode == 0
    assert "digits" in run("list").stdout
    assert "ERMrest_Client" in run("info", "digits").stdout
    missing = run("info", "digts")
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
    assert "Did you mean 'digits'?" in missing.stderr
    assert "examples:" in run("--help").stdout


def test_info_tells_rows_files_and_the_snapshot(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = printed(capsys, "info", "digits")
    assert {"schema": "S", "table": "T", "rows": 1234} in facts["tables"]
    assert facts["size"]["objects"] == 2
    assert facts["size"]["object_bytes"] == 10
    assert facts["directory"] == str(digits)
    assert main(["info", "digits"]) == 0
    out = capsys.readouterr().out
    assert "1,234" in out
    assert facts["snapshot"] in out


def test_a_snapshot_has_the_rows_of_its_time(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = printed(capsys, "info", "digits")["snapshot"]
    opened = Registry().open("digits")
    opened.insert(TableName("T", "S"), [{"a": "new"}])
    opened.close()
    now = printed(capsys, "info", "digits")
    then = printed(capsys, "info", f"digits@{before}")
    rows = [next(t["rows"] for t in f["tables"] if t["table"] == "T") for f in (then, now)]
    assert rows == [1234, 1235]


def test_directories_are_catalogs_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = printed(capsys, "init", "./data")
    assert Path(made["directory"]) == home.parent / "data"
    assert printed(capsys, "info", "./data")["directory"] == made["directory"]
    assert printed(capsys, "list") == []
    assert main(["init", "./data"]) == 2
    assert "not an empty directory" in capsys.readouterr().err
    assert main(["init", "./other", "--id", "7"]) == 2
    assert "--id" in capsys.readouterr().err


def test_an_alias_is_taken_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = printed(capsys, "init", "digits", "--id", "d1", "--title", "Digits")
    assert made["id"] == "d1"
    listed = printed(capsys, "list")
    assert [(c["id"], c["aliases"], c["title"]) for c in listed] == [("d1", ["digits"], "Digits")]
    assert main(["init", "digits"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", ["copy", "copy.tar", "copy.tar.gz"])
def test_a_backup_restores_to_an_equal_catalog(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    told = printed(capsys, "backup", "digits", str(tmp_path / name))
    printed(capsys, "restore", str(tmp_path / name), "again")
    before, after = printed(capsys, "info", "digits"), printed(capsys, "info", "again")
    assert before["tables"] == after["tables"]
    assert told["snapshot"] == before["snapshot"] == after["snapshot"]
    assert main(["check", "again"]) == 0
    opened = Registry().open("again")
    assert opened.objects.read("/hatrac/b") == b"two two"
    opened.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "home"])
    assert main(["backup", "digits", str(tmp_path / name)]) == 2
    assert main(["restore", str(tmp_path / name), "again"]) == 2


def test_a_backup_restores_into_a_directory(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", "digits", "copy.tgz"]) == 0
    assert main(["restore", "copy.tgz", "./place"]) == 0
    capsys.readouterr()
    assert printed(capsys, "info", "./place")["size"]["objects"] == 2


@pytest.mark.parametrize("data", [b"", b"no archive at all", b"\x1f\x8b\x08 broken"])
def test_what_is_no_backup_is_told_in_one_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    (tmp_path / "x.tgz").write_bytes(data)
    assert main(["restore", "x.tgz", "again"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "no backup" in err
    assert "method" not in err
    assert main(["restore", "nothing.tgz", "again"]) == 2
    assert printed_list(capsys) == []


def printed_list(capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    return printed(capsys, "list")


def test_check_finds_damaged_files_and_rows(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "digits"]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out
    opened = Registry().open("digits")
    stored = opened.objects.content.path(opened.objects.stat("/hatrac/b").sha256)
    opened.close()
    assert stored is not None
    stored.chmod(0o644)
    stored.write_bytes(b"TWO TWO")
    assert main(["check", "digits"]) == 1
    assert "/hatrac/b" in capsys.readouterr().out
    assert main(["check", "digits", "--json"]) == 1
    assert [f["kind"] for f in json.loads(capsys.readouterr().out)] == ["file"]
    assert main(["check", "digits", "--no-files"]) == 0


def test_a_file_that_is_no_database_is_a_finding(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for left in digits.glob("catalog.db*"):
        left.unlink()
    (digits / "catalog.db").write_bytes(b"x" * 8192)
    assert main(["check", "digits"]) == 1
    captured = capsys.readouterr()
    assert "damaged" in captured.out
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["backup", "digits", "digits.zip"], "ends in .tar, .tar.gz, .tgz"),
        (["info", "http://localhost:8080#digits"], "is a server"),
        (["check", "lab.example.org:8443"], "is a server"),
        (["backup", "digits@2026-11-01", "old.tar"], "is a catalog at a time"),
        (["copy", "digits@2026-11-01", "old"], "is a catalog at a time"),
        (["info", "digits@2020-01-01"], "history_range"),
    ],
)
def test_what_is_meant_otherwise_is_refused(
    digits: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["nonsense"], ["info"], ["list", "--bogus"]])
def test_a_misused_command_line_is_told(words: list[str], home: Path) -> None:
    assert main(words) == 2


def test_an_empty_home_tells_what_to_do(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "deriva-catalog init" in capsys.readouterr().out

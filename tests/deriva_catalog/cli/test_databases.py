"""Catalogs of a PostgreSQL database on the command line; copying and deleting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import postgres
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
def database(home: Path) -> Iterator[str]:
    with postgres.database() as made:
        yield made.url


@pytest.fixture
def digits(home: Path) -> None:
    """A catalog of this machine with rows and a file."""
    made = Registry().create(alias="digits", client="kim")
    made.create_schema("S")
    made.create_table("S", table_document("T", [column_document("a", "text")]))
    made.insert(TableName("T", "S"), [{"a": "x"}] * 12, returning=False)
    made.objects.put("/hatrac/a", b"one")
    made.close()


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_catalog_moves_to_a_database_and_back(
    digits: None, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = printed(capsys, "copy", "digits", f"{database}#lab")
    assert made["id"] == "1"
    assert made["url"].endswith("#1")
    assert [c["aliases"] for c in printed(capsys, "list", database)] == [["lab"]]
    facts = printed(capsys, "info", f"{database}#lab")
    assert {t["rows"] for t in facts["tables"] if t["table"] == "T"} == {12}
    assert (facts["size"]["objects"], facts["size"]["object_bytes"]) == (1, 3)
    assert facts["size"]["database"] > 0
    assert printed(capsys, "check", f"{database}#lab") == []
    assert main(["backup", f"{database}#lab", "lab.tar.gz"]) == 0
    assert main(["restore", "lab.tar.gz", f"{database}#again"]) == 0
    assert main(["copy", f"{database}#again", "./back"]) == 0
    assert printed(capsys, "check", "./back") == []
    assert len(printed(capsys, "list", database)) == 2


def test_a_copy_keeps_what_is_said_about_a_catalog(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "digits", "--title", "Digits", "--description", "Of ten kinds"]) == 0
    assert "Catalog '1', called 'digits', is in" in capsys.readouterr().out
    assert main(["copy", "digits", "again"]) == 0
    assert main(["copy", "again", "./apart"]) == 0
    assert main(["copy", "./apart", "third"]) == 0
    said = {c["aliases"][0]: (c["title"], c["description"]) for c in printed(capsys, "list")}
    assert said == {
        "digits": ("Digits", "Of ten kinds"),
        "again": ("Digits", "Of ten kinds"),
        "third": (None, None),  # a directory says nothing
    }
    assert main(["copy", "digits@2999-01-01", "past"]) == 2
    assert "is a catalog at a time" in capsys.readouterr().err


def test_a_catalog_is_made_in_a_database(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "list", database) == []
    made = printed(capsys, "init", f"{database}#lab", "--id", "x", "--title", "Lab")
    assert made["id"] == "x"
    (known,) = printed(capsys, "list", database)
    assert (known["id"], known["aliases"], known["title"]) == ("x", ["lab"], "Lab")
    assert known["directory"] is None
    assert main(["list", database]) == 0
    assert "Lab" in capsys.readouterr().out
    assert main(["info", f"{database}#lab"]) == 0
    assert "Database" in capsys.readouterr().out


def test_a_catalog_is_deleted_only_on_purpose(
    digits: None, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["delete", "digits"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert len(printed(capsys, "list")) == 1
    assert printed(capsys, "delete", "digits", "--yes") == {"deleted": "1"}
    assert list((home / "catalogs").iterdir()) == []
    assert main(["delete", "./digits", "--yes"]) == 2
    assert main(["delete", "digits", "--yes"]) == 2


def test_a_database_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://kim:secret@127.0.0.1:1/lab"
    assert main(["list", url]) == 1
    told = capsys.readouterr().err
    assert "cannot be reached" in told
    assert "secret" not in told

"""Garbage, trash and uploads on the command line, for catalogs and for a service's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import postgres
from deriva_catalog.access import Client
from deriva_catalog.catalog import Registry
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.catalog.own_objects import open_own_objects
from deriva_catalog.cli import main
from deriva_catalog.objects import ObjectStore, jobs
from deriva_catalog.objects.names import parse_name
from deriva_catalog.objects.of_catalog import asker_of
from s3_server import Bucket

ALL = ("--deleted", "0", "--unnamed", "0", "--uploads", "0")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def digits(home: Path) -> str:
    """A catalog with a file, a deleted one, and an upload; its name."""
    made = Registry().create(alias="digits")
    _fill(made.object_store)
    made.close()
    return "digits"


@pytest.fixture
def own(home: Path) -> str:
    """The service's own files of this machine: the same; what they are called."""
    store = open_own_objects(Registry())
    _fill(store)
    store.close()
    return "/hatrac"


def _fill(store: ObjectStore) -> None:
    store.put("/hatrac/ns/kept", b"kept")
    store.put("/hatrac/ns/gone", b"deleted")
    store.delete("/hatrac/ns/gone")
    store.content.add(b"nameless")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_dry_run_says_what_a_run_then_does(
    digits: str, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = printed(capsys, "gc")
    assert {name: (g["bytes"], g["trash"]) for name, g in kept.items()} == {
        "digits": (0, 1),
        "/hatrac": (0, 1),
    }
    planned = printed(capsys, "gc", "--dry-run", *ALL)
    for garbage in planned.values():
        assert (garbage["contents"], garbage["content_bytes"]) == (2, 15)
    assert printed(capsys, "gc", *ALL) == planned
    assert {g["bytes"] for g in printed(capsys, "gc", *ALL).values()} == {0}
    assert printed(capsys, "check", digits) == []
    assert main(["check", own]) == 0


def test_people_are_told_counts_and_sizes(digits: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", digits, "--dry-run", "--deleted", "0"]) == 0
    told = capsys.readouterr().out
    assert "digits" in told
    assert "7 bytes would be freed." in told
    assert main(["gc", digits, "--deleted", "0"]) == 0
    assert "7 bytes were freed." in capsys.readouterr().out
    for wrong in ("-1", "soon", "nan"):
        assert main(["gc", digits, "--deleted", wrong]) == 2


@pytest.mark.parametrize("target", ["digits", "own"])
def test_a_deleted_file_comes_back(
    request: pytest.FixtureRequest, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = request.getfixturevalue(target)
    (listed,) = printed(capsys, "trash", name)
    assert (listed["length"], listed["restorable"]) == (7, True)
    assert main(["trash", name]) == 0
    assert listed["url"] in capsys.readouterr().out
    assert main(["undelete", name, "/hatrac/ns/gone", "/hatrac/ns/kept"]) == 2  # all or nothing
    assert len(printed(capsys, "trash", name)) == 1
    assert printed(capsys, "undelete", name, "/hatrac/ns/gone") == [listed["url"]]
    assert printed(capsys, "trash", name) == []
    assert printed(capsys, "gc", name, *ALL)[name]["contents"] == 1


def test_what_was_collected_does_not_come_back(
    digits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gc", digits, "--deleted", "0"]) == 0
    assert printed(capsys, "trash", digits)[0]["restorable"] is False
    assert main(["undelete", digits, "/hatrac/ns/gone"]) == 2
    assert "bytes of 1 of its 1 versions are gone" in capsys.readouterr().err


def test_uploads_are_listed_and_given_up(digits: str, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = Registry().open("digits")
    asker = asker_of(catalog.store, Client(default_client()))
    plan = jobs.JobPlan(10, 25)
    job = jobs.begin(catalog.object_store, asker, parse_name("/hatrac/ns/new"), plan)
    catalog.close()
    (listed,) = printed(capsys, "uploads", digits)
    assert (listed["job"], listed["name"], listed["length"]) == (job.id, "/hatrac/ns/new", 25)
    assert main(["uploads", digits]) == 0
    assert "0 bytes of 25 bytes" in capsys.readouterr().out
    assert printed(capsys, "uploads", digits, "--cancel", job.id) == []
    assert main(["uploads", digits, "--cancel", job.id]) == 2


def test_own_files_are_checked_backed_up_and_restored(
    own: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", own, "own.tar.gz"]) == 0
    assert main(["backup", own, "./own"]) == 0
    assert main(["backup", own, "./own"]) == 2
    assert main(["restore", "own.tar.gz", own]) == 2  # they are there
    monkeypatch.setenv("DERIVA_ML_HOME", str(home.with_name("other")))
    assert main(["check", own]) == 2  # there are none
    assert main(["restore", "own.tar.gz", own]) == 0
    assert main(["check", own]) == 0
    store = open_own_objects(Registry())
    assert store.read("/hatrac/ns/kept") == b"kept"
    assert store.put("/hatrac/ns/kept", b"more").version
    assert [len(store.versions("/hatrac/ns/kept")), store.names()] == [2, ["/hatrac/ns"]]
    stored = store.content.path(store.stat("/hatrac/ns/kept").sha256)
    store.close()
    assert stored is not None
    stored.chmod(0o644)
    stored.write_bytes(b"evil")
    assert main(["check", own]) == 1
    assert "damaged" in capsys.readouterr().out
    assert main(["restore", str(home.with_name("nothing")), own]) == 2


def test_own_files_are_not_restored_among_deleted_ones(
    own: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", own, "./own"]) == 0
    monkeypatch.setenv("DERIVA_ML_HOME", str(home.with_name("other")))
    store = open_own_objects(Registry())
    store.put("/hatrac/ns/kept", b"of before")
    store.delete("/hatrac/ns")
    assert main(["restore", "./own", own]) == 2
    assert "or deleted ones" in capsys.readouterr().err
    assert store.names() == []
    store.close()


@pytest.mark.parametrize(
    "words",
    [
        ("gc",),
        ("gc", "digits"),
        ("trash", "digits"),
        ("uploads", "/hatrac"),
        ("undelete", "digits", "/hatrac/ns/gone"),
    ],
)
def test_a_directory_of_files_is_for_databases(
    digits: str, own: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--files", "elsewhere"]) == 2
    assert "--files is for what lies in a database" in capsys.readouterr().err


def test_own_files_are_not_checked_without_files(
    own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", own, "--no-files"]) == 2
    assert "nothing but files" in capsys.readouterr().err


def test_a_catalog_that_cannot_be_opened_does_not_keep_the_others_garbage(
    digits: str, own: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Registry().create(catalog_id="0", alias="broken").close()
    (home / "catalogs" / "0" / "catalog.db").write_bytes(b"no database" * 100)
    assert main(["gc", "broken"]) == 1
    capsys.readouterr()
    assert main(["gc", *ALL, "--json"]) == 1
    printed = capsys.readouterr()
    assert {name: g["contents"] for name, g in json.loads(printed.out).items()} == {
        digits: 2,
        own: 2,
    }
    assert "The files of 'broken' were left out" in printed.err


@pytest.mark.parametrize("kind", ["directory", "bucket"])
def test_files_of_a_database_are_kept_in_order(
    home: Path, kind: str, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres.database() as database:
        registry = Registry.of_database(database.url, home / "files")
        if kind == "bucket":
            registry.objects = bucket.url()
        made = registry.create(catalog_id="lab")
        _fill(made.object_store)
        made.close()
        assert "/hatrac" not in printed(capsys, "gc", database.url)
        store = open_own_objects(registry)
        _fill(store)
        store.close()
        files = ("--files", str(home / "files"))
        found = printed(capsys, "gc", database.url, *ALL, *files)
        assert {name: g["contents"] for name, g in found.items()} == {"lab": 2, "/hatrac": 2}
        for name in (f"{database.url}#lab", f"{database.url}#/hatrac"):
            assert printed(capsys, "trash", name, *files)[0]["restorable"] is False
        if kind == "bucket":  # a directory elsewhere is not found by 'backup'
            assert main(["backup", f"{database.url}#/hatrac", "./own"]) == 0
            assert main(["check", f"{database.url}#/hatrac"]) == 0
            assert len(bucket.contents()) == 1
            assert main(["restore", "./own", "/hatrac"]) == 0
            restored = open_own_objects(Registry())
            assert restored.read("/hatrac/ns/kept") == b"kept"
            restored.close()
        with postgres.database() as other:
            if kind == "bucket":
                assert main(["restore", "./own", f"{other.url}#/hatrac"]) == 0
                again = open_own_objects(Registry.of_database(other.url))
                assert again.put("/hatrac/ns/more", b"more").length == 4
                again.close()
        registry.close()

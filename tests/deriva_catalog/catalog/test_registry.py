"""The catalogs of this machine, and connecting to them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deriva_catalog.catalog import Registry, connect, create_catalog, create_local
from deriva_catalog.errors import BadRequest, Conflict, Corrupted, NotFound, Unavailable

SOURCE = Path(__file__).parents[3] / "src"

CREATE = """
import sys
from pathlib import Path
from deriva_catalog.catalog import Registry
from deriva_catalog.errors import Conflict
sys.stdin.readline()
try:
    print(Registry(Path(sys.argv[1])).create(alias="digits").id)
except Conflict:
    print("conflict")
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_identifiers_count_from_one(home: Path) -> None:
    first, second = create_catalog(), create_catalog(alias="digits", name="Digits")
    assert (first.id, second.id) == ("1", "2")
    known = Registry().catalogs()
    assert [(c.id, c.aliases, c.name) for c in known] == [
        ("1", (), None),
        ("2", ("digits",), "Digits"),
    ]
    assert known[0].directory == home / "catalogs" / "1"
    first.close()
    second.close()


def test_a_catalog_opens_by_identifier_alias_path_and_url(home: Path) -> None:
    made = create_catalog(alias="digits")
    ways = [
        connect("localhost", 1),
        connect("localhost", "digits"),
        connect(made.directory),
        connect(made.url),
        connect(str(made.directory)),
    ]
    assert {catalog.id for catalog in ways} == {"1"}
    for catalog in (made, *ways):
        catalog.close()


def test_a_snapshot_is_written_after_the_identifier(home: Path) -> None:
    made = create_catalog(alias="digits")
    moment = made.latest_snapshot()
    made.create_schema("S")
    past = connect("localhost", f"digits@{moment}")
    assert (past.id, past.snaptime) == ("1", moment)
    assert "S" not in past.model.schemas
    past.close()
    made.close()


def test_unknown_names_are_not_found_with_near_misses(home: Path) -> None:
    create_catalog(alias="digits").close()
    with pytest.raises(NotFound, match="digits"):
        connect("localhost", "digit")


def test_taken_names_are_conflicts_that_leave_nothing_behind(home: Path) -> None:
    create_catalog(catalog_id="lab", alias="digits").close()
    for names in ({"alias": "digits"}, {"catalog_id": "lab"}, {"alias": "lab"}):
        with pytest.raises(Conflict):
            create_catalog(**names)  # type: ignore[arg-type]
    assert [p.name for p in (home / "catalogs").iterdir()] == ["lab"]


@pytest.mark.parametrize("name", ["", "a/b", "a@b", "../x", "-x", "a b"])
def test_names_that_fit_no_url_are_malformed(home: Path, name: str) -> None:
    with pytest.raises(BadRequest):
        create_catalog(catalog_id=name)


def test_other_hosts_are_unavailable(home: Path) -> None:
    for host in ("https://localhost:9", "http://localhost:9", "localhost:9"):
        with pytest.raises(Unavailable, match="cannot be reached"):
            connect(host, 1)


def test_a_place_is_a_text_or_a_path() -> None:
    with pytest.raises(BadRequest, match="not None"):
        connect(None, 1)  # type: ignore[call-overload]


def test_an_alias_can_be_moved(home: Path) -> None:
    for _ in range(2):
        create_catalog().close()
    registry = Registry()
    registry.set_alias("current", "1")
    registry.set_alias("current", "2")
    assert registry.find("current").id == "2"
    with pytest.raises(Conflict):
        registry.set_alias("1", "2")


def test_a_deleted_catalog_is_gone_and_its_identifier_stays_taken(home: Path) -> None:
    create_catalog(catalog_id="lab", alias="digits").close()
    Registry().delete("digits")
    with pytest.raises(NotFound):
        connect("localhost", "lab")
    with pytest.raises(Conflict):
        create_catalog(catalog_id="lab")
    create_catalog(alias="digits").close()


def test_what_a_deleted_catalog_holds_stays_until_it_is_purged(home: Path) -> None:
    create_catalog(catalog_id="lab").close()
    registry = Registry()
    with pytest.raises(Conflict, match="in use"):
        registry.purge("lab")
    registry.delete("lab")
    assert (home / "catalogs" / "lab").is_dir()
    assert registry.deleted() == ["lab"]
    registry.purge("lab")
    assert list((home / "catalogs").iterdir()) == []
    assert registry.deleted() == []
    with pytest.raises(Conflict):
        create_catalog(catalog_id="lab")


def test_purging_empties_the_store_first_and_can_be_repeated(home: Path, tmp_path: Path) -> None:
    registry, store = Registry(), tmp_path / "store"
    made = registry.create(catalog_id="lab", objects=store.as_uri())
    made.objects.put("/hatrac/one", b"bytes")
    made.close()
    registry.delete("lab")
    store.rename(tmp_path / "away")
    store.touch()
    with pytest.raises(Unavailable):
        registry.purge("lab")
    assert registry.deleted() == ["lab"]
    store.unlink()
    (tmp_path / "away").rename(store)
    registry.purge("lab")
    assert list(store.iterdir()) == []
    assert registry.deleted() == []


def test_what_a_killed_creation_left_does_not_hinder_the_next(home: Path) -> None:
    create_catalog().close()
    (home / "catalogs" / "2").mkdir()
    (home / "catalogs" / "2" / "rubbish").touch()
    made = create_catalog()
    assert made.id == "2"
    made.close()


def test_abandoned_directories_are_removed_in_time(home: Path) -> None:
    create_catalog().close()
    left = home / "catalogs" / ".building-x"
    left.mkdir()
    os.utime(left, (0, 0))
    create_catalog().close()
    assert not left.exists()


def test_a_directory_without_catalog_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no catalog"):
        connect(tmp_path)


def test_a_directory_that_holds_something_is_no_place_for_a_catalog(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Conflict):
        create_local(tmp_path)


def test_a_damaged_database_is_corrupted(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Corrupted, match="backup"):
        connect(tmp_path)


def test_a_home_that_is_a_file_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").touch()
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    with pytest.raises(Unavailable, match="DERIVA_ML_HOME"):
        create_catalog()


@pytest.mark.slow
def test_of_two_processes_exactly_one_gets_the_alias(home: Path) -> None:
    environment = dict(os.environ)
    known = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(p for p in (str(SOURCE), known) if p)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, str(home)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    outputs = [process.communicate("go\n", timeout=120)[0].strip() for process in processes]
    assert sorted(outputs) == ["1", "conflict", "conflict"]
    assert [p.name for p in (home / "catalogs").iterdir()] == ["1"]

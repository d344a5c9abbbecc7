"""Owners, persistence, aliases and identifiers in a registry."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deriva_catalog.catalog import Alias, Registered, Registry
from deriva_catalog.errors import BadRequest, Conflict, Corrupted, NotFound

OLD = """
CREATE TABLE catalog (
  id TEXT PRIMARY KEY, name TEXT, description TEXT, created REAL NOT NULL, deleted REAL
);
CREATE TABLE alias (id TEXT PRIMARY KEY, target TEXT REFERENCES catalog (id));
CREATE TABLE serial (last INTEGER NOT NULL);
INSERT INTO serial VALUES (7);
INSERT INTO catalog VALUES ('7', 'Seven', 'about', 1000.5, NULL), ('gone', NULL, NULL, 1.0, 2.0);
INSERT INTO alias VALUES ('seven', '7');
PRAGMA user_version=1;
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry(tmp_path / "home")
    yield made
    made.close()


def test_owner_persistence_and_source_are_kept(registry: Registry) -> None:
    made = registry.create(
        catalog_id="lab",
        owner=["kim", "group"],
        is_persistent=False,
        clone_source="1",
        client="kim",
    )
    assert made.model.acls["owner"] == ("kim", "group")
    made.close()
    found = registry.lookup("lab")
    assert isinstance(found, Registered)
    assert (found.owner, found.is_persistent, found.clone_source) == (("kim", "group"), False, "1")
    assert registry.catalogs() == [found]


def test_the_client_owns_what_is_created_without_an_owner(registry: Registry) -> None:
    with closing(registry.create(client="kim", alias="first")) as made:
        assert registry.find("first").owner == ("kim",)
        assert made.model.acls["owner"] == ("kim",)


def test_an_alias_is_made_moved_unbound_and_forgotten(registry: Registry) -> None:
    registry.create(catalog_id="a").close()
    registry.create(catalog_id="b").close()
    made = registry.create_alias("current", "a", ["kim"], "Name", "Text")
    assert registry.lookup("current") == made == Alias("current", "a", ("kim",), "Name", "Text")
    assert registry.find("a").aliases == ("current",)
    assert registry.alter_alias("current", target="b").target == "b"
    assert registry.find("current").id == "b"
    changed = registry.alter_alias("current", target=None, owner=["lee"], description=None)
    assert registry.alias("current") == changed == Alias("current", None, ("lee",), "Name", None)
    with pytest.raises(Conflict, match="Alias 'current' is currently not bound to a catalog"):
        registry.find("current")
    registry.delete_alias("current")
    assert registry.lookup("current") is None
    for forgotten in (registry.alias, registry.delete_alias, registry.alter_alias):
        with pytest.raises(NotFound):
            forgotten("current")


def test_an_alias_can_reserve_the_next_number(registry: Registry) -> None:
    assert registry.create_alias().id == "1"
    with closing(registry.create()) as made:
        assert made.id == "2"


def test_an_alias_is_bound_to_catalogs_only(registry: Registry) -> None:
    registry.create(catalog_id="a", alias="first").close()
    for target in ("nothing", "first"):
        with pytest.raises(Conflict, match="not the identifier of a catalog"):
            registry.create_alias("second", target)
        with pytest.raises(Conflict, match="not the identifier of a catalog"):
            registry.alter_alias("first", target=target)
    assert registry.find("first").id == "a"


def test_names_are_taken_once(registry: Registry) -> None:
    registry.create(catalog_id="a", alias="first").close()
    for name in ("a", "first"):
        with pytest.raises(Conflict):
            registry.create_alias(name)
    with pytest.raises(BadRequest):
        registry.create_alias("a/b")


def test_a_deleted_catalog_takes_its_aliases_along(registry: Registry) -> None:
    registry.create(catalog_id="a", alias="first").close()
    registry.delete("first")
    assert registry.lookup("a") is None
    assert registry.lookup("first") is None
    with pytest.raises(Conflict):
        registry.create_alias("a")
    registry.purge("a")
    with pytest.raises(Conflict):
        registry.create(catalog_id="a")
    with pytest.raises(NotFound):
        registry.purge("other")


def test_a_registry_of_an_older_release_is_brought_up_to_date(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "catalogs").mkdir(parents=True)
    with closing(sqlite3.connect(home / "registry.db")) as connection:
        connection.executescript(OLD)
    with closing(Registry(home)) as registry:
        (found,) = registry.catalogs()
        directory = home / "catalogs" / "7"
        assert found == Registered("7", ("seven",), "Seven", "about", 1000.5, directory)
        assert registry.deleted() == ["gone"]
        assert registry.create_alias(owner=["kim"]).id == "8"
    with closing(Registry(home)) as registry:
        assert registry.alias("8").owner == ("kim",)


def test_a_registry_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with closing(Registry(home)) as registry:
        registry.create_alias("a")
    with closing(sqlite3.connect(home / "registry.db")) as connection:
        connection.execute("UPDATE meta SET format = 99")
        connection.commit()
    with closing(Registry(home)) as registry, pytest.raises(Corrupted, match="newer version"):
        registry.catalogs()

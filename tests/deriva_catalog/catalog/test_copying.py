"""Copies between directories and databases: everything is there, or nothing is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import postgres
from deriva_catalog.catalog import LocalCatalog, Registry, create_catalog, open_local
from deriva_catalog.catalog.backup import backup
from deriva_catalog.errors import CatalogError, Conflict, ReadOnly
from deriva_catalog.model.address import Address
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

KINDS = ["directory", "database"]
THING, PART = TableName("Thing", "S"), TableName("Part", "S")


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.Database]:
    with postgres.database() as made:
        yield made


@pytest.fixture
def registries(database: postgres.Database, tmp_path: Path) -> Iterator[dict[str, Registry]]:
    """A registry of each kind; those of the database share it."""
    made = {
        "directory": Registry(tmp_path / "home"),
        "database": Registry.of_database(database.url, tmp_path / "files"),
    }
    yield made
    for registry in made.values():
        for catalog in registry.catalogs():
            registry.delete(catalog.id)
            registry.purge(catalog.id)
        registry.close()


def filled(registry: Registry) -> LocalCatalog:
    """A catalog with a past: changed and deleted rows, dropped and retyped columns, a file."""
    made = registry.create(client="kim", alias="original")
    thing = table_document(
        "Thing",
        [
            column_document("nr", "serial4"),
            column_document("name", "text", nullok=False),
            column_document("size", "float8"),
            column_document("small", "float4"),
            column_document("ok", "boolean"),
            column_document("tags", "text[]"),
            column_document("facts", "jsonb"),
            column_document("taken", "timestamptz"),
            column_document("gone", "text"),
        ],
        keys=[key_document(["name"])],
    )
    part = table_document(
        "Part",
        [column_document("thing", "text")],
        foreign_keys=[foreign_key_document(["thing"], "S", "Thing", ["name"])],
    )
    made.create_schema({"schema_name": "S", "tables": {"Thing": thing, "Part": part}})
    names = ["ä\n\t\\N", "b", 'c"', "d"]
    values: list[dict[str, Any]] = [
        {"size": "NaN", "small": 0.1, "ok": True, "tags": ["x", None], "facts": {"a": [1, "é"]}},
        {"size": "-Infinity", "ok": False, "tags": [], "taken": "2026-01-02T03:04:05.06Z"},
        {"size": 0.1 + 0.2, "facts": None, "gone": "old"},
        {},
    ]
    rows = [{"name": name, **row} for name, row in zip(names, values, strict=True)]
    made.insert(THING, rows, defaults=["nr"])
    made.insert(PART, [{"thing": name} for name in names[:2]] * 30)
    made.update(THING, [{"name": "b", "size": 2.5}], keys=["name"])
    made.delete(parse_path("S:Thing/name=d"))
    made.drop(Address("S", "Thing", column="gone"))
    made.alter(Address("S", "Thing", column="small"), {"type": {"typename": "text"}})
    made.create_table("S", table_document("Lost", [column_document("a", "int8")]))
    made.insert(TableName("Lost", "S"), [{"a": 1}])
    made.drop(Address("S", "Lost"))
    made.objects.put("/hatrac/a/b.bin", b"some bytes")
    made.objects.put("/hatrac/a/b.bin", b"other bytes")
    made.lease_rids(["token"])
    return made


def snapshots(catalog: LocalCatalog) -> list[str]:
    from deriva_catalog import snaptime
    from deriva_catalog.engine.tables import COMMIT

    with catalog.store.reading() as moment:
        import sqlalchemy as sa

        times = moment.connection.execute(sa.select(COMMIT.c.time).order_by(COMMIT.c.time))
        return [snaptime.encode(time) for time in times.scalars()]


def contents(catalog: LocalCatalog) -> dict[str, Any]:
    """Everything that can be read, at each snapshot."""
    found: dict[str, Any] = {"document": catalog.document()}
    for moment in snapshots(catalog):
        past = catalog.at(moment)
        found[moment] = {
            table.qualified: sorted(
                (row for row in past.fetch(f"entity/{table.schema}:{table.name}")),
                key=lambda row: str(row["RID"]),
            )
            for table in past.model.tables()
        }
    urls = [version.url for version in catalog.objects.versions("/hatrac/a/b.bin")]
    found["objects"] = {url: catalog.objects.read(url) for url in urls}
    return found


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_a_copy_has_everything_and_goes_on_like_the_original(
    source: str, target: str, registries: dict[str, Registry]
) -> None:
    with ExitStack() as stack:
        original = filled(registries[source])
        stack.callback(original.close)
        counted: list[int] = []
        copy = registries[target].copy(
            original, alias="copied", client="kim", progress=counted.append
        )
        stack.callback(copy.close)
        assert contents(copy) == contents(original)
        assert copy.check() == []
        assert sum(counted) > 70
        known = registries[target].find("copied")
        assert (known.id, known.clone_source, known.owner) == (copy.id, original.id, ("kim",))
        for catalog in (original, copy):
            # Numbers and identifiers go on where they were; keys and references still hold.
            (row,) = catalog.insert(THING, [{"name": "new"}], defaults=["nr"])
            assert row["nr"] == 5
            catalog.objects.put("/hatrac/a/b.bin", b"more bytes")
            assert len(catalog.objects.versions("/hatrac/a/b.bin")) == 3
            with pytest.raises(Conflict, match="violates unique constraint"):
                catalog.insert(THING, [{"name": "new"}], defaults=["nr"])
            with pytest.raises(Conflict, match="violates foreign key constraint"):
                catalog.delete(parse_path("S:Thing/name=b"))
        rids = [c.fetch("entity/S:Thing/name=new")[0]["RID"] for c in (original, copy)]
        assert rids[0] == rids[1]
        assert copy.lease_rids(["token"]) == original.lease_rids(["token"])


def test_a_backup_of_a_database_is_a_directory_that_can_be_restored_into_one(
    registries: dict[str, Registry], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        original = filled(registries["database"])
        stack.callback(original.close)
        place = backup(original, tmp_path / "backup")
        saved = open_local(place)
        stack.callback(saved.close)
        restored = registries["database"].restore(place, alias="restored")
        stack.callback(restored.close)
        assert contents(saved) == contents(restored) == contents(original)


@pytest.mark.parametrize("target", KINDS)
def test_a_copy_that_fails_leaves_nothing_behind(
    target: str, registries: dict[str, Registry], tmp_path: Path
) -> None:
    registry = registries[target]
    with ExitStack() as stack:
        original = filled(registries["directory"])
        stack.callback(original.close)
        before = registry.catalogs()
        for failing in _ways_to_fail(registry, original):
            with pytest.raises((CatalogError, RuntimeError)):
                failing()
        assert registry.catalogs() == before
        left = [p.name for p in (tmp_path / "home" / "catalogs").iterdir()]
        assert left == [original.id]
        assert not list((tmp_path / "files").glob("*"))
        if target == "database":
            with registry._ledger.reading() as connection:
                assert connection is not None, "there is a registry"
                schemas = connection.exec_driver_sql("SELECT nspname FROM pg_namespace")
                assert not [n for n in schemas.scalars() if n.startswith(("b_", "c_"))]


def _ways_to_fail(registry: Registry, original: LocalCatalog) -> list[Callable[[], object]]:
    def interrupted(_rows: int) -> None:
        raise RuntimeError

    snapshot = original.at(original.latest_snapshot())
    return [
        lambda: registry.copy(original, progress=interrupted),
        lambda: registry.copy(original, catalog_id="a/b"),
        lambda: registry.copy(snapshot),
    ]


def test_a_snapshot_is_not_copied(registries: dict[str, Registry]) -> None:
    with ExitStack() as stack:
        original = registries["directory"].create()
        stack.callback(original.close)
        with pytest.raises(ReadOnly, match="whole history"):
            registries["directory"].copy(original.at(original.latest_snapshot()))


def test_catalogs_of_a_database_are_made_and_opened_by_url(
    database: postgres.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deriva_catalog.catalog import connect

    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    made = create_catalog(database.url, catalog_id="lab", alias="digits")
    assert isinstance(made, LocalCatalog)
    moment = made.latest_snapshot()
    made.create_schema("S")
    ways = [
        connect(database.url, "lab"),
        connect(database.url, "digits"),
        connect(made.url),
        connect(f"{database.url}#digits"),
    ]
    assert {catalog.id for catalog in ways} == {"lab"}
    assert {catalog.url for catalog in ways} == {made.url}
    past = connect(f"{database.url}#digits@{moment}")
    assert (past.snaptime, "S" in past.model.schemas) == (moment, False)
    for catalog in (made, *ways, past):
        assert isinstance(catalog, LocalCatalog)
        catalog.close()
    registry = Registry.of_database(database.url)
    registry.delete("lab")
    registry.purge("lab")
    registry.close()

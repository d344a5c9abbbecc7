"""Copies of catalogs, and what the integrity check finds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from deriva_catalog.catalog import LocalCatalog, create_local, open_local
from deriva_catalog.catalog.backup import backup, restore
from deriva_catalog.errors import Conflict, Corrupted, ReadOnly, Unavailable
from deriva_catalog.model.definitions import column_document, key_document, table_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

T = TableName("T", "S")


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    made = create_local(tmp_path / "catalog", client="kim")
    made.create_schema("S")
    column = column_document("name", "text", nullok=False)
    made.create_table("S", table_document("T", [column], keys=[key_document(["name"])]))
    made.insert(T, [{"name": "a"}, {"name": "b"}])
    made.update(T, [{"name": "a"}], keys=["name"], targets=["name"])
    return made


def test_a_backup_is_a_catalog_with_its_history(catalog: LocalCatalog, tmp_path: Path) -> None:
    put = catalog.objects.put("/hatrac/one", b"bytes")
    moment = catalog.latest_snapshot()
    backup(catalog, tmp_path / "copy")
    catalog.delete(parse_path("S:T"))
    restored = restore(tmp_path / "copy", tmp_path / "again")
    assert restored.count(T) == 2
    assert restored.latest_snapshot() == moment
    assert restored.objects.read(put.url) == b"bytes"
    assert restored.check() == []
    restored.insert(T, [{"name": "c"}])
    restored.close()
    catalog.close()


def test_a_copy_lets_go_of_the_store_of_the_original(tmp_path: Path) -> None:
    original = create_local(tmp_path / "original", objects=(tmp_path / "store").as_uri())
    put = original.objects.put("/hatrac/one", b"bytes")
    backup(original, tmp_path / "copy")
    copied = restore(tmp_path / "copy", tmp_path / "again")
    assert copied.object_store.content.directory == tmp_path / "again" / "objects"
    copied.object_store.content.remove([put.sha256])
    assert original.objects.read(put.url) == b"bytes"
    copied.close()
    original.close()


def test_a_backup_never_overwrites(catalog: LocalCatalog, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        backup(catalog, tmp_path)
    catalog.close()


def test_a_backup_that_cannot_be_written_leaves_nothing(
    catalog: LocalCatalog, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        backup(catalog, tmp_path / "file" / "copy")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalog", "file"]
    catalog.close()


def test_damage_is_found(catalog: LocalCatalog) -> None:
    assert catalog.check() == []
    catalog.close()
    table = catalog.model.schemas["S"].tables["T"]
    live, history = (f"{kind}{table.rid.replace('-', '')}" for kind in "th")
    name = table.by_name["name"].physical
    catalog.close()
    with sqlite3.connect(catalog.directory / "catalog.db") as connection:
        key = next(k for k in table.keys if k.columns == ("name",))
        connection.execute(f'DROP INDEX "u{key.rid.replace("-", "")}"')
        connection.execute(f'UPDATE "{live}" SET "{name}" = \'same\', _vs = 1')
        connection.execute(f'INSERT INTO "{history}" SELECT * FROM "{history}"')
    connection.close()
    kinds = {finding.kind for finding in catalog.check()}
    assert kinds == {"key", "index", "history"}
    catalog.close()


def test_a_newer_format_is_refused(catalog: LocalCatalog) -> None:
    catalog.close()
    with sqlite3.connect(catalog.directory / "catalog.db") as connection:
        connection.execute("UPDATE _meta SET value = '99' WHERE name = 'format'")
    connection.close()
    with pytest.raises(Corrupted, match="newer version"):
        open_local(catalog.directory)


def test_a_catalog_opened_for_reading_takes_no_writes(catalog: LocalCatalog) -> None:
    reader = open_local(catalog.directory, readonly=True)
    assert reader.count(T) == 2
    with pytest.raises(ReadOnly):
        reader.insert(T, [{"name": "c"}])
    reader.close()
    catalog.close()


def test_another_client_gets_a_row_without_a_snapshot(catalog: LocalCatalog) -> None:
    other = open_local(catalog.directory, client="lee")
    row = other.insert(T, [{"name": "c"}])[0]
    assert row["RCB"] == "lee"
    people = {r["ID"] for r in other.fetch("entity/public:ERMrest_Client")}
    assert people == {"kim", "lee"}
    moment = catalog.latest_snapshot()
    third = open_local(catalog.directory, client="max")
    third.delete(parse_path("S:T/name=nobody"))
    assert catalog.latest_snapshot() == moment
    for opened in (other, third, catalog):
        opened.close()


def test_a_full_disk_is_unavailable_and_changes_nothing(catalog: LocalCatalog) -> None:
    with catalog.store.storage.reading() as connection:
        pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    before = catalog.latest_snapshot()
    with catalog.store.writing() as writing:
        writing.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    rows = [{"name": f"{n:01000}"} for n in range(1000)]
    with pytest.raises(Unavailable, match="No space is left"):
        catalog.insert(T, rows)
    assert catalog.count(T) == 2
    assert catalog.latest_snapshot() == before
    catalog.close()

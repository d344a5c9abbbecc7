"""Catalogs that older releases made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deriva_catalog.catalog import create_local, open_local
from deriva_catalog.engine.ddl import index_name
from deriva_catalog.engine.layout import history_name, live_name
from deriva_catalog.engine.tables import FORMAT
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName

T = TableName("T", "S")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A catalog with the indexes of RCB and RMB that format 1 kept."""
    made = create_local(tmp_path / "catalog", client="kim")
    made.create_schema("S")
    made.create_table("S", table_document("T", [column_document("a", "text")]))
    made.insert(T, [{"a": "x"}])
    table = made.model.schemas["S"].tables["T"]
    made.close()
    with closing(sqlite3.connect(tmp_path / "catalog" / "catalog.db")) as connection, connection:
        for name in ("RCB", "RMB"):
            column = table.by_name[name].physical
            for place in (live_name(table), history_name(table)):
                name_of_index = index_name(place, (column,))
                connection.execute(f'CREATE INDEX "{name_of_index}" ON "{place}" ("{column}")')
        connection.execute("UPDATE _meta SET value = '1' WHERE name = 'format'")
    return tmp_path / "catalog"


def facts(directory: Path) -> tuple[str, int]:
    """The format, and how many indexes there are."""
    with closing(sqlite3.connect(directory / "catalog.db")) as connection:
        (found,) = connection.execute("SELECT value FROM _meta WHERE name = 'format'").fetchone()
        query = "SELECT count(*) FROM sqlite_master WHERE type = 'index'"
        return found, connection.execute(query).fetchone()[0]


def test_an_old_catalog_loses_the_indexes_that_slow_writing(old: Path) -> None:
    _, before = facts(old)
    catalog = open_local(old, client="kim")
    snapshot = catalog.latest_snapshot()
    catalog.close()
    assert facts(old) == (str(FORMAT), before - 4)
    catalog = open_local(old, client="kim")
    assert catalog.check() == []
    assert catalog.latest_snapshot() == snapshot
    assert [row["a"] for row in catalog.fetch("entity/S:T/RCB=kim")] == ["x"]
    catalog.insert(T, [{"a": "y"}])
    catalog.close()


def test_an_old_catalog_is_read_as_it_is(old: Path) -> None:
    before = facts(old)
    catalog = open_local(old, readonly=True)
    assert [row["a"] for row in catalog.fetch("entity/S:T/RMB=kim")] == ["x"]
    catalog.close()
    assert facts(old) == before

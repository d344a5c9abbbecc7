"""The physical tables and indexes that a model has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.engine.ddl import indexes
from deriva_catalog.engine.layout import history_name, live_name
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import TableName

T = TableName("T", "S")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[LocalCatalog]:
    made = create_local(tmp_path / "catalog", client="kim")
    columns = [column_document("a", "int4"), column_document("b", "text")]
    made.create_schema("S")
    made.create_table(
        "S",
        table_document("T", columns, keys=[key_document(["a", "b"])], user_references=False),
    )
    yield made
    made.close()


def table(catalog: LocalCatalog) -> Table:
    return catalog.model.schemas["S"].tables["T"]


def physical_indexes(catalog: LocalCatalog, described: Table) -> set[str]:
    with catalog.store.reading() as moment:
        inspector = sa.inspect(moment.connection)
        return {
            str(index["name"])
            for name in (live_name(described), history_name(described))
            for index in inspector.get_indexes(name)
        }


def test_indexes_are_those_that_the_description_asks_for(catalog: LocalCatalog) -> None:
    described = table(catalog)
    assert physical_indexes(catalog, described) == set(indexes(described))


def test_a_foreign_key_uses_the_index_of_a_key_that_begins_with_it(catalog: LocalCatalog) -> None:
    before = indexes(table(catalog))
    catalog.create_key(T, key_document(["a"]))
    document = foreign_key_document(["a"], "S", "T", ["a"])
    catalog.create_foreign_key(T, document)
    after = indexes(table(catalog))
    live = live_name(table(catalog))
    added = [i for n, i in after.items() if n not in before and i.table == live]
    assert [i.unique for i in added] == [True]
    catalog.drop(Address("S", "T", foreign_key=("a",)))
    catalog.drop(Address("S", "T", key=("a",)))
    assert {n for n, i in indexes(table(catalog)).items() if i.table == live} == {
        n for n, i in before.items() if i.table == live
    }
    assert catalog.check() == []


def test_a_rename_touches_no_physical_name(catalog: LocalCatalog) -> None:
    before = indexes(table(catalog))
    catalog.alter(Address("S", "T", column="a"), {"name": "z"})
    assert indexes(table(catalog)) == before


def test_a_dropped_table_leaves_only_its_history(catalog: LocalCatalog) -> None:
    described = table(catalog)
    catalog.drop(Address("S", "T"))
    with catalog.store.reading() as moment:
        names = set(sa.inspect(moment.connection).get_table_names())
    assert live_name(described) not in names
    assert history_name(described) in names

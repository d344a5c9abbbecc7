"""Transactions, the clock and the model of a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from deriva_catalog import snaptime
from deriva_catalog.access import Client
from deriva_catalog.catalog import LocalCatalog, create_local, open_local
from deriva_catalog.engine.policy import Policies
from deriva_catalog.engine.tables import COMMIT
from deriva_catalog.model.definitions import column_document, key_document, table_document
from deriva_catalog.path.ast import TableName

T = TableName("T", "S")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[LocalCatalog]:
    made = create_local(tmp_path / "catalog", client="kim")
    made.create_schema("S")
    column = column_document("name", "text", nullok=False)
    made.create_table("S", table_document("T", [column], keys=[key_document(["name"])]))
    yield made
    made.close()


def test_time_goes_on_when_the_clock_stands_in_the_past(catalog: LocalCatalog) -> None:
    future = snaptime.now() + 3_600_000_000
    with catalog.store.writing() as writing:
        writing.run(sa.insert(COMMIT).values(time=future))
    row = catalog.insert(T, [{"name": "a"}])[0]
    assert snaptime.from_iso(row["RCT"]) == future + 1
    assert catalog.latest_snapshot() == snaptime.encode(future + 1)


def test_two_stores_of_one_file_share_models_and_rows(catalog: LocalCatalog) -> None:
    other = open_local(catalog.directory, client="kim")
    catalog.create_column(T, column_document("n", "int4"))
    other.insert(T, [{"name": "a", "n": 1}])
    assert catalog.fetch("entity/S:T")[0]["n"] == 1
    assert other.latest_snapshot() == catalog.latest_snapshot()
    other.close()


def test_a_failed_model_change_leaves_the_model_in_use(catalog: LocalCatalog) -> None:
    catalog.insert(T, [{"name": "a"}])
    before = catalog.model

    def fail() -> None:
        with catalog.transaction():
            catalog.create_column(T, column_document("n", "int4", default=1))
            assert catalog.fetch("entity/S:T")[0]["n"] == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert catalog.model is before
    assert "n" not in catalog.fetch("entity/S:T")[0]


def test_a_reader_keeps_its_moment_while_others_write(catalog: LocalCatalog) -> None:
    catalog.insert(T, [{"name": "a"}])
    live = catalog.store.tables.live(catalog.model.schemas["S"].tables["T"])
    rows = sa.select(sa.func.count()).select_from(live)
    other = open_local(catalog.directory)
    with catalog.store.reading() as moment:
        assert moment.connection.execute(rows).scalar() == 1
        other.insert(T, [{"name": "b"}])
        assert moment.connection.execute(rows).scalar() == 1
    assert catalog.count(T) == 2
    other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_inside_a_transaction_does_not_write_into_it(catalog: LocalCatalog) -> None:
    with catalog.transaction():
        catalog.insert(T, [{"name": "a"}])
        child = os.fork()
        if child == 0:
            seen = -1
            try:
                seen = catalog.count(T)
            finally:
                os._exit(0 if seen == 0 else 1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert catalog.count(T) == 1


def test_rows_that_changed_in_the_open_transaction_are_not_in_its_past(
    catalog: LocalCatalog,
) -> None:
    rid = catalog.insert(T, [{"name": "a"}])[0]["RID"]
    before = catalog.latest_snapshot()
    with catalog.transaction():
        catalog.update(T, [{"RID": rid, "name": "b"}])
        assert catalog.at(before).fetch("entity/S:T")[0]["name"] == "a"
        assert catalog.fetch("entity/S:T")[0]["name"] == "b"


def test_what_is_compiled_for_a_snapshot_serves_the_others(catalog: LocalCatalog) -> None:
    (row,) = catalog.insert(T, [{"name": "a"}])
    first = catalog.latest_snapshot()
    catalog.update(T, [{"RID": row["RID"], "name": "b"}])
    second = catalog.latest_snapshot()
    table = catalog.model.schemas["S"].tables["T"]
    policies, kim = Policies(), Client("kim")
    made, names = [], []
    for at in (first, second):
        with catalog.store.reading_at(snaptime.decode(at)) as moment:
            rows = moment.relation(table)
            names.append(moment.connection.execute(sa.select(rows.c.name), moment.parameters).all())
            policy = policies.reading(moment, kim)
            assert policy is not None
            made.append((rows, moment.source, policy.rights))
    assert made[0] == made[1]
    assert names == [[("a",)], [("b",)]]
    for reader in (catalog, catalog.for_client(kim)):
        fetched = [reader.at(at).fetch("entity/S:T")[0]["name"] for at in (first, second)]
        assert fetched == ["a", "b"]

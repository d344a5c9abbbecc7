"""Reads that take too long are stopped, whichever database they run in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import postgres
from backends import Embedded, InDatabase, embedded, in_database
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.errors import QueryTimeout
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName

T = TableName("T", "S")
LIMIT_S = 0.3
AMPLE_S = 60.0
"""For reads that end, also on a machine that does much else."""
WORDS = r"Query run time limit exceeded\."


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.Database]:
    with postgres.database() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalCatalog]:
    """A catalog whose table has some thousand rows."""
    if request.param == "sqlite":
        with embedded(tmp_path) as backend:
            yield filled(backend)
    else:
        database: postgres.Database = request.getfixturevalue("database")
        with in_database(database.url, tmp_path / "files") as backend:
            yield filled(backend)


def filled(backend: Embedded | InDatabase) -> LocalCatalog:
    made = backend.create()
    assert isinstance(made, LocalCatalog)
    made.create_schema("S")
    columns = [column_document("n", "int4"), column_document("text", "text")]
    made.create_table("S", table_document("T", columns))
    rows = [{"n": 1, "text": "a" * 50 + f"!{i}"} for i in range(3000)]
    made.insert(T, rows, returning=False)
    made.store.read_budget_s = LIMIT_S
    return made


ENDLESS = "aggregate/A:=S:T/B:=(n)=(S:T:n)/C:=(n)=(S:T:n)/D:=(n)=(S:T:n)/c:=cnt(*)"
EXPLODING = "entity/S:T/text::regexp::%5E%28%28a%7Ca%29%2B%29%2B%28b%7Cc%29%5C1%24"


@pytest.mark.parametrize("query", [ENDLESS, EXPLODING])
def test_a_read_without_end_is_stopped(catalog: LocalCatalog, query: str) -> None:
    if query == EXPLODING and catalog.store.storage.url is not None:
        catalog.store.read_budget_s = AMPLE_S
        assert catalog.fetch(query) == []  # PostgreSQL's own expressions do not explode
        return
    for read in (
        lambda: catalog.fetch(query),
        lambda: list(catalog.stream(query, "application/json")),
        lambda: list(catalog.stream(query, "text/csv")),
    ):
        with pytest.raises(QueryTimeout, match=WORDS):
            read()


def test_a_catalog_reads_on_after_a_read_was_stopped(catalog: LocalCatalog) -> None:
    with pytest.raises(QueryTimeout):
        catalog.fetch(ENDLESS)
    catalog.store.read_budget_s = AMPLE_S
    assert catalog.fetch("aggregate/S:T/c:=cnt(*)") == [{"c": 3000}]
    assert catalog.insert(T, [{"n": 2}])[0]["n"] == 2


def test_a_transaction_is_bounded_while_it_reads_and_goes_on(catalog: LocalCatalog) -> None:
    with catalog.transaction():
        catalog.insert(T, [{"n": 2}])
        catalog.store.read_budget_s = AMPLE_S
        assert len(catalog.fetch("entity/S:T/n=2")) == 1
        catalog.store.read_budget_s = LIMIT_S
        with pytest.raises(QueryTimeout), catalog.transaction():
            catalog.fetch(ENDLESS)
        catalog.insert(T, [{"n": 3}])
    catalog.store.read_budget_s = AMPLE_S
    assert catalog.fetch("aggregate/S:T/n::gt::1/c:=cnt(*)") == [{"c": 2}]


def test_a_slow_reader_of_a_stream_is_not_stopped(catalog: LocalCatalog) -> None:
    catalog.store.read_budget_s = 2.0  # for each piece
    rows = [{"n": 5, "text": "x" * 1000} for _ in range(3000)]
    catalog.insert(T, rows, returning=False)
    pieces = 0
    for _ in catalog.stream("entity/S:T/n=5", "application/x-json-stream"):
        pieces += 1
        time.sleep(0.3)  # longer than the budget in all
    assert pieces >= 7

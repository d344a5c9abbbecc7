"""Small reads by one message: the same answers as inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

import postgres
from backends import in_database
from deriva_catalog.access import Client
from deriva_catalog.catalog import LocalCatalog, Registry
from deriva_catalog.errors import CatalogError, Conflict, NotAuthenticated, QueryTimeout
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_query

T = TableName("T", "S")
KIM = Client("kim")
LAST = (
    "SELECT query FROM pg_stat_activity "
    "WHERE application_name = 'deriva-catalog' AND datname = current_database()"
)


@pytest.fixture
def catalog(database: postgres.Database, tmp_path: Path) -> Iterator[LocalCatalog]:
    with in_database(database.url, tmp_path / "files") as backend:
        made = backend.create()
        assert isinstance(made, LocalCatalog)
        columns = [column_document("n", "int4"), column_document("text", "text")]
        made.create_schema({"schema_name": "S", "tables": {"T": table_document("T", columns)}})
        made.insert(T, [{"n": n, "text": f"100% {n}"} for n in range(20)])
        yield made


@pytest.fixture
def other(database: postgres.Database, catalog: LocalCatalog) -> Iterator[LocalCatalog]:
    """The same catalog as another process has it."""
    with (
        closing(Registry.of_database(database.url)) as registry,
        closing(registry.open(catalog.id)) as found,
    ):
        yield found


def asked(catalog: LocalCatalog, tail: str) -> tuple[str, Any]:
    latest, pieces = catalog.dated_stream(parse_query(tail).query, "application/json")
    return latest, json.loads(b"".join(pieces))


def test_a_row_is_found_by_one_message(catalog: LocalCatalog, database: postgres.Database) -> None:
    tail = "entity/S:T/n=7"
    (row,) = asked(catalog, f"{tail}?limit=5")[1]
    latest = catalog.latest_snapshot()
    assert asked(catalog, f"entity/S:T/RID={row['RID']}") == (latest, [row])
    with psycopg.connect(database.url) as connection:
        said = [text for (text,) in connection.execute(LAST)]
    assert [text for text in said if text.startswith("SELECT first.*, ARRAY(")]
    assert row["text"] == "100% 7"
    assert asked(catalog, "entity/S:T/n=99?limit=5")[1] == []
    sorted_down = asked(catalog, "attribute/S:T/n@sort(n::desc::)?limit=4")[1]
    assert [found["n"] for found in sorted_down] == [19, 18, 17, 16]
    assert asked(catalog, "aggregate/S:T/c:=cnt(*)")[1] == [{"c": 20}]


def test_what_others_change_is_seen_at_once(catalog: LocalCatalog, other: LocalCatalog) -> None:
    tail = "entity/S:T/n=7?limit=5"
    (row,) = asked(catalog, tail)[1]
    other.update(T, [{"RID": row["RID"], "text": "changed"}])
    latest, (row,) = asked(catalog, tail)
    assert (latest, row["text"]) == (other.latest_snapshot(), "changed")
    other.create_column(T, column_document("more", "text", default="new"))
    assert asked(catalog, tail)[1][0]["more"] == "new"
    other.drop(Address("S", "T", "text"))
    latest, (row,) = asked(catalog, tail)
    assert (latest, "text" in row) == (other.latest_snapshot(), False)
    with pytest.raises(CatalogError, match="text"):
        asked(catalog, "attribute/S:T/text?limit=5")
    other.drop(Address("S", "T"))
    with pytest.raises(Conflict, match="T"):
        asked(catalog, tail)


def test_rights_are_those_of_the_moment(catalog: LocalCatalog, other: LocalCatalog) -> None:
    tail = "entity/S:T/n=7?limit=5"
    asked(catalog, tail)
    nobody = catalog.for_client(Client(None))
    with pytest.raises(NotAuthenticated):
        asked(nobody, tail)
    for right in ("enumerate", "select"):
        other.set_acl(Address(), right, ["*"])
    assert len(asked(nobody, tail)[1]) == 1
    assert len(asked(nobody, tail)[1]) == 1
    other.set_acl(Address(), "select", [])
    with pytest.raises(NotAuthenticated):
        asked(nobody, tail)


def test_inside_a_transaction_its_own_rows_are_seen(catalog: LocalCatalog) -> None:
    asked(catalog, "aggregate/S:T/c:=cnt(*)")
    with catalog.transaction():
        catalog.insert(T, [{"n": 100}])
        assert asked(catalog, "aggregate/S:T/c:=cnt(*)")[1] == [{"c": 21}]


def test_the_time_is_that_of_the_read_alone(catalog: LocalCatalog) -> None:
    catalog.store.read_budget_s = 0.2
    slow = "aggregate/" + "/".join(f"A{n}:=(n)=(S:T:n)" for n in range(1, 9)).replace(
        "A1:=(n)=", "A1:=S:T/A0:=(n)=", 1
    )
    endless = f"{slow}/c:=cnt(*)"
    catalog.insert(T, [{"n": 1} for _ in range(60)])
    for _ in range(2):
        with pytest.raises(QueryTimeout):
            asked(catalog, endless)
    catalog.store.read_budget_s = 30.0
    assert asked(catalog, "aggregate/S:T/c:=cnt(*)")[1] == [{"c": 80}]
    asked_for = "SHOW statement_timeout"
    with catalog.store.writing() as writing:  # on the connection that was given a limit
        assert writing.connection.exec_driver_sql(asked_for).scalar() == "0"
    with catalog.store.reading() as moment:
        assert moment.connection.exec_driver_sql(asked_for).scalar() == "30s"
    catalog.store.read_budget_s = None
    with catalog.store.reading() as moment:
        assert moment.connection.exec_driver_sql(asked_for).scalar() == "0"


def test_a_connection_that_was_lost_is_replaced(
    catalog: LocalCatalog, database: postgres.Database
) -> None:
    asked(catalog, "aggregate/S:T/c:=cnt(*)")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE application_name = 'deriva-catalog'"
        )
    for _ in range(2):
        assert asked(catalog, "aggregate/S:T/c:=cnt(*)")[1] == [{"c": 20}]

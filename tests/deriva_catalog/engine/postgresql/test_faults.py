"""What happens to a catalog when its database, its network or its neighbours fail."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import postgres
from backends import in_database
from deriva_catalog.catalog import LocalCatalog, Registry
from deriva_catalog.engine.postgresql import storage as storage_module
from deriva_catalog.engine.postgresql.address import parse_address
from deriva_catalog.engine.postgresql.storage import PostgresStorage
from deriva_catalog.errors import BadRequest, Conflict, Corrupted, NotFound, Unavailable
from deriva_catalog.model.definitions import column_document, key_document, table_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

T = TableName("T", "S")


@pytest.fixture
def catalog(database: postgres.Database, tmp_path: Path) -> Iterator[LocalCatalog]:
    with in_database(database.url, tmp_path / "files") as backend:
        made = backend.create()
        assert isinstance(made, LocalCatalog)
        made.create_schema("S")
        columns = [column_document("name", "text", nullok=False), column_document("n", "int8")]
        made.create_table("S", table_document("T", columns, keys=[key_document(["name"])]))
        made.insert(T, [{"name": "a", "n": 1}])
        yield made


def names(catalog: LocalCatalog) -> list[str]:
    return [row["name"] for row in catalog.fetch("entity/S:T@sort(name)")]


def end_connections(database: postgres.Database) -> None:
    """As when the server is restarted."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database() "
            "AND backend_type = 'client backend'"
        )


def test_connections_that_were_lost_are_replaced(
    catalog: LocalCatalog, database: postgres.Database
) -> None:
    end_connections(database)
    assert names(catalog) == ["a"]
    end_connections(database)
    catalog.insert(T, [{"name": "b"}])
    assert names(catalog) == ["a", "b"]


def test_a_transaction_whose_connection_is_lost_changes_nothing(
    catalog: LocalCatalog, database: postgres.Database
) -> None:
    def interrupted() -> None:
        with catalog.transaction():
            catalog.insert(T, [{"name": "b"}])
            end_connections(database)
            catalog.insert(T, [{"name": "c"}])

    with pytest.raises(Unavailable, match="cannot be reached"):
        interrupted()
    assert names(catalog) == ["a"]
    assert catalog.check() == []


def test_a_stream_whose_connection_is_lost_ends_with_an_error(
    catalog: LocalCatalog, database: postgres.Database
) -> None:
    catalog.insert(T, [{"name": f"{n:05}" + "x" * 2000} for n in range(6000)], returning=False)
    stream = catalog.stream("entity/S:T", "application/json")
    next(stream)
    end_connections(database)
    with pytest.raises(Unavailable):
        for _ in stream:
            pass
    assert len(names(catalog)) == 6001


def test_a_stream_that_is_given_up_frees_its_connection(catalog: LocalCatalog) -> None:
    catalog.insert(T, [{"name": f"{n:05}" + "x" * 500} for n in range(3000)], returning=False)
    for _ in range(40):
        stream = catalog.stream("entity/S:T", "text/csv")
        next(stream)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
    assert len(names(catalog)) == 3001


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    registry = Registry.of_database("postgresql://kim:secret@127.0.0.1:1/lab", tmp_path)
    with pytest.raises(Unavailable, match="cannot be reached") as told:
        registry.catalogs()
    assert "secret" not in str(told.value)
    registry.close()


def test_a_url_of_another_kind_is_malformed() -> None:
    with pytest.raises(BadRequest, match="no URL of a PostgreSQL database"):
        parse_address("mysql://kim:secret@host/db")


def test_a_schema_without_catalog_is_corrupted(database: postgres.Database, tmp_path: Path) -> None:
    with in_database(database.url, tmp_path / "files") as backend:
        made = backend.create()
        made.close()
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute(f'DROP TABLE "c_{made.id}"._meta')
        with pytest.raises(Corrupted, match="no catalog"):
            backend.registry.open(made.id)
        with pytest.raises(NotFound):
            backend.registry.open("other")


def test_a_writer_that_waits_too_long_is_told(
    catalog: LocalCatalog, database: postgres.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "PATIENCE_S", 0.2)
    registry = Registry.of_database(database.url)
    other = registry.open(catalog.id)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            other.insert(T, [{"name": "b"}])
        except BaseException as error:  # noqa: BLE001 (looked at below)
            failures.append(error)

    with catalog.transaction():
        catalog.insert(T, [{"name": "c"}])
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(30)
    assert [type(error) for error in failures] == [Unavailable]
    assert "busy with other writers" in str(failures[0])
    assert names(catalog) == ["a", "c"]
    other.close()
    registry.close()


def test_a_key_that_fits_no_index_is_a_conflict(catalog: LocalCatalog) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    with pytest.raises(Conflict, match="too long for an index"):
        catalog.insert(T, [{"name": text}])
    assert names(catalog) == ["a"]


def test_a_read_that_fails_leaves_the_transaction_usable(catalog: LocalCatalog) -> None:
    largest = 2**63 - 1
    with catalog.transaction():
        catalog.insert(T, [{"name": "b", "n": largest}, {"name": "c", "n": largest}])
        with pytest.raises(Conflict, match="out of range"):
            catalog.fetch("aggregate/S:T/s:=sum(n)")
        catalog.insert(T, [{"name": "d"}])
    assert names(catalog) == ["a", "b", "c", "d"]


def test_rows_can_be_written_while_a_stream_of_the_transaction_is_read(
    catalog: LocalCatalog,
) -> None:
    rows = [{"name": f"{n:04}" + "x" * 400} for n in range(2000)]
    catalog.insert(T, rows, returning=False)
    with catalog.transaction():
        stream = catalog.stream("entity/S:T", "application/json")
        seen = len(next(stream))
        catalog.insert(T, [{"name": "late"}])
        with catalog.transaction():
            catalog.insert(T, [{"name": "later"}])
            seen += sum(map(len, stream))
            catalog.delete(parse_path("S:T/name=a"))
    assert seen > 800_000
    assert {"late", "later"} < set(names(catalog))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_gets_connections_of_its_own(catalog: LocalCatalog) -> None:
    assert names(catalog) == ["a"]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            catalog.insert(T, [{"name": "child"}])
            catalog.close()
            status = 0 if names(catalog) == ["a", "child"] else 2
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == 0
    catalog.insert(T, [{"name": "parent"}])
    assert names(catalog) == ["a", "child", "parent"]


def test_many_catalogs_share_the_connections_of_a_server(database: postgres.Database) -> None:
    storages = [PostgresStorage(parse_address(database.url), f"s{n}") for n in range(60)]
    for storage in storages:
        with storage.reading() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    with psycopg.connect(database.url) as connection:
        used = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        ).fetchone()
    assert used is not None
    assert used[0] < 40
    for storage in storages:
        storage.close()

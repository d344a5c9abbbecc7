"""Transactions: all or nothing, one snapshot, own writes visible."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, suppress

import pytest

from backends import AnyCatalog, Backend
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.engine.store import Reading
from deriva_catalog.engine.transaction import Writing
from deriva_catalog.errors import (
    CatalogError,
    Conflict,
    ForeignKeyViolation,
    ReadOnly,
    UniqueViolation,
)
from deriva_catalog.model.definitions import table_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

SPECIES = TableName("Species", "zoo")
ANIMAL = TableName("Animal", "zoo")


def test_a_transaction_is_one_snapshot(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    with zoo.transaction() as transaction:
        zoo.insert(SPECIES, [{"name": "owl"}])
        zoo.insert(SPECIES, [{"name": "cat"}])
        assert zoo.count(SPECIES) == 2
    assert zoo.latest_snapshot() == transaction.snaptime
    assert zoo.at(before).count(SPECIES) == 0
    assert len({row["RCT"] for row in zoo.fetch("entity/zoo:Species")}) == 1


def test_an_error_undoes_everything(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()

    def fail() -> None:
        with zoo.transaction():
            zoo.insert(SPECIES, [{"name": "owl"}])
            zoo.create_schema("later")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert zoo.count(SPECIES) == 0
    assert "later" not in zoo.model.schemas
    assert zoo.latest_snapshot() == before


def test_a_transaction_without_changes_leaves_no_snapshot(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    with zoo.transaction():
        zoo.count(SPECIES)
    assert zoo.latest_snapshot() == before


def test_a_transaction_sees_each_of_its_own_changes_of_the_model(zoo: AnyCatalog) -> None:
    def tables() -> set[str]:
        return set(zoo.model.schemas["zoo"].tables) - {"Species", "Animal"}

    def fail() -> None:
        with zoo.transaction():
            zoo.create_table("zoo", table_document("Pond"))
            assert tables() == {"Cage", "Den", "Pond"}
            raise RuntimeError

    assert tables() == set()
    with zoo.transaction():
        assert tables() == set()
        zoo.create_table("zoo", table_document("Cage"))
        assert tables() == {"Cage"}
        zoo.create_table("zoo", table_document("Den"))
        assert tables() == {"Cage", "Den"}
        with pytest.raises(RuntimeError):
            fail()
        assert tables() == {"Cage", "Den"}
        assert set(zoo.document()["schemas"]["zoo"]["tables"]) >= {"Cage", "Den"}
    assert tables() == {"Cage", "Den"}
    assert set(zoo.document()["schemas"]["zoo"]["tables"]) == {"Cage", "Den", "Species", "Animal"}


def test_a_nested_transaction_joins_the_outer_one(zoo: AnyCatalog) -> None:
    with zoo.transaction() as outer:
        zoo.insert(SPECIES, [{"name": "owl"}])
        with zoo.transaction() as inner:
            zoo.insert(SPECIES, [{"name": "cat"}])
        assert inner.snaptime == outer.snaptime
    assert zoo.count(SPECIES) == 2


def test_a_caught_error_undoes_only_its_own_operation(zoo: AnyCatalog) -> None:
    with zoo.transaction():
        zoo.insert(SPECIES, [{"name": "owl"}])
        with pytest.raises(UniqueViolation):
            zoo.insert(SPECIES, [{"name": "cat"}, {"name": "owl"}])
        zoo.insert(SPECIES, [{"name": "eel"}])
    assert [r["name"] for r in zoo.fetch("entity/zoo:Species@sort(name)")] == ["eel", "owl"]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_what_the_driver_says_inside_a_transaction_is_an_error_of_the_catalog(
    zoo: LocalCatalog,
) -> None:
    def ask_for_nothing(rows: AbstractContextManager[Reading | Writing]) -> None:
        with rows as found:
            found.connection.exec_driver_sql("SELECT * FROM nowhere")

    with zoo.transaction():
        zoo.insert(SPECIES, [{"name": "owl"}])
        with pytest.raises(CatalogError, match="nowhere"):
            ask_for_nothing(zoo.store.writing())
        with pytest.raises(CatalogError, match="nowhere"):
            ask_for_nothing(zoo.store.reading())
        zoo.insert(SPECIES, [{"name": "eel"}])
    assert zoo.count(SPECIES) == 2


def test_references_are_settled_at_the_end(zoo: AnyCatalog) -> None:
    with zoo.transaction():
        zoo.insert(ANIMAL, [{"nr": 1, "species": "owl"}])
        zoo.insert(SPECIES, [{"name": "owl"}])
    with zoo.transaction():
        zoo.delete(parse_path("zoo:Species"))
        zoo.delete(parse_path("zoo:Animal"))
    assert zoo.count(SPECIES) == 0


def test_a_reference_that_stays_open_fails_the_whole(zoo: AnyCatalog) -> None:
    def leave_open() -> None:
        with zoo.transaction():
            zoo.insert(SPECIES, [{"name": "cat"}])
            zoo.insert(ANIMAL, [{"nr": 1, "species": "owl"}])

    with pytest.raises(ForeignKeyViolation):
        leave_open()
    assert zoo.count(SPECIES) == 0


def test_a_row_changed_twice_is_one_version(backend: Backend, zoo: AnyCatalog) -> None:
    rid = zoo.insert(SPECIES, [{"name": "owl", "legs": 1}])[0]["RID"]
    before = zoo.latest_snapshot()
    with zoo.transaction():
        zoo.update(SPECIES, [{"RID": rid, "legs": 2}])
        zoo.update(SPECIES, [{"RID": rid, "legs": 3}])
    assert zoo.at(before).fetch("entity/zoo:Species")[0]["legs"] == 1
    assert zoo.fetch("entity/zoo:Species")[0]["legs"] == 3
    assert backend.findings(zoo) == []


def test_other_threads_see_nothing_until_the_end(zoo: AnyCatalog) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(zoo.count(SPECIES))

    with zoo.transaction():
        zoo.insert(SPECIES, [{"name": "owl"}])
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [0]
    assert zoo.count(SPECIES) == 1


def test_threads_write_one_after_another(zoo: AnyCatalog) -> None:
    def write(part: int) -> None:
        for n in range(10):
            zoo.insert(SPECIES, [{"name": f"{part}-{n}"}], returning=False)

    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert zoo.count(SPECIES) == 40


def test_a_snapshot_cannot_be_written(zoo: AnyCatalog) -> None:
    past = zoo.at(zoo.latest_snapshot())
    with pytest.raises(ReadOnly, match="previous revision"):
        past.insert(SPECIES, [{"name": "owl"}])
    with pytest.raises(ReadOnly):
        past.create_schema("S")


def test_a_thread_does_not_wait_for_its_own_transaction(backend: Backend, zoo: AnyCatalog) -> None:
    other = backend.another(zoo)
    try:
        with zoo.transaction():
            zoo.insert(SPECIES, [{"name": "owl"}])
            with pytest.raises(Conflict, match="would wait for itself"):
                other.insert(SPECIES, [{"name": "cat"}])
            assert other.count(SPECIES) == 0
            zoo.insert(SPECIES, [{"name": "eel"}])
        other.insert(SPECIES, [{"name": "cat"}])
        assert zoo.count(SPECIES) == other.count(SPECIES) == 3
    finally:
        other.close()


def test_another_thread_waits_for_the_transaction_of_another_object(
    backend: Backend, zoo: AnyCatalog
) -> None:
    other = backend.another(zoo)
    thread = threading.Thread(target=other.insert, args=(SPECIES, [{"name": "cat"}]))
    with zoo.transaction():
        zoo.insert(SPECIES, [{"name": "owl"}])
        thread.start()
    thread.join()
    assert zoo.count(SPECIES) == 2
    other.close()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)  # of it in process
def test_alone_an_error_must_end_the_transaction(zoo: AnyCatalog) -> None:
    assert isinstance(zoo, LocalCatalog)
    before = zoo.latest_snapshot()
    with pytest.raises(Conflict, match="A part of the transaction failed"):  # noqa: PT012, SIM117
        with zoo.transaction(alone=True):
            zoo.insert(SPECIES, [{"name": "owl"}])
            with suppress(UniqueViolation):
                zoo.insert(SPECIES, [{"name": "owl"}])
    assert zoo.count(SPECIES) == 0
    with zoo.transaction(alone=True):
        zoo.insert(SPECIES, [{"name": "owl"}])
    assert zoo.count(SPECIES) == 1
    assert zoo.latest_snapshot() > before

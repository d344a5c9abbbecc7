"""Inserting, updating and deleting rows."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from backends import AnyCatalog
from deriva_catalog.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    ForeignKeyViolation,
    NotNullViolation,
    UniqueViolation,
    UnknownName,
)
from deriva_catalog.model.definitions import column_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path

SPECIES = TableName("Species", "zoo")
ANIMAL = TableName("Animal", "zoo")
SYSTEM = ("RID", "RCT", "RMT", "RCB", "RMB")


def own(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{k: v for k, v in row.items() if k not in SYSTEM} for row in rows]


def test_an_insertion_returns_whole_rows_in_input_order(zoo: AnyCatalog) -> None:
    rows = zoo.insert(SPECIES, [{"name": "owl", "legs": 2, "tags": ["bird"]}, {"name": "cat"}])
    assert own(rows) == [
        {"name": "owl", "legs": 2, "tags": ["bird"]},
        {"name": "cat", "legs": None, "tags": []},
    ]
    assert {row["RCB"] for row in rows} == {"kim"}
    assert rows[0]["RCT"] == rows[0]["RMT"] == rows[1]["RCT"]
    assert zoo.fetch("entity/zoo:Species@sort(RID)") == rows


def test_defaults_replace_what_the_input_says(zoo: AnyCatalog) -> None:
    rows = zoo.insert(SPECIES, [{"name": "ant", "legs": 6}], defaults=["legs"])
    assert rows[0]["legs"] == 4


def test_serial_columns_count_when_defaulted(zoo: AnyCatalog) -> None:
    first = zoo.insert(ANIMAL, [{"weight": 1.5}, {"weight": 2}], defaults=["nr"])
    second = zoo.insert(ANIMAL, [{}], defaults=["nr"])
    assert [row["nr"] for row in first + second] == [1, 2, 3]


def test_unknown_members_are_ignored(zoo: AnyCatalog) -> None:
    assert own(zoo.insert(SPECIES, [{"name": "eel", "colour": "grey"}]))[0]["name"] == "eel"


def test_an_empty_insertion_does_nothing(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    assert zoo.insert(SPECIES, []) == []
    assert zoo.latest_snapshot() == before


def test_returning_nothing_still_inserts(zoo: AnyCatalog) -> None:
    assert zoo.insert(SPECIES, [{"name": "bee"}], returning=False) == []
    assert zoo.count(SPECIES) == 1


def test_values_of_every_kind_come_back(zoo: AnyCatalog) -> None:
    row = {"nr": 7, "species": None, "weight": 0.1, "tame": False, "facts": {"a": [1, None]}}
    zoo.insert(ANIMAL, [row])
    assert own(zoo.fetch("entity/zoo:Animal")) == [row]


def test_an_existing_key_is_a_conflict_with_the_fields_that_clients_read(
    zoo: AnyCatalog,
) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    before = zoo.latest_snapshot()
    with pytest.raises(UniqueViolation) as caught:
        zoo.insert(SPECIES, [{"name": "cat"}, {"name": "owl"}])
    assert 'violates unique constraint "Species_name_key"' in str(caught.value)
    assert "Key (name)=(owl) already exists." in str(caught.value)
    assert zoo.count(SPECIES) == 1
    assert zoo.latest_snapshot() == before


@pytest.mark.parametrize("on_conflict", [None, "skip"])
def test_input_rows_with_one_key_are_malformed(
    zoo: AnyCatalog, on_conflict: Literal["skip"] | None
) -> None:
    with pytest.raises(BadRequest, match="same key"):
        zoo.insert(SPECIES, [{"name": "owl"}, {"name": "owl"}], on_conflict=on_conflict)
    assert zoo.count(SPECIES) == 0


def test_skipping_leaves_existing_rows_and_returns_the_others(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl", "legs": 2}])
    rows = zoo.insert(SPECIES, [{"name": "owl", "legs": 9}, {"name": "cat"}], on_conflict="skip")
    assert [row["name"] for row in rows] == ["cat"]
    assert [row["legs"] for row in zoo.fetch("entity/zoo:Species/name=owl")] == [2]


def test_skipping_everything_makes_no_snapshot(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    before = zoo.latest_snapshot()
    assert zoo.insert(SPECIES, [{"name": "owl"}], on_conflict="skip") == []
    assert zoo.latest_snapshot() == before


def test_a_missing_value_names_its_column(zoo: AnyCatalog) -> None:
    with pytest.raises(NotNullViolation, match='null value in column "name"') as caught:
        zoo.insert(SPECIES, [{"legs": 2}])
    assert caught.value.facts["column"] == "name"


def test_a_reference_to_nothing_is_refused_in_the_words_that_clients_read(
    zoo: AnyCatalog,
) -> None:
    with pytest.raises(ForeignKeyViolation) as caught:
        zoo.insert(ANIMAL, [{"nr": 1, "species": "yeti"}])
    assert 'violates foreign key constraint "Animal_species_fkey"' in str(caught.value)
    assert 'Key (species)=(yeti) is not present in table "Species".' in str(caught.value)
    assert zoo.count(ANIMAL) == 0


def test_what_is_referred_to_cannot_be_deleted(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    zoo.insert(ANIMAL, [{"nr": 1, "species": "owl"}])
    with pytest.raises(ForeignKeyViolation) as caught:
        zoo.delete(parse_path("zoo:Species"))
    assert 'violates foreign key constraint "Animal_species_fkey" on table "Animal"' in str(
        caught.value
    )
    assert 'still referenced from table "Animal"' in str(caught.value)
    assert zoo.count(SPECIES) == 1


@pytest.mark.parametrize("value", ["abc", 2**31, 1.5])
def test_a_value_of_another_type_is_refused(zoo: AnyCatalog, value: object) -> None:
    with pytest.raises((BadRequest, Conflict)):
        zoo.insert(SPECIES, [{"name": "x", "legs": value}])


def test_unknown_tables_are_named_with_near_misses(zoo: AnyCatalog) -> None:
    with pytest.raises(UnknownName, match="Species"):
        zoo.insert(TableName("Specis", "zoo"), [{"name": "x"}])


@pytest.mark.parametrize("name", ["RMT", "RMB"])
def test_modification_columns_cannot_be_given(zoo: AnyCatalog, name: str) -> None:
    with pytest.raises(Forbidden):
        zoo.insert(SPECIES, [{"name": "x", name: "y"}], nondefaults=[name])


def test_system_columns_may_be_carried_over(zoo: AnyCatalog) -> None:
    zoo.insert(TableName("ERMrest_Client", "public"), [{"ID": "lee", "Client_Object": {}}])
    row = {"RID": "9-ZZZ0", "RCT": "2020-01-01T00:00:00+00:00", "RCB": "lee", "name": "owl"}
    got = zoo.insert(SPECIES, [row], nondefaults=["RID", "RCT", "RCB"])[0]
    assert {k: got[k] for k in row} == row
    assert got["RMB"] == "kim"


def test_a_deleted_record_of_the_writer_is_made_again(zoo: AnyCatalog) -> None:
    clients = "entity/public:ERMrest_Client"
    zoo.insert(SPECIES, [{"name": "owl"}])
    zoo.delete(parse_path("zoo:Species"))
    zoo.delete(parse_path("public:ERMrest_Client/ID=kim"))
    assert "kim" not in [row["ID"] for row in zoo.fetch(clients)]
    assert zoo.insert(SPECIES, [{"name": "owl"}])[0]["RCB"] == "kim"
    assert "kim" in [row["ID"] for row in zoo.fetch(clients)]


def test_all_of_them_may_be_when_the_row_is_one_of_another_catalog(zoo: AnyCatalog) -> None:
    zoo.insert(TableName("ERMrest_Client", "public"), [{"ID": "lee", "Client_Object": {}}])
    then, never = "2020-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"
    system = ["RID", "RCT", "RMT", "RCB", "RMB"]
    rows = [
        {"RID": "9-ZZZ2", "RCT": then, "RMT": then, "RCB": "lee", "RMB": "lee", "name": "owl"},
        {"RID": "9-ZZZ4", "RCT": then, "RMT": never, "RCB": "lee", "RMB": None, "name": "cat"},
    ]
    got = zoo.insert(SPECIES, rows, nondefaults=system, recorded=True)
    assert {name: got[0][name] for name in rows[0]} == rows[0]
    assert then < got[1]["RMT"] < never
    assert got[1]["RMB"] is None
    zoo.update(SPECIES, [{"name": "owl", "legs": 2}], keys=["name"])
    assert zoo.fetch("entity/zoo:Species/name=owl")[0]["RMT"] > then


def test_an_update_sets_targets_and_stamps_the_row(zoo: AnyCatalog) -> None:
    old = zoo.insert(SPECIES, [{"name": "owl", "legs": 3}, {"name": "cat"}])
    applied = zoo.update(SPECIES, [{"name": "owl", "legs": 2}], keys=["name"])
    assert applied == [{"name": "owl", "legs": 2}]
    new = zoo.fetch("entity/zoo:Species/name=owl")[0]
    assert new["legs"] == 2
    assert new["RCT"] == old[0]["RCT"]
    assert new["RMT"] > old[0]["RMT"]
    assert zoo.fetch("entity/zoo:Species/name=cat") == [old[1]]


def test_updates_that_match_nothing_are_ignored(zoo: AnyCatalog) -> None:
    before = zoo.latest_snapshot()
    assert zoo.update(SPECIES, [{"RID": "1-0000", "legs": 2}]) == []
    assert zoo.update(SPECIES, [{"RID": None, "legs": 2}]) == []
    assert zoo.latest_snapshot() == before


def test_null_keys_match_null(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "a"}, {"name": "b"}, {"name": "c", "legs": 1}])
    applied = zoo.update(SPECIES, [{"legs": None, "tags": ["?"]}], keys=["legs"], targets=["tags"])
    assert applied == [{"legs": None, "tags": ["?"]}]
    assert [row["tags"] for row in zoo.fetch("entity/zoo:Species@sort(name)")] == [["?"], ["?"], []]


def test_equal_keys_in_an_update_are_malformed(zoo: AnyCatalog) -> None:
    with pytest.raises(BadRequest):
        zoo.update(SPECIES, [{"RID": "1", "legs": 2}, {"RID": "1", "legs": 3}])


def test_system_columns_cannot_be_set(zoo: AnyCatalog) -> None:
    with pytest.raises(Forbidden):
        zoo.update(SPECIES, [{"RID": "1", "RCB": "x"}], targets=["RCB"])


def test_an_update_without_targets_says_so(zoo: AnyCatalog) -> None:
    with pytest.raises(BadRequest, match="no column to set"):
        zoo.update(SPECIES, [{"RID": "1"}])


def test_an_update_into_an_existing_key_is_refused(zoo: AnyCatalog) -> None:
    rows = zoo.insert(SPECIES, [{"name": "owl"}, {"name": "cat"}])
    with pytest.raises(UniqueViolation, match=r"Key \(name\)=\(owl\) already exists"):
        zoo.update(SPECIES, [{"RID": rows[1]["RID"], "name": "owl"}])
    assert zoo.fetch("entity/zoo:Species@sort(RID)") == rows


def test_keys_may_be_exchanged_in_one_update(zoo: AnyCatalog) -> None:
    a, b = zoo.insert(SPECIES, [{"name": "owl"}, {"name": "cat"}])
    zoo.update(SPECIES, [{"RID": a["RID"], "name": "cat"}, {"RID": b["RID"], "name": "owl"}])
    assert [r["name"] for r in zoo.fetch("entity/zoo:Species@sort(RID)")] == ["cat", "owl"]


def test_an_update_may_not_empty_a_column_that_needs_values(zoo: AnyCatalog) -> None:
    row = zoo.insert(SPECIES, [{"name": "owl"}])[0]
    with pytest.raises(NotNullViolation):
        zoo.update(SPECIES, [{"RID": row["RID"], "name": None}])


def test_upsert_replaces_matches_and_inserts_the_rest(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl", "legs": 2, "tags": ["x"]}])
    rows = zoo.upsert(SPECIES, [{"name": "cat"}, {"name": "owl", "legs": 3}])
    assert rows[0]["name"] == "cat"
    assert "RID" in rows[0]
    assert rows[1] == {"name": "owl", "legs": 3, "tags": []}
    assert zoo.count(SPECIES) == 2


def test_a_deletion_counts_its_rows(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}, {"name": "cat"}, {"name": "eel"}])
    assert zoo.delete(parse_path("zoo:Species/name=owl;name=cat")) == 2
    before = zoo.latest_snapshot()
    assert zoo.delete(parse_path("zoo:Species/name=yeti")) == 0
    assert zoo.latest_snapshot() == before


def test_clearing_sets_columns_to_null(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl", "legs": 2}, {"name": "cat", "legs": 4}])
    assert zoo.clear(parse_path("zoo:Species/name=owl"), ["legs"]) == 1
    assert [r["legs"] for r in zoo.fetch("entity/zoo:Species@sort(name)")] == [4, None]


def test_key_columns_cannot_be_cleared(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    with pytest.raises(Conflict):
        zoo.clear(parse_path("zoo:Species"), ["name"])


def test_large_batches_are_written_whole(zoo: AnyCatalog) -> None:
    names = [{"name": f"s{n}", "legs": n} for n in range(5000)]
    rows = zoo.insert(SPECIES, names)
    assert len({row["RID"] for row in rows}) == 5000
    changed = [{"RID": row["RID"], "legs": row["legs"] + 1} for row in rows]
    assert len(zoo.update(SPECIES, changed)) == 5000
    assert zoo.count(parse_path("zoo:Species/legs=5000")) == 1
    assert zoo.delete(parse_path("zoo:Species")) == 5000


def test_what_names_no_table_path_or_element_is_told(zoo: AnyCatalog) -> None:
    given: Any = "zoo:Species"
    for expected, acts in {
        "name of a table": (lambda: zoo.insert(given, [{"name": "owl"}]),),
        "path": (lambda: zoo.count(given), lambda: zoo.delete(given)),
        "query": (lambda: zoo.fetch(SPECIES),),  # type: ignore[arg-type]
        "Address": (
            lambda: zoo.set_comment(given, "x"),
            lambda: zoo.set_acl(given, "select", ["kim"]),
        ),
    }.items():
        for act in acts:
            with pytest.raises(BadRequest, match=expected):
                act()
    for tail in ("entity/zoo:Species/name=a b", "entity/é"):
        with pytest.raises(BadRequest, match="unescaped"):
            zoo.fetch(tail)
    with pytest.raises(BadRequest, match="name of a table"):
        zoo.create_column(given, column_document("x", "text"))
    assert zoo.fetch("entity/zoo:Species") == []

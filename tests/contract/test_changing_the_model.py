"""Changes of the model, and what they do to rows."""

from __future__ import annotations

import pytest

from backends import AnyCatalog, Backend
from deriva_catalog.errors import (
    Conflict,
    ForeignKeyViolation,
    NotFound,
    NotNullViolation,
    UniqueViolation,
)
from deriva_catalog.interface import Address
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.path.ast import EntityQuery, Path, Root, TableName
from deriva_catalog.path.parser import parse_path

SPECIES = TableName("Species", "zoo")
ANIMAL = TableName("Animal", "zoo")
HOSTILE = [
    "table",
    "a b",
    'q"u"o',
    "semi;colon",
    "per%cent",
    "colon:s",
    ":bind",
    "sl/ash",
    "(par)",
    "Ünïcödé",
    "emoji 🦉",
    "'; DROP TABLE x; --",
    "_vs",
    "rowid",
    "x" * 63,
]


def test_a_new_catalog_has_the_built_in_tables_and_its_client(catalog: AnyCatalog) -> None:
    names = set(catalog.model.schemas["public"].tables)
    assert names == {"ERMrest_Client", "ERMrest_Group", "ERMrest_RID_Lease"}
    assert [r["ID"] for r in catalog.fetch("entity/public:ERMrest_Client")] == ["kim"]


def test_returned_documents_are_those_that_reading_gives(zoo: AnyCatalog) -> None:
    made = zoo.create_table("zoo", table_document("Cage", [column_document("size", "int4")]))
    assert zoo.document()["schemas"]["zoo"]["tables"]["Cage"] == made


def test_the_model_is_the_same_object_until_it_changes(zoo: AnyCatalog) -> None:
    before = zoo.model
    zoo.insert(SPECIES, [{"name": "owl"}])
    assert zoo.model is before
    zoo.set_annotation(Address(), "tag:x", 1)
    assert zoo.model is not before
    assert zoo.model.annotations["tag:x"] == 1


def test_another_opening_sees_the_change(backend: Backend, zoo: AnyCatalog) -> None:

    other = backend.another(zoo)
    assert "Cage" not in other.model.schemas["zoo"].tables
    zoo.create_table("zoo", table_document("Cage"))
    assert "Cage" in other.model.schemas["zoo"].tables
    other.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_works_everywhere(catalog: AnyCatalog, name: str) -> None:
    catalog.create_schema(name)
    column = column_document(name, "text", nullok=False)
    catalog.create_table(name, table_document(name, [column], keys=[key_document([name])]))
    table = TableName(name, name)
    row = catalog.insert(table, [{name: "x"}])[0]
    catalog.update(table, [{"RID": row["RID"], name: "y"}])
    before = catalog.latest_snapshot()
    query = EntityQuery(Path(Root(table)))
    assert catalog.fetch(query)[0][name] == "y"
    assert catalog.delete(query.path) == 1
    assert catalog.at(before).fetch(query)[0][name] == "y"
    catalog.drop(Address(name, name))
    catalog.drop(Address(name))
    assert name not in catalog.model.schemas


def test_renames_keep_rows_and_constraints(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    zoo.alter(Address("zoo", "Species", column="name"), {"name": "title"})
    zoo.alter(Address("zoo", "Species"), {"table_name": "Kind"})
    zoo.alter(Address("zoo"), {"schema_name": "park"})
    zoo.insert(TableName("Animal", "park"), [{"nr": 1, "species": "owl"}])
    with pytest.raises(UniqueViolation, match="title"):
        zoo.insert(TableName("Kind", "park"), [{"title": "owl"}])


def test_a_new_key_over_equal_rows_is_refused(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl", "legs": 2}, {"name": "emu", "legs": 2}])
    with pytest.raises(UniqueViolation, match=r"\(legs\)=\(2\)"):
        zoo.create_key(SPECIES, key_document(["legs"]))
    assert len(zoo.model.schemas["zoo"].tables["Species"].keys) == 2


def test_a_dropped_key_holds_no_longer(backend: Backend, zoo: AnyCatalog) -> None:
    zoo.drop(Address("zoo", "Animal", foreign_key=("species",)))
    zoo.create_key(SPECIES, key_document(["legs"]))
    zoo.insert(SPECIES, [{"name": "owl", "legs": 2}])
    zoo.drop(Address("zoo", "Species", key=("legs",)))
    zoo.insert(SPECIES, [{"name": "emu", "legs": 2}])
    assert backend.findings(zoo) == []


def test_a_new_foreign_key_over_dangling_rows_is_refused(zoo: AnyCatalog) -> None:
    zoo.create_table("zoo", table_document("Keeper", [column_document("likes", "text")]))
    keeper = TableName("Keeper", "zoo")
    zoo.insert(keeper, [{"likes": "owl"}])
    document = foreign_key_document(["likes"], "zoo", "Species", ["name"]) | {
        "foreign_key_columns": [
            {"schema_name": "zoo", "table_name": "Keeper", "column_name": "likes"}
        ]
    }
    with pytest.raises(ForeignKeyViolation):
        zoo.create_foreign_key(keeper, document)
    zoo.insert(SPECIES, [{"name": "owl"}])
    zoo.create_foreign_key(keeper, document)
    with pytest.raises(ForeignKeyViolation):
        zoo.delete(parse_path("zoo:Species"))


def test_values_that_cannot_be_converted_keep_their_type(backend: Backend, zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    zoo.drop(Address("zoo", "Animal", foreign_key=("species",)))
    with pytest.raises(Conflict):
        zoo.alter(Address("zoo", "Species", column="name"), {"type": {"typename": "int4"}})
    assert zoo.fetch("entity/zoo:Species")[0]["name"] == "owl"
    assert backend.findings(zoo) == []


def test_a_needed_column_without_default_needs_an_empty_table(zoo: AnyCatalog) -> None:
    document = column_document("eyes", "int4", nullok=False)
    zoo.insert(SPECIES, [{"name": "owl"}])
    with pytest.raises(NotNullViolation):
        zoo.create_column(SPECIES, document)
    zoo.delete(parse_path("zoo:Species"))
    zoo.create_column(SPECIES, document)
    with pytest.raises(NotNullViolation):
        zoo.insert(SPECIES, [{"name": "owl"}])


def test_null_rows_keep_a_column_nullable(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}])
    with pytest.raises(NotNullViolation):
        zoo.alter(Address("zoo", "Species", column="legs"), {"nullok": False})


def test_a_serial_column_numbers_existing_rows(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, [{"name": "owl"}, {"name": "cat"}])
    zoo.create_column(SPECIES, column_document("nr", "serial4"))
    zoo.insert(SPECIES, [{"name": "eel"}], defaults=["nr"])
    assert {r["name"]: r["nr"] for r in zoo.fetch("entity/zoo:Species")} == {
        "owl": 1,
        "cat": 2,
        "eel": 3,
    }


def test_a_referenced_table_cannot_be_dropped(zoo: AnyCatalog) -> None:
    with pytest.raises(Conflict):
        zoo.drop(Address("zoo", "Species"))


def test_dropping_what_is_not_there_is_not_found(zoo: AnyCatalog) -> None:
    with pytest.raises(NotFound):
        zoo.drop(Address("zoo", "Yeti"))


def test_templates_take_the_rid_of_their_row(catalog: AnyCatalog) -> None:
    from deriva_catalog.model.definitions import vocabulary_document

    catalog.create_schema("S")
    catalog.create_table("S", vocabulary_document("Colour", "T:{RID}"))
    term = {"Name": "red", "Description": "a colour"}
    row = catalog.insert(TableName("Colour", "S"), [term], defaults=["ID", "URI"])[0]
    assert row["ID"] == f"T:{row['RID']}"
    assert row["URI"] == f"/id/{row['RID']}"

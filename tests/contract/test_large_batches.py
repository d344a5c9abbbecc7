"""Insertions of so many rows that they take a way of their own into the database."""

from __future__ import annotations

from typing import Any

import pytest

from backends import AnyCatalog
from deriva_catalog.errors import BadRequest, ForeignKeyViolation, UniqueViolation
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)
from deriva_catalog.path.ast import TableName

SPECIES = TableName("Species", "zoo")
ANIMAL = TableName("Animal", "zoo")
MANY = 331
"""More than a group of rows, and no multiple of one."""


def species(count: int = MANY) -> list[dict[str, Any]]:
    return [{"name": f"s{n}", "legs": n % 7} for n in range(count)]


def names(catalog: AnyCatalog) -> list[str]:
    return [row["name"] for row in catalog.fetch("entity/zoo:Species@sort(RID)")]


def test_all_rows_are_there_in_input_order(zoo: AnyCatalog) -> None:
    returned = zoo.insert(SPECIES, species())
    stored = zoo.fetch("entity/zoo:Species@sort(RID)")
    assert returned == stored
    assert [row["name"] for row in stored] == [f"s{n}" for n in range(MANY)]


@pytest.mark.parametrize(
    "shared",
    ["O'Brien", "'; DROP TABLE x; --", "100 % sure?", "a\nb\\", "", "ß\u2028🦉", "x" * 5_000, None],
)
def test_a_value_that_all_rows_share_comes_back(zoo: AnyCatalog, shared: str | None) -> None:
    zoo.create_column(SPECIES, column_document("note", "text"))
    zoo.insert(SPECIES, [{**row, "note": shared} for row in species()])
    assert {row["note"] for row in zoo.fetch("entity/zoo:Species")} == {shared}


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        ("int8", -(2**63)),
        ("int8", 2**63 - 1),
        ("float8", 0.1),
        ("float8", 3),
        ("boolean", True),
        ("jsonb", {"a": [1, None]}),
        ("text[]", ["a", "b"]),
        ("date", "2026-11-24"),
    ],
)
def test_a_shared_value_of_another_type_comes_back(
    zoo: AnyCatalog, kind: str, shared: object
) -> None:
    zoo.create_column(SPECIES, column_document("note", kind))
    zoo.insert(SPECIES, [{**row, "note": shared} for row in species()])
    stored = [row["note"] for row in zoo.fetch("entity/zoo:Species")]
    assert stored == [shared] * MANY


def test_rows_that_differ_in_the_middle_only_stay_different(zoo: AnyCatalog) -> None:
    rows = [{"name": f"s{n}", "legs": 4 if n != 200 else 5} for n in range(MANY)]
    zoo.insert(SPECIES, rows)
    assert [r["name"] for r in zoo.fetch("entity/zoo:Species/legs=5")] == ["s200"]


@pytest.mark.parametrize("place", [0, 63, 64, 150, 319, 320, 330])
def test_a_row_that_exists_is_named_wherever_it_stands(zoo: AnyCatalog, place: int) -> None:
    zoo.insert(SPECIES, [{"name": f"s{place}"}])
    with pytest.raises(UniqueViolation, match=rf"\(name\)=\(s{place}\) already exists"):
        zoo.insert(SPECIES, species())
    assert names(zoo) == [f"s{place}"]


@pytest.mark.parametrize("place", [1, 63, 64, 150, 330])
def test_a_repeated_row_is_named_wherever_it_stands(zoo: AnyCatalog, place: int) -> None:
    rows = species()
    rows[place] = {"name": "s0"}
    with pytest.raises(BadRequest, match=r"\(name\)=\(s0\)"):
        zoo.insert(SPECIES, rows)
    assert names(zoo) == []


def test_rows_that_exist_are_skipped_and_the_others_returned(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, species()[::3])
    returned = zoo.insert(SPECIES, species(), on_conflict="skip")
    assert [row["name"] for row in returned] == [f"s{n}" for n in range(MANY) if n % 3]
    assert len(names(zoo)) == MANY


def test_a_reference_to_nothing_is_named(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, species())
    rows = [{"nr": n, "species": f"s{n}"} for n in range(MANY)]
    rows[200]["species"] = "unicorn"
    with pytest.raises(ForeignKeyViolation, match=r"\(species\)=\(unicorn\)") as caught:
        zoo.insert(ANIMAL, rows)
    assert caught.value.facts["values"] == ("unicorn",)
    assert zoo.count(ANIMAL) == 0


def test_a_shared_reference_to_nothing_is_named(zoo: AnyCatalog) -> None:
    with pytest.raises(ForeignKeyViolation, match=r"\(species\)=\(unicorn\)"):
        zoo.insert(ANIMAL, [{"nr": n, "species": "unicorn"} for n in range(MANY)])


def test_references_may_be_empty_or_come_before_what_they_mean(zoo: AnyCatalog) -> None:
    with zoo.transaction():
        zoo.insert(ANIMAL, [{"nr": n, "species": f"s{n}" if n % 2 else None} for n in range(MANY)])
        zoo.insert(SPECIES, species())
    assert zoo.count(ANIMAL) == MANY


def test_a_skipped_row_may_refer_to_nothing(zoo: AnyCatalog) -> None:
    zoo.insert(SPECIES, species())
    rows = [{"nr": n, "species": f"s{n}"} for n in range(MANY)]
    zoo.insert(ANIMAL, rows[:1])
    rows[0]["species"] = "unicorn"
    assert len(zoo.insert(ANIMAL, rows, on_conflict="skip")) == MANY - 1


def test_rows_may_refer_to_each_other_by_numbers(catalog: AnyCatalog) -> None:
    columns = [column_document("n", "int4", nullok=False), column_document("up", "int4")]
    reference = foreign_key_document(["up"], "S", "Step", ["n"])
    step = table_document("Step", columns, keys=[key_document(["n"])], foreign_keys=[reference])
    catalog.create_schema({"schema_name": "S", "tables": {"Step": step}})
    table = TableName("Step", "S")
    rows = [{"n": n, "up": (n + 1) % MANY} for n in range(MANY)]
    with pytest.raises(ForeignKeyViolation, match=r"\(up\)=\(999\)"):
        catalog.insert(table, [*rows[:-1], {"n": MANY - 1, "up": 999}])
    assert len(catalog.insert(table, rows)) == MANY


def test_tables_with_very_many_columns_take_large_batches(catalog: AnyCatalog) -> None:
    wide = [column_document(f"c{n}", "int4") for n in range(300)]
    document = table_document("Wide", wide)
    catalog.create_schema({"schema_name": "S", "tables": {"Wide": document}})
    rows = [{f"c{n}": n * m for n in range(300)} for m in range(120)]
    catalog.insert(TableName("Wide", "S"), rows, returning=False)
    last = catalog.fetch("entity/S:Wide/c1=119")[0]
    assert last["c299"] == 299 * 119

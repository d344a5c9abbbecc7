"""Rows come back as they were stored, whatever their values and however many columns."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FLOAT | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=3,
)
VALUES = {
    "text": st.none() | TEXT,
    "int8": st.none() | st.integers(-(2**63), 2**63 - 1),
    "float8": st.none() | FLOAT | st.sampled_from(["NaN", "Infinity", "-Infinity"]),
    "boolean": st.none() | st.booleans(),
    "json": st.none() | JSON,
    "text[]": st.none() | st.lists(st.none() | TEXT, max_size=3),
}
ROWS = st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCatalog]:
    made = create_local(tmp_path_factory.mktemp("json") / "catalog", client="kim")
    columns = [column_document(name, name) for name in VALUES]
    # A catalog lets columns be called anything: these test the patterns of the serialiser.
    columns += [column_document('per %s {"cent"}', "float8")]
    made.create_schema({"schema_name": "s", "tables": {"T": table_document("T", columns)}})
    yield made
    made.close()


@given(rows=ROWS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_value_comes_back_exactly(catalog: LocalCatalog, rows: list[dict[str, Any]]) -> None:
    stored = catalog.insert(TableName("T", "s"), rows)
    last = ",".join(f"RID={row['RID']}" for row in stored).replace(",", ";")
    names = ",".join(VALUES)

    found = catalog.fetch(f"attribute/s:T/{last}/RID,{names.replace('[]', '%5B%5D')}")

    by_rid = {row.pop("RID"): row for row in found}
    assert [by_rid[row["RID"]] for row in stored] == rows


@given(numbers=st.lists(FLOAT, min_size=20, max_size=60))
@settings(max_examples=15, deadline=None)
def test_floats_come_back_exactly_and_as_floats(
    catalog: LocalCatalog, numbers: list[float]
) -> None:
    moment = catalog.insert(TableName("T", "s"), [{"float8": n} for n in numbers])[0]["RCT"]
    path = f"attribute/s:T/RCT={quote(moment)}/RID,float8@sort(RID)"

    found = [row["float8"] for row in catalog.fetch(path)]
    table = b"".join(catalog.stream(path, "text/csv")).decode().split()[1:]

    assert sorted(found) == sorted(numbers)
    assert {type(number) for number in found} == {float}
    assert [float(line.split(",")[1]) for line in table] == found


def test_many_random_floats_come_back_exactly(catalog: LocalCatalog) -> None:
    # Some in a hundred thousand survive SQLite's own printing and reading as a neighbour.
    chance = random.Random(3)
    rows = [{"float8": chance.gauss(70.0, 10.0)} for _ in range(20_000)]
    rows += [{"float8": round(chance.gauss(0.0, 100.0), n % 12)} for n in range(5_000)]
    moment = catalog.insert(TableName("T", "s"), rows)[0]["RCT"]

    found = catalog.fetch(f"attribute/s:T/RCT={quote(moment)}/float8")

    assert found == rows


def test_odd_column_names_and_infinite_numbers_make_valid_json(catalog: LocalCatalog) -> None:
    name = 'per %s {"cent"}'
    rid = catalog.insert(TableName("T", "s"), [{name: math.inf, "json": {"}": "{"}}])[0]["RID"]

    text = b"".join(catalog.stream(f"entity/s:T/RID={rid}", "application/json"))

    row = json.loads(text)[0]
    assert row[name] == "Infinity"
    assert row["json"] == {"}": "{"}


def test_tables_may_be_wider_than_a_function_of_the_database(tmp_path: Path) -> None:
    wide = create_local(tmp_path / "catalog", client="kim")
    kinds = ["int4", "json", "text", "boolean", "float8"]
    names = {f"c{n}": kinds[n % 5] if n < 200 else "text" for n in range(400)}
    columns = [column_document(name, kind) for name, kind in names.items()]
    wide.create_schema({"schema_name": "s", "tables": {"W": table_document("W", columns)}})
    values = {"int4": 3, "json": {"a": [1]}, "text": "}", "boolean": False, "float8": 0.1}
    row = {name: values[kind] for name, kind in names.items()}
    wide.insert(TableName("W", "s"), [row, {}])

    found = wide.fetch("entity/s:W@sort(c0)")

    assert found[0].items() >= row.items()
    assert set(found[1][name] for name in names) == {None}
    wide.close()

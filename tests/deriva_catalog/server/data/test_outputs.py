"""Rows that were written are told as the database tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName
from deriva_catalog.path.parser import parse_path
from deriva_catalog.server.data.inputs import CSV, JSON, JSON_STREAM, csv_rows
from deriva_catalog.server.data.outputs import serialised

T = TableName("T", "S")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
VALUES = {
    "text": TEXT,
    "boolean": st.booleans(),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "float8": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "date": st.dates().map(str),
    "timestamptz": st.datetimes().map(lambda when: f"{when.isoformat()}+00:00"),
    "timestamp": st.datetimes().map(lambda when: when.isoformat()),
    "jsonb": st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
        max_leaves=4,
    ),
    "text[]": st.lists(st.none() | TEXT, max_size=3),
    "int8[]": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3),
    "boolean[]": st.lists(st.booleans(), max_size=2),
}
ROWS = st.lists(
    st.fixed_dictionaries({kind: st.none() | values for kind, values in VALUES.items()}),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCatalog]:
    made = create_local(Path(tmp_path_factory.mktemp("c")) / "catalog", client="kim")
    made.create_schema("S")
    made.create_table("S", table_document("T", [column_document(kind, kind) for kind in VALUES]))
    yield made
    made.close()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS)
@example([dict.fromkeys(VALUES) | {"float8": value} for value in (-0.0, 1e15, 5e15, 1e300, 0.1)])
def test_what_is_told_is_what_would_be_read(catalog: LocalCatalog, rows: list[Any]) -> None:
    if catalog.count(T):
        catalog.delete(parse_path("S:T"))
    written = catalog.insert(T, rows)
    shown = {column.name: column.type for column in catalog.model.schemas["S"].tables["T"].columns}
    query = "entity/S:T@sort(RID)"
    read = b"".join(catalog.stream(query, CSV))
    assert serialised(written, shown, CSV) == read
    told = serialised(written, shown, JSON)
    assert json.loads(told) == json.loads(b"".join(catalog.stream(query, JSON)))
    assert told.count(b",\n {") == len(rows) - 1
    lines = serialised(written, shown, JSON_STREAM).splitlines()
    assert [json.loads(line) for line in lines] == json.loads(told)
    # And what CSV says is read back as it was.
    again = csv_rows(read.decode())
    catalog.delete(parse_path("S:T"))
    back = catalog.insert(T, again, nondefaults=["RID", "RCT", "RCB"])
    assert [{k: row[k] for k in VALUES} for row in back] == [
        {k: row[k] for k in VALUES} for row in written
    ]

"""Small reads by statements that are kept for all queries of their shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from deriva_catalog.access import Client
from deriva_catalog.catalog import LocalCatalog, create_catalog, create_local
from deriva_catalog.errors import BadRequest, CatalogError, Conflict
from deriva_catalog.model.address import Address
from deriva_catalog.model.definitions import column_document, table_document
from deriva_catalog.path.ast import TableName
from postgres import database

TYPES = {
    "i": ("int4", 7),
    "f": ("float8", 1.5),
    "b": ("boolean", True),
    "t": ("text", "per cent % and 'quotes' %s :x ?"),
    "d": ("date", "2026-11-20"),
    "z": ("timestamptz", "2026-11-20T21:08:50.5+00:00"),
    "v": ("interval", "1 day"),
    "j": ("jsonb", {"a": 1}),
    "l": ("text[]", ["x", "y"]),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalCatalog]:
    """A catalog with two rows: one with a value in each column, one with none."""
    if request.param == "sqlite":
        made = create_local(tmp_path / "catalog", client="kim")
        yield filled(made)
        made.close()
        return
    with database() as found:
        served = create_catalog(found.url, client="kim", files=tmp_path / "files")
        assert isinstance(served, LocalCatalog)
        yield filled(served)
        served.close()


def filled(catalog: LocalCatalog) -> LocalCatalog:
    columns = [column_document(name, kind) for name, (kind, _) in TYPES.items()]
    catalog.create_schema({"schema_name": "s", "tables": {"T": table_document("T", columns)}})
    row = {name: value for name, (_, value) in TYPES.items()}
    catalog.insert(TableName("T", "s"), [row, dict.fromkeys(row)])
    return catalog


def streamed(catalog: LocalCatalog, query: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(b"".join(catalog.stream(query, "application/json")))
    return found


def literal(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return quote("x" if isinstance(value, list) else text, safe="")


@pytest.mark.parametrize("name", TYPES)
def test_each_value_finds_what_it_would_find_alone(catalog: LocalCatalog, name: str) -> None:
    right = literal(TYPES[name][1])
    other = {"i": "8", "f": "2", "b": "false", "j": "3", "v": "2%20days"}
    wrong = other.get(name, literal(TYPES[name][1])[:-1] + "1")
    for value, count in ((right, 1), (wrong, 0), (right, 1)):
        query = f"entity/s:T/{name}={value}?limit=5"
        assert streamed(catalog, query) == catalog.fetch(query)
        assert len(streamed(catalog, query)) == count


def test_a_rid_matches_as_written_and_in_its_canonical_form(catalog: LocalCatalog) -> None:
    one, other = (row["RID"] for row in catalog.fetch("entity/s:T@sort(RID)"))
    for rid in (one, one.lower(), f"{other[:1]}-{other[1:]}", other, "9-ZZZZ", "no rid"):
        found = streamed(catalog, f"entity/s:T/RID={quote(rid)}")
        assert [row["RID"] for row in found] == [
            known for known in (one, other) if known == rid.replace("-", "").upper()
        ]


def test_a_value_that_does_not_fit_is_refused_each_time(catalog: LocalCatalog) -> None:
    refusals: dict[str, type[CatalogError]] = {
        "i=abc": BadRequest,
        "f=x": BadRequest,
        "b=maybe": Conflict,
        "d=2026-02-30": Conflict,
        "j=%7B": Conflict,
    }
    for filter, kind in refusals.items():
        for _ in range(2):
            with pytest.raises(kind):
                streamed(catalog, f"entity/s:T/{filter}?limit=1")


def test_several_values_and_other_forms(catalog: LocalCatalog) -> None:
    text = literal(TYPES["t"][1])
    for number in (7, 8, 7):
        query = f"attribute/M:=s:T/i={number}&t={text}/!b::null::/M:i,f@sort(i)?limit=2"
        assert streamed(catalog, query) == catalog.fetch(query)
        counted = f"aggregate/s:T/i={number}/n:=cnt(*)"
        assert streamed(catalog, counted) == [{"n": int(number == 7)}]
        csv = b"".join(catalog.stream(f"{query}", "text/csv"))
        assert csv == (b"i,f\n7,1.5\n" if number == 7 else b"i,f\n")
        lines = b"".join(catalog.stream(query, "application/x-json-stream"))
        assert lines == (b'{"i":7,"f":1.5}\n' if number == 7 else b"")


def test_a_change_of_the_model_is_a_change_of_the_statement(catalog: LocalCatalog) -> None:
    [row] = streamed(catalog, "entity/s:T/i=7?limit=1")
    assert "i" in row
    catalog.alter(Address("s", "T", column="i"), {"name": "number"})
    [row] = streamed(catalog, "entity/s:T/number=7?limit=1")
    assert (row["number"], "i" in row) == (7, False)
    catalog.alter(Address("s", "T", column="number"), {"type": {"typename": "text"}})
    assert streamed(catalog, "entity/s:T/number=7?limit=1")[0]["number"] == "7"


def test_clients_do_not_share_what_they_may_not_see(catalog: LocalCatalog) -> None:
    ann, bob = Client("ann"), Client("bob")
    catalog.set_acls(Address(), {"owner": ["kim"], "enumerate": ["*"], "select": ["ann", "bob"]})
    catalog.set_acls(Address("s", "T", column="t"), {"select": ["ann"], "enumerate": ["ann"]})
    for _ in range(2):
        assert "t" in streamed(catalog.for_client(ann), "entity/s:T/i=7?limit=1")[0]
        assert "t" not in streamed(catalog.for_client(bob), "entity/s:T/i=7?limit=1")[0]
        assert "t" in streamed(catalog, "entity/s:T/i=7?limit=1")[0]
    binding = {"types": ["select"], "projection": "t", "projection_type": "acl", "scope_acl": ["*"]}
    catalog.set_acls(Address("s", "T"), {"select": []})
    catalog.set_acl_bindings(Address("s", "T"), {"mine": binding})
    catalog.set_acls(Address("s", "T", column="t"), {})
    [row] = catalog.fetch("entity/s:T/i=7")
    catalog.update(TableName("T", "s"), [{"RID": row["RID"], "t": "ann"}])
    for _ in range(2):
        assert len(streamed(catalog.for_client(ann), f"entity/s:T/RID={row['RID']}")) == 1
        assert streamed(catalog.for_client(bob), f"entity/s:T/RID={row['RID']}") == []


def test_what_stands_for_a_value_is_no_value(catalog: LocalCatalog) -> None:
    for query in ("entity/s:T/t=a?limit=5", "entity/s:T/t=slot0", "entity/s:T/t=slot0?limit=5"):
        assert streamed(catalog, query) == []
    many = ",".join(map(str, range(200)))
    assert len(streamed(catalog, f"entity/s:T/i=any({many})?limit=5")) == 1

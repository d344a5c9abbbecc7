"""A catalog with one table of every kind of value, and others that refer to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from catalog_server import HttpClient, Served
from deriva_catalog.catalog import LocalCatalog
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)

KINDS = {
    "label": "text",
    "flag": "boolean",
    "small": "int2",
    "number": "int4",
    "big": "int8",
    "weight": "float8",
    "taken": "date",
    "scanned": "timestamptz",
    "local": "timestamp",
    "clock": "time",
    "facts": "jsonb",
    "tags": "text[]",
    "sizes": "int4[]",
}


def _tables(kim: HttpClient, cat: str) -> str:
    columns = [column_document(name, kind) for name, kind in KINDS.items()]
    columns[3] = column_document("number", "int4", default=7)
    sample = table_document("Sample", columns, keys=[key_document(["label"])])
    a = table_document(
        "A",
        [column_document("id", "int4", nullok=False), column_document("v", "text")],
        keys=[key_document(["id"])],
    )
    b = table_document(
        "B",
        [column_document("a", "int4"), column_document("n", "int4"), column_document("o", "text")],
        foreign_keys=[foreign_key_document(["a"], "lab", "A", ["id"])],
    )
    document = {"schema_name": "lab", "tables": {"Sample": sample, "A": a, "B": b}}
    assert kim.post(f"{cat}/schema", [document]).status == 201
    return cat


def _rows(kim: HttpClient, lab: str, full: dict[str, Any]) -> str:
    samples = [full, {"label": ""}, {"label": "z", "flag": False, "weight": 2.0, "facts": []}]
    for table, rows in (
        ("Sample", samples),
        ("A", [{"id": n, "v": f"v{n % 2}"} for n in range(4)]),
        ("B", [{"a": n, "n": n} for n in (1, 1, 2, None)]),
    ):
        assert len(kim.post(f"{lab}/entity/lab:{table}", rows).json) == len(rows)
    return lab


@pytest.fixture
def lab(kim: HttpClient, cat: str) -> str:
    """The address of a catalog with ``lab:Sample`` and, for references, ``A`` and ``B``."""
    return _tables(kim, cat)


@pytest.fixture(scope="session")
def full() -> dict[str, Any]:
    """A sample with a value of every kind."""
    return {
        "label": 'a "b", c',
        "flag": True,
        "small": 1,
        "number": 2,
        "big": 2**53 + 1,
        "weight": 0.1,
        "taken": "2026-11-20",
        "scanned": "2026-11-20T21:08:50.5+00:00",
        "local": "2026-11-20T21:08:50",
        "clock": "12:30:00",
        "facts": {"x": [1, None, "é"]},
        "tags": ["a", "b c", None, "NULL"],
        "sizes": [1, 2],
    }


@pytest.fixture
def filled(kim: HttpClient, lab: str, full: dict[str, Any]) -> str:
    """The same with rows: three samples, four of A, four of B."""
    return _rows(kim, lab, full)


@pytest.fixture(scope="module")
def shelf(served: Served, kim: HttpClient, full: dict[str, Any]) -> str:
    """The same for the whole module: to be read only."""
    made = served.service.registry.create(client=kim.id)
    made.close()
    return _rows(kim, _tables(kim, f"/ermrest/catalog/{made.id}"), full)


Local = Callable[[str], LocalCatalog]


@pytest.fixture
def local(served: Served) -> Iterator[Local]:
    """Opens the catalog at an address in process."""
    opened: list[LocalCatalog] = []

    def open_one(address: str) -> LocalCatalog:
        opened.append(served.service.registry.open(address.rsplit("/", 1)[1]))
        return opened[-1]

    yield open_one
    for catalog in opened:
        catalog.close()

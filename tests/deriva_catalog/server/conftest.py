"""One service for the tests of a module, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalog_server import HttpClient, Served, serving
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running service."""
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def kim(served: Served) -> HttpClient:
    """Somebody who is logged in."""
    return served.client("https://lab.example/kim", groups=["https://lab.example/group/staff"])


@pytest.fixture(scope="module")
def nobody(served: Served) -> HttpClient:
    """Somebody who is not."""
    return served.client()


@pytest.fixture
def cat(served: Served, kim: HttpClient) -> str:
    """The address of an empty catalog of kim's."""
    made = served.service.registry.create(client=kim.id)
    made.close()
    return f"/ermrest/catalog/{made.id}"


@pytest.fixture
def zoo(kim: HttpClient, cat: str) -> str:
    """The address of a catalog with a schema ``zoo``: animals refer to species by name."""
    species = table_document(
        "Species",
        [column_document("name", "text", nullok=False), column_document("legs", "int4", default=4)],
        keys=[key_document(["name"])],
    )
    animal = table_document(
        "Animal",
        [column_document("nr", "int4"), column_document("species", "text")],
        foreign_keys=[foreign_key_document(["species"], "zoo", "Species", ["name"])],
    )
    zoo = {"schema_name": "zoo", "tables": {"Species": species, "Animal": animal}}
    assert kim.post(f"{cat}/schema", [zoo]).status == 201
    return cat

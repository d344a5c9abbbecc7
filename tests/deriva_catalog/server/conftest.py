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
def ann(served: Served) -> HttpClient:
    """Somebody else who is logged in."""
    return served.client("https://lab.example/ann")


@pytest.fixture(scope="module")
def nobody(served: Served) -> HttpClient:
    """Somebody who is not."""
    return served.client()


def new_catalog(client: HttpClient) -> str:
    """The address of a new catalog."""
    made = client.post("/ermrest/catalog")
    assert made.status == 201, made.text
    return str(made.headers["location"])


def new_zoo(client: HttpClient) -> str:
    """The address of a new catalog with a schema ``zoo``: animals refer to species by name."""
    cat = new_catalog(client)
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
    assert client.post(f"{cat}/schema", [zoo]).status == 201
    return cat


@pytest.fixture
def cat(kim: HttpClient) -> str:
    """An empty catalog of kim's."""
    return new_catalog(kim)


@pytest.fixture
def zoo(kim: HttpClient) -> str:
    """A catalog of kim's with species and animals."""
    return new_zoo(kim)


@pytest.fixture(scope="module")
def park(kim: HttpClient) -> str:
    """The same for tests that change nothing, or nothing that others look at."""
    return new_zoo(kim)

"""The back ends that the contract of a catalog is held against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import postgres
from backends import (
    AnyCatalog,
    Backend,
    InDatabase,
    OverHttp,
    embedded,
    forget,
    in_database,
    over_http,
)
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)

BACKENDS = ["sqlite", "postgresql", "http-sqlite", "http-postgresql"]


@pytest.fixture(scope="session")
def http_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverHttp]:
    """A service of SQLite catalogs, one for all tests of this process."""
    with over_http(tmp_path_factory.mktemp("home")) as backend:
        yield backend


@pytest.fixture(scope="session")
def http_postgresql(
    shared_database: postgres.Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OverHttp]:
    """A service of PostgreSQL catalogs, one for all tests of this process."""
    with over_http(tmp_path_factory.mktemp("home"), shared_database.url) as backend:
        yield backend


@pytest.fixture(scope="session")
def postgresql(
    shared_database: postgres.Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InDatabase]:
    """PostgreSQL catalogs in this process, of one registry for all tests."""
    with in_database(shared_database.url, tmp_path_factory.mktemp("files")) as backend:
        yield backend


@pytest.fixture(scope="session")
def shared_database() -> Iterator[postgres.Database]:
    """A database for the catalogs of all tests of this process."""
    with postgres.database() as made:
        yield made


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Where catalogs live."""
    if request.param == "sqlite":
        with embedded(tmp_path) as made:
            yield made
        return
    shared: InDatabase | OverHttp = request.getfixturevalue(request.param.replace("-", "_"))
    yield shared
    forget(shared)


@pytest.fixture
def catalog(backend: Backend) -> AnyCatalog:
    """An empty catalog."""
    return backend.create()


@pytest.fixture
def zoo(catalog: AnyCatalog) -> AnyCatalog:
    """A catalog with species and the animals that belong to them."""
    species = table_document(
        "Species",
        [
            column_document("name", "text", nullok=False),
            column_document("legs", "int4", default=4),
            column_document("tags", "text[]"),
        ],
        keys=[key_document(["name"])],
    )
    animal = table_document(
        "Animal",
        [
            column_document("nr", "serial4"),
            column_document("species", "text"),
            column_document("weight", "float8"),
            column_document("tame", "boolean"),
            column_document("facts", "jsonb"),
        ],
        keys=[key_document(["nr"])],
        foreign_keys=[foreign_key_document(["species"], "zoo", "Species", ["name"])],
    )
    catalog.create_schema({"schema_name": "zoo", "tables": {"Species": species, "Animal": animal}})
    return catalog

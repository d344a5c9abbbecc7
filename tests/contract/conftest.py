"""The back ends that the contract of a catalog is held against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.model.definitions import (
    column_document,
    foreign_key_document,
    key_document,
    table_document,
)

BACKENDS = ["sqlite"]


@pytest.fixture(params=BACKENDS)
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalCatalog]:
    """An empty catalog."""
    made = create_local(tmp_path / "catalog", client="kim")
    yield made
    made.close()


@pytest.fixture
def zoo(catalog: LocalCatalog) -> LocalCatalog:
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

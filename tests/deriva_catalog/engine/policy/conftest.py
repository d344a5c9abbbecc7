"""Catalogs that belong to kim, in each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import postgres
from deriva_catalog.catalog import LocalCatalog, create_catalog, create_local


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalCatalog]:
    """An empty catalog."""
    if request.param == "sqlite":
        made = create_local(tmp_path / "catalog", client="kim")
        yield made
        made.close()
        return
    with postgres.database() as database:
        made = create_catalog(database.url, client="kim", files=tmp_path)
        yield made
        made.close()

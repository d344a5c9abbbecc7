"""A catalog says where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

import deriva_ml
from deriva_catalog.catalog import LocalCatalog, create_local
from deriva_catalog.interface import Address
from deriva_ml.catalog import (
    CATALOG_PROVENANCE_URL,
    CatalogCreationMethod,
    CloneDetails,
    get_catalog_provenance,
    set_catalog_provenance,
)
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.schema import create_ml_catalog


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    return create_local(tmp_path / "c", client="kim")


def test_what_is_set_is_got(catalog: LocalCatalog) -> None:
    assert get_catalog_provenance(catalog) is None
    details = CloneDetails("data.example.org", "7", "3-ABC", exclude_schemas=("a", "b"))
    record = set_catalog_provenance(
        catalog,
        name="Lab",
        description="Ours.",
        workflow_url="https://example.org/w.py",
        workflow_version="1.0.0",
        creation_method="clone",
        clone_details=details,
    )
    assert get_catalog_provenance(catalog) == record
    assert record.is_clone
    assert (record.created_by, record.catalog_id, record.hostname) == ("kim", "c", "localhost")
    assert catalog.model.annotations[CATALOG_PROVENANCE_URL]["clone_details"][
        "exclude_schemas"
    ] == ["a", "b"]


def test_there_are_four_ways_to_make_a_catalog(catalog: LocalCatalog) -> None:
    with pytest.raises(DerivaMLValidationError, match="clone, create, schema, unknown"):
        set_catalog_provenance(catalog, creation_method="magic")


def test_a_record_of_another_program_is_read_as_far_as_it_is_understood(
    catalog: LocalCatalog,
) -> None:
    strange = {"creation_method": "dream", "name": "x", "more": 1, "clone_details": {"odd": 2}}
    catalog.set_annotation(Address(), CATALOG_PROVENANCE_URL, strange)
    record = get_catalog_provenance(catalog)
    assert record is not None
    assert record.creation_method is CatalogCreationMethod.UNKNOWN
    assert record.name == "x"
    assert record.clone_details == CloneDetails("", "")
    catalog.set_annotation(Address(), CATALOG_PROVENANCE_URL, "nothing")
    assert get_catalog_provenance(catalog) is None


def test_creating_a_catalog_writes_it_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path))
    made = create_ml_catalog("localhost", "lab")
    record = get_catalog_provenance(made)
    assert record is not None
    assert (record.creation_method, record.name) == (CatalogCreationMethod.CREATE, "lab")
    assert record.catalog_id == made.id == "1"
    made.close()
    assert deriva_ml.get_catalog_provenance is get_catalog_provenance

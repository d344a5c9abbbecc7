"""Catalogs with the ML schema."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import deriva_ml
from deriva_catalog.catalog import open_local
from deriva_catalog.interface import Address
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLDataError,
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLSchemaError,
    DerivaMLValidationError,
)
from deriva_ml.schema import (
    add_directory_dataset_table,
    create_ml_catalog,
    create_ml_schema,
    create_or_retarget_ml_catalog,
    initialize_ml_schema,
    reset_ml_schema,
)
from deriva_ml.schema.terms import SEEDED_TERMS

ML_TABLES = {
    "Asset_Role",
    "Asset_Type",
    "Dataset",
    "Dataset_Dataset",
    "Dataset_Dataset_Type",
    "Dataset_Execution",
    "Dataset_File",
    "Dataset_Type",
    "Dataset_Version",
    "Directory_Dataset",
    "Execution",
    "Execution_Asset",
    "Execution_Asset_Asset_Type",
    "Execution_Asset_Execution",
    "Execution_Execution",
    "Execution_Metadata",
    "Execution_Metadata_Asset_Type",
    "Execution_Metadata_Execution",
    "Execution_Status",
    "Feature_Name",
    "File",
    "File_Asset_Type",
    "File_Execution",
    "Workflow",
    "Workflow_Type",
    "Workflow_Workflow_Type",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of catalogs of this test's own."""
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_ml_schema_has_all_of_its_tables(ml: DerivaML) -> None:
    assert set(ml.model.schemas["deriva-ml"].tables) == ML_TABLES


def test_every_ml_table_says_who_made_a_row(ml: DerivaML) -> None:
    for table in ml.model.schemas["deriva-ml"].tables.values():
        users = {f.columns for f in table.foreign_keys if f.referenced_table == "ERMrest_Client"}
        assert users == {("RCB",), ("RMB",)}, table.name


def test_every_vocabulary_starts_with_its_terms(ml: DerivaML) -> None:
    for name, terms in SEEDED_TERMS.items():
        present = {t.name for t in ml.list_vocabulary_terms(name)}
        assert terms.keys() <= present


def test_identifiers_of_terms_come_from_the_project(ml: DerivaML) -> None:
    term = ml.lookup_term("Dataset_Type", "Training")
    assert term.id == f"zoo:{term.rid}"
    assert term.uri == f"/id/{term.rid}"
    assert ml.lookup_term("Workflow_Type", "Training").id.startswith("deriva-ml:")


def test_a_dataset_and_its_current_version_refer_to_each_other(ml: DerivaML) -> None:
    tables = ml.model.schemas["deriva-ml"].tables
    assert ("Version",) in {f.columns for f in tables["Dataset"].foreign_keys}
    assert ("Dataset",) in {f.columns for f in tables["Dataset_Version"].foreign_keys}


def test_things_of_unknown_origin_have_something_to_point_at(ml: DerivaML) -> None:
    execution = ml.retrieve_rid(ml.unknown_provenance_execution_rid())
    assert execution["Status"] == "Aborted"
    assert ml.retrieve_rid(ml.unknown_provenance_file_rid())["Length"] == 0


def test_a_new_catalog_opens_by_its_alias_and_number(home: Path) -> None:
    catalog = create_ml_catalog("localhost", "digits")
    number = catalog.id
    catalog.close()
    for name in ("digits", number, int(number)):
        ml = DerivaML("localhost", name)
        assert ml.default_schema == "digits"
        assert ml.project_name == "digits"
        ml.catalog.close()


def test_the_alias_and_the_domain_schema_may_differ_from_the_project(home: Path) -> None:
    create_ml_catalog("localhost", "p", catalog_alias="a", domain_schema="d").close()
    ml = DerivaML("localhost", "a")
    assert ml.domain_schemas == {"d"}
    ml.catalog.close()


def test_an_alias_that_is_taken_is_refused_and_nothing_is_left_behind(home: Path) -> None:
    create_ml_catalog("localhost", "digits").close()
    before = sorted(p.name for p in (home / "catalogs").iterdir())
    with pytest.raises(DerivaMLDataError, match="'digits'"):
        create_ml_catalog("localhost", "digits")
    assert sorted(p.name for p in (home / "catalogs").iterdir()) == before


_CREATE = """
import sys
from deriva_ml.core.exceptions import DerivaMLDataError
from deriva_ml.schema import create_ml_catalog
print("ready", flush=True)
sys.stdin.readline()
try:
    create_ml_catalog("localhost", "digits").close()
except DerivaMLDataError as error:
    print("refused", error)
else:
    print("created")
"""


@pytest.mark.slow
def test_of_two_processes_that_create_one_alias_one_succeeds(home: Path) -> None:
    source = Path(deriva_ml.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _CREATE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    said = sorted(racer.communicate()[0].strip() for racer in racers)
    assert said[0] == "created"
    assert said[1].startswith("refused")
    assert "'digits'" in said[1]
    assert [racer.returncode for racer in racers] == [0, 0]
    left = [p.name for p in (home / "catalogs").iterdir() if not p.name.startswith("registry")]
    ml = DerivaML("localhost", "digits")
    assert left == [ml.catalog.id]
    ml.catalog.close()


@pytest.mark.parametrize("name", ["", " ", "deriva-ml", "public"])
def test_names_of_the_system_are_refused(home: Path, name: str) -> None:
    with pytest.raises(DerivaMLValidationError):
        create_ml_catalog("localhost", "p", domain_schema=name or " ")


def test_an_unknown_catalog_is_one_clear_error(home: Path) -> None:
    create_ml_catalog("localhost", "digits").close()
    with pytest.raises(DerivaMLNotFoundError, match=r"'digit'.*'digits'"):
        DerivaML("localhost", "digit")


def test_an_unknown_host_is_one_clear_error(home: Path) -> None:
    with pytest.raises(DerivaMLException, match=r"nowhere\.example"):
        DerivaML("nowhere.example", 1)


def test_a_catalog_without_the_ml_schema_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(DerivaMLSchemaError, match="'other-ml'"):
        DerivaML(str(place), ml_schema="other-ml", working_dir=tmp_path)


def test_domain_schemas_that_are_not_there_are_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(DerivaMLConfigurationError, match="'zo'"):
        DerivaML(str(place), domain_schemas={"zo"}, working_dir=tmp_path)


def test_the_ml_schema_is_dropped_only_by_force(place: Path) -> None:
    catalog = open_local(place)
    before = catalog.latest_snapshot()
    with pytest.raises(DerivaMLSchemaError, match="force=True"):
        create_ml_schema(catalog)
    assert catalog.latest_snapshot() == before
    create_ml_schema(catalog, project_name="other", force=True)
    assert set(catalog.model.schemas["deriva-ml"].tables) == ML_TABLES
    catalog.close()


def test_an_alias_may_be_moved_to_a_new_catalog(home: Path) -> None:
    first, second = (create_or_retarget_ml_catalog("localhost", "lab") for _ in range(2))
    assert first.id != second.id
    ml = DerivaML("localhost", "lab")
    assert ml.catalog_id == second.id
    for catalog in (first, second, ml.catalog):
        catalog.close()
    with pytest.raises(DerivaMLValidationError, match="has no alias"):
        create_or_retarget_ml_catalog(str(home / "c"), "lab")


def test_resetting_forgets_and_initialising_completes(tmp_path: Path) -> None:
    catalog = create_ml_catalog(str(tmp_path / "c"), "lab")
    ml = DerivaML(str(tmp_path / "c"), working_dir=tmp_path / "work")
    ml.create_dataset("Training", "mine")
    ml.delete_term("Dataset_Type", "Subsample")
    before = ml.catalog.latest_snapshot()
    initialize_ml_schema(ml)
    assert ml.lookup_term("Dataset_Type", "Subsample")
    after = ml.catalog.latest_snapshot()
    assert after != before
    initialize_ml_schema(ml.catalog)
    assert ml.catalog.latest_snapshot() == after
    with pytest.raises(DerivaMLSchemaError, match=r"no schema 'other'.*create_ml_schema"):
        initialize_ml_schema(ml, "other")
    reset_ml_schema(ml)
    assert ml.find_datasets() == []
    for each in (catalog, ml.catalog):
        each.close()


def test_a_table_that_older_schemas_lack_is_added(tmp_path: Path) -> None:
    catalog = create_ml_catalog(str(tmp_path / "c"), "lab")
    assert not add_directory_dataset_table(catalog)
    catalog.drop(Address("deriva-ml", "Directory_Dataset"))
    assert add_directory_dataset_table(catalog)
    assert "Directory_Dataset" not in catalog.model.schemas["deriva-ml"].tables
    assert add_directory_dataset_table(catalog, apply=True)
    assert not add_directory_dataset_table(catalog, apply=True)
    catalog.close()

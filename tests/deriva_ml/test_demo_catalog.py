"""The demo catalog: what the specification says is in it, wherever it is made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from backends import OverHttp, over_http
from deriva_catalog.catalog import Registry, connect
from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaML
from deriva_ml.cli.demo import main
from deriva_ml.core.exceptions import DerivaMLDataError, DerivaMLException, DerivaMLSchemaError
from deriva_ml.demo_catalog import (
    create_demo_catalog,
    create_demo_files,
    create_domain_schema,
    destroy_demo_catalog,
)
from postgres import database

TABLES = {
    "Subject",
    "Image",
    "Image_Asset_Type",
    "Image_Execution",
    "Observation",
    "Report",
    "OCR_Report",
    "ClinicalRecord",
    "ClinicalRecord_Observation",
    "Image_Dataset_Legacy",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DerivaML]:
    """The whole demo catalog."""
    place = tmp_path_factory.mktemp("demo") / "catalog"
    create_demo_catalog(
        str(place), create_features=True, create_datasets=True, on_exit_delete=False
    ).close()
    ml = DerivaML(str(place), working_dir=place.parent / "work")
    yield ml
    ml.catalog.close()


def test_it_has_the_tables_and_a_picture_of_every_subject(demo: DerivaML) -> None:
    assert demo.domain_schemas == {"demo-schema"}
    assert set(demo.catalog.model.schemas["demo-schema"].tables) >= TABLES
    subjects = demo.get_table_as_dict("Subject")
    assert {row["Name"] for row in subjects} == {f"Thing{n}" for n in range(1, 13)}
    images = demo.get_table_as_dict("Image")
    assert {row["Subject"] for row in images} == {row["RID"] for row in subjects}
    assert sum(row["Observation"] is None for row in images) == 6
    columns = demo.model.name_to_table("ClinicalRecord_Observation").by_name
    assert {"ClinicalRecord", "Observation_Ref"} <= set(columns)


def test_its_features_have_values(demo: DerivaML) -> None:
    names = {(f.target_table.name, f.feature_name) for f in demo.find_features()}
    assert names == {("Subject", "Health"), ("Image", "Quality"), ("Image", "BoundingBox")}
    health = list(demo.feature_values("Subject", "Health"))
    assert {value.SubjectHealth for value in health} == {"Sick", "Well"}
    assert {value.Scale for value in health} >= {None, 1}
    assert len(list(demo.feature_values("Image", "BoundingBox"))) == 12


def test_its_datasets_are_nested_and_at_their_first_version(demo: DerivaML) -> None:
    datasets = demo.find_datasets()
    assert [str(d.current_version) for d in datasets] == ["1.0.0"] * 7
    (whole,) = (d for d in datasets if "Complete" in d.dataset_types)
    halves = whole.list_dataset_children()
    assert sorted(t for half in halves for t in half.dataset_types) == ["Testing", "Training"]
    for half in halves:
        members = half.list_dataset_members()
        assert len(members["Image"]) == 2
        assert [len(c.list_dataset_members()["Subject"]) for c in half.list_dataset_children()] == [
            2,
            2,
        ]
    assert demo.lookup_term("Dataset_Type", "train").name == "Training"


def test_every_row_of_it_has_a_producer(demo: DerivaML) -> None:
    executions = demo.find_executions(workflow_type="Demo Catalog Creation")
    assert {str(e.status) for e in executions} == {"Uploaded"}
    assert len(executions) == 3


def test_it_can_be_made_without_rows(tmp_path: Path) -> None:
    catalog = create_demo_catalog(str(tmp_path / "c"), "other", populate=False)
    assert catalog.count(TableName("Subject", "other")) == 0
    with pytest.raises(DerivaMLSchemaError, match="has tables already"):
        create_domain_schema(catalog, "other")
    with pytest.raises(DerivaMLDataError):
        create_demo_catalog(str(tmp_path / "c"))
    destroy_demo_catalog(catalog)
    assert not (tmp_path / "c").exists()


def test_destroying_a_registered_one_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path))
    catalog = create_demo_catalog("localhost", populate=False, on_exit_delete=False)
    directory = catalog.directory
    destroy_demo_catalog(catalog)
    assert not directory.exists()
    assert Registry().catalogs() == []


@pytest.fixture
def locked() -> Iterator[str]:
    """The URL of a database, with the password that it wants."""
    with database() as made, psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE demo SUPERUSER LOGIN PASSWORD 'secret'")
        (rules,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        before = Path(rules).read_text()
        try:
            Path(rules).write_text(f"local {made.name} demo scram-sha-256\n{before}")
            connection.execute("SELECT pg_reload_conf()")
            parts = urlsplit(made.url)
            yield parts._replace(netloc="demo:secret@").geturl()
        finally:
            Path(rules).write_text(before)
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("REASSIGN OWNED BY demo TO CURRENT_USER")
            connection.execute("DROP ROLE demo")


def test_one_in_a_database_with_a_password_is_destroyed(
    locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(tmp_path))
    catalog = create_demo_catalog(locked, populate=False, on_exit_delete=False)
    with pytest.raises(DerivaMLException, match="password"):
        destroy_demo_catalog(catalog)
    destroy_demo_catalog(catalog, hostname=locked)
    with pytest.raises(ValueError, match="LOUD"):
        create_demo_catalog(locked, logging_level="LOUD")  # type: ignore[arg-type]
    assert Registry.of_database(locked).catalogs() == []


AT_EXIT = """
import shutil, sys
from deriva_ml.demo_catalog import create_demo_catalog

catalog = create_demo_catalog(sys.argv[1], populate=False)
if sys.argv[2] == "gone":
    shutil.rmtree(catalog.directory)
if sys.argv[2] == "file":
    shutil.rmtree(catalog.directory)
    catalog.directory.write_text("somebody else's")
"""


@pytest.mark.parametrize(("state", "told"), [("gone", ""), ("file", "cannot be deleted")])
def test_what_stays_at_the_end_is_told(tmp_path: Path, state: str, told: str) -> None:
    command = [sys.executable, "-c", AT_EXIT, str(tmp_path / "c"), state]
    done = subprocess.run(command, check=True, timeout=90, capture_output=True, text=True)
    assert (told in done.stderr) if told else (done.stderr == "")


def test_the_command_makes_one_and_prints_its_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "c"
    assert main(["--path", str(place), "--domain_schema", "lab"]) == 0
    assert capsys.readouterr().out.strip() == place.as_uri()
    catalog = connect(place)
    assert catalog.count(TableName("Subject", "lab")) == 12
    catalog.close()
    assert main(["--path", str(place)]) == 2
    assert "not an empty directory" in capsys.readouterr().err


def test_files_of_this_machine_are_described(tmp_path: Path) -> None:
    catalog = create_demo_catalog(str(tmp_path / "c"), populate=False, on_exit_delete=False)
    ml = DerivaML(str(tmp_path / "c"), working_dir=tmp_path / "work")
    dataset = create_demo_files(ml)
    assert len(dataset.list_dataset_members(recurse=True)["File"]) == 4
    assert dataset.dataset_types == ["Directory", "File"]
    assert create_demo_files(ml).dataset_rid != dataset.dataset_rid
    assert len(ml.list_files()) == 4
    for each in (ml.catalog, catalog):
        each.close()


def test_it_can_be_made_on_a_server(tmp_path: Path) -> None:
    with over_http(tmp_path / "home") as served:
        host, credential = _account(served)
        catalog = create_demo_catalog(host, on_exit_delete=False, credential=credential)
        ml = DerivaML(host, catalog.id, working_dir=tmp_path / "w", credential=credential)
        assert len(ml.list_assets("Image")) == 12
        ml.catalog.close()
        destroy_demo_catalog(catalog, credential=credential)
        assert served.served.service.registry.catalogs() == []


def _account(served: OverHttp) -> tuple[str, dict[str, str]]:
    return served.served.url, {"bearer-token": served.served.tokens.add("kim")}

"""A catalog with tables that are linked in every way: made once, then copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import ColumnDefinition, ForeignKeyDefinition, TableDefinition
from deriva_ml.schema import create_ml_catalog

from ..conftest import make_execution

SCHEMA = "clinic"


def column(name: str, typename: str = "text", nullok: bool = True) -> ColumnDefinition:
    return ColumnDefinition(name, typename, nullok=nullok)


def reference(table: str, column: str, to: str) -> ForeignKeyDefinition:
    return ForeignKeyDefinition((column,), SCHEMA, to, ("RID",), f"{table}_{column}_fkey")


def make_table(
    ml: DerivaML, name: str, columns: list[ColumnDefinition], **references: tuple[str, bool]
) -> None:
    """A table; each reference is ``Column=("Table", nullok)``."""
    keys = [reference(name, c, to) for c, (to, _) in references.items()]
    refs = [column(c, nullok=nullok) for c, (_, nullok) in references.items()]
    ml.create_table(TableDefinition(name, [*columns, *refs], foreign_keys=keys))


def make_clinic(ml: DerivaML) -> None:
    """Subjects with visits; images and reports of visits; diseases linked with subjects."""
    with ml.session.transaction():
        _make_tables(ml)


def _make_tables(ml: DerivaML) -> None:
    make_table(ml, "Site", [column("City")])
    make_table(ml, "Subject", [column("Name"), column("Age", "int4")])
    make_table(
        ml,
        "Visit",
        [column("Day", "date"), column("Weight", "float8")],
        Subject=("Subject", False),
        Site=("Site", True),
    )
    make_table(ml, "Report", [column("Kind"), column("Final", "boolean")], Visit=("Visit", True))
    ml.create_asset("Image", [column("Taken", "timestamptz")], referenced_tables=["Visit"])
    make_table(
        ml, "Scan", [column("Depth", "int4")], Subject=("Subject", True), Visit=("Visit", True)
    )
    make_table(ml, "Letter", [], Sender=("Subject", True), Receiver=("Subject", True))
    make_table(ml, "Disease", [column("Title")])
    make_table(ml, "Island", [column("Name")])
    ml.create_table(ml.define_association(["Subject", "Disease"]))
    ml.create_vocabulary("Quality", "How good.")
    ml.vocabularies.ensure_terms("Quality", [("good", "Good."), ("bad", "Bad.")])
    ml.create_feature("Image", "Grade", terms=["Quality"])
    ml.create_feature("Subject", "Mood", metadata=[column("Score", "int4")])
    ml.create_feature("Image", "Mood", metadata=[column("Score", "int4")])
    for table in ("Subject", "Visit", "Image", "Disease", "Island", "Scan"):
        ml.add_dataset_element_type(table)


@pytest.fixture(scope="session")
def _clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clinic") / "catalog"
    create_ml_catalog(str(place), SCHEMA).close()
    ml = DerivaML(str(place), working_dir=place.parent / "work")
    make_clinic(ml)
    ml.catalog.close()
    return place


@pytest.fixture(scope="module")
def ml(_clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DerivaML]:
    """A connection to a catalog of the module's own; tests add rows, and change none."""
    root = tmp_path_factory.mktemp("clinic")
    shutil.copytree(_clinic, root / "catalog")
    connection = DerivaML(str(root / "catalog"), working_dir=root / "work")
    yield connection
    connection.catalog.close()


@dataclass(frozen=True)
class Clinic:
    """RIDs of the rows: two sites, three subjects, four visits and what belongs to them."""

    sites: list[str]
    subjects: list[str]
    visits: list[str]
    images: list[str]
    reports: list[str]
    diseases: list[str]
    executions: list[str]


def insert(ml: DerivaML, table: str, rows: list[dict[str, object]]) -> list[str]:
    """Insert rows; returns their RIDs."""
    return [r["RID"] for r in ml.catalog.insert(TableName(table, SCHEMA), rows)]


@pytest.fixture(scope="module")
def clinic(ml: DerivaML) -> Clinic:
    """The rows (see `fill_clinic`)."""
    return fill_clinic(ml)


def fill_clinic(ml: DerivaML) -> Clinic:
    """Ann has visits 0 and 1, Bob has visit 2 (at no site), Cy has none; visit 3 is Ann's.

    Images 0 and 1 belong to visit 0, image 2 to visit 2, image 3 to none. Ann has two diseases,
    Bob one of them. Image 0 has grades of both executions, image 2 of the second.
    """
    sites = insert(ml, "Site", [{"City": "Graz"}, {"City": "Linz"}])
    subjects = insert(
        ml,
        "Subject",
        [{"Name": "Ann", "Age": 41}, {"Name": "Bob", "Age": None}, {"Name": "Cy", "Age": 7}],
    )
    ann, bob, _ = subjects
    visits = insert(
        ml,
        "Visit",
        [
            {"Day": "2026-01-02", "Weight": 60.5, "Subject": ann, "Site": sites[0]},
            {"Day": "2026-02-03", "Weight": None, "Subject": ann, "Site": sites[1]},
            {"Day": "2026-03-04", "Weight": 80.0, "Subject": bob, "Site": None},
            {"Day": None, "Weight": 61.0, "Subject": ann, "Site": sites[0]},
        ],
    )
    images = _images(ml, [visits[0], visits[0], visits[2], None])
    reports = insert(
        ml,
        "Report",
        [
            {"Kind": "blood", "Final": True, "Visit": visits[0]},
            {"Kind": "x-ray", "Final": False, "Visit": visits[0]},
            {"Kind": "blood", "Final": None, "Visit": visits[1]},
            {"Kind": "lost", "Final": None, "Visit": None},
        ],
    )
    diseases = insert(ml, "Disease", [{"Title": "flu"}, {"Title": "gout"}])
    links = [(ann, diseases[0]), (ann, diseases[1]), (bob, diseases[1])]
    insert(ml, "Subject_Disease", [{"Subject": s, "Disease": d} for s, d in links])
    executions = [make_execution(ml), make_execution(ml, "Testing")]
    _grade(ml, executions[0], [(images[0], "good")])
    _grade(ml, executions[1], [(images[0], "bad"), (images[2], "good")])
    return Clinic(sites, subjects, visits, images, reports, diseases, executions)


def _images(ml: DerivaML, visits: list[str | None]) -> list[str]:
    rows = []
    for number, visit in enumerate(visits):
        stored = ml.catalog.objects.put(f"/hatrac/Image/{number}.png", f"image {number}".encode())
        rows.append(
            {
                "URL": stored.url,
                "Filename": f"{number}.png",
                "Length": stored.length,
                "MD5": stored.md5,
                "Taken": f"2026-01-0{number + 1}T10:00:00+00:00",
                "Visit": visit,
            }
        )
    return insert(ml, "Image", rows)


def _grade(ml: DerivaML, execution: str, grades: list[tuple[str, str]]) -> None:
    rows = [{"Execution": execution, "Image": i, "Quality": q} for i, q in grades]
    ml.features.insert_values(ml.lookup_feature("Image", "Grade"), rows)

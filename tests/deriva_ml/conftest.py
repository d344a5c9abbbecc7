"""A catalog with the ML schema for each test: made once, then copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.connect import close_shared_catalogs, sharing_catalogs
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition, TableDefinition
from deriva_ml.schema import create_ml_catalog

T = TypeVar("T")


def _populate(ml: DerivaML) -> None:
    ml.create_table(TableDefinition("Subject", [ColumnDefinition("Name", BuiltinTypes.text)]))
    ml.create_asset("Image", referenced_tables=["Subject"], comment="Pictures.")
    ml.create_vocabulary("Image_Class", "What a picture shows.")
    ml.vocabularies.ensure_terms("Image_Class", [("cat", "A cat."), ("dog", "A dog.")])
    for table in ("Subject", "Image"):
        ml.add_dataset_element_type(table)
    ml.create_feature("Image", "Label", terms=["Image_Class"])


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed catalog with the tables that most tests use."""
    place = tmp_path_factory.mktemp("template") / "catalog"
    catalog = create_ml_catalog(str(place), "zoo")
    catalog.close()
    ml = DerivaML(str(place), working_dir=place.parent / "work")
    _populate(ml)
    ml.catalog.close()
    return place


@pytest.fixture(scope="session")
def _zoo_template(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Zoo]:
    """The same with the rows of `zoo`."""
    return filled(_template, tmp_path_factory.mktemp("zoo"), fill_zoo)


def filled(template: Path, root: Path, fill: Callable[[DerivaML], T]) -> tuple[Path, T]:
    """A closed copy of a catalog with what `fill` adds to it, and what that returned."""
    place = root / "catalog"
    shutil.copytree(template, place)
    ml = DerivaML(str(place), working_dir=root / "work")
    made = fill(ml)
    ml.catalog.close()
    return place, made


@pytest.fixture(scope="session")
def _scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where each test's catalog is that is connected to by the fixture `ml`.

    The catalog object stays, with what it has compiled; its directory is another for each test.
    """
    yield tmp_path_factory.mktemp("scene") / "catalog"
    close_shared_catalogs()


@pytest.fixture
def place(request: pytest.FixtureRequest, _template: Path, _scene: Path, tmp_path: Path) -> Path:
    """The directory of a fresh copy of the template that has what the test's fixtures need."""
    names = request.fixturenames
    copy = _scene if "ml" in names else tmp_path / "catalog"
    if copy is _scene:
        # Sessions keep what they know beside the catalog.
        shutil.rmtree(copy.parent, ignore_errors=True)
    needed = next((name for name in ("nested", "photos", "zoo") if name in names), None)
    template = _template
    if needed is not None:
        template, _ = request.getfixturevalue(f"_{needed}_template")
    shutil.copytree(template, copy)
    return copy


@pytest.fixture
def ml(place: Path) -> Iterator[DerivaML]:
    """A connection to a catalog of this test's own."""
    with sharing_catalogs():
        connection = DerivaML(str(place), working_dir=place.parent / "work")
    yield connection
    connection.catalog.close()


class Stage:
    """One connection for the tests of a module, each of which begins on a fresh copy.

    What the connection has compiled is kept, which takes longer than most of the tests.
    """

    def __init__(self, template: Path, root: Path) -> None:
        self._template = template
        self.place, self.work = root / "catalog", root / "work"
        self.reset()
        self.ml = DerivaML(str(self.place), working_dir=self.work)

    def reset(self) -> None:
        """Bring the catalog to its beginning, and remove what was on this machine."""
        for directory in (self.place, self.work):
            shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self._template, self.place)

    def clear(self) -> DerivaML:
        """The connection, on a fresh copy."""
        self.ml.catalog.close()
        self.reset()
        return self.ml


@pytest.fixture(scope="module")
def stage(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage of a module that uses it for its fixture `ml`."""
    made = Stage(_template, tmp_path_factory.mktemp("stage"))
    yield made
    made.ml.catalog.close()


@dataclass(frozen=True)
class Zoo:
    """Rows to work with: an execution, subjects and pictures of them, the first half cats."""

    execution: str
    subjects: list[str]
    images: list[str]


def make_execution(ml: DerivaML, workflow_type: str = "Training") -> str:
    """An execution of a workflow of that type."""
    catalog = ml.catalog
    workflow = catalog.insert(
        TableName("Workflow", "deriva-ml"),
        [{"Name": "w", "URL": "https://example.org/w.py", "Checksum": "c"}],
    )[0]["RID"]
    catalog.insert(
        TableName("Workflow_Workflow_Type", "deriva-ml"),
        [{"Workflow": workflow, "Workflow_Type": workflow_type}],
    )
    row = {"Workflow": workflow, "Description": "run", "Status": "Running"}
    return str(catalog.insert(TableName("Execution", "deriva-ml"), [row])[0]["RID"])


@pytest.fixture
def zoo(ml: DerivaML, _scene: Path, _zoo_template: tuple[Path, Zoo]) -> Zoo:
    """Two subjects with four pictures each, labelled."""
    return _zoo_template[1] if ml.host_name == str(_scene) else fill_zoo(ml)


def fill_zoo(ml: DerivaML) -> Zoo:
    """Insert what `zoo` gives."""
    subjects = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}, {"Name": "Rex"}])
    rids = [row["RID"] for row in subjects]
    images = ml.catalog.insert(
        TableName("Image", "zoo"),
        [
            {
                "URL": f"tag:zoo,2026:{i}.png",
                "Filename": f"{i}.png",
                "Length": i,
                "MD5": f"{i:032x}",
                "Subject": rids[i // 4],
            }
            for i in range(8)
        ],
    )
    execution = make_execution(ml)
    feature = ml.lookup_feature("Image", "Label")
    labels = [
        {"Execution": execution, "Image": row["RID"], "Image_Class": "cat" if i < 4 else "dog"}
        for i, row in enumerate(images)
    ]
    ml.features.insert_values(feature, labels)
    return Zoo(execution, rids, [row["RID"] for row in images])

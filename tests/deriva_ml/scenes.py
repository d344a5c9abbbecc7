"""A catalog with a few of everything, and what there is to compare before and after."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_ml import Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.dataset.dataset import Dataset
from deriva_ml.execution.execution import Execution

from .conftest import Zoo, fill_zoo

WORKFLOW = Workflow(
    name="train.py", workflow_type="Training", url="https://x/train.py", checksum="c0ffee"
)


def stored(place: Path) -> dict[str, list[Any]]:
    """Everything in the database of a catalog, by physical table."""
    with closing(sqlite3.connect(f"file:{place / 'catalog.db'}?mode=ro", uri=True)) as database:
        known = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        tables = [name for (name,) in database.execute(known).fetchall()]
        return {n: database.execute(f'SELECT * FROM "{n}"').fetchall() for n in tables}


def files(directory: Path) -> set[Path]:
    """The files of a directory, but for the copy of the schema, which any connection may keep."""
    return {p for p in directory.rglob("*") if p.is_file() and p.name != "schema-cache.json"}


@dataclass(frozen=True)
class Scene:
    """A catalog with a dataset inside another, an execution, and one that was aborted."""

    ml: DerivaML
    place: Path
    zoo: Zoo
    dataset: Dataset
    parent: Dataset
    exe: Execution
    aborted: Execution


def make_scene(template: Path, root: Path) -> Scene:
    """A scene on a copy of a template; the caller closes its catalog."""
    shutil.copytree(template, root / "catalog")
    ml = DerivaML(str(root / "catalog"), working_dir=root / "work")
    zoo = fill_zoo(ml)
    dataset = ml.datasets.create(members=zoo.images[:2])
    parent = ml.datasets.create(members=[dataset.rid])
    exe = ml.create_execution(workflow=WORKFLOW)
    aborted = ml.create_execution(workflow=WORKFLOW)
    aborted.abort()
    return Scene(ml, root / "catalog", zoo, dataset, parent, exe, aborted)

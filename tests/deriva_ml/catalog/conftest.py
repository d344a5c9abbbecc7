"""The demo catalog, made once, as something to be cloned."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import OverHttp, over_http
from deriva_ml import DerivaML
from deriva_ml.catalog import clone_via_bag
from deriva_ml.demo_catalog import create_demo_catalog


@pytest.fixture(scope="session")
def demo_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the whole demo catalog, closed. Nobody writes to it."""
    place = tmp_path_factory.mktemp("demo") / "original"
    create_demo_catalog(
        str(place), create_features=True, create_datasets=True, on_exit_delete=False
    ).close()
    return place


@pytest.fixture(scope="module")
def demo(demo_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DerivaML]:
    """A connection to it, for reading."""
    ml = DerivaML(str(demo_place), working_dir=tmp_path_factory.mktemp("work"))
    yield ml
    ml.catalog.close()


@pytest.fixture(scope="module")
def root(demo: DerivaML) -> str:
    """RID of the outermost dataset."""
    return next(d.dataset_rid for d in demo.find_datasets() if "Complete" in d.dataset_types)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverHttp]:
    """A service without catalogs."""
    with over_http(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="session")
def thin_place(demo_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a clone of all rows, whose files are with the original."""
    place = tmp_path_factory.mktemp("thin") / "clone"
    clone_via_bag(
        source_hostname=str(demo_place),
        source_catalog_id=1,
        dest_hostname=str(place),
        dest_catalog_id=None,
    )
    return place


@pytest.fixture
def copied(demo_place: Path, tmp_path: Path) -> Path:
    """A copy of the demo catalog that may be written."""
    return Path(shutil.copytree(demo_place, tmp_path / "copied"))

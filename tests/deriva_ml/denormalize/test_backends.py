"""Wide tables of catalogs in PostgreSQL and of served ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import postgres
from backends import AnyCatalog, in_database, over_http
from deriva_ml.core.base import DerivaML
from deriva_ml.core.identity import identity_of
from deriva_ml.core.session import Session
from deriva_ml.feature.record import FeatureRecord
from deriva_ml.model.catalog import DerivaModel
from deriva_ml.schema import create_ml_schema

from .answers import Everywhere
from .conftest import SCHEMA, fill_clinic, make_clinic


def connected(catalog: AnyCatalog, work: Path) -> DerivaML:
    """A connection to a catalog that is open already."""
    create_ml_schema(catalog)
    catalog.create_schema(SCHEMA)
    ml = object.__new__(DerivaML)
    ml.session = Session(
        hostname="localhost",
        catalog=catalog,
        model=DerivaModel(catalog),
        project_name=SCHEMA,
        working_dir=work,
        cache_dir=work / "cache",
        identity=identity_of(catalog),
    )
    ml._snapshots = {}
    return ml


@pytest.fixture(scope="module", params=["postgresql", "http-sqlite"])
def images(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Everywhere]:
    """A dataset of all images of the clinic and of the subjects."""
    root = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "postgresql":
            database = stack.enter_context(postgres.database())
            backend = stack.enter_context(in_database(database.url, root / "files"))
        else:
            backend = stack.enter_context(over_http(root / "home"))
        ml = connected(backend.create(), root / "work")
        make_clinic(ml)
        clinic = fill_clinic(ml)
        yield Everywhere.of(ml.datasets.create(members=[*clinic.images, *clinic.subjects]))


def test_wide_tables_are_the_same_everywhere(images: Everywhere) -> None:
    rows = images.rows(["Image", "Visit", "Subject"], "Image.Filename", "Subject.Name")
    mine = [("0.png", "Ann"), ("1.png", "Ann"), ("2.png", "Bob"), ("3.png", None)]
    assert rows == [*mine, (None, "Cy")]
    frame = images.frame(["Image", "Visit", "Subject"])
    kinds = [str(frame[c].dtype) for c in ("Image.Taken", "Visit.Weight", "Subject.Age")]
    assert kinds == ["datetime64[us, UTC]", "float64", "Int64"]


def test_links_and_features_are_the_same_everywhere(images: Everywhere) -> None:
    linked = images.rows(["Subject", "Disease"], "Disease.Title", row_per="Subject")
    assert linked == [("flu",), ("gout",), ("gout",), (None,)]
    chosen = FeatureRecord.select_newest
    graded = images.rows(["Image", "Grade"], "Grade.Quality", selector=chosen)
    assert graded == [("bad",), (None,), ("good",), (None,)]


def test_descriptions_and_results_kept_are_the_same_everywhere(images: Everywhere) -> None:
    described = images.live.describe_denormalized(["Image", "Visit", "Subject"])
    assert described["estimated_row_count"]["total"] == 5
    assert images.bag.describe_denormalized(["Image", "Visit", "Subject"]) == described | {
        "source": "bag"
    }
    kept = images.live.cache_denormalized(["Image"])
    assert kept.equals(images.live.cache_denormalized(["Image"]))
    assert kept.equals(images.frame(["Image"]))

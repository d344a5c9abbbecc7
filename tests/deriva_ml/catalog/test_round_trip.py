"""A whole catalog of DerivaML goes through a bag into one of another kind, and back, unchanged."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

import menagerie
import postgres
from backends import OverHttp, in_database
from deriva_catalog.bag import LoadPolicy, load_bag
from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaML


@pytest.fixture(scope="module")
def bag(demo: DerivaML, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of everything, nested datasets, features, synonyms and files."""
    place = tmp_path_factory.mktemp("bags") / "bag"
    menagerie.export(demo.catalog, place, asset_tables=_assets(demo))
    return place


def _assets(ml: DerivaML) -> list[tuple[str, str]]:
    return [(t.schema, t.name) for t in ml.model.find_assets() if t.name != "File"]


@pytest.mark.parametrize("kind", ["postgresql", "http"])
def test_everything_comes_back_as_it_was(
    kind: str, demo: DerivaML, bag: Path, served: OverHttp, tmp_path: Path
) -> None:
    with ExitStack() as life:
        if kind == "http":
            catalog = served.create()
            life.callback(catalog.close)
        else:
            database = life.enter_context(postgres.database())
            catalog = life.enter_context(in_database(database.url, tmp_path / "files")).create()
        loaded = load_bag(bag, catalog, LoadPolicy(files="missing"))
        assert loaded.uploaded == 31
        again = menagerie.export(
            catalog, tmp_path / "again", files="copy", asset_tables=_assets(demo)
        )
        manifest = (bag / "manifest-sha256.txt").read_text().splitlines()
        first = dict(line.split("  ", 1)[::-1] for line in manifest)
        first.pop("data/schema.json")
        assert menagerie.content(again) == first
        assert catalog.count(TableName("Dataset_Dataset", "deriva-ml")) == 6

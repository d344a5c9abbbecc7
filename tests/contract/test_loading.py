"""Bags are loaded into catalogs of every kind, and come out as they went in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import menagerie
from backends import AnyCatalog, Backend
from deriva_catalog.bag import LoadPolicy, load_bag
from deriva_catalog.catalog import create_local
from deriva_catalog.path.ast import Path as DataPath
from deriva_catalog.path.ast import Root, TableName
from menagerie import content, export


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bag of the whole menagerie with its files."""
    place = tmp_path_factory.mktemp("menagerie")
    catalog = menagerie.build(create_local(place / "catalog", client="ann"))
    export(catalog, place / "bag")
    catalog.close()
    return place / "bag"


def payload(bag: Path) -> dict[str, str]:
    lines = (bag / "manifest-sha256.txt").read_text().splitlines()
    digests = dict(line.split("  ", 1)[::-1] for line in lines)
    return {path: digest for path, digest in digests.items() if path != "data/schema.json"}


def shape(value: Any) -> Any:
    """A schema document without what belongs to one catalog."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if k not in ("RID", "snaptime")}
    return [shape(each) for each in value] if isinstance(value, list) else value


def whole(table: str) -> DataPath:
    return DataPath(Root(TableName(table, "zoo")))


def test_what_was_loaded_comes_out_as_it_went_in_and_is_known_again(
    catalog: AnyCatalog, backend: Backend, bag: Path, tmp_path: Path
) -> None:
    loaded = load_bag(bag, catalog, LoadPolicy(files="missing"))
    assert loaded.rows_inserted == 2 + 2 + 2 + 6 + 6 + 3
    assert (loaded.uploaded, loaded.reused, loaded.listed) == (3, 0, 0)
    assert content(export(catalog, tmp_path / "again", files="copy")) == payload(bag)
    mine, theirs = (
        shape(json.loads((b / "data/schema.json").read_text())["schemas"]["zoo"])
        for b in (tmp_path / "again", bag)
    )
    assert mine == theirs
    assert backend.findings(catalog) == []
    again = load_bag(bag, catalog, LoadPolicy(files="missing"))
    assert not again.changed
    assert sum(again.present.values()) == 21
    assert again.uploaded == 0
    assert catalog.latest_snapshot() == loaded.snapshot == again.snapshot


def test_fresh_identifiers_are_the_same_each_time(catalog: AnyCatalog, bag: Path) -> None:
    catalog.create_schema("other")
    policy = LoadPolicy(rids="fresh", files="missing")
    first = load_bag(bag, catalog, policy)
    before = catalog.latest_snapshot()
    again = load_bag(bag, catalog, policy)
    assert not again.changed
    assert catalog.latest_snapshot() == before
    assert len(first.rids) == 21 == len(set(first.rids.values()))
    animals = catalog.fetch("entity/zoo:Animal@sort(size)")
    assert {row["RID"] for row in animals} <= set(first.rids.values())
    keepers = {row["RID"]: row for row in catalog.fetch("entity/zoo:Keeper")}
    assert {row["Keeper"] for row in animals} == set(keepers)
    assert {row["Favourite"] for row in keepers.values()} <= {row["RID"] for row in animals}
    (term,) = catalog.fetch("entity/zoo:Kind/Name=cat")
    assert term["ID"] == f"zoo:{term['RID']}"

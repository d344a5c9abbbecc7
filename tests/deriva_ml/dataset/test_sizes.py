"""How large bags are, what of them is on this machine, and getting rid of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.interface import Row
from deriva_catalog.path.ast import Query, TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.disk import size_text
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLTableNotFound,
    DerivaMLValidationError,
)
from deriva_ml.dataset.bag_cache import BagCache, CacheStatus
from deriva_ml.dataset.spec import DatasetSpec

from ..conftest import Zoo

KEYS = {
    "tables", "total_rows", "total_asset_bytes", "total_asset_size", "total_csv_bytes",
    "total_csv_size", "total_estimated_bytes", "total_estimated_size", "incomplete",
    "incomplete_tables",
}  # fmt: skip
TABLE_KEYS = {"row_count", "is_asset", "asset_bytes", "csv_bytes", "incomplete"}


def test_an_estimate_is_what_the_bag_has(ml: DerivaML, nested: str) -> None:
    estimate = ml.estimate_bag_size(f"{nested}@0.1.0")
    assert estimate.keys() == KEYS
    assert not (ml.cache_dir / "bags").exists()  # nothing was brought here
    bag = ml.download_dataset_bag(f"{nested}@0.1.0")
    files = {p.stem: p.stat().st_size for p in bag.path.glob("data/*/*.csv")}
    assert estimate["tables"].keys() == files.keys()
    for name, size in estimate["tables"].items():
        assert size.keys() == TABLE_KEYS
        assert size["row_count"] == len(bag.get_table_as_dict(name))
        assert size["csv_bytes"] == files[name]  # every table is smaller than the sample
    pictures = sum(p.stat().st_size for p in bag.path.glob("data/asset/*/Image/*"))
    image = estimate["tables"]["Image"]
    assert (image["is_asset"], image["asset_bytes"]) == (True, pictures)
    assert estimate["total_asset_bytes"] == pictures
    assert estimate["total_estimated_bytes"] == pictures + sum(files.values())
    assert estimate["total_asset_size"] == f"{pictures} B"
    assert (estimate["incomplete"], estimate["incomplete_tables"]) == (False, [])
    # Once the bag is here, the answer comes from it, and is the same.
    assert ml.estimate_bag_size(f"{nested}@0.1.0") == estimate
    assert ml.lookup_dataset(nested).estimate_bag_size("0.1.0") == estimate
    assert ml.lookup_dataset(nested).estimate_bag_size() == estimate


def test_large_tables_are_sampled(ml: DerivaML, zoo: Zoo) -> None:
    names = [{"Name": f"subject {n:04}" * (1 + n % 3)} for n in range(1000)]
    rows = ml.catalog.insert(TableName("Subject", "zoo"), names)
    dataset = ml.datasets.create(members=[row["RID"] for row in rows])
    asked: list[Any] = []
    catalog = Asked(ml.catalog, asked)
    estimate = replaced(ml, catalog).estimate_bag_size(f"{dataset.rid}@0.1.0")
    bag = dataset.download_dataset_bag()
    actual = (bag.path / "data/zoo/Subject.csv").stat().st_size
    assert estimate["tables"]["Subject"]["row_count"] == 1000
    assert abs(estimate["tables"]["Subject"]["csv_bytes"] / actual - 1) < 0.05
    streamed = [what for what in asked if what == "stream"]
    assert len(streamed) == sum(t["row_count"] > 0 for t in estimate["tables"].values())


class Asked:
    """A catalog, and the names of what it was asked for by queries."""

    def __init__(self, catalog: Any, asked: list[Any]) -> None:
        self._catalog, self._asked = catalog, asked

    def at(self, when: Any) -> Asked:
        """The same at a snapshot."""
        return Asked(self._catalog.at(when), self._asked)

    def fetch(self, query: Query | str) -> list[Row]:
        """Rows of a query."""
        self._asked.append("fetch")
        rows: list[Row] = self._catalog.fetch(query)
        return rows

    def stream(self, *arguments: Any, **options: Any) -> Any:
        """A result in pieces."""
        self._asked.append("stream")
        return self._catalog.stream(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)


def replaced(ml: DerivaML, catalog: Any) -> DerivaML:
    """The same connection over another catalog object."""
    from dataclasses import replace

    other = object.__new__(DerivaML)
    other.session = replace(ml.session, catalog=catalog)
    return other


def test_what_is_asked_for_must_exist(ml: DerivaML, nested: str) -> None:
    with pytest.raises(DerivaMLNotFoundError):
        ml.estimate_bag_size(f"{nested}@7.0.0")
    spec = DatasetSpec(rid=nested, version="0.1.0", exclude_tables={"Nothing"})  # type: ignore[arg-type]
    with pytest.raises(DerivaMLTableNotFound):
        ml.bag_info(spec)
    with pytest.raises(DerivaMLException):
        ml.cache_dataset("no spec")
    dataset = ml.lookup_dataset(nested)
    for options in (
        {"timeout": (0, 1)},
        {"fetch_concurrency": 0},
        {"reachability_concurrency": -1},
        {"timeout": 30},
        {"timeout": ("a", "b")},
    ):
        with pytest.raises(DerivaMLValidationError, match=r"above zero|pair of seconds"):
            dataset.download_dataset_bag("0.1.0", **options)  # type: ignore[arg-type]
    assert not (ml.cache_dir / "bags").exists()


def test_tables_can_be_left_out_of_an_estimate(ml: DerivaML, nested: str) -> None:
    dataset = ml.lookup_dataset(nested)
    without = dataset.estimate_bag_size("0.1.0", exclude_tables="Image")
    assert "Image" not in without["tables"]
    assert without["total_asset_bytes"] == 0


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1200, "1.2 KB"),
        (1_234_567_890, "1.2 GB"),
        (5 * 10**18, "5000.0 PB"),
    ],
)
def test_sizes_are_told_to_people(count: int, text: str) -> None:
    assert size_text(count) == text


# --- what is on this machine -------------------------------------------------------------


def test_a_bag_s_state_is_told_from_rows_to_all_files(ml: DerivaML, nested: str) -> None:
    spec = f"{nested}@0.1.0"
    before = ml.bag_info(spec)
    assert before.keys() == KEYS | {"status", "cache_path", "versions_cached"}
    assert (before["status"], before["cache_path"], before["versions_cached"]) == (
        "not_cached",
        None,
        [],
    )
    rows = ml.cache_dataset(spec, materialize=False)
    assert (rows["status"], rows["versions_cached"]) == ("cached_metadata_only", ["0.1.0"])
    place = Path(rows["cache_path"])
    assert (place / "data/schema.json").is_file()
    whole = ml.lookup_dataset(nested).cache()
    assert whole["status"] == "cached_materialized"
    assert whole["cache_path"] == rows["cache_path"]
    next(place.glob("data/asset/*/Image/*")).unlink()
    seen = place.with_name("seen.json")
    seen.unlink()
    assert ml.bag_info(spec)["status"] == "cached_holey"
    assert CacheStatus("cached_holey") is CacheStatus.cached_incomplete
    for told in (rows, whole):
        assert told["total_estimated_bytes"] == before["total_estimated_bytes"]


def test_bags_are_listed_and_removed(ml: DerivaML, photos: Zoo) -> None:
    dataset = ml.datasets.create(members=photos.images[:2])
    dataset.add_dataset_members(photos.images[2:4])
    other = ml.datasets.create(members=photos.images[:1])
    for spec in (f"{dataset.rid}@0.1.0", f"{dataset.rid}@0.2.0", f"{other.rid}@0.1.0"):
        ml.cache_dataset(spec)
    bags = ml.list_cached_bags()
    assert [(b.dataset_rid, b.version) for b in bags] == [
        (other.rid, "0.1.0"),
        (dataset.rid, "0.2.0"),
        (dataset.rid, "0.1.0"),
    ]
    assert all(b.status is CacheStatus.cached_materialized for b in bags)
    assert all(b.path.is_dir() and b.size_bytes > 1000 for b in bags)
    assert len({b.checksum for b in bags}) == 3
    assert ml.bag_info(f"{dataset.rid}@0.1.0")["versions_cached"] == ["0.1.0", "0.2.0"]
    removed = ml.delete_cached_bag(dataset.rid, "0.1.0")
    assert removed["bags_removed"] == 1
    assert removed["bytes_freed"] > 0
    assert ml.delete_cached_bag(dataset.rid)["bags_removed"] == 1
    assert ml.delete_cached_bag(dataset.rid) == {"bags_removed": 0, "bytes_freed": 0}
    assert [b.dataset_rid for b in ml.list_cached_bags()] == [other.rid]
    assert dataset.download_dataset_bag("0.1.0").list_dataset_members()["Image"]


def test_tables_to_leave_out_may_come_from_an_iterator(ml: DerivaML, nested: str) -> None:
    info = ml.lookup_dataset(nested).cache("0.1.0", exclude_tables=iter(["Subject"]))
    assert info["status"] == "cached_materialized"
    assert "Subject" not in info["tables"]


def test_a_damaged_bag_is_not_here(ml: DerivaML, nested: str) -> None:
    spec = f"{nested}@0.1.0"
    place = Path(ml.cache_dataset(spec, materialize=False)["cache_path"])
    before = ml.bag_info(spec)
    (place / "bagit.txt").write_text("nothing of use")
    info = ml.bag_info(spec)
    assert (info["status"], info["cache_path"]) == ("not_cached", None)
    assert info["total_rows"] == before["total_rows"]
    (place / "bagit.txt").unlink()
    assert ml.bag_info(spec)["status"] == "not_cached"
    assert ml.list_cached_bags() == []
    assert ml.cache_dataset(spec, materialize=False)["status"] == "cached_metadata_only"


def test_bags_of_another_catalog_are_left_alone(ml: DerivaML, photos: Zoo) -> None:
    dataset = ml.datasets.create(members=photos.images[:1])
    path = dataset.download_dataset_bag().path
    path.with_name("key.json").unlink()  # an older release wrote none
    other = BagCache(ml.cache_dir, "another catalog")
    assert other.delete(dataset.rid)["bags_removed"] == 0
    assert other.versions(dataset.rid) == []
    assert path.is_dir()
    assert BagCache(ml.cache_dir).delete(dataset.rid)["bags_removed"] == 1


def test_bags_of_an_older_release_and_strays_do_not_disturb(ml: DerivaML, photos: Zoo) -> None:
    dataset = ml.datasets.create(members=photos.images[:1])
    path = dataset.download_dataset_bag().path
    path.with_name("key.json").unlink()  # an older release wrote none
    (ml.cache_dir / "bags" / "stray").mkdir()
    shutil.copytree(path.parent, ml.cache_dir / "bags" / f".building-{'0' * 32}")
    assert [b.dataset_rid for b in ml.list_cached_bags()] == [dataset.rid]
    assert ml.delete_cached_bag(dataset.rid)["bags_removed"] == 1
    (ml.cache_dir / "bags" / f"{dataset.rid}@0.1.0-damaged").mkdir()
    assert BagCache(ml.cache_dir).bags() == []

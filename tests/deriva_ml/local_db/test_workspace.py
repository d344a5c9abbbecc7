"""What a workspace keeps, and when it asks anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLNotFoundError, DerivaMLValidationError
from deriva_ml.local_db import Workspace

from ..conftest import Stage, Zoo, fill_zoo

SUBJECT = TableName("Subject", "zoo")


@pytest.fixture
def ml(stage: Stage) -> Iterator[DerivaML]:
    return stage.clear()


@pytest.fixture
def zoo(ml: DerivaML) -> Zoo:
    return fill_zoo(ml)


def test_a_table_is_kept_until_the_catalog_changes(ml: DerivaML, zoo: Zoo) -> None:
    fresh = ml.cache_table("Image")
    (kept,) = ml.workspace.list_cached_results()
    assert (kept.source, kept.tables, kept.rows) == ("catalog", ("Image",), 8)
    assert_frame_equal(ml.cache_table("Image"), fresh)
    assert_frame_equal(ml.get_table_as_dataframe("Image"), fresh)
    assert ml.workspace.list_cached_results() == [kept]
    ml.catalog.insert(SUBJECT, [{"Name": "Max"}])
    assert len(ml.cache_table("Subject")) == 3
    ml.cache_table("Image")
    again = [r for r in ml.workspace.list_cached_results() if r.tables == ("Image",)]
    assert [r.key for r in again] == [kept.key]
    assert again[0].snapshot != kept.snapshot


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Puts the clock forward, since two results may be made in one tick of it."""
    real, hours = time.time, count(1)

    def put_forward() -> None:
        ahead = 3600 * next(hours)
        monkeypatch.setattr(time, "time", lambda: real() + ahead)

    return put_forward


def test_a_table_can_be_read_anew(ml: DerivaML, zoo: Zoo, later: Callable[[], None]) -> None:
    ml.cache_table("Subject")
    (first,) = ml.workspace.list_cached_results()
    later()
    ml.cache_table("Subject", force=True)
    (second,) = ml.workspace.list_cached_results()
    assert second.created > first.created
    ml.workspace.cached_table_read("Subject", ttl=3600)
    assert ml.workspace.list_cached_results() == [second]
    later()
    ml.workspace.cached_table_read("Subject", ttl=0)
    assert ml.workspace.list_cached_results()[0].created > second.created


def test_some_rows_and_columns_are_kept_apart(ml: DerivaML, zoo: Zoo) -> None:
    before = ml.catalog.latest_snapshot()
    work = ml.workspace
    named = work.cached_table_read("Image", {"Filename": ["1.png", "2.png"]}, ["Length"])
    assert named["Length"].tolist() == [1, 2]
    ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": None}])
    assert len(work.cached_table_read("Subject", {"Name": None})) == 1
    assert len(work.cached_table_read("Subject", source=before)) == 2
    with pytest.raises(DerivaMLValidationError, match="has no column 'Size'"):
        work.cached_table_read("Image", columns=["Size"])
    with pytest.raises(DerivaMLValidationError, match="not empty"):
        work.cached_table_read("Image", {"Filename": []})


def test_a_wide_table_is_kept_for_its_version(
    ml: DerivaML, zoo: Zoo, later: Callable[[], None]
) -> None:
    dataset = ml.datasets.create(members=zoo.images[:2])
    tables = ["Image", "Subject"]
    first = dataset.cache_denormalized(tables, version="0.1.0")
    (kept,) = ml.workspace.list_cached_results()
    assert (kept.source, kept.rows) == (dataset.rid, 2)
    dataset.add_dataset_members(zoo.images[2:])
    assert_frame_equal(dataset.cache_denormalized(tables, version="0.1.0"), first)
    assert ml.workspace.list_cached_results() == [kept]
    now = dataset.cache_denormalized(tables)
    assert_frame_equal(now, dataset.get_denormalized_as_dataframe(tables))
    assert len(now) == 8
    assert len(dataset.cache_denormalized(["Subject"], row_per="Subject")) == 2
    later()
    dataset.cache_denormalized(tables, version="0.1.0", force=True)
    assert ml.workspace.list_cached_results()[0].created > kept.created


def test_what_leads_from_one_to_another_may_come_from_an_iterator(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create(members=zoo.images[:2])
    tables = ["Image", "Subject"]
    kept = dataset.cache_denormalized(iter(tables), via=iter(["Image.Subject"]))
    plain = dataset.get_denormalized_as_dataframe(tables, via=["Image.Subject"])
    assert_frame_equal(kept, plain)
    with pytest.raises(DerivaMLValidationError, match="is no foreign key"):
        dataset.cache_denormalized(tables, via=iter(["Image.Filename"]))


def test_deletions_are_seen(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create(members=zoo.images)
    assert len(dataset.cache_denormalized(["Image"])) == 8
    dataset.delete_dataset_members(zoo.images[:3])
    assert len(dataset.cache_denormalized(["Image"])) == 5


def test_results_can_be_taken_and_forgotten(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create(members=zoo.images)
    frame = dataset.cache_denormalized(["Image"])
    ml.cache_table("Subject")
    work = ml.workspace
    wide = next(r for r in work.list_cached_results() if r.source == dataset.rid)
    assert_frame_equal(work.get_cached_result(wide.key), frame)
    assert work.invalidate_cache(source=dataset.rid) == 1
    with pytest.raises(DerivaMLNotFoundError, match="list_cached_results"):
        work.get_cached_result(wide.key)
    assert work.invalidate_cache("no such key") == 0
    kept = next(r for r in work.list_cached_results())
    for suffix in (".json", ".data"):
        inside = work.root / f"{kept.key}{suffix}"
        (work.root.parent / f"outside{suffix}").write_bytes(inside.read_bytes())
    assert work.invalidate_cache("../outside") == 0
    assert (work.root.parent / "outside.data").exists()
    with pytest.raises(DerivaMLNotFoundError):
        work.get_cached_result("../outside")
    assert work.invalidate_cache() == 1
    assert work.list_cached_results() == []


def test_a_damaged_result_is_made_again(ml: DerivaML, zoo: Zoo) -> None:
    frame = ml.cache_table("Subject")
    (data,) = ml.workspace.root.glob("*.data")
    data.write_bytes(b"nothing of use")
    assert_frame_equal(ml.cache_table("Subject"), frame)
    (facts,) = ml.workspace.root.glob("*.json")
    facts.write_text("{}")
    assert_frame_equal(ml.cache_table("Subject"), frame)


def test_a_workspace_stands_alone(ml: DerivaML, zoo: Zoo, stage: Stage, tmp_path: Path) -> None:
    with Workspace(tmp_path, str(stage.place)) as work:
        assert len(work.cached_table_read("Subject")) == 2
        assert work.root.is_relative_to(tmp_path)

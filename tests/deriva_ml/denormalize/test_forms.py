"""Forms of wide tables and tables, their descriptions and sizes."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, date, datetime

import pandas as pd
import polars
import pyarrow
import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import DerivaMLTableNotFound
from deriva_ml.dataset.bag import DatasetBag
from deriva_ml.dataset.dataset import Dataset

from .conftest import Clinic, insert


@pytest.fixture(scope="module")
def live(ml: DerivaML, clinic: Clinic) -> Dataset:
    """A dataset of all images."""
    return ml.datasets.create(members=clinic.images)


@pytest.fixture(scope="module")
def bag(live: Dataset) -> DatasetBag:
    """The same as a bag."""
    return live.download_dataset_bag(materialize=False)


TABLES = ["Image", "Visit", "Subject"]


def test_arrow_and_polars_have_the_types_of_the_model(live: Dataset, bag: DatasetBag) -> None:
    table = live.get_denormalized_as_arrow(TABLES)
    assert table.equals(bag.get_denormalized_as_arrow(TABLES))
    assert table.schema.field("Image.Taken").type == pyarrow.timestamp("us", tz="UTC")
    assert table.schema.field("Subject.Age").type == pyarrow.int32()
    frame = bag.get_denormalized_as_polars(TABLES)
    assert frame.equals(live.get_denormalized_as_polars(TABLES))
    assert frame["Visit.Day"].to_list()[0] == date(2026, 1, 2)
    assert frame["Image.Taken"][0] == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert frame["Subject.Age"].to_list() == [41, 41, None, None]


def test_older_names_do_the_same(live: Dataset, bag: DatasetBag) -> None:
    frame = live.denormalize_as_dataframe(TABLES)
    pd.testing.assert_frame_equal(frame, bag.denormalize_as_dataframe(TABLES))
    assert list(bag.denormalize_as_dict(TABLES)) == list(live.get_denormalized_as_dict(TABLES))


def test_tables_are_arrow_and_polars_too(ml: DerivaML, live: Dataset, bag: DatasetBag) -> None:
    assert ml.get_table_as_arrow("Subject").column("Age").to_pylist() == [41, None, 7]
    frame = bag.get_table_as_polars("Visit")
    assert isinstance(frame, polars.DataFrame)
    assert frame.equals(polars.from_arrow(bag.get_table_as_arrow("Visit")))
    assert ml.get_table_as_polars("Site")["City"].to_list() == ["Graz", "Linz"]
    with pytest.raises(DerivaMLTableNotFound):
        bag.get_table_as_arrow("Visits")


def test_a_description_has_all_keys_also_when_nothing_comes(live: Dataset, bag: DatasetBag) -> None:
    good = live.describe_denormalized(TABLES)
    bad = live.describe_denormalized(["Nothing"], row_per="Image", via=["Visit"])
    assert list(good) == list(bad)
    assert list(good) == [
        "row_per",
        "row_per_source",
        "row_per_candidates",
        "columns",
        "include_tables",
        "via",
        "join_path",
        "transparent_intermediates",
        "ambiguities",
        "estimated_row_count",
        "anchors",
        "source",
        "warnings",
    ]
    assert good["row_per"] == "Image"
    assert good["row_per_source"] == "auto-inferred"
    assert good["columns"] == live.list_denormalized_columns(TABLES)
    assert good["join_path"] == TABLES
    assert good["anchors"] == {"total": 4, "by_type": {"Image": 4}}
    assert good["warnings"] == []
    assert bad["row_per_source"] == "explicit"
    assert "'Nothing' is neither a table nor a feature" in bad["warnings"][0]
    assert bag.describe_denormalized(TABLES) == good | {"source": "bag"}
    now = live.describe_denormalized(TABLES, version=live.current_version)
    assert now == good | {"source": "snapshot"}


def test_paths_between_tables_are_listed(live: Dataset, bag: DatasetBag) -> None:
    found = live.list_schema_paths()
    assert bag.list_schema_paths() == found
    assert found["member_types"] == found["anchor_types"] == ["Image"]
    assert {"Subject", "Visit", "Report", "Disease"} <= set(found["reachable_tables"])
    assert "Island" not in found["reachable_tables"]
    assert "Subject_Disease" in found["association_tables"]
    grades = ["Execution_Image_Grade", "Execution_Image_Mood", "Execution_Subject_Mood"]
    assert found["feature_tables"] == grades
    assert found["schema_paths"]["Image", "Subject"] == [
        {"path": ["Image", "Visit", "Subject"], "direct": False}
    ]
    assert len(found["schema_paths"]["Letter", "Subject"]) == 2
    some = live.list_schema_paths(["Visit", "Site"])["schema_paths"]
    assert some == {("Visit", "Site"): [{"path": ["Visit", "Site"], "direct": True}]}


def test_sizes_are_of_the_whole_catalog(ml: DerivaML, clinic: Clinic) -> None:
    size = ml.estimate_denormalized_size(TABLES)
    assert size["row_per"] == "Image"
    assert size["row_count"] == size["tables"]["Image"]["row_count"] == 4
    assert size["join_path"] == TABLES
    assert size["columns"][0] == ("Image.RID", "ermrest_rid")
    assert 100 < size["estimated_bytes"] < 2_000
    assert size["estimated_size"].endswith("B")


def test_rows_of_a_stream_are_not_kept(ml: DerivaML, clinic: Clinic) -> None:
    site = clinic.sites[0]
    wide = [{"Day": None, "Subject": clinic.subjects[0], "Site": site} for _ in range(25_000)]
    dataset = ml.datasets.create(members=insert(ml, "Visit", wide))
    rows = dataset.get_denormalized_as_dict(["Visit", "Subject", "Site"])
    assert next(rows)["Site.City"] == "Graz"
    tracemalloc.start()
    try:
        held = tracemalloc.get_traced_memory()[0]
        for number, _ in enumerate(rows):
            if number == 5_000:
                held = tracemalloc.get_traced_memory()[0]
        assert number == 24_998
        assert tracemalloc.get_traced_memory()[0] < held + 1_000_000
    finally:
        tracemalloc.stop()

"""Wide tables of the demo catalog, whose tables are linked in more than one way on purpose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDenormalizeAmbiguousPath,
    DerivaMLDenormalizeDownstreamLeaf,
    DerivaMLDenormalizeError,
    DerivaMLDenormalizeMultiLeaf,
)
from deriva_ml.demo_catalog import create_demo_catalog

from .answers import Everywhere


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everywhere]:
    """The dataset of datasets: eight subjects and four pictures."""
    place = tmp_path_factory.mktemp("demo") / "catalog"
    made = create_demo_catalog(
        str(place), create_features=True, create_datasets=True, on_exit_delete=False
    )
    made.close()
    ml = DerivaML(str(place), working_dir=place.parent / "work")
    (dataset,) = (d for d in ml.find_datasets() if "Complete" in d.dataset_types)
    yield Everywhere.of(dataset)
    ml.catalog.close()


@pytest.mark.parametrize(
    ("tables", "options", "rows"),
    [
        (["Image"], {}, 8),
        (["Image", "Subject"], {"via": ["Observation"]}, 12),
        (["Image", "Subject"], {"via": ["Image.Subject"]}, 8),
        (["Image", "Observation", "Subject"], {}, 12),
        (["OCR_Report", "Report", "Observation", "Subject"], {}, 8),
        (["OCR_Report", "Subject"], {"row_per": "OCR_Report"}, 8),
        (["Subject", "Health"], {}, 8),
        (["Image", "Quality", "ImageQuality"], {}, 8),
        (["Image", "Execution_Image_BoundingBox", "BoundingBox"], {}, 8),
        (["Image", "Observation", "ClinicalRecord"], {"row_per": "Image"}, 8),
        (["Image", "Image_Dataset_Legacy", "Dataset"], {"row_per": "Image"}, 8),
        (["Execution", "Workflow"], {}, 2),
        (["Workflow"], {}, 1),
        (["Dataset"], {}, 7),
    ],
)
def test_tables_are_joined(
    complete: Everywhere, tables: list[str], options: dict[str, object], rows: int
) -> None:
    assert len(complete.frame(tables, **options)) == rows


def test_links_to_rows_of_other_datasets_are_left_out(complete: Everywhere) -> None:
    tables = ["ClinicalRecord", "Observation", "Subject"]
    rows = complete.rows(tables, "Subject.RID", row_per="ClinicalRecord")
    members = {row["RID"] for row in complete.live.list_dataset_members(recurse=True)["Subject"]}
    assert {rid for (rid,) in rows} == members


def test_the_two_ways_from_pictures_to_subjects_are_told(complete: Everywhere) -> None:
    error = complete.error(DerivaMLDenormalizeAmbiguousPath, ["Image", "Subject"])
    assert error.suggested_intermediates == ["Observation"]
    assert "via=['Image.Subject']" in str(error)


def test_what_would_link_two_tables_is_told(complete: Everywhere) -> None:
    error = complete.error(DerivaMLDenormalizeMultiLeaf, ["ClinicalRecord", "Observation"])
    assert error.bridge_suggestions == ["ClinicalRecord_Observation"]
    linked = complete.error(DerivaMLDenormalizeError, ["Image", "Execution"], row_per="Image")
    assert "'Image_Execution'" in str(linked)
    below = complete.error(
        DerivaMLDenormalizeDownstreamLeaf, ["Subject", "Image"], row_per="Subject"
    )
    assert below.downstream_tables == ["Image"]

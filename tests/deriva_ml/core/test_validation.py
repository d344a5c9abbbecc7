"""Checking what a run is to read, before anything is recorded."""

from __future__ import annotations

from pathlib import Path

from deriva_ml import DerivaML
from deriva_ml.core.validation import validate_rids

from ..conftest import Zoo


def test_versions_that_cannot_be_read_are_no_inputs(zoo: Zoo, place: Path) -> None:
    ml = DerivaML(str(place), working_dir=place.parent / "dev", dataset_versioning="dev")
    made = ml.datasets.create(members=zoo.images[:1])
    made.add_dataset_members(zoo.images[1:2])

    def errors(version: str) -> list[str]:
        return validate_rids(ml, dataset_versions={made.rid: version}).errors

    assert errors("0.1.0") == errors("0.1") == []
    (unfinished,) = errors(str(made.current_version))
    assert "still under development" in unfinished
    (unknown,) = errors("0.1.1")
    assert "no version '0.1.1'" in unknown
    assert unknown.endswith("Did you mean '0.1.0'?")
    (wrong,) = errors("newest")
    assert f"{made.rid!r}: 'newest' is not a dataset version" in wrong
    ml.catalog.close()

"""Datasets: types, members, nesting and versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLCycleError,
    DerivaMLDatasetNotFound,
    DerivaMLException,
    DerivaMLInvalidTerm,
    DerivaMLNotFoundError,
    DerivaMLReadOnlyError,
    DerivaMLRidsNotFound,
    DerivaMLTableNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
)

from ..conftest import Zoo, make_execution


def test_a_new_dataset_is_released_at_its_first_version(ml: DerivaML, zoo: Zoo) -> None:
    made = ml.datasets.create(["Training", "Labeled"], "all", zoo.execution)
    assert str(made.current_version) == "0.1.0"
    assert made.dataset_types == ["Labeled", "Training"]
    (first,) = made.dataset_history()
    assert (first.execution_rid, first.snapshot) == (zoo.execution, ml.catalog.latest_snapshot())


def test_a_dataset_without_types_or_execution_points_at_unknown_origin(ml: DerivaML) -> None:
    rid = ml.create_dataset(description="loose")
    (first,) = ml.dataset_history(rid)
    assert first.execution_rid == ml.unknown_provenance_execution_rid()
    assert ml.lookup_dataset(rid).dataset_types == []


def test_one_call_that_adds_members_is_one_minor_version(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create([], "", zoo.execution)
    dataset.add_dataset_members([*zoo.images, zoo.subjects[0], zoo.images[0]])
    members = dataset.list_dataset_members()
    assert {t: len(rows) for t, rows in members.items() if rows} == {"Image": 8, "Subject": 1}
    assert str(dataset.current_version) == "0.2.0"
    assert dataset.list_members("Image") == sorted(zoo.images)


def test_members_given_by_table_are_the_same(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create()
    dataset.add_dataset_members({"Image": zoo.images, "Subject": []})
    assert len(dataset.list_dataset_members()["Image"]) == 8
    assert len(dataset.dataset_history()) == 2


def test_adding_nothing_makes_no_version(ml: DerivaML) -> None:
    dataset = ml.datasets.create()
    dataset.add_dataset_members([])
    dataset.add_dataset_members({})
    dataset.delete_dataset_members([])
    assert str(dataset.current_version) == "0.1.0"


def test_a_past_version_shows_its_own_members(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create()
    dataset.add_dataset_members(zoo.images[:3])
    dataset.delete_dataset_members(zoo.images[:1])
    counts = [len(dataset.list_dataset_members(version=v)["Image"]) for v in ("0.1.0", "0.2.0")]
    assert counts == [0, 3]
    assert len(dataset.list_dataset_members()["Image"]) == 2
    assert str(dataset.current_version) == "0.3.0"


def test_a_version_says_its_own_label_in_its_own_snapshot(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create()
    dataset.add_dataset_members(zoo.images)
    for entry in dataset.dataset_history():
        past = ml.catalog_snapshot(str(entry.snapshot))
        assert past.dataset_version(dataset.rid) == entry.dataset_version


def test_changing_a_nested_dataset_raises_those_that_contain_it(ml: DerivaML, zoo: Zoo) -> None:
    inner, middle, outer, other = (ml.datasets.create() for _ in range(4))
    middle.add_dataset_members([inner.rid])
    outer.add_dataset_members({"Dataset": [middle.rid]})
    versions = [str(d.current_version) for d in (inner, middle, outer, other)]
    assert versions == ["0.1.0", "0.2.0", "0.2.0", "0.1.0"]
    inner.add_dataset_members(zoo.images)
    versions = [str(d.current_version) for d in (inner, middle, outer, other)]
    assert versions == ["0.2.0", "0.3.0", "0.3.0", "0.1.0"]
    snapshots = {str(d.dataset_history()[-1].snapshot) for d in (inner, middle, outer)}
    assert snapshots == {ml.catalog.latest_snapshot()}


def test_members_of_nested_datasets_are_listed_once(ml: DerivaML, zoo: Zoo) -> None:
    left = ml.datasets.create(members=zoo.images[:5])
    right = ml.datasets.create(members=zoo.images[3:])
    both = ml.datasets.create(members=[left.rid, right.rid])
    assert len(both.list_dataset_members()["Image"]) == 0
    assert len(both.list_dataset_members(recurse=True)["Image"]) == 8
    assert len(both.list_dataset_members(recurse=True, limit=3)["Image"]) == 3


def test_nesting_is_read_from_both_ends(ml: DerivaML) -> None:
    leaf = ml.datasets.create()
    left, right = (ml.datasets.create(members=[leaf.rid]) for _ in range(2))
    top = ml.datasets.create(members=[left.rid, right.rid])
    assert ml.list_dataset_children(top.rid) == sorted([left.rid, right.rid])
    assert ml.list_dataset_children(top.rid, recurse=True) == [
        *sorted([left.rid, right.rid]),
        leaf.rid,
    ]
    assert set(leaf.list_dataset_parents(recurse=True)) == {left, right, top}
    assert [d.rid for d in top.list_dataset_children(version="0.1.0")] == sorted(
        [left.rid, right.rid]
    )


def test_types_are_added_and_removed_with_a_version_each(ml: DerivaML) -> None:
    dataset = ml.datasets.create(["Training"])
    dataset.add_dataset_type("Labeled")
    dataset.add_dataset_types(["Labeled", "Training"])
    dataset.remove_dataset_type("Training")
    dataset.remove_dataset_type("Testing")
    assert dataset.dataset_types == ["Labeled"]
    assert str(dataset.current_version) == "0.3.0"


def test_a_description_is_written_through_without_a_version(ml: DerivaML) -> None:
    dataset = ml.datasets.create(description="old")
    dataset.description = "new"
    assert ml.lookup_dataset(dataset.rid).description == "new"
    assert str(dataset.current_version) == "0.1.0"


def test_versions_are_raised_by_hand(ml: DerivaML) -> None:
    inner = ml.datasets.create()
    outer = ml.datasets.create(members=[inner.rid])
    assert str(ml.increment_dataset_version(inner.rid, "major", "big")) == "1.0.0"
    assert str(outer.current_version) == "1.0.0"
    assert str(inner.release("patch", "small")) == "1.0.1"
    assert str(outer.current_version) == "1.0.0"
    assert [h.description for h in inner.dataset_history()][-2:] == ["big", "small"]


def test_changes_can_collect_under_a_development_version(
    place: Path, tmp_path: Path, ml: DerivaML, zoo: Zoo
) -> None:
    dev = DerivaML(str(place), working_dir=tmp_path / "work", dataset_versioning="dev")
    dataset = dev.datasets.create(["Training"])
    dataset.add_dataset_members(zoo.images[:3])
    assert str(dataset.current_version) == "0.1.0.post1.dev1"
    dataset.add_dataset_type("Labeled")
    assert str(dataset.current_version) == "0.1.0.post1.dev2"
    assert str(dataset.release("minor", "three")) == "0.2.0"
    with pytest.raises(DerivaMLValidationError, match="unchanged since its release"):
        dataset.release("minor", "again")
    dataset.delete_dataset_members(zoo.images[:1])
    with pytest.raises(DerivaMLValidationError, match="no snapshot"):
        dataset.list_dataset_members(version="0.2.0.post1.dev1")
    assert str(dataset.release("major")) == "1.0.0"
    assert [str(h.dataset_version) for h in dataset.dataset_history()] == [
        "0.1.0",
        "0.2.0",
        "1.0.0",
    ]
    dev.catalog.close()


def test_a_development_version_opened_by_hand_becomes_the_next_release(
    ml: DerivaML, zoo: Zoo
) -> None:
    dataset = ml.datasets.create()
    assert str(dataset.mark_dev("cleaning")) == "0.1.0.post1.dev1"
    dataset.add_dataset_members(zoo.images)
    assert [str(h.dataset_version) for h in dataset.dataset_history()] == ["0.1.0", "0.2.0"]


def test_a_deleted_dataset_is_seen_only_when_asked_for(ml: DerivaML) -> None:
    kept, gone = ml.datasets.create(), ml.datasets.create()
    ml.delete_dataset(gone)
    assert ml.find_datasets() == [kept]
    assert ml.find_datasets(deleted=True, sort=True) == [gone, kept]
    assert ml.lookup_dataset(gone.rid, deleted=True) == gone
    with pytest.raises(DerivaMLDatasetNotFound, match="is deleted"):
        ml.lookup_dataset(gone.rid)


def test_a_nested_dataset_is_deleted_only_with_those_around_it(ml: DerivaML) -> None:
    leaf = ml.datasets.create()
    middle = ml.datasets.create(members=[leaf.rid])
    top = ml.datasets.create(members=[middle.rid])
    with pytest.raises(DerivaMLException, match=f"nested in '{middle.rid}'"):
        ml.delete_dataset(leaf)
    ml.delete_dataset(top, recurse=True)
    assert ml.find_datasets() == []


def test_an_element_type_is_registered_once(ml: DerivaML) -> None:
    first = ml.add_dataset_element_type("Image_Class")
    assert ml.add_dataset_element_type("Image_Class") == first
    names = {t.name for t in ml.list_dataset_element_types()}
    assert names == {"Dataset", "File", "Image", "Image_Class", "Subject"}


def test_inputs_of_an_execution_are_found_from_the_dataset(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create()
    ml.datasets.record_inputs(zoo.execution, [(dataset.rid, "0.1.0")])
    ml.datasets.record_inputs(zoo.execution, [(dataset.rid, None)])
    assert dataset.list_executions() == [zoo.execution]


def test_markdown_shows_a_dataset_and_those_inside(ml: DerivaML) -> None:
    leaf = ml.datasets.create(["Training"], "leaf")
    top = ml.datasets.create(["Split"], "top", members=[leaf.rid])
    assert top.to_markdown(show_children=True) == (
        f"- **{top.rid}** v0.1.0 [Split]: top\n  - **{leaf.rid}** v0.1.0 [Training]: leaf"
    )


BAD = {
    "unknown type": (lambda ml, z, d: ml.create_dataset(["Trainin"]), DerivaMLInvalidTerm),
    "unknown execution": (
        lambda ml, z, d: ml.create_dataset(execution_rid="ZZZZ"),
        DerivaMLNotFoundError,
    ),
    "execution of another kind": (
        lambda ml, z, d: ml.create_dataset(execution_rid=z.images[0]),
        DerivaMLNotFoundError,
    ),
    "malformed version": (
        lambda ml, z, d: ml.create_dataset(version="one"),
        DerivaMLValidationError,
    ),
    "unknown dataset": (lambda ml, z, d: ml.lookup_dataset("ZZZZ"), DerivaMLDatasetNotFound),
    "not a dataset": (
        lambda ml, z, d: ml.lookup_dataset(z.images[0]),
        DerivaMLDatasetNotFound,
    ),
    "unknown version": (
        lambda ml, z, d: d.list_dataset_members(version="9.9.9"),
        DerivaMLNotFoundError,
    ),
    "unknown RIDs": (
        lambda ml, z, d: d.add_dataset_members(["ZZZZ", z.images[7]]),
        DerivaMLRidsNotFound,
    ),
    "unknown RIDs by table": (
        lambda ml, z, d: d.add_dataset_members({"Image": ["ZZZZ", z.images[7]]}),
        DerivaMLRidsNotFound,
    ),
    "RIDs of another table": (
        lambda ml, z, d: d.add_dataset_members({"Image": z.subjects}),
        DerivaMLRidsNotFound,
    ),
    "one RID for a list": (
        lambda ml, z, d: d.add_dataset_members(z.images[7]),
        DerivaMLValidationError,
    ),
    "numbers for RIDs": (
        lambda ml, z, d: d.add_dataset_members([1, 2]),
        DerivaMLValidationError,
    ),
    "unknown table": (
        lambda ml, z, d: d.add_dataset_members({"Imag": z.images}),
        DerivaMLTableNotFound,
    ),
    "unregistered element type": (
        lambda ml, z, d: d.add_dataset_members([z.execution]),
        DerivaMLTableTypeError,
    ),
    "unregistered element type by table": (
        lambda ml, z, d: d.add_dataset_members({"Execution": [z.execution]}),
        DerivaMLTableTypeError,
    ),
    "members twice": (
        lambda ml, z, d: d.add_dataset_members(z.images[:3]),
        DerivaMLValidationError,
    ),
    "members twice by table": (
        lambda ml, z, d: d.add_dataset_members({"Image": z.images[:3]}),
        DerivaMLValidationError,
    ),
    "itself": (lambda ml, z, d: d.add_dataset_members([d.rid]), DerivaMLCycleError),
    "itself by table": (
        lambda ml, z, d: d.add_dataset_members({"Dataset": [d.rid]}),
        DerivaMLCycleError,
    ),
    "its parent": (
        lambda ml, z, d: d.add_dataset_members({"Dataset": ml.list_dataset_parents(d.rid)}),
        DerivaMLCycleError,
    ),
    "unknown nested dataset": (
        lambda ml, z, d: d.add_dataset_members({"Dataset": ["ZZZZ"]}),
        DerivaMLDatasetNotFound,
    ),
    "unknown members to delete": (
        lambda ml, z, d: d.delete_dataset_members(["ZZZZ"]),
        DerivaMLRidsNotFound,
    ),
    "unknown part of a version": (
        lambda ml, z, d: d.release("middle"),
        DerivaMLValidationError,
    ),
    "system table as element": (
        lambda ml, z, d: ml.add_dataset_element_type("Workflow"),
        DerivaMLValidationError,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error_and_changes_nothing(
    ml: DerivaML, zoo: Zoo, case: str
) -> None:
    attempt, error = BAD[case]
    dataset = ml.datasets.create(members=zoo.images[:2])
    ml.datasets.create(members=[dataset.rid])
    before = ml.catalog.latest_snapshot()
    with pytest.raises(error):
        attempt(ml, zoo, dataset)
    assert ml.catalog.latest_snapshot() == before


def test_without_validation_members_that_are_there_already_stay(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create(members=zoo.images[:2])
    dataset.add_dataset_members(zoo.images[:4], validate=False)
    assert len(dataset.list_members("Image")) == 4
    dataset.add_dataset_members(zoo.images[:4], validate=False)
    assert str(dataset.current_version) == "0.2.0"


def test_a_snapshot_of_the_catalog_cannot_be_changed(ml: DerivaML, zoo: Zoo) -> None:
    dataset = ml.datasets.create(members=zoo.images[:2])
    past = ml.catalog_snapshot(ml.catalog.latest_snapshot())
    with pytest.raises(DerivaMLReadOnlyError):
        past.lookup_dataset(dataset.rid).add_dataset_members(zoo.images[2:])


def test_an_execution_may_be_of_any_workflow(ml: DerivaML) -> None:
    execution = make_execution(ml, "Ingest")
    assert ml.list_workflow_executions("Ingest") == [execution]

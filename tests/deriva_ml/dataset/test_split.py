"""Dividing datasets and drawing smaller ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import (
    BuiltinTypes,
    ColumnDefinition,
    ForeignKeyDefinition,
    TableDefinition,
)
from deriva_ml.core.exceptions import (
    DerivaMLDenormalizeAmbiguousPath,
    DerivaMLDenormalizeUnrelatedAnchor,
    DerivaMLException,
    DerivaMLValidationError,
)
from deriva_ml.dataset.split import split_dataset, subsample

from ..conftest import Zoo, make_execution


class Run:
    """An execution that keeps its outputs in a directory."""

    def __init__(self, rid: str, directory: Path) -> None:
        self.execution_rid = rid
        self.directory = directory
        self.registered: list[tuple[str, str]] = []

    def asset_file_path(
        self, asset_name: str, file_name: str, asset_types: Any = None, **kwargs: Any
    ) -> Path:
        self.registered.append((asset_name, file_name))
        return self.directory / file_name


@pytest.fixture
def source(ml: DerivaML, zoo: Zoo) -> str:
    """A dataset of all pictures, four of cats and four of dogs, half of them nested."""
    inner = ml.datasets.create(members=zoo.images[:3])
    return ml.datasets.create(members=[inner.rid, *zoo.images[3:]]).rid


def _labels(ml: DerivaML, dataset: str) -> Counter[str]:
    values = ml.lookup_dataset(dataset).feature_values("Image", "Label")
    return Counter(v.Image_Class for v in values)  # type: ignore[attr-defined]


def test_a_stratified_split_keeps_the_shares_of_the_classes(
    ml: DerivaML, zoo: Zoo, source: str, tmp_path: Path
) -> None:
    run = Run(zoo.execution, tmp_path)
    result = split_dataset(
        ml, source, run, test_size=0.25, val_size=2, stratify_by_column="Label.Image_Class"
    )
    assert result.validation is not None
    assert _labels(ml, result.training.rid) == {"cat": 2, "dog": 2}
    assert _labels(ml, result.testing.rid) == {"cat": 1, "dog": 1}
    assert _labels(ml, result.validation.rid) == {"cat": 1, "dog": 1}
    assert result.strategy == "stratified by Label.Image_Class"


def test_the_parts_are_released_and_nested_in_one_change(
    ml: DerivaML, zoo: Zoo, source: str, tmp_path: Path
) -> None:
    run = Run(zoo.execution, tmp_path)
    result = split_dataset(ml, source, run, test_size=0.5)
    parts = ml.lookup_dataset(result.split.rid).list_dataset_children()
    assert {d.rid for d in parts} == {result.training.rid, result.testing.rid}
    assert ml.lookup_dataset(result.training.rid).dataset_types == ["Split_Partition", "Training"]
    assert ml.lookup_dataset(result.split.rid).dataset_types == ["Split"]
    histories = [ml.dataset_history(d.rid) for d in parts]
    assert [str(h[-1].dataset_version) for h in histories] == ["0.1.0", "0.1.0"]
    assert {h[-1].snapshot for h in histories} == {ml.catalog.latest_snapshot()}
    assert {h[-1].execution_rid for h in histories} == {zoo.execution}


def test_the_source_is_an_input_and_the_settings_are_an_output(
    ml: DerivaML, zoo: Zoo, source: str, tmp_path: Path
) -> None:
    run = Run(zoo.execution, tmp_path)
    result = split_dataset(ml, source, run)
    assert ml.lookup_dataset(source).list_executions() == [zoo.execution]
    name = f"split_config_{result.split.rid}.json"
    assert run.registered == [("Execution_Metadata", name)]
    kept = json.loads((tmp_path / name).read_text())
    assert (kept["source"]["rid"], kept["seed"]) == (source, 42)


def test_a_seed_gives_the_same_parts(ml: DerivaML, source: str) -> None:
    first, again = (split_dataset(ml, source, test_size=3, seed=5) for _ in range(2))
    members = [ml.lookup_dataset(r.testing.rid).list_members("Image") for r in (first, again)]
    assert members[0] == members[1]
    assert len(members[0]) == 3


def test_in_order_takes_elements_as_they_come(ml: DerivaML, zoo: Zoo, source: str) -> None:
    result = split_dataset(ml, source, test_size=2, shuffle=False)
    test = ml.lookup_dataset(result.testing.rid).list_members("Image")
    assert test == sorted(zoo.images)[-2:]


def test_a_column_of_the_elements_themselves_can_decide(
    ml: DerivaML, zoo: Zoo, source: str
) -> None:
    result = split_dataset(ml, source, test_size=0.5, stratify_by_column="Image.Subject")
    rows = ml.lookup_dataset(result.testing.rid).list_dataset_members()["Image"]
    assert Counter(r["Subject"] for r in rows) == dict.fromkeys(zoo.subjects, 2)


def test_a_function_can_choose(ml: DerivaML, zoo: Zoo, source: str) -> None:
    def cats_first(df: pd.DataFrame, sizes: dict[str, int], seed: int) -> dict[str, Any]:
        order = df["Label.Image_Class"].sort_values(kind="stable").index.to_numpy()
        return {"Training": order[: sizes["Training"]], "Testing": order[sizes["Training"] :]}

    result = split_dataset(
        ml, source, test_size=0.5, selection_fn=cats_first, include_tables=["Label"]
    )
    assert _labels(ml, result.training.rid) == {"cat": 4}
    assert result.strategy == "custom"


def test_elements_without_a_class_can_be_left_out(ml: DerivaML, zoo: Zoo, source: str) -> None:
    ml.delete_feature("Image", "Label")
    ml.create_feature("Image", "Label", terms=["Image_Class"])
    feature = ml.lookup_feature("Image", "Label")
    rows = [{"Execution": zoo.execution, "Image": i, "Image_Class": "cat"} for i in zoo.images[:4]]
    ml.features.insert_values(feature, rows)
    with pytest.raises(DerivaMLValidationError, match="no value"):
        split_dataset(ml, source, stratify_by_column="Label.Image_Class")
    result = split_dataset(
        ml, source, stratify_by_column="Label.Image_Class", stratify_missing="drop", test_size=0.5
    )
    assert (result.training.count, result.testing.count) == (2, 2)


def test_a_dry_run_only_counts(ml: DerivaML, source: str) -> None:
    before = ml.catalog.latest_snapshot()
    result = split_dataset(ml, source, test_size=0.25, dry_run=True)
    assert (result.training.count, result.testing.count) == (6, 2)
    assert result.split.rid == result.split.version == "(dry run)"
    assert ml.catalog.latest_snapshot() == before


def test_types_of_the_caller_are_added(ml: DerivaML, source: str) -> None:
    result = split_dataset(ml, source, training_types=["Labeled", "Fold_1"])
    assert ml.lookup_dataset(result.training.rid).dataset_types == [
        "Fold_1",
        "Labeled",
        "Split_Partition",
        "Training",
    ]


def test_one_type_of_the_caller_may_be_a_word(ml: DerivaML, source: str) -> None:
    result = split_dataset(ml, source, testing_types="Labeled", seed=np.int64(7))
    assert "Labeled" in ml.lookup_dataset(result.testing.rid).dataset_types
    assert subsample(ml, source, size=2, dataset_types="Fold_1").subsample.count == 2
    assert "L" not in {term.name for term in ml.list_vocabulary_terms("Dataset_Type")}


def test_a_subsample_is_one_dataset(ml: DerivaML, zoo: Zoo, source: str) -> None:
    result = subsample(ml, source, size=4, stratify_by_column="Label.Image_Class")
    assert _labels(ml, result.subsample.rid) == {"cat": 2, "dog": 2}
    assert ml.lookup_dataset(result.subsample.rid).dataset_types == ["Subsample"]
    assert subsample(ml, source, size=0.5, dry_run=True).subsample.count == 4


@pytest.mark.parametrize(
    "arguments",
    [
        {"test_size": 9},
        {"test_size": 1.5},
        {"test_size": 0.2, "train_size": 8},
        {"element_table": "Subject"},
        {"stratify_by_column": "Image_Class"},
        {"stratify_by_column": "Subject.Nam"},
        {"stratify_by_column": "Nowhere.Name"},
        {"stratify_by_column": "Label.Nothing"},
        {"stratify_by_column": "Label.Image_Class", "selection_fn": lambda *a: {}},
        {"stratify_by_column": "Label.Image_Class", "stratify_missing": "guess"},
        {"include_tables": ["Subjct"]},
        {"include_tables": "Subject"},
        {"row_per": "Label"},
        {"row_per": "Label", "partition_by": "rows"},
        {"row_per": "Nowhere", "partition_by": "row"},
        {"selection_fn": lambda df, sizes, seed: {}},
        {"source_dataset_rid": "ZZZZ"},
    ],
)
def test_a_split_that_cannot_be_made_changes_nothing(
    ml: DerivaML, source: str, arguments: dict[str, Any]
) -> None:
    before = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLException):
        split_dataset(ml, **{"source_dataset_rid": source, **arguments})
    assert ml.catalog.latest_snapshot() == before


def test_several_kinds_of_elements_need_a_choice(ml: DerivaML, zoo: Zoo) -> None:
    mixed = ml.datasets.create(members=[*zoo.images, *zoo.subjects])
    with pytest.raises(DerivaMLValidationError, match="element_table"):
        split_dataset(ml, mixed.rid)
    result = split_dataset(ml, mixed.rid, test_size=1, element_table="Subject")
    assert (result.element_table, result.training.count) == ("Subject", 1)


# --- linked tables -----------------------------------------------------------------------


def _members(ml: DerivaML, rid: str, table: str = "Image") -> list[str]:
    return ml.lookup_dataset(rid).list_members(table)


def test_a_column_of_a_linked_table_can_decide(ml: DerivaML, zoo: Zoo, source: str) -> None:
    result = split_dataset(ml, source, test_size=2, stratify_by_column="Subject.Name")
    rows = ml.lookup_dataset(result.testing.rid).list_dataset_members()["Image"]
    assert Counter(r["Subject"] for r in rows) == dict.fromkeys(zoo.subjects, 1)


def test_a_function_sees_the_columns_of_linked_tables(ml: DerivaML, zoo: Zoo, source: str) -> None:
    seen: list[str] = []

    def by_subject(df: pd.DataFrame, sizes: dict[str, int], seed: int) -> dict[str, Any]:
        seen.extend(df.columns)
        order = df["Subject.Name"].sort_values(kind="stable").index.to_numpy()
        return {"Training": order[: sizes["Training"]], "Testing": order[sizes["Training"] :]}

    result = split_dataset(
        ml, source, test_size=0.5, selection_fn=by_subject, include_tables=["Subject", "Label"]
    )
    assert {"Subject.Name", "Label.Image_Class", "Image.Filename"} <= set(seen)
    assert _members(ml, result.testing.rid) == sorted(zoo.images[:4])  # those of Tom


@pytest.fixture
def subject_features(ml: DerivaML, zoo: Zoo) -> None:
    """A feature of subjects named as one of pictures, and one of pictures named as a table."""
    ml.create_feature("Subject", "Label", terms=["Image_Class"])
    ml.create_feature("Image", "Subject", terms=["Image_Class"])
    for target, name, rids, classes in (
        ("Subject", "Label", zoo.subjects, ["dog", "cat"]),
        ("Image", "Subject", zoo.images, ["cat", "dog"] * 4),
    ):
        rows = [
            {"Execution": zoo.execution, target: rid, "Image_Class": value}
            for rid, value in zip(rids, classes, strict=True)
        ]
        ml.features.insert_values(ml.lookup_feature(target, name), rows)


@pytest.mark.usefixtures("subject_features")
def test_features_of_one_name_keep_their_values(ml: DerivaML, source: str) -> None:
    frame = ml.lookup_dataset(source).get_denormalized_as_dataframe(
        ["Image", "Subject", "Image:Label", "Subject:Label", "Image:Subject"]
    )
    names = frame["Image.Filename"].str[0].astype(int)
    assert [n < 4 for n in names] == (frame["Image_Label.Image_Class"] == "cat").tolist()
    assert [n < 4 for n in names] == (frame["Subject_Label.Image_Class"] == "dog").tolist()
    assert [n % 2 == 0 for n in names] == (frame["Image_Subject.Image_Class"] == "cat").tolist()
    assert set(frame["Subject.Name"]) == {"Tom", "Rex"}


@pytest.mark.usefixtures("subject_features")
@pytest.mark.parametrize(
    ("column", "beside"),
    [
        ("Image:Label.Image_Class", []),
        ("Image:Label.Image_Class", ["Subject:Label"]),
        ("Image:Subject.Image_Class", ["Subject"]),
        ("zoo:Subject.Name", []),
        ("zoo:Subject.Name", ["Image:Label", "Execution"]),
        ("Subject.Name", ["Image:Subject", "Execution"]),
    ],
)
def test_the_class_may_be_named_as_the_table_is(
    ml: DerivaML, zoo: Zoo, source: str, column: str, beside: list[str]
) -> None:
    result = split_dataset(
        ml, source, test_size=2, stratify_by_column=column, include_tables=beside
    )
    places = {zoo.images.index(rid) for rid in _members(ml, result.testing.rid)}
    odd = column.startswith("Image:Subject")
    assert {p % 2 if odd else p // 4 for p in places} == {0, 1}


@pytest.mark.usefixtures("subject_features")
def test_a_column_that_another_table_has_is_not_taken_for_it(ml: DerivaML, source: str) -> None:
    with pytest.raises(DerivaMLValidationError, match=r"is no column 'Image:Subject\.Name'"):
        split_dataset(
            ml, source, stratify_by_column="Image:Subject.Name", include_tables=["Subject"]
        )


@pytest.fixture
def second_opinion(ml: DerivaML, zoo: Zoo) -> str:
    """An execution that labels half of the pictures, two of them otherwise than the first one."""
    execution = make_execution(ml)
    classes = ["dog", "cat", "cat", "cat", "cat"]
    rows = [
        {"Execution": execution, "Image": rid, "Image_Class": name}
        for rid, name in zip(zoo.images, classes, strict=False)
    ]
    ml.features.insert_values(ml.lookup_feature("Image", "Label"), rows)
    return execution


def test_elements_whose_rows_disagree_are_named(
    ml: DerivaML, zoo: Zoo, source: str, second_opinion: str
) -> None:
    before = ml.catalog.latest_snapshot()
    with pytest.raises(
        DerivaMLValidationError, match=f"2 elements .*{zoo.images[0]}.*'cat', 'dog'"
    ):
        split_dataset(ml, source, stratify_by_column="Label.Image_Class")
    assert ml.catalog.latest_snapshot() == before


def test_elements_whose_rows_agree_are_in_one_part(
    ml: DerivaML, zoo: Zoo, source: str, second_opinion: str
) -> None:
    # Two values for each of the first pictures, but one execution each.
    result = split_dataset(
        ml,
        source,
        test_size=0.5,
        stratify_by_column="Label.Execution",
        row_per="Label",
        partition_by="row",
    )
    parts = [_members(ml, r) for r in (result.training.rid, result.testing.rid)]
    assert (result.source.count, len(set(parts[0]) | set(parts[1]))) == (8, 8)
    assert [result.training.count, result.testing.count] == [len(p) for p in parts]
    assert set(parts[0]) & set(parts[1])  # rows, not elements, were divided


def test_rows_of_an_element_stay_together_when_elements_are_divided(
    ml: DerivaML, zoo: Zoo, source: str, second_opinion: str
) -> None:
    result = split_dataset(
        ml, source, test_size=0.25, row_per="Label", partition_by="element", seed=3
    )
    parts = [_members(ml, r) for r in (result.training.rid, result.testing.rid)]
    assert [len(p) for p in parts] == [6, 2]
    assert not set(parts[0]) & set(parts[1])


def test_elements_are_divided_by_the_rows_that_refer_to_them(ml: DerivaML, zoo: Zoo) -> None:
    subjects = ml.datasets.create(members=zoo.subjects)
    result = split_dataset(
        ml,
        subjects.rid,
        test_size=0.5,
        stratify_by_column="Label.Image_Class",
        row_per="Image",
        partition_by="element",
    )
    assert (result.element_table, result.source.count) == ("Subject", 2)
    assert len(_members(ml, result.testing.rid, "Subject")) == 1
    rows = split_dataset(
        ml, subjects.rid, test_size=0.5, row_per="Image", partition_by="row", dry_run=True
    )
    assert (rows.training.count, rows.testing.count) == (2, 2)


def test_rows_without_a_class_are_left_out_before_they_are_counted(
    ml: DerivaML, zoo: Zoo, source: str
) -> None:
    ml.create_feature("Image", "Mood", terms=["Image_Class"], optional=["Image_Class"])
    rows = [
        {"Execution": zoo.execution, "Image": rid, "Image_Class": None if n % 2 else "cat"}
        for n, rid in enumerate(zoo.images)
    ]
    ml.features.insert_values(ml.lookup_feature("Image", "Mood"), rows)
    result = split_dataset(
        ml,
        source,
        test_size=1,
        stratify_by_column="Mood.Image_Class",
        stratify_missing="drop",
        row_per="Mood",
        partition_by="row",
    )
    kept = _members(ml, result.training.rid) + _members(ml, result.testing.rid)
    assert sorted(kept) == sorted(zoo.images[::2])
    counted = split_dataset(
        ml, source, test_size=0.5, stratify_by_column="Mood.Image_Class", stratify_missing="include"
    )
    assert (counted.training.count, counted.testing.count) == (4, 4)


def test_members_that_have_nothing_to_do_with_it_are_refused_or_left_out(
    ml: DerivaML, zoo: Zoo
) -> None:
    ml.create_table(TableDefinition("Island", [ColumnDefinition("Name", BuiltinTypes.text)]))
    ml.add_dataset_element_type("Island")
    (island,) = ml.catalog.insert(TableName("Island", "zoo"), [{"Name": "Skye"}])
    mixed = ml.datasets.create(members=[*zoo.images, island["RID"]])
    by_label: dict[str, Any] = {
        "test_size": 0.5,
        "element_table": "Image",
        "stratify_by_column": "Label.Image_Class",
    }
    with pytest.raises(DerivaMLDenormalizeUnrelatedAnchor):
        split_dataset(ml, mixed.rid, **by_label)
    result = split_dataset(ml, mixed.rid, **by_label, ignore_unrelated_anchors=True)
    assert _labels(ml, result.testing.rid) == {"cat": 2, "dog": 2}


def test_the_settings_are_kept_with_the_outputs(
    ml: DerivaML, zoo: Zoo, source: str, tmp_path: Path
) -> None:
    run = Run(zoo.execution, tmp_path)
    result = subsample(
        ml, source, run, size=3, row_per="Label", partition_by="row", include_tables=["Subject"]
    )
    assert result.subsample.count == 3
    kept = json.loads((tmp_path / f"subsample_config_{result.subsample.rid}.json").read_text())
    assert kept["settings"] == {
        "sizes": {"Subsample": 3},
        "stratify_missing": "error",
        "include_tables": ["Subject"],
        "row_per": "Label",
        "via": [],
        "ignore_unrelated_anchors": False,
        "partition_by": "row",
    }


def test_via_tells_the_way_where_there_are_two(ml: DerivaML, zoo: Zoo) -> None:
    ml.create_table(
        TableDefinition(
            "Letter",
            [ColumnDefinition(c, BuiltinTypes.text) for c in ("Sender", "Receiver")],
            foreign_keys=[
                ForeignKeyDefinition((c,), "zoo", "Subject", ("RID",), f"Letter_{c}_fkey")
                for c in ("Sender", "Receiver")
            ],
        )
    )
    ml.add_dataset_element_type("Letter")
    tom, rex = zoo.subjects
    rows = [{"Sender": tom, "Receiver": rex}] * 3 + [{"Sender": rex, "Receiver": rex}]
    letters = [r["RID"] for r in ml.catalog.insert(TableName("Letter", "zoo"), rows)]
    dataset = ml.datasets.create(members=letters)
    with pytest.raises(DerivaMLDenormalizeAmbiguousPath):
        subsample(ml, dataset.rid, size=2, stratify_by_column="Subject.Name")
    result = subsample(
        ml, dataset.rid, size=0.5, stratify_by_column="Subject.Name", via=["Letter.Receiver"]
    )
    assert result.subsample.count == 2

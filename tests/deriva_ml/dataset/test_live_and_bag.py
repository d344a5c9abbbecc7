"""Every question about a dataset has one answer, in the catalog and in a bag."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy.exc import OperationalError

from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import TableName
from deriva_ml import DatasetSpec, FeatureRecord, FileSpec, interfaces
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition
from deriva_ml.core.exceptions import DerivaMLException, DerivaMLValidationError
from deriva_ml.dataset import Dataset, DatasetBag
from deriva_ml.feature import Feature

from ..conftest import make_execution


@dataclass(frozen=True)
class Pair:
    """A dataset at a version, in the catalog as it was then and in a bag, and what is in it."""

    live: Dataset
    bag: DatasetBag
    subject: str
    execution: str
    workflow: str


def _images(ml: DerivaML, subjects: list[str]) -> list[str]:
    rows = [
        {
            "URL": f"https://zoo.example.org/{n}.png",
            "Filename": f"{n}.png",
            "Length": n,
            "MD5": f"{n:032x}",
            "Subject": subjects[n % 3],
            "Description": 'a, "b"\nc' if n else None,
        }
        for n in range(6)
    ]
    return [row["RID"] for row in ml.catalog.insert(TableName("Image", "zoo"), rows)]


def _values(ml: DerivaML, images: list[str], executions: list[str]) -> None:
    scores = ml.create_feature(
        "Image",
        "Score",
        metadata=[
            ColumnDefinition("Value", BuiltinTypes.float8),
            ColumnDefinition("Count", BuiltinTypes.int4, nullok=True),
            ColumnDefinition("When", BuiltinTypes.timestamptz, nullok=True),
            ColumnDefinition("Sure", BuiltinTypes.boolean, nullok=True),
        ],
    )
    assert scores.feature is not None
    for number, execution in enumerate(executions):
        about = {"Execution": execution}
        terms = ["cat", "dog"]
        ml.features.insert_values(
            ml.lookup_feature("Image", "Label"),
            [
                {**about, "Image": r, "Image_Class": terms[(n + number) % 2]}
                for n, r in enumerate(images)
            ],
        )
        ml.features.insert_values(
            scores.feature,
            [
                {
                    **about,
                    "Image": rid,
                    "Value": n / 7,
                    "Count": n or None,
                    "When": "2026-02-03T04:05:06.5+00:00" if n else None,
                    "Sure": bool(n % 2) if n else None,
                }
                for n, rid in enumerate(images[:4])
            ],
        )


@pytest.fixture(scope="module")
def pair(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("pair")
    shutil.copytree(_template, root / "catalog")
    ml = DerivaML(str(root / "catalog"), working_dir=root / "work")
    names = [{"Name": n} for n in ("Tom", "Rex", None)]
    subjects = [r["RID"] for r in ml.catalog.insert(TableName("Subject", "zoo"), names)]
    images = _images(ml, subjects)
    executions = [make_execution(ml), make_execution(ml, "Testing")]
    _values(ml, images, executions)
    (root / "notes" / "old").mkdir(parents=True)
    (root / "notes" / "now.txt").write_text("now")
    (root / "notes" / "old" / "then.txt").write_text("then")
    notes = ml.add_files(FileSpec.create_filespecs(root / "notes"), executions[0])
    inner = ml.datasets.create(["Testing"], "Inside", executions[0], members=images[2:5])
    shared = ml.datasets.create([], "Twice inside", members=[inner.rid])
    made = ml.datasets.create(
        ["Training", "Labeled"],
        "All of it",
        executions[1],
        "1.0.0",
        [*images[:3], *subjects[:1], inner.rid, shared.rid, notes.rid],
    )
    ml.datasets.record_inputs(executions[0], [(made.rid, None)])
    made.add_dataset_members([subjects[1]])
    version = made.current_version
    bag = ml.download_dataset_bag(DatasetSpec(rid=made.rid, version=version, materialize=False))
    # What happens later is in neither.
    made.add_dataset_members(images[5:])
    inner.description = "Later"
    past = ml.catalog_snapshot(ml.datasets.snapshot(made.rid, version))
    workflow = ml.retrieve_rid(executions[0])["Workflow"]
    yield Pair(past.lookup_dataset(made.rid), bag, subjects[0], executions[0], workflow)
    ml.catalog.close()


Question = Callable[[Pair, Any], Any]
"""What is asked of one of the two datasets of a pair."""

# The dataset has files, too, which have nothing to do with pictures.
OTHERS: dict[str, Any] = {"ignore_unrelated_anchors": True}
QUESTIONS: dict[str, list[Question]] = {
    "dataset_rid": [lambda p, d: d.dataset_rid],
    "description": [lambda p, d: d.description],
    "dataset_types": [lambda p, d: d.dataset_types],
    "current_version": [lambda p, d: d.current_version],
    "source_directory": [
        lambda p, d: d.source_directory,
        lambda p, d: [x.source_directory for x in d.list_dataset_children(recurse=True)],
    ],
    "is_directory": [lambda p, d: [x.is_directory for x in d.list_dataset_children(recurse=True)]],
    "is_source_root": [
        lambda p, d: [x.is_source_root for x in d.list_dataset_children(recurse=True)]
    ],
    "list_dataset_members": [
        lambda p, d: d.list_dataset_members(),
        lambda p, d: d.list_dataset_members(recurse=True),
        lambda p, d: d.list_dataset_members(True, 2),
        lambda p, d: d.list_dataset_members(version=str(d.current_version)),
        lambda p, d: [x.list_dataset_members() for x in d.list_dataset_children()],
    ],
    "list_members": [
        lambda p, d: [d.list_members(t) for t in ("Image", "Subject", "Dataset", "File")]
    ],
    "list_dataset_children": [
        lambda p, d: d.list_dataset_children(),
        lambda p, d: d.list_dataset_children(recurse=True),
        lambda p, d: d.list_dataset_children(True, version=str(d.current_version)),
    ],
    "list_dataset_parents": [
        lambda p, d: d.list_dataset_parents(),
        lambda p, d: [x.list_dataset_parents(True) for x in d.list_dataset_children(True)],
    ],
    "list_dataset_element_types": [lambda p, d: d.list_dataset_element_types()],
    "list_executions": [lambda p, d: d.list_executions()],
    "dataset_history": [
        lambda p, d: d.dataset_history(),
        lambda p, d: [x.dataset_history() for x in d.list_dataset_children()],
    ],
    "find_features": [lambda p, d: d.find_features(), lambda p, d: d.find_features("Image")],
    "lookup_feature": [lambda p, d: d.lookup_feature("Image", "Label")],
    "feature_values": [
        lambda p, d: d.feature_values("Image", "Label"),
        lambda p, d: d.feature_values("Image", "Score"),
        lambda p, d: d.feature_values("Image", "Label", FeatureRecord.select_newest),
        lambda p, d: d.feature_values("Image", "Label", execution_rids=[p.execution]),
        lambda p, d: d.feature_values("Image", "Label", execution_rids=[]),
        lambda p, d: [x.feature_values("Image", "Score") for x in d.list_dataset_children()],
    ],
    "get_feature_values_as_dataframe": [
        lambda p, d: d.get_feature_values_as_dataframe("Image", "Score"),
        lambda p, d: d.get_feature_values_as_dataframe(
            "Image", "Label", FeatureRecord.select_first
        ),
    ],
    "list_workflow_executions": [
        lambda p, d: d.list_workflow_executions("Testing"),
        lambda p, d: d.list_workflow_executions(p.workflow),
    ],
    "get_denormalized_as_dataframe": [
        lambda p, d: d.get_denormalized_as_dataframe(["Image", "Subject"], **OTHERS),
        lambda p, d: d.get_denormalized_as_dataframe(["Score", "Image"], row_per="Score", **OTHERS),
        lambda p, d: d.get_denormalized_as_dataframe(
            ["Image", "Label"], selector=FeatureRecord.select_newest, **OTHERS
        ),
        lambda p, d: d.get_denormalized_as_dataframe(["Subject"], system_columns=["RCT"], **OTHERS),
    ],
    "get_denormalized_as_dict": [
        lambda p, d: list(d.get_denormalized_as_dict(["Image", "Label", "Subject"], **OTHERS)),
        lambda p, d: list(
            d.get_denormalized_as_dict(["Image"], version=str(d.current_version), **OTHERS)
        ),
    ],
    "get_denormalized_as_arrow": [
        lambda p, d: d.get_denormalized_as_arrow(["Image", "Subject"], **OTHERS).to_pylist()
    ],
    "get_denormalized_as_polars": [
        lambda p, d: d.get_denormalized_as_polars(["Image", "Subject"], **OTHERS).rows()
    ],
    "list_denormalized_columns": [
        lambda p, d: d.list_denormalized_columns(["Image", "Score", "Subject"])
    ],
    "describe_denormalized": [
        lambda p, d: d.describe_denormalized(["Image", "Subject"]) | {"source": None},
        lambda p, d: d.describe_denormalized(["Nowhere"]) | {"source": None},
    ],
    "list_schema_paths": [
        lambda p, d: d.list_schema_paths(),
        lambda p, d: d.list_schema_paths(["Image", "Subject"]),
    ],
    "to_markdown": [lambda p, d: d.to_markdown(show_children=True)],
}
# Whom a change is attributed to, and what a notebook shows; neither is read from the dataset.
NOT_ASKED = {"execution_rid", "display_markdown"}


def plain(answer: Any) -> Any:
    """An answer with the objects of one catalog made comparable with those of another."""
    if isinstance(answer, Dataset | DatasetBag):
        return ("dataset", answer.dataset_rid)
    if isinstance(answer, Table):
        return ("table", answer.qualified, [c.name for c in answer.columns])
    if isinstance(answer, Feature):
        return ("feature", str(answer), plain(answer.feature_table), answer.qualifier_columns)
    if isinstance(answer, FeatureRecord):
        return (type(answer).__name__, answer.model_dump())
    if isinstance(answer, pd.DataFrame):
        return (list(answer.columns), answer.astype(object).where(answer.notna(), None).to_dict())
    if isinstance(answer, dict):
        return {key: plain(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [plain(item) for item in answer]
    return answer


def test_every_read_method_is_asked() -> None:
    methods = {name for name in dir(interfaces.DatasetLike) if not name.startswith("_")}
    assert methods - NOT_ASKED == set(QUESTIONS)


NEEDS = {"get_denormalized_as_arrow": "pyarrow", "get_denormalized_as_polars": "polars"}


@pytest.mark.parametrize("method", QUESTIONS)
def test_the_bag_answers_what_the_catalog_answers(pair: Pair, method: str) -> None:
    pytest.importorskip(NEEDS.get(method, "pandas"))
    for question in QUESTIONS[method]:
        live, bag = (plain(question(pair, dataset)) for dataset in (pair.live, pair.bag))
        assert live == bag


def test_the_answers_say_something(pair: Pair) -> None:
    members = pair.bag.list_dataset_members(recurse=True)
    assert {name: len(rows) for name, rows in members.items()} == {
        "Dataset": 4,
        "File": 2,
        "Image": 5,
        "Subject": 2,
    }
    assert len(pair.bag.feature_values("Image", "Score")) == 8
    assert len(pair.bag.list_dataset_children(recurse=True)) == 4
    assert pair.bag.list_executions() == [pair.execution]


def test_both_refuse_alike(pair: Pair) -> None:
    for ask in (
        lambda d: d.list_members("Imag"),
        lambda d: d.list_members("Workflow_Type"),
        lambda d: d.find_features("Imag"),
        lambda d: d.lookup_feature("Image", "Labl"),
        lambda d: d.feature_values("Image", "Label", materialize_limit=1),
        lambda d: d.list_workflow_executions("Trainin"),
        lambda d: d.list_dataset_members(limit=-1),
    ):
        texts = []
        for dataset in (pair.live, pair.bag):
            with pytest.raises(DerivaMLException) as refused:
                ask(dataset)
            texts.append((type(refused.value), str(refused.value)))
        assert texts[0] == texts[1]


def test_a_bag_is_a_database_for_reading(pair: Pair) -> None:
    engine = pair.bag.engine
    frame = pd.read_sql(
        'SELECT "Filename", "Name" FROM "Image" JOIN "zoo.Subject" AS s ON s."RID" = "Subject"'
        ' ORDER BY "Filename"',
        engine,
    )
    assert list(frame["Filename"]) == [f"{n}.png" for n in range(6)]
    assert list(frame["Name"][:2]) == ["Tom", "Rex"]
    with engine.begin() as connection, pytest.raises(OperationalError):
        connection.exec_driver_sql('DELETE FROM "Image"')
    names = [column.name for column in pair.bag.model.name_to_table("Image").columns]
    rows = list(pair.bag.get_table("Image"))
    assert [dict(zip(names, row, strict=True)) for row in rows] == list(
        pair.bag.get_table_as_dict("Image")
    )


@pytest.mark.parametrize("number", [0, True])
def test_files_are_fetched_so_many_at_a_time(pair: Pair, number: int) -> None:
    with pytest.raises(DerivaMLValidationError, match="fetch_concurrency"):
        pair.bag.materialize(fetch_concurrency=number)

"""``deriva-ml-split-dataset``: every option does what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml.cli.split import main
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import BuiltinTypes, ColumnDefinition, TableDefinition
from deriva_ml.core.enums import ExecutionStatus
from deriva_ml.dataset.dataset import Dataset

from ..conftest import Stage, Zoo, fill_zoo, make_execution

Run = Callable[..., dict[str, tuple[str, str, int]]]


@pytest.fixture
def ml(stage: Stage) -> DerivaML:
    return stage.clear()


@pytest.fixture
def zoo(ml: DerivaML) -> Zoo:
    return fill_zoo(ml)


@pytest.fixture
def source(ml: DerivaML, zoo: Zoo) -> str:
    return ml.datasets.create(members=[*zoo.images, *zoo.subjects]).rid


@pytest.fixture
def run(stage: Stage, source: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; returns RID, version and count of what it prints."""

    def run_command(*words: str, rid: str = source) -> dict[str, tuple[str, str, int]]:
        place = ("--hostname", str(stage.place), "--catalog-id", "1", "--dataset-rid", rid)
        status = main([*place, "--working-dir", str(stage.work), *words])
        printed = capsys.readouterr()
        assert status == 0, printed.err
        lines = [line.split("  ") for line in printed.out.splitlines()[1:]]
        cells = [[c.strip() for c in line if c.strip()] for line in lines]
        return {c[0]: (c[1], c[2], int(c[3])) for c in cells}

    return run_command


IMAGES = ("--element-table", "Image")


def _dataset(ml: DerivaML, made: tuple[str, str, int]) -> Dataset:
    return ml.lookup_dataset(made[0])


def test_the_parts_are_made_by_an_execution_of_its_own(ml: DerivaML, source: str, run: Run) -> None:
    made = run(*IMAGES, "--test-size", "0.25", "--description", "Two parts")
    assert {name: count for name, (_, _, count) in made.items()} == {
        "source": 8,
        "split": 8,
        "training": 6,
        "testing": 2,
    }
    split = _dataset(ml, made["split"])
    assert (split.description, made["split"][1]) == ("Two parts", "0.1.0")
    assert _dataset(ml, made["training"]).dataset_types == [
        "Labeled",
        "Split_Partition",
        "Training",
    ]
    (version,) = split.dataset_history()
    assert version.execution_rid is not None
    execution = ml.lookup_execution(version.execution_rid)
    assert (execution.status, execution.description) == (ExecutionStatus.Uploaded, "Two parts")
    assert execution.workflow is not None
    assert execution.workflow.name == "deriva-ml-split-dataset"
    assert execution.workflow.workflow_types == ["Dataset_Split"]
    assert ml.lookup_dataset(source).list_executions() == [version.execution_rid]
    names = [a.filename for a in ml.list_execution_assets(version.execution_rid, "Output")]
    assert f"split_config_{split.rid}.json" in names


def test_sizes_are_shares_or_numbers(run: Run) -> None:
    made = run(*IMAGES, "--test-size", "3", "--train-size", "0.25", "--val-size", "1")
    assert [made[n][2] for n in ("training", "validation", "testing")] == [2, 1, 3]


def test_order_and_seed(ml: DerivaML, zoo: Zoo, run: Run) -> None:
    made = run(*IMAGES, "--test-size", "2", "--no-shuffle")
    assert _dataset(ml, made["testing"]).list_members("Image") == sorted(zoo.images)[-2:]
    drawn = [
        _dataset(ml, run(*IMAGES, "--seed", seed)["testing"]).list_members("Image")
        for seed in ("1", "5")
    ]
    assert drawn[0] != drawn[1]


def test_classes_types_and_the_type_of_the_workflow(ml: DerivaML, run: Run) -> None:
    made = run(
        *IMAGES,
        *("--stratify-by-column", "Label.Image_Class", "--stratify-missing", "drop"),
        *("--test-size", "0.5", "--val-size", "2", "--workflow-type", "Dataset_Management"),
        *("--training-types", "", "--testing-types", "Held_Out,Labeled"),
        *("--validation-types", "Complete"),
    )
    types = {n: _dataset(ml, made[n]).dataset_types for n in ("training", "testing", "validation")}
    assert types == {
        "training": ["Split_Partition", "Training"],
        "testing": ["Held_Out", "Labeled", "Split_Partition", "Testing"],
        "validation": ["Complete", "Split_Partition", "Validation"],
    }
    values = _dataset(ml, made["testing"]).feature_values("Image", "Label")
    assert Counter(v.Image_Class for v in values) == {"cat": 2, "dog": 2}  # type: ignore[attr-defined]
    (execution,) = ml.find_executions(workflow_type="Dataset_Management")
    assert execution.status is ExecutionStatus.Uploaded


def test_linked_tables_rows_and_what_goes_into_parts(ml: DerivaML, zoo: Zoo, run: Run) -> None:
    label = ml.lookup_feature("Image", "Label")
    again = make_execution(ml)
    rows = [{"Execution": again, "Image": i, "Image_Class": "cat"} for i in zoo.images[:4]]
    ml.features.insert_values(label, rows)
    linked = ("--stratify-by-column", "Subject.Name", "--include-tables", "Subject,Label")
    made = run(
        *IMAGES, *linked, "--row-per", "Label", "--partition-by", "row", "--test-size", "0.5"
    )
    # Twelve values, of which some pictures have two: one of them in each part.
    assert made["training"][2] + made["testing"][2] > 8
    together = run(*IMAGES, *linked, "--row-per", "Label", "--partition-by", "element")
    assert together["training"][2] + together["testing"][2] == 8


def test_ways_and_members_that_have_nothing_to_do_with_it(ml: DerivaML, zoo: Zoo, run: Run) -> None:
    ml.create_table(TableDefinition("Island", [ColumnDefinition("Name", BuiltinTypes.text)]))
    ml.add_dataset_element_type("Island")
    (island,) = ml.catalog.insert(TableName("Island", "zoo"), [{"Name": "Skye"}])
    mixed = ml.datasets.create(members=[*zoo.images, island["RID"]]).rid
    made = run(
        *IMAGES,
        *("--stratify-by-column", "Subject.Name", "--via", "Image.Subject"),
        *("--ignore-unrelated-anchors", "--domain-schema", "zoo"),
        rid=mixed,
    )
    assert made["split"][2] == 8


def test_a_dry_run_writes_nothing_and_urls_are_shown(
    ml: DerivaML, stage: Stage, source: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ml.catalog.latest_snapshot()
    made = run(*IMAGES, "--dry-run", "--test-size", "0.5")
    assert made["training"] == ("(dry run)", "(dry run)", 4)
    assert ml.catalog.latest_snapshot() == before
    place = ["--hostname", str(stage.place), "--catalog-id", "1", "--dataset-rid", source]
    assert main([*place, *IMAGES, "--working-dir", str(stage.work), "--show-urls"]) == 0
    printed = capsys.readouterr().out.splitlines()[1:]
    assert len(printed) == 4
    assert all("/chaise/record/#" in line for line in printed)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "element_table"),
        ((*IMAGES, "--test-size", "1.5"), "1.5"),
        ((*IMAGES, "--row-per", "Label"), "partition_by"),
        ((*IMAGES, "--workflow-type", "Nothing"), "Workflow_Type"),
        ((*IMAGES, "--domain-schema", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_nothing(
    ml: DerivaML,
    stage: Stage,
    source: str,
    words: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = ml.catalog.latest_snapshot()
    place = ["--hostname", str(stage.place), "--catalog-id", "1", "--dataset-rid", source]
    assert main([*place, "--working-dir", str(stage.work), *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("deriva-ml-split-dataset: ")
    assert says in told
    assert ml.catalog.latest_snapshot() == before


def test_a_command_line_that_says_too_little(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--hostname", "localhost", "--test-size", "few"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "usage: deriva-ml-split-dataset" in told
    assert "'few' is no size; write a share such as 0.2" in told

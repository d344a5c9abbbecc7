"""Runs that are done over: what took place in the catalog is not repeated, and never mixed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaMLConfig, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLException,
    DerivaMLInvalidTerm,
    DerivaMLResumeError,
    DerivaMLUploadError,
    DerivaMLValidationError,
)
from deriva_ml.dataset.dataset import Dataset
from deriva_ml.dataset.split import split_dataset
from deriva_ml.execution.execution import Execution
from deriva_ml.execution.runner import run_model

from ..conftest import Stage, Zoo

WORKFLOW = Workflow(
    name="make.py", workflow_type="Dataset_Management", url="https://x/make.py", checksum="c0ffee"
)
Model = Callable[[DerivaML, Execution], Any]


class Killed(BaseException):
    """Ends a run as an interruption does."""


@pytest.fixture
def ml(stage: Stage) -> DerivaML:
    return stage.clear()


@pytest.fixture
def place(stage: Stage) -> Path:
    return stage.place


@pytest.fixture
def exe(ml: DerivaML) -> Execution:
    return ml.create_execution(workflow=WORKFLOW, description="makes datasets")


def interrupted(ml: DerivaML, exe: Execution, *models: Model) -> Execution:
    """Run models in the execution, and die; returns it as another process takes it up."""

    def run() -> None:
        with exe:
            for model in models:
                model(ml, exe)
            raise Killed

    with pytest.raises(Killed):
        run()
    return ml.resume_execution(exe.execution_rid)


def finished(ml: DerivaML, exe: Execution, *models: Model) -> list[Any]:
    """Run models in the execution, to the end of the upload; returns what they returned."""
    with exe:
        made = [model(ml, exe) for model in models]
    exe.upload_execution_outputs()
    return made


def make(description: str = "d", types: tuple[str, ...] = ()) -> Model:
    return lambda ml, exe: exe.create_dataset(types, description=description)


# --- the same calls ------------------------------------------------------------------


def test_a_dataset_of_an_interrupted_run_is_the_one_of_the_next(
    ml: DerivaML, exe: Execution, zoo: Zoo
) -> None:
    def model(ml: DerivaML, exe: Execution) -> Dataset:
        dataset = exe.create_dataset(["Training"], description="all")
        dataset.add_dataset_members({"Image": zoo.images})
        dataset.delete_dataset_members(zoo.images[:1])
        dataset.add_dataset_types(["Labeled", "Testing"])
        dataset.remove_dataset_type("Testing")
        return dataset

    again = interrupted(ml, exe, model)
    before = ml.catalog.latest_snapshot(), ml.find_datasets()
    again.restart()
    with again:
        dataset = model(ml, again)
        (known,) = before[1]
        assert dataset == known
        assert len(dataset.list_members("Image")) == len(zoo.images) - 1
        assert dataset.dataset_types == ["Labeled", "Training"]
        assert str(dataset.current_version) == "0.5.0"
    assert ml.find_datasets() == [dataset]
    history = dataset.dataset_history()
    assert all(h.snapshot is not None and h.snapshot <= before[0] for h in history)
    again.upload_execution_outputs()


def test_two_calls_with_equal_arguments_make_two_datasets(ml: DerivaML, exe: Execution) -> None:
    again = interrupted(ml, exe, make(), make())
    assert len(ml.find_datasets()) == 2
    first, second, third = finished(ml, again, make(), make(), make())
    assert ml.find_datasets() == [first, second, third]


def test_versions_that_were_made_are_returned_again(ml: DerivaML, exe: Execution) -> None:
    def model(ml: DerivaML, exe: Execution) -> list[str]:
        dataset = exe.create_dataset()
        rid, made = dataset.rid, exe.execution_rid
        return [
            str(dataset.release("major", "first")),
            str(ml.increment_dataset_version(rid, "patch", "second", made)),
            str(dataset.mark_dev("third")),
            str(dataset.release("minor", "fourth")),
        ]

    again = interrupted(ml, exe, model)
    assert finished(ml, again, model) == [["1.0.0", "1.0.1", "1.0.1.post1.dev1", "1.1.0"]]
    (dataset,) = ml.find_datasets()
    assert len(dataset.dataset_history()) == 4


def test_a_division_is_done_once(ml: DerivaML, exe: Execution, zoo: Zoo) -> None:
    source = ml.datasets.create(members=zoo.images).rid

    def model(ml: DerivaML, exe: Execution) -> Any:
        return split_dataset(
            ml, source, exe, test_size=0.25, stratify_by_column="Label.Image_Class"
        )

    seen = []
    again = interrupted(ml, exe, lambda ml, exe: seen.append(model(ml, exe)))
    ml.lookup_dataset(seen[0].training.rid).release("major", "by hand")
    again.restart()
    assert finished(ml, again, model) == seen
    assert len(ml.find_datasets()) == 4
    assert exe.execution_record is not None
    assert [d.rid for d in exe.execution_record.list_input_datasets()] == [source]


def test_a_dataset_made_by_the_flat_methods_and_another_connection_is_known(
    ml: DerivaML, exe: Execution, zoo: Zoo, place: Path, tmp_path: Path
) -> None:
    def model(ml: DerivaML, exe: Execution) -> str:
        other = DerivaML(str(place), working_dir=tmp_path / "elsewhere")
        rid = other.create_dataset(description="flat", execution_rid=exe.execution_rid)
        ml.add_dataset_members(rid, zoo.images, execution_rid=exe.execution_rid)
        other.catalog.close()
        return rid

    again = interrupted(ml, exe, model)
    assert finished(ml, again, model) == [ml.find_datasets()[0].rid]
    assert len(ml.find_datasets()) == 1


def test_members_are_a_set(ml: DerivaML, exe: Execution, zoo: Zoo) -> None:
    def model(rids: list[str]) -> Model:
        return lambda ml, exe: exe.create_dataset().add_dataset_members(rids)

    again = interrupted(ml, exe, model(zoo.images))
    finished(ml, again, model(zoo.images[::-1]))
    assert str(ml.find_datasets()[0].current_version) == "0.2.0"


def test_a_call_that_failed_may_fail_again_or_succeed(ml: DerivaML, exe: Execution) -> None:
    def unknown(ml: DerivaML, exe: Execution) -> None:
        with pytest.raises(DerivaMLException, match="ZZZZ"):
            exe.create_dataset().add_dataset_members({"Image": ["ZZZZ"]})

    def undone(ml: DerivaML, exe: Execution) -> None:
        with suppress(KeyError), ml.session.transaction():
            exe.create_dataset(description="d")
            raise KeyError

    again = interrupted(ml, exe, unknown, undone, make())
    assert len(ml.find_datasets()) == 2
    finished(ml, again, unknown, make())
    assert len(ml.find_datasets()) == 2


def test_calls_after_the_upload_are_a_sequence_of_their_own(ml: DerivaML, exe: Execution) -> None:
    finished(ml, exe, make("in the run"))
    first = exe.create_dataset(description="of what was uploaded")
    again = ml.resume_execution(exe.execution_rid)
    assert again.create_dataset(description="of what was uploaded") == first
    assert again.create_dataset(description="more") != first
    assert len(ml.find_datasets()) == 3


def test_a_run_in_two_parts_is_done_over_in_two_parts(ml: DerivaML, exe: Execution) -> None:
    with exe:
        exe.create_dataset(description="1")
    again = interrupted(ml, exe, make("2"))
    with again:
        again.create_dataset(description="1")
    finished(ml, again, make("2"), make("3"))
    assert [d.description for d in ml.find_datasets()] == ["1", "2", "3"]


def test_a_block_that_is_entered_again_after_an_error_begins_again(
    ml: DerivaML, exe: Execution
) -> None:
    interrupted(ml, exe, make())
    finished(ml, exe, make())
    assert len(ml.find_datasets()) == 1


def test_what_was_done_before_the_block_is_known_too(ml: DerivaML, exe: Execution) -> None:
    exe.create_dataset(description="before")
    again = interrupted(ml, exe, make("inside"))
    again.create_dataset(description="before")
    finished(ml, again, make("inside"))
    assert [d.description for d in ml.find_datasets()] == ["before", "inside"]


def test_uploading_what_was_interrupted_needs_no_calls(ml: DerivaML, exe: Execution) -> None:
    again = interrupted(ml, exe, make())
    again.upload_execution_outputs()
    assert len(ml.find_datasets()) == 1


# --- other calls ---------------------------------------------------------------------


def members(number: int) -> Model:
    def model(ml: DerivaML, exe: Execution) -> None:
        rids = [row["RID"] for row in ml.get_table_as_dict("Image")]
        exe.create_dataset(description="d").add_dataset_members({"Image": rids[:number]})

    return model


DIFFERENT: dict[str, tuple[Model, Model]] = {
    "description": (make("d"), make("e")),
    "types": (make("d"), make("d", ("Training",))),
    "order": (lambda ml, exe: [make("d")(ml, exe), make("e")(ml, exe)], make("e")),
    "members": (members(3), members(4)),
    "method": (
        lambda ml, exe: exe.create_dataset(description="d").add_dataset_type("Training"),
        lambda ml, exe: exe.create_dataset(description="d").release("major"),
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_a_run_that_does_something_else_is_refused(
    ml: DerivaML, exe: Execution, zoo: Zoo, case: str
) -> None:
    before, now = DIFFERENT[case]
    again = interrupted(ml, exe, before)
    again.execution_start()
    snapshot = ml.catalog.latest_snapshot()
    with pytest.raises(DerivaMLResumeError, match="where it called") as caught:
        now(ml, again)
    assert ml.catalog.latest_snapshot() == snapshot
    assert exe.execution_rid in str(caught.value)
    assert caught.value.before != caught.value.now
    again.abort()
    assert ml.create_execution(workflow=WORKFLOW).create_dataset(description="e").rid


def test_a_run_that_leaves_something_out_is_not_uploaded(ml: DerivaML, exe: Execution) -> None:
    again = interrupted(ml, exe, make("kept"), make("left out"))
    with pytest.raises(DerivaMLUploadError, match=r"without calling create_dataset.*left out"):
        finished(ml, again, make("kept"))
    assert again.status == "Failed"
    assert not again.has_finished
    later = ml.resume_execution(exe.execution_rid)
    finished(ml, later, make("kept"), make("left out"))
    assert len(ml.find_datasets()) == 2


def test_a_dataset_that_was_deleted_meanwhile_is_not_given_again(
    ml: DerivaML, exe: Execution
) -> None:
    again = interrupted(ml, exe, make())
    ml.delete_dataset(ml.find_datasets()[0])
    with pytest.raises(DerivaMLDatasetNotFound, match="is deleted"):
        finished(ml, again, make())


def test_bad_arguments_are_refused_before_they_are_compared(ml: DerivaML, exe: Execution) -> None:
    again = interrupted(ml, exe, make())
    with pytest.raises(DerivaMLInvalidTerm):
        again.create_dataset(["Trainin"])


# --- what waits for the upload -------------------------------------------------------


def outputs(ml: DerivaML, exe: Execution, kind: str = "cat") -> None:
    record = ml.feature_record_class("Image", "Label")
    images = [row["RID"] for row in ml.get_table_as_dict("Image")]
    exe.add_features([record(Image=rid, Image_Class=kind) for rid in images])
    exe.asset_file_path("Execution_Asset", "log.txt").write_text(kind)
    exe.table_path("Subject").write_text("Name\nRex\n")


def test_outputs_that_wait_may_be_given_again(ml: DerivaML, exe: Execution, zoo: Zoo) -> None:
    again = interrupted(ml, exe, outputs)
    finished(ml, again, outputs)
    assert len(ml.list_assets("Execution_Asset")) == 1
    assert len(ml.get_table_as_dict("Subject")) == 3
    values = ml.feature_values("Image", "Label", execution_rids=[exe.execution_rid])
    assert len(values) == len(zoo.images)


def test_another_value_than_before_is_refused_until_the_run_is_restarted(
    ml: DerivaML, exe: Execution, zoo: Zoo
) -> None:
    again = interrupted(ml, exe, outputs)
    with pytest.raises(DerivaMLValidationError, match=r"another value.*restart\(\)"):
        finished(ml, again, partial(outputs, kind="dog"))
    again.restart()
    finished(ml, again, partial(outputs, kind="dog"))
    values = ml.feature_values("Image", "Label", execution_rids=[exe.execution_rid])
    assert {v.Image_Class for v in values} == {"dog"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("missing", ["log.txt", "values of Execution_Image_Label", "zoo:Subject"])
def test_outputs_that_are_not_given_again_are_not_uploaded_silently(
    ml: DerivaML, exe: Execution, zoo: Zoo, missing: str
) -> None:
    again = interrupted(ml, exe, outputs)
    with pytest.raises(DerivaMLUploadError, match=missing):
        finished(ml, again)
    assert ml.list_assets("Execution_Asset") == []
    again.restart()
    finished(ml, again)
    assert again.status == "Uploaded"
    assert len(ml.get_table_as_dict("Subject")) == 2


def test_a_session_that_goes_on_without_beginning_again_keeps_all(
    ml: DerivaML, exe: Execution, zoo: Zoo
) -> None:
    again = interrupted(ml, exe, outputs)
    again.asset_file_path("Execution_Asset", "more.txt").write_text("x")
    again.upload_execution_outputs()
    assert len(ml.list_assets("Execution_Asset")) == 2
    assert len(ml.get_table_as_dict("Subject")) == 3


# --- run_model -----------------------------------------------------------------------

deaths: list[str] = []


def model_function(ml_instance: DerivaML, execution: Execution) -> None:
    dataset = execution.create_dataset(["Training"], description="by a function")
    subjects = ml_instance.catalog.fetch("entity/zoo:Subject")
    dataset.add_dataset_members({"Subject": [row["RID"] for row in subjects]})
    if deaths:
        raise Killed(deaths.pop())


def start(place: Path, checksum: str) -> None:
    run_model(
        DerivaMLConfig(hostname=str(place), working_dir=place.parent / "work"),
        [],
        [],
        "a run",
        Workflow(name="m", workflow_type="Training", url="https://x/m.py", checksum=checksum),
        model_function,
        resume=True,
    )


def test_resuming_a_function_makes_no_second_dataset(ml: DerivaML, place: Path) -> None:
    ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}])
    deaths[:] = ["now"]
    with pytest.raises(Killed):
        start(place, "a")
    start(place, "a")
    (dataset,) = ml.find_datasets()
    assert str(dataset.current_version) == "0.2.0"
    assert len(ml.find_executions(status="Uploaded")) == 1


def test_a_function_that_was_changed_starts_afresh_and_says_what_stays(
    ml: DerivaML, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}])
    deaths[:] = ["now"]
    with pytest.raises(Killed):
        start(place, "a")
    (before,) = ml.find_datasets()
    start(place, "b")
    assert f"stay: '{before.rid}'" in capsys.readouterr().err
    after = next(d for d in ml.find_datasets() if d != before)
    makers = [d.dataset_history()[0].execution_rid for d in (before, after)]
    assert makers[0] != makers[1]

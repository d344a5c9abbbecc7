"""What cannot be done is one clear error of our own, and leaves everything as it was.

The content that is compared is all that the catalog's database holds: rows, closed versions,
models, snapshots, sequences; and the files of the working directory.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deriva_catalog.path.ast import TableName
from deriva_ml import DerivaMLConfig, Workflow
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLCycleError,
    DerivaMLDataError,
    DerivaMLDatasetNotFound,
    DerivaMLDirtyWorkflowError,
    DerivaMLException,
    DerivaMLFeatureNotFound,
    DerivaMLInvalidTerm,
    DerivaMLNotFoundError,
    DerivaMLRidsNotFound,
    DerivaMLStateInconsistency,
    DerivaMLTableNotFound,
    DerivaMLTableTypeError,
    DerivaMLUnavailableError,
    DerivaMLUploadError,
    DerivaMLValidationError,
    InvalidTransitionError,
)
from deriva_ml.core.query import equals, path_of
from deriva_ml.dataset import split_dataset, subsample
from deriva_ml.execution.execution import Execution
from deriva_ml.execution.runner import run_model

from .conftest import Stage, Zoo
from .scenes import WORKFLOW, Scene, files, make_scene, stored


@pytest.fixture
def ml(stage: Stage) -> DerivaML:
    return stage.clear()


@pytest.fixture
def place(stage: Stage) -> Path:
    return stage.place


# --- bad input -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One for all cases, since none of them changes it."""
    made = make_scene(_template, tmp_path_factory.mktemp("refusals"))
    yield made
    made.ml.catalog.close()


Case = tuple[Callable[[Scene], Any], type[DerivaMLException]]
_T, _R, _D = DerivaMLInvalidTerm, DerivaMLRidsNotFound, DerivaMLDatasetNotFound
_N, _V, _K = DerivaMLNotFoundError, DerivaMLValidationError, DerivaMLTableTypeError
_Data, _Any, _Cycle = DerivaMLDataError, DerivaMLException, DerivaMLCycleError

TERMS: dict[str, Case] = {
    "type of a new dataset": (lambda s: s.ml.create_dataset(["Trainin"]), _T),
    "type of a dataset of an execution": (lambda s: s.exe.create_dataset(["Trainin"]), _T),
    "type to add": (lambda s: s.dataset.add_dataset_type("Trainin"), _T),
    "type to remove": (lambda s: s.dataset.remove_dataset_type("Trainin"), _T),
    "type of a workflow": (lambda s: s.ml.create_workflow("w", "Trainin"), _T),
    "type of the workflow of an execution": (
        lambda s: s.ml.create_execution(workflow=Workflow(name="w", workflow_type="Trainin")),
        _T,
    ),
    "type to find executions by": (lambda s: s.ml.find_executions(workflow_type="Trainin"), _T),
    "type to find assets by": (lambda s: s.ml.find_assets(asset_type="Trainin"), _T),
    "type of an output": (lambda s: s.exe.asset_file_path("Image", "x", ["Trainin"]), _T),
    "term to look up": (lambda s: s.ml.lookup_term("Image_Class", "catt"), _T),
    "term to delete": (lambda s: s.ml.delete_term("Image_Class", "catt"), _T),
    "term that is there": (lambda s: s.ml.add_term("Image_Class", "cat", exists_ok=False), _T),
    "term that is in use": (lambda s: s.ml.delete_term("Image_Class", "cat"), DerivaMLDataError),
    "term of a table that is no vocabulary": (lambda s: s.ml.add_term("Subject", "x"), _K),
}
RIDS: dict[str, Case] = {
    "dataset": (lambda s: s.ml.lookup_dataset("ZZZZ"), _D),
    "dataset of another kind": (lambda s: s.ml.lookup_dataset(s.zoo.images[0]), _D),
    "dataset to delete": (lambda s: s.ml.delete_dataset("ZZZZ"), _D),
    "dataset that is nested": (lambda s: s.ml.delete_dataset(s.dataset), DerivaMLDataError),
    "dataset to list": (lambda s: s.ml.list_dataset_members("ZZZZ"), _D),
    "dataset whose children are asked for": (lambda s: s.ml.list_dataset_children("ZZZZ"), _D),
    "dataset whose parents are asked for": (lambda s: s.ml.list_dataset_parents("ZZZZ"), _D),
    "dataset whose version is asked for": (lambda s: s.ml.dataset_version("ZZZZ"), _D),
    "dataset whose history is asked for": (lambda s: s.ml.dataset_history("ZZZZ"), _D),
    "dataset to divide": (lambda s: split_dataset(s.ml, "ZZZZ", s.exe), _D),
    "dataset to add to": (lambda s: s.ml.add_dataset_members("ZZZZ", s.zoo.images), _D),
    "members": (lambda s: s.dataset.add_dataset_members(["ZZZZ", s.zoo.images[5]]), _R),
    "members by table": (lambda s: s.dataset.add_dataset_members({"Image": ["ZZZZ"]}), _R),
    "members of another table": (
        lambda s: s.dataset.add_dataset_members({"Image": s.zoo.subjects}),
        _R,
    ),
    "members to remove": (lambda s: s.dataset.delete_dataset_members(["ZZZZ"]), _R),
    "producer": (lambda s: s.ml.create_dataset(execution_rid="ZZZZ"), _N),
    "execution": (lambda s: s.ml.lookup_execution("ZZZZ"), _N),
    "execution to resume": (lambda s: s.ml.resume_execution("ZZZZ"), DerivaMLStateInconsistency),
    "execution to commit": (
        lambda s: s.ml.commit_pending_executions(execution_rids=["ZZZZ"]),
        DerivaMLStateInconsistency,
    ),
    "parent of an execution": (lambda s: s.ml.create_execution(parent="ZZZZ"), _N),
    "child of an execution": (lambda s: s.exe.add_nested_execution("ZZZZ"), _N),
    "workflow": (lambda s: s.ml.lookup_workflow("ZZZZ"), _N),
    "workflow of an execution": (lambda s: s.ml.create_execution(workflow="ZZZZ"), _N),
    "input dataset": (lambda s: s.ml.create_execution(datasets=["ZZZZ@0.1.0"]), _D),
    "input dataset that comes later": (lambda s: s.exe.add_input_dataset("ZZZZ"), _D),
    "input asset": (lambda s: s.ml.create_execution(assets=["ZZZZ"]), _R),
    "input asset of another kind": (lambda s: s.ml.create_execution(assets=[s.dataset.rid]), _K),
    "input file": (lambda s: s.ml.create_execution(assets=[{"path": "/nowhere"}]), _N),
    "asset to download": (lambda s: s.exe.download_asset("ZZZZ", s.place.parent / "x"), _R),
    "bag that is no input": (lambda s: s.exe.download_dataset_bag("ZZZZ"), _D),
    "asset": (lambda s: s.ml.lookup_asset("ZZZZ"), _R),
    "asset of another kind": (lambda s: s.ml.lookup_asset(s.dataset.rid), _K),
    "what executions consumed": (lambda s: s.ml.find_executions_consuming("ZZZZ"), _N),
    "row": (lambda s: s.ml.retrieve_rid("ZZZZ"), _N),
    "rows": (lambda s: s.ml.resolve_rids(["ZZZZ", s.dataset.rid]), _R),
    "citation": (lambda s: s.ml.cite("ZZZZ"), _N),
}
VERSIONS: dict[str, Case] = {
    "to download": (lambda s: s.ml.download_dataset_bag(f"{s.dataset.rid}@9.9.9"), _N),
    "to list": (lambda s: s.dataset.list_dataset_members(version="9.9.9"), _N),
    "of an input": (lambda s: s.ml.create_execution(datasets=[f"{s.dataset.rid}@9.9.9"]), _N),
    "of a later input": (lambda s: s.exe.add_input_dataset(s.dataset.rid, "9.9.9"), _N),
    "that is left out": (lambda s: s.ml.download_dataset_bag(s.dataset.rid), _V),
    "that is none": (lambda s: s.ml.create_dataset(version="one"), _V),
    "part": (lambda s: s.dataset.release("middle"), _V),
    "part of all": (lambda s: s.ml.increment_dataset_version(s.dataset.rid, "middle"), _V),
    "snapshot": (lambda s: s.ml.catalog_snapshot("no time!"), _V),
    "snapshot before all": (lambda s: s.ml.catalog_snapshot("2000-01-01T00:00:00Z"), _Data),
}
TABLES: dict[str, Case] = {
    "to read": (lambda s: s.ml.get_table_as_dataframe("Imag"), DerivaMLTableNotFound),
    "to show": (lambda s: s.ml.chaise_url("Imag"), _N),
    "that is there": (lambda s: s.ml.create_vocabulary("Image_Class"), _V),
    "that is there as an asset table": (lambda s: s.ml.create_asset("Image"), _V),
    "in an unknown schema": (lambda s: s.ml.create_vocabulary("X", schema="nowhere"), _Any),
    "to refer to": (
        lambda s: s.ml.create_asset("X", referenced_tables=["Imag"]),
        DerivaMLTableNotFound,
    ),
    "of a feature": (
        lambda s: s.ml.create_feature("Imag", "F", terms=["Image_Class"]),
        DerivaMLTableNotFound,
    ),
    "of a feature's terms": (lambda s: s.ml.create_feature("Image", "F", terms=["Subject"]), _K),
    "of members": (
        lambda s: s.dataset.add_dataset_members({"Imag": s.zoo.images}),
        DerivaMLTableNotFound,
    ),
    "of no element type": (lambda s: s.dataset.add_dataset_members([s.exe.execution_rid]), _K),
    "of no element type, by name": (
        lambda s: s.dataset.add_dataset_members({"Execution": [s.exe.execution_rid]}),
        _K,
    ),
    "to become an element type": (
        lambda s: s.ml.add_dataset_element_type("Imag"),
        DerivaMLTableNotFound,
    ),
    "of the system as element type": (lambda s: s.ml.add_dataset_element_type("Workflow"), _V),
    "of outputs": (lambda s: s.exe.asset_file_path("Subject", "x"), _K),
    "of rows": (lambda s: s.exe.table_path("Imag"), DerivaMLTableNotFound),
    "of assets": (lambda s: s.ml.list_assets("Subject"), _K),
    "to divide by": (lambda s: split_dataset(s.ml, s.dataset.rid, element_table="Subject"), _V),
}
COLUMNS: dict[str, Case] = {
    "of an output": (lambda s: s.exe.asset_file_path("Image", "x", Colour="red"), _V),
    "to divide by": (
        lambda s: split_dataset(s.ml, s.dataset.rid, stratify_by_column="Label.Colour"),
        _V,
    ),
    "that may be empty": (
        lambda s: s.ml.create_feature("Image", "F", terms=["Image_Class"], optional=["Colour"]),
        _V,
    ),
    "none at all": (lambda s: s.ml.create_feature("Image", "F"), _V),
    "feature": (lambda s: s.ml.feature_values("Image", "Labl"), DerivaMLFeatureNotFound),
    "feature that is there": (
        lambda s: s.ml.create_feature("Image", "Label", terms=["Image_Class"]),
        _V,
    ),
}
KINDS: dict[str, Case] = {
    "number for a RID": (lambda s: s.ml.lookup_dataset(5), _V),
    "number for a dataset to delete": (lambda s: s.ml.delete_dataset(5), _V),
    "number for a table": (lambda s: s.ml.get_table_as_dict(5), _Any),
    "number for a type": (lambda s: s.ml.create_dataset(5), _V),
    "number for a description": (lambda s: s.ml.create_dataset(description=5), _V),
    "number for a description to set": (lambda s: setattr(s.dataset, "description", 5), _V),
    "number for a version": (lambda s: s.ml.create_dataset(version=5), _V),
    "number for a file name": (lambda s: s.exe.asset_file_path("Image", 5), _V),
    "number for a type of an output": (lambda s: s.exe.asset_file_path("Image", "x", 5), _V),
    "number for feature values": (lambda s: s.exe.add_features(5), _V),
    "number for the name of a vocabulary": (lambda s: s.ml.create_vocabulary(5), _V),
    "number for a term": (lambda s: s.ml.add_term("Image_Class", 5), _V),
    "number for a dataset to download": (lambda s: s.ml.download_dataset_bag(5), _V),
    "number for input datasets": (lambda s: s.ml.create_execution(datasets=5), _V),
    "number for an input dataset": (lambda s: s.ml.create_execution(datasets=[5]), _V),
    "text for input datasets": (lambda s: s.ml.create_execution(datasets="1ABC@1.0.0"), _V),
    "malformed RID of an input": (lambda s: s.ml.create_execution(assets=["not a rid"]), _V),
    "mapping for a configuration": (lambda s: s.ml.create_execution({"datasets": []}), _V),
    "number for a workflow": (lambda s: s.ml.create_execution(workflow=5), _Any),
    "number for a child": (lambda s: s.exe.add_nested_execution(5), _V),
    "text for members": (lambda s: s.dataset.add_dataset_members(s.zoo.images[5]), _V),
    "text for members of a table": (
        lambda s: s.dataset.add_dataset_members({"Image": s.zoo.images[5]}),
        _V,
    ),
    "nothing for members": (lambda s: s.dataset.add_dataset_members(None), _V),
    "text for terms of a feature": (
        lambda s: s.ml.create_feature("Image", "F", terms="Image_Class"),
        _V,
    ),
    "frame for feature values": (
        lambda s: s.exe.add_features(s.ml.get_table_as_dataframe("Subject")),
        _V,
    ),
    "unknown way to make versions": (
        lambda s: DerivaML(str(s.place), dataset_versioning="Dev"),
        DerivaMLConfigurationError,
    ),
    "unknown mode": (lambda s: DerivaML(str(s.place), mode="of"), _V),
    "unknown mode to list by": (lambda s: s.ml.list_executions(mode="of"), _V),
    "unknown domain schema": (
        lambda s: DerivaML(str(s.place), working_dir=s.ml.working_dir, domain_schemas="zo"),
        DerivaMLConfigurationError,
    ),
    "text for feature values": (lambda s: s.exe.add_features("abc"), _V),
    "mapping for a feature value": (lambda s: s.exe.add_features([{"Image": "1"}]), _V),
    "no feature values": (lambda s: s.exe.add_features([]), _V),
    "text for a limit": (lambda s: s.ml.list_dataset_members(s.dataset.rid, limit="x"), _V),
    "text for a size": (lambda s: split_dataset(s.ml, s.dataset.rid, test_size="x"), _V),
    "size beyond all": (lambda s: subsample(s.ml, s.dataset.rid, size=100), _V),
    "text for progress": (lambda s: s.exe.update_status(progress="half"), _V),
    "progress beyond all": (lambda s: s.exe.update_status(progress=5), _V),
    "unknown state": (lambda s: s.exe.update_status("Runing"), _V),
    "unknown state to find by": (lambda s: s.ml.find_executions(status="Runing"), _V),
    "unknown state to list by": (lambda s: s.ml.list_executions(status="Runing"), _V),
    "unknown state to clear by": (lambda s: s.ml.gc_executions(status="Runing"), _V),
    "state that cannot follow": (
        lambda s: s.exe.update_status("Uploaded"),
        InvalidTransitionError,
    ),
    "unknown role of datasets": (
        lambda s: s.ml.find_executions(dataset=s.dataset, dataset_role="both"),
        _V,
    ),
    "unknown role of assets": (lambda s: s.ml.list_asset_executions(s.zoo.images[0], "both"), _V),
    "list for a description": (
        lambda s: s.exe.asset_file_path("Image", "x", description=["a"]),
        _V,
    ),
    "text for metadata": (lambda s: s.exe.asset_file_path("Image", "x", metadata="Subject"), _V),
    "metadata of no form": (
        lambda s: s.exe.asset_file_path("Image", "x", metadata={"Subject": object()}),
        _V,
    ),
    "word for a time": (lambda s: s.ml.find_executions(since="yesterday"), _V),
    "number for a time": (lambda s: s.ml.list_executions(since=3), _V),
    "text for an age": (lambda s: s.ml.gc_executions(older_than="7"), _V),
    "text for an age in the cache": (lambda s: s.ml.clear_cache("7"), _V),
    "negative age": (lambda s: s.ml.clean_execution_dirs(-1), _V),
    "no snapshot": (lambda s: s.ml.catalog_snapshot(None), _V),
    "no workflow": (lambda s: s.ml.lookup_workflow(None), _V),
    "nothing that was read": (lambda s: s.ml.find_executions_consuming(None), _V),
    "no size": (lambda s: subsample(s.ml, s.dataset.rid, size=None), _V),
    "no seed": (lambda s: split_dataset(s.ml, s.dataset.rid, seed=None), _V),
    "list to stratify by": (
        lambda s: split_dataset(s.ml, s.dataset.rid, stratify_by_column=["Image.Subject"]),
        _V,
    ),
    "word for a selector": (
        lambda s: s.ml.feature_values("Image", "Label", selector="newest"),
        _V,
    ),
    "selector that makes no record": (
        lambda s: s.ml.get_feature_values_as_dataframe("Image", "Label", selector=len),
        _V,
    ),
    "word for a selector of a wide table": (
        lambda s: s.dataset.get_denormalized_as_dataframe(["Image", "Label"], selector="newest"),
        _V,
    ),
    "text for a limit of values": (
        lambda s: s.ml.feature_values("Image", "Label", materialize_limit="9"),
        _V,
    ),
    "file name outside": (lambda s: s.exe.asset_file_path("Image", "../not there"), _V),
}
CYCLES: dict[str, Case] = {
    "dataset in itself": (lambda s: s.dataset.add_dataset_members([s.dataset.rid]), _Cycle),
    "dataset in what it holds": (lambda s: s.dataset.add_dataset_members([s.parent.rid]), _Cycle),
    "dataset in what it holds, by table": (
        lambda s: s.dataset.add_dataset_members({"Dataset": [s.parent.rid]}),
        _Cycle,
    ),
    "execution in itself": (lambda s: s.exe.add_nested_execution(s.exe), _Cycle),
}
CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "unknown term": TERMS,
        "unknown RID": RIDS,
        "unknown version": VERSIONS,
        "unknown table": TABLES,
        "unknown column": COLUMNS,
        "wrong kind": KINDS,
        "cycle": CYCLES,
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("case", CASES)
def test_what_makes_no_sense_is_refused_and_changes_nothing(scene: Scene, case: str) -> None:
    attempt, error = CASES[case]
    before = stored(scene.place), files(scene.ml.working_dir)
    with pytest.raises(error) as caught:
        attempt(scene)
    assert isinstance(caught.value, DerivaMLException)
    assert len(str(caught.value)) > 20
    assert (stored(scene.place), files(scene.ml.working_dir)) == before


# --- uploads -------------------------------------------------------------------------


def label(exe: Execution, ml: DerivaML, **values: Any) -> None:
    record = ml.feature_record_class("Image", "Label")
    exe.add_features([record(**values)])


def note_about_a_subject_that_goes_away(ml: DerivaML, exe: Execution) -> None:
    subject = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Kim"}])[0]["RID"]
    note = ml.create_feature("Subject", "Note", terms=["Image_Class"])
    exe.add_features([note(Subject=subject, Image_Class="cat")])  # type: ignore[call-arg]
    ml.catalog.delete(path_of(ml.session.table("Subject"), equals("RID", subject)))


UPLOADS: dict[str, Callable[[DerivaML, Zoo, Execution], Any]] = {
    "term": lambda ml, zoo, exe: (
        ml.add_term("Image_Class", "horse", description="A term that goes away meanwhile"),
        label(exe, ml, Image=zoo.images[0], Image_Class="horse"),
        ml.delete_term("Image_Class", "horse"),
    ),
    "row": lambda ml, zoo, exe: note_about_a_subject_that_goes_away(ml, exe),
    "reference": lambda ml, zoo, exe: exe.asset_file_path(
        "Image", "y.png", Subject="ZZZZ"
    ).write_bytes(b"y"),
    "column": lambda ml, zoo, exe: exe.table_path("Subject").write_text("Nam\nTom\n"),
    "field": lambda ml, zoo, exe: exe.table_path("Subject").write_text("Name\nTom,Rex\n"),
    "fields": lambda ml, zoo, exe: exe.table_path("Subject").write_text("Name,RCB\nTom,x\nRe"),
    "header": lambda ml, zoo, exe: exe.table_path("Subject").write_text("Name,Name\na,b\n"),
    "table": lambda ml, zoo, exe: exe.table_path("Subject").write_bytes(b"\xff\xfe\x00"),
    "file": lambda ml, zoo, exe: exe.asset_file_path("Image", "never.png"),
}


@pytest.mark.parametrize("case", UPLOADS)
def test_an_upload_that_fails_changes_nothing_but_the_state_of_its_execution(
    ml: DerivaML, zoo: Zoo, case: str
) -> None:
    with ml.create_execution(workflow=WORKFLOW) as exe:
        exe.asset_file_path("Execution_Asset", "good.txt").write_text("good")
        UPLOADS[case](ml, zoo, exe)

    def content() -> dict[str, Any]:
        tables = [t for t in ml.catalog.model.tables() if t.name != "Execution"]
        return {t.qualified: ml.catalog.fetch(f"entity/{t.schema}:{t.name}") for t in tables}

    before = content()
    with pytest.raises(DerivaMLUploadError, match=exe.execution_rid):
        exe.upload_execution_outputs()
    assert content() == before
    assert ml.lookup_execution(exe.execution_rid).status == "Failed"
    assert exe.pending_summary().total_pending_files


# --- the repository ------------------------------------------------------------------

MODEL = "def train(ml_instance, execution):\n    raise AssertionError('must not run')\n"


def model_in(directory: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    (directory / f"{name}.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(directory))
    return __import__(name).train


def start(place: Path, model: Any, **settings: Any) -> None:
    workflow = Workflow(name="w", workflow_type="Training")
    config = DerivaMLConfig(hostname=str(place), working_dir=place.parent / "work")
    run_model(config, [], [], "a run", workflow, model, **settings)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_dirty_repository_is_refused_where_only_committed_code_may_run(
    ml: DerivaML, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    model = model_in(project, "dirty_model", monkeypatch)
    monkeypatch.setenv("DERIVA_ML_STRICT_GIT", "true")
    before = stored(place), files(ml.working_dir)
    with pytest.raises(DerivaMLDirtyWorkflowError, match=r"dirty_model\.py"):
        start(place, model)
    assert (stored(place), files(ml.working_dir)) == before


def test_without_a_repository_the_content_of_the_file_is_the_code(
    ml: DerivaML, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_in(tmp_path, "loose_model", monkeypatch)
    with pytest.raises(AssertionError, match="must not run"):
        start(place, model)
    (exe,) = ml.find_executions(workflow_type="Training", status="Failed")
    assert exe.workflow is not None
    assert str(exe.workflow.url).startswith("file://")
    assert exe.workflow.checksum


def make_dataset(ml: DerivaML) -> str:
    """A dataset of two subjects without pictures."""
    rows = ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Tom"}, {"Name": "Rex"}])
    return ml.datasets.create(members={"Subject": [row["RID"] for row in rows]}).rid


# --- devices -------------------------------------------------------------------------


@pytest.fixture
def mounts() -> Iterator[Callable[..., None]]:
    """Mounts things until the end of the test, where the user may."""
    with ExitStack() as stack:

        def mount(target: Path, *options: str) -> None:
            command = ["mount", *options, str(target)]
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                pytest.skip(f"this user cannot mount: {error}")
            stack.callback(subprocess.run, ["umount", "-l", str(target)], check=True)

        yield mount


def read_only(directory: Path, mount: Callable[..., None]) -> None:
    mount(directory, "--bind", str(directory))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Fill the device that a directory is on."""
    path = directory / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)):
                pass
        except OSError:
            return path


def test_a_full_working_directory_refuses_runs_and_bags_and_loses_nothing(
    ml: DerivaML, place: Path, tmp_path: Path, mounts: Callable[..., None]
) -> None:
    dataset = make_dataset(ml)
    small = tmp_path / "small"
    small.mkdir()
    mounts(small, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
    here = DerivaML(str(place), working_dir=small / "work")
    with here.create_execution(workflow=WORKFLOW) as exe:
        path = exe.asset_file_path("Execution_Asset", "x.txt")
        filler = fill(small)
        before = stored(place)
        for attempt in (
            lambda: here.create_execution(workflow=WORKFLOW),
            lambda: here.download_dataset_bag(f"{dataset}@0.1.0"),
            lambda: exe.create_dataset(description="d" * 100_000),
            lambda: exe.asset_file_path("Image", "y.png", description="d" * 100_000),
        ):
            with pytest.raises(DerivaMLUnavailableError, match="small"):
                attempt()
        assert stored(place) == before
        filler.unlink()
        path.write_text("x")
        exe.create_dataset(description="d")
    exe.upload_execution_outputs()
    assert [d.description for d in ml.find_datasets()] == ["", "d"]
    assert len(ml.list_assets("Execution_Asset")) == 1
    assert here.download_dataset_bag(f"{dataset}@0.1.0").get_table_as_dict("Subject")
    here.catalog.close()


def test_a_full_catalog_takes_nothing_and_stays_whole(
    place: Path, tmp_path: Path, mounts: Callable[..., None]
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounts(small, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
    shutil.copytree(place, small / "catalog")
    here = DerivaML(str(small / "catalog"), working_dir=tmp_path / "work")
    here.create_dataset()
    known = len(here.find_datasets())  # tests that ran before left some of theirs
    filler = fill(small)
    before = stored(small / "catalog")
    with pytest.raises(DerivaMLUnavailableError, match="No space is left"):
        here.create_dataset(description="d" * 1_000_000)
    with pytest.raises(DerivaMLUnavailableError, match="No space is left"):
        here.create_execution(workflow=WORKFLOW, description="d" * 1_000_000)
    assert stored(small / "catalog") == before
    assert files(here.working_dir) == set()
    filler.unlink()
    here.create_dataset(description="d" * 1_000_000)
    assert len(here.find_datasets()) == known + 1
    here.catalog.close()


def test_a_read_only_working_directory_refuses_runs_and_bags(
    ml: DerivaML, place: Path, tmp_path: Path, mounts: Callable[..., None]
) -> None:
    dataset = make_dataset(ml)
    (tmp_path / "ro").mkdir()
    read_only(tmp_path / "ro", mounts)
    here = DerivaML(str(place), working_dir=tmp_path / "ro")
    before = stored(place)
    for attempt in (
        lambda: here.create_execution(workflow=WORKFLOW),
        lambda: here.create_execution(workflow=WORKFLOW, dry_run=True),
        lambda: here.download_dataset_bag(f"{dataset}@0.1.0"),
    ):
        with pytest.raises(DerivaMLUnavailableError, match="Read-only"):
            attempt()
    assert stored(place) == before
    here.catalog.close()


def test_a_bag_in_a_cache_that_cannot_be_written_opens(
    ml: DerivaML, mounts: Callable[..., None]
) -> None:
    dataset = make_dataset(ml)
    ml.download_dataset_bag(f"{dataset}@0.1.0")
    read_only(ml.working_dir, mounts)
    bag = ml.download_dataset_bag(f"{dataset}@0.1.0")
    assert len(bag.list_dataset_members()["Subject"]) == 2


def test_a_catalog_on_a_read_only_device_is_one_clear_error(
    ml: DerivaML, place: Path, tmp_path: Path, mounts: Callable[..., None]
) -> None:
    ml.catalog.close()
    before = files(place)
    read_only(place, mounts)
    with pytest.raises(DerivaMLUnavailableError, match="read-only device"):
        DerivaML(str(place), working_dir=tmp_path / "other")
    assert files(place) == before


# --- the cache -----------------------------------------------------------------------


def test_a_damaged_bag_whose_version_cannot_be_made_again_is_one_clear_error(
    ml: DerivaML, place: Path
) -> None:
    dataset = make_dataset(ml)
    bag = ml.download_dataset_bag(f"{dataset}@0.1.0")
    (bag.path / "manifest-md5.txt").write_text("nonsense")
    ml.catalog.insert(TableName("Subject", "zoo"), [{"Name": "Ida"}])
    ml.catalog.truncate_history(ml.catalog.latest_snapshot())  # type: ignore[attr-defined]
    before = stored(place)
    with pytest.raises(DerivaMLException, match="prior to any known revision"):
        ml.download_dataset_bag(f"{dataset}@0.1.0")
    assert stored(place) == before
    assert not bag.path.exists()


def test_a_damaged_bag_is_made_again_and_the_catalog_stays(ml: DerivaML, place: Path) -> None:
    dataset = make_dataset(ml)
    bag = ml.download_dataset_bag(f"{dataset}@0.1.0")
    (bag.path / "data" / "zoo" / "Subject.csv").write_text("nonsense")
    before = stored(place)
    again = ml.download_dataset_bag(f"{dataset}@0.1.0")
    assert len(again.list_dataset_members()["Subject"]) == 2
    assert stored(place) == before

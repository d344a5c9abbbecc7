"""Each class of the error tree can be met through the public API, and then nothing has changed."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from catalog_server import serving
from deriva_ml import Workflow
from deriva_ml.core import exceptions as e
from deriva_ml.core.base import DerivaML
from deriva_ml.core.definitions import (
    BuiltinTypes,
    ColumnDefinition,
    ForeignKeyDefinition,
    TableDefinition,
)
from deriva_ml.schema import create_ml_catalog

from .scenes import WORKFLOW, Scene, files, make_scene, stored


@pytest.fixture(scope="module")
def scene(_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = make_scene(_template, tmp_path_factory.mktemp("errors"))
    ml = made.ml
    link = ml.define_association(["Image", "Dataset"], table_name="Image_Dataset_Legacy")
    ml.create_table(link)
    ml.create_table(TableDefinition("Island", [ColumnDefinition("Name", BuiltinTypes.text)]))
    people = ("Sender", "Receiver")
    ml.create_table(
        TableDefinition(
            "Letter",
            [ColumnDefinition(c, BuiltinTypes.text) for c in people],
            foreign_keys=[ForeignKeyDefinition((c,), "zoo", "Subject", ("RID",)) for c in people],
        )
    )
    yield made
    ml.catalog.close()


Attempt = Callable[[Scene], Any]


@dataclass(frozen=True)
class Case:
    """How an error is met.

    Attributes:
        attempt: What is called.
        says: What its message says.
        facts: Attributes that it has.
    """

    attempt: Attempt
    says: str
    facts: dict[str, Any] = field(default_factory=dict)


def _wide(*tables: str, row_per: str | None = None) -> Attempt:
    def attempt(scene: Scene) -> Any:
        return scene.dataset.get_denormalized_as_dataframe(list(tables), row_per=row_per)

    return attempt


def _snapshot(scene: Scene) -> DerivaML:
    return scene.ml.catalog_snapshot(scene.ml.catalog.latest_snapshot())


CASES: dict[type[e.DerivaMLException], Case] = {
    e.DerivaMLConfigurationError: Case(
        lambda s: DerivaML(str(s.place), domain_schemas=["nowhere"]), "no domain schema"
    ),
    e.DerivaMLSchemaError: Case(
        lambda s: DerivaML(str(s.place), ml_schema="nowhere"), "no schema 'nowhere'"
    ),
    e.DerivaMLOfflineError: Case(
        lambda s: DerivaML(
            str(s.place), working_dir=s.place.parent / "work", mode="offline"
        ).find_workflows(),
        "offline",
    ),
    e.DerivaMLUnavailableError: Case(lambda s: DerivaML("http://localhost:1"), "localhost:1"),
    e.DerivaMLDataError: Case(lambda s: s.ml.delete_dataset(s.dataset), "is nested in"),
    e.DerivaMLNotFoundError: Case(lambda s: s.ml.lookup_execution("ZZZZ"), "ZZZZ"),
    e.DerivaMLDatasetNotFound: Case(
        lambda s: s.ml.lookup_dataset("ZZZZ"), "no dataset 'ZZZZ'", {"dataset_rid": "ZZZZ"}
    ),
    e.DerivaMLTableNotFound: Case(
        lambda s: s.ml.get_table_as_dict("Imag"), "Did you mean 'Image'", {"table_name": "Imag"}
    ),
    e.DerivaMLFeatureNotFound: Case(
        lambda s: s.ml.lookup_feature("Image", "Labl"),
        "Did you mean 'Label'",
        {"table_name": "Image", "feature_name": "Labl"},
    ),
    e.DerivaMLInvalidTerm: Case(
        lambda s: s.dataset.add_dataset_type("Trainin"),
        "Training",
        {"vocabulary": "Dataset_Type", "term": "Trainin"},
    ),
    e.DerivaMLRidsNotFound: Case(
        lambda s: s.dataset.add_dataset_members(["ZZZZ", s.zoo.images[5]]),
        "ZZZZ",
        {"missing_rids": ["ZZZZ"]},
    ),
    e.NoAssociationException: Case(
        lambda s: s.ml.model.find_association("Subject", "Image_Class"), "No table links"
    ),
    e.AmbiguousAssociationException: Case(
        lambda s: s.ml.model.find_association("Image", "Dataset"), "Several tables link"
    ),
    e.DerivaMLTableTypeError: Case(
        lambda s: s.ml.add_term("Subject", "x"),
        "not of type vocabulary",
        {"table_type": "vocabulary", "table": "Subject"},
    ),
    e.DerivaMLValidationError: Case(lambda s: s.dataset.release("middle"), "'middle'"),
    e.DerivaMLMaterializeLimitExceeded: Case(
        lambda s: s.ml.feature_values("Image", "Label", materialize_limit=3),
        "the limit is 3",
        {"actual_count": 8, "limit": 3},
    ),
    e.DerivaMLCycleError: Case(
        lambda s: s.dataset.add_dataset_members({"Dataset": [s.parent.rid]}), "contains"
    ),
    e.DerivaMLStateInconsistency: Case(lambda s: s.ml.resume_execution("ZZZZ"), "ZZZZ"),
    e.DerivaMLExecutionError: Case(
        lambda s: s.aborted.asset_file_path("Image", "x.png"), "was aborted"
    ),
    e.DerivaMLWorkflowError: Case(
        lambda s: Workflow.get_url_and_checksum("/nowhere.py"), "not a file"
    ),
    e.DerivaMLReadOnlyError: Case(
        lambda s: _snapshot(s).lookup_dataset(s.dataset.rid).add_dataset_type("Training"),
        "cannot change",
    ),
    e.DerivaMLDenormalizeError: Case(_wide("Image", "Island", row_per="Image"), "Island"),
    e.DerivaMLDenormalizeMultiLeaf: Case(
        _wide("Image", "Letter"), "say which with row_per", {"candidates": ["Image", "Letter"]}
    ),
    e.DerivaMLDenormalizeNoSink: Case(_wide("Dataset", "Dataset_Version"), "row_per"),
    e.DerivaMLDenormalizeDownstreamLeaf: Case(
        _wide("Subject", "Image", row_per="Subject"),
        "many values",
        {"row_per": "Subject", "downstream_tables": ["Image"]},
    ),
    e.DerivaMLDenormalizeAmbiguousPath: Case(
        _wide("Letter", "Subject"), "via", {"from_table": "Letter", "to_table": "Subject"}
    ),
    e.DerivaMLDenormalizeUnrelatedAnchor: Case(_wide("Island"), "ignore_unrelated_anchors"),
    e.InvalidTransitionError: Case(lambda s: s.exe.update_status("Uploaded"), "Uploaded"),
}
ELSEWHERE = {
    # A base that nothing but its leaves is raised as.
    e.DerivaMLException,
    # Below, since these need a server, a repository, or an execution that is spoilt by them.
    e.DerivaMLAuthenticationError,
    e.DerivaMLPermissionError,
    e.DerivaMLDirtyWorkflowError,
    e.DerivaMLUploadError,
    e.DerivaMLResumeError,
    e.DerivaMLSchemaPinned,
    e.DerivaMLSchemaRefreshBlocked,
}


def test_each_class_is_met() -> None:
    every = {getattr(e, name) for name in e.__all__}
    classes = {c for c in every if isinstance(c, type) and issubclass(c, e.DerivaMLException)}
    assert classes - ELSEWHERE == set(CASES)


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_an_error_is_of_its_class_says_what_to_do_and_changes_nothing(
    scene: Scene, kind: type[e.DerivaMLException]
) -> None:
    case = CASES[kind]
    before = stored(scene.place), files(scene.ml.working_dir)
    with pytest.raises(e.DerivaMLException) as caught:
        case.attempt(scene)
    assert next(c for c in type(caught.value).__mro__ if c.__name__ in e.__all__) is kind
    assert case.says in str(caught.value)
    for name, value in case.facts.items():
        assert getattr(caught.value, name) == value
        assert getattr(pickle.loads(pickle.dumps(caught.value)), name) == value
    assert (stored(scene.place), files(scene.ml.working_dir)) == before


def test_a_server_wants_to_know_who_one_is_and_what_one_may(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as served:
        owner = {"bearer-token": served.tokens.add("kim")}
        create_ml_catalog(served.url, "lab", credential=owner).close()  # type: ignore[attr-defined]
        work = tmp_path / "work"
        with pytest.raises(e.DerivaMLAuthenticationError):
            DerivaML(served.url, "lab", working_dir=work, credential={"bearer-token": "stale"})
        stranger = {"bearer-token": served.tokens.add("sam")}

        def write_as_stranger() -> None:
            ml = DerivaML(served.url, "lab", working_dir=work, credential=stranger)
            ml.add_term("Dataset_Type", "Stolen", "A term that nobody may add.")

        with pytest.raises(e.DerivaMLPermissionError):
            write_as_stranger()
        ml = DerivaML(served.url, "lab", working_dir=work, credential=owner)
        assert "Stolen" not in {t.name for t in ml.list_vocabulary_terms("Dataset_Type")}
        ml.catalog.close()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_code_that_is_not_committed_is_refused_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('new')\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.setenv("DERIVA_ML_STRICT_GIT", "true")
    with pytest.raises(e.DerivaMLDirtyWorkflowError) as caught:
        Workflow.get_url_and_checksum(script)
    assert caught.value.dirty_paths == ["train.py"]


def test_outputs_that_are_missing_and_runs_that_differ(ml: DerivaML) -> None:
    with ml.create_execution(workflow=WORKFLOW) as run:
        run.asset_file_path("Image", "never.png")
    with pytest.raises(e.DerivaMLUploadError, match=r"never\.png"):
        run.upload_execution_outputs()
    other = ml.create_execution(workflow=WORKFLOW)
    with suppress(KeyError), other:
        other.create_dataset(description="one")
        raise KeyError
    again = ml.resume_execution(other.execution_rid)
    with pytest.raises(e.DerivaMLResumeError) as caught, again:
        again.create_dataset(description="two")
    assert ("one" in caught.value.before, "two" in str(caught.value.now)) == (True, True)


def test_a_schema_that_is_pinned_or_that_staged_work_relies_on_is_kept(ml: DerivaML) -> None:
    ml.pin_schema("for the paper")
    with pytest.raises(e.DerivaMLSchemaPinned, match="for the paper"):
        ml.refresh_schema()
    ml.unpin_schema()
    ml.create_execution(workflow=WORKFLOW).asset_file_path("Image", "a.png").write_text("a")
    with pytest.raises(e.DerivaMLSchemaRefreshBlocked):
        ml.refresh_schema()

"""Files that stay where they are: specs, and datasets of their directories."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from deriva_ml import ExecutionConfiguration, FileSpec, Workflow
from deriva_ml.asset import LocalFile
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLExecutionError,
    DerivaMLInvalidTerm,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml.core.query import entities
from deriva_ml.dataset.dataset import Dataset

from ..conftest import Stage, make_execution

WORKFLOW = Workflow(
    name="ingest.py", workflow_type="Ingest", url="https://x/ingest.py", checksum="f11e"
)


@pytest.fixture
def ml(stage: Stage) -> DerivaML:
    return stage.clear()


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Five files in three directories, of which one holds only another one."""
    top = tmp_path / "scans"
    for name in ("readme.txt", "a/1.png", "a/2.png", "b/raw/1.png", "b/raw/copy.png"):
        file = top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("same" if name.startswith("b") else name)
    return top


def _by_suffix(path: Path) -> list[str]:
    return ["Input_File"] if path.name == "copy.png" else ["File"]


# --- specs -------------------------------------------------------------------------------


def test_a_directory_gives_a_spec_for_each_file(scans: Path) -> None:
    specs = list(FileSpec.create_filespecs(scans, "scan", _by_suffix))
    assert [s.filename for s in specs] == ["readme.txt", "1.png", "2.png", "1.png", "copy.png"]
    assert [s.location[-2] for s in specs] == ["scans", "a", "a", "raw", "raw"]
    first = specs[0]
    assert (first.length, first.description, first.file_types) == (10, "scan", ["File"])
    assert first.md5 == hashlib.md5(b"readme.txt", usedforsecurity=False).hexdigest()
    assert first.url.startswith("tag:")
    assert f":{(scans / 'readme.txt').as_uri()}#md5=" in first.url
    assert specs[4].file_types == ["Input_File"]


def test_a_file_is_one_spec_and_only_read_when_asked_for(scans: Path) -> None:
    specs = FileSpec.create_filespecs(scans / "readme.txt", file_types="File")
    (scans / "readme.txt").write_text("other")
    (spec,) = specs
    assert (spec.length, spec.file_types) == (5, ["File"])


def test_urls_of_elsewhere_are_kept_and_paths_are_not(scans: Path) -> None:
    about = {"MD5": "AB" * 16, "Length": 1}
    for url in ("https://data.org/a/b%20c.txt", "s3://bucket/x", "/hatrac/x/y"):
        assert FileSpec.model_validate({"URL": url, **about}).url == url
    remote = FileSpec.model_validate({"URL": "https://data.org/a/b%20c.txt?x=1", **about})
    assert remote.location == ("https://data.org", "a", "b c.txt")
    local = FileSpec(url=str(scans / "a/1.png"), md5="ab" * 16, length=1)  # type: ignore[call-arg]
    uri = FileSpec.model_validate({"url": (scans / "a/1.png").as_uri(), **about})
    assert local.url == uri.url
    assert local.location[-2:] == ("a", "1.png")


@pytest.mark.parametrize(
    "wrong", [{"MD5": "xyz"}, {"Length": -1}, {"URL": ""}, {"Lenght": 1}, {"MD5": "g" * 32}]
)
def test_what_does_not_describe_a_file_is_refused(ml: DerivaML, wrong: dict[str, Any]) -> None:
    good = {"URL": "https://data.org/x", "MD5": "ab" * 16, "Length": 1}
    with pytest.raises(DerivaMLValidationError, match="does not describe a file"):
        ml.add_files([good | wrong])


def test_specs_are_read_from_lines_of_json(tmp_path: Path) -> None:
    lines = tmp_path / "files.jsonl"
    good = {"URL": "https://data.org/x", "MD5": "ab" * 16, "Length": 1, "file_types": ["File"]}
    lines.write_text(json.dumps(good) + "\n\n")
    (spec,) = FileSpec.read_filespec(lines)
    assert (spec.url, spec.file_types) == ("https://data.org/x", ["File"])
    assert FileSpec.model_validate_json(spec.model_dump_json()) == spec
    lines.write_text(json.dumps(good) + '\n{"URL": 7}\n')
    with pytest.raises(DerivaMLValidationError, match="Line 2 of"):
        list(FileSpec.read_filespec(lines))
    with pytest.raises(DerivaMLNotFoundError):
        FileSpec.read_filespec(tmp_path / "none.jsonl")
    with pytest.raises(DerivaMLNotFoundError):
        FileSpec.create_filespecs(tmp_path / "none")


# --- datasets of directories -------------------------------------------------------------


def _tree(dataset: Dataset) -> dict[str | None, int]:
    """How many files each directory has itself."""
    every = [dataset, *dataset.list_dataset_children(recurse=True)]
    return {d.source_directory: len(d.list_members("File")) for d in every}


def test_directories_become_nested_datasets(ml: DerivaML, scans: Path) -> None:
    execution = make_execution(ml)
    specs = FileSpec.create_filespecs(scans, "scan", _by_suffix)
    root = ml.add_files(specs, execution, ["Complete"], "All scans")
    assert _tree(root) == {"scans": 1, "a": 2, "b": 0, "b/raw": 2}
    assert root.is_source_root
    assert (root.description, str(root.current_version)) == ("All scans", "0.1.0")
    assert root.dataset_types == ["Complete", "Directory", "File"]
    (inner,) = [d for d in root.list_dataset_children() if d.source_directory == "b"]
    assert inner.is_directory
    assert not inner.is_source_root
    assert root.list_executions() == [execution]
    (version,) = root.dataset_history()
    assert version.execution_rid == execution
    assert version.snapshot == ml.catalog.latest_snapshot()
    bag = ml.download_dataset_bag(f"{root.rid}@0.1.0")
    assert (bag.source_directory, bag.is_source_root) == ("scans", True)
    assert [b.source_directory for b in bag.list_dataset_children()] == ["a", "b"]


def test_identical_files_may_have_different_types(ml: DerivaML, scans: Path) -> None:
    ml.add_files(FileSpec.create_filespecs(scans, "scan", _by_suffix), make_execution(ml))
    rows = [r for r in ml.list_files() if "/b/raw/" in r["URL"]]
    assert len({r["MD5"] for r in rows}) == 1
    assert [r["File_Types"] for r in rows] == [["File"], ["Input_File"]]
    assert [r["RID"] for r in ml.list_files("Input_File")] == [rows[1]["RID"]]
    assert len(ml.list_files(["Input_File", "File"])) == 5
    assert ml.list_files("Model_File") == []
    with pytest.raises(DerivaMLInvalidTerm):
        ml.list_files("Modelfile")


def test_adding_again_describes_only_what_changed(ml: DerivaML, scans: Path) -> None:
    execution = make_execution(ml)
    first = ml.add_files(FileSpec.create_filespecs(scans), execution)
    (scans / "a/1.png").write_text("now different")
    again = ml.add_files(FileSpec.create_filespecs(scans), execution, root_name="scans, again")
    assert again != first
    assert again.source_directory == "scans, again"
    assert len(ml.list_files()) == 6
    rids = [
        {row["RID"] for row in dataset.list_dataset_members(recurse=True)["File"]}
        for dataset in (first, again)
    ]
    assert len(rids[0] & rids[1]) == 4


def test_the_two_orders_of_arguments(ml: DerivaML, scans: Path) -> None:
    execution = make_execution(ml)
    specs = list(FileSpec.create_filespecs(scans / "a"))
    older = ml.add_files(specs, ["Training"], "older", execution)
    assert isinstance(older, str)
    dataset = ml.lookup_dataset(older)
    assert (dataset.description, "Training" in dataset.dataset_types) == ("older", True)
    assert dataset.list_executions() == [execution]
    named = ml.add_files(specs, dataset_types="Training", description="n", execution_rid=execution)
    assert isinstance(named, Dataset)
    loose = ml.add_files(specs)
    assert loose.dataset_history()[0].execution_rid == ml.unknown_provenance_execution_rid()
    assert list(inspect.signature(ml.add_files).parameters) == [
        "files",
        "execution_rid",
        "dataset_types",
        "description",
        "chunk_size",
        "root_name",
    ]
    with pytest.raises(DerivaMLValidationError, match="cannot be called like this"):
        ml.add_files(specs, execution, excution_rid=execution)  # type: ignore[call-overload]


def test_files_of_several_hosts_have_a_root_of_their_own(ml: DerivaML) -> None:
    about = {"MD5": "ab" * 16, "Length": 1}
    urls = ("https://one.org/x/1", "https://one.org/x/2", "s3://two/3")
    root = ml.add_files([{"URL": url, **about} for url in urls])
    assert _tree(root) == {"files": 0, "https://one.org": 0, "s3://two": 1, "https://one.org/x": 2}


def test_bad_input_changes_nothing(ml: DerivaML, scans: Path) -> None:
    execution = make_execution(ml)
    good = {"URL": "https://data.org/x", "MD5": "ab" * 16, "Length": 1}
    ml.add_files([good])
    before = ml.catalog.latest_snapshot()
    specs = list(FileSpec.create_filespecs(scans))
    refused: list[tuple[Any, dict[str, Any]]] = [
        ([], {}),
        ("files", {}),
        (specs, {"chunk_size": 0}),
        (specs, {"dataset_types": ["Trainnig"]}),
        (specs, {"execution_rid": "1-ZZZZ"}),
        (specs, {"root_name": 7}),
        ([specs[0].model_copy(update={"file_types": ["Phile"]})], {}),
        ([good, good | {"Length": 2}], {}),
        ([good | {"MD5": "cd" * 16}], {"execution_rid": execution}),
    ]
    for files, named in refused:
        with pytest.raises(DerivaMLException):
            ml.add_files(files, **named)
    assert ml.catalog.latest_snapshot() == before


def test_an_execution_adds_files_and_repeats_nothing_when_done_over(
    ml: DerivaML, scans: Path
) -> None:
    config = ExecutionConfiguration(assets=[LocalFile(scans / "readme.txt")], workflow=WORKFLOW)
    run = ml.create_execution(config)
    root = run.add_files(FileSpec.create_filespecs(scans), description="in a run", chunk_size=2)
    assert _tree(root) == {"scans": 1, "a": 2, "b": 0, "b/raw": 2}
    assert [d.rid for d in run.list_input_datasets()] == [root.rid]
    # The local file that the run reads is the same row as the one that was added.
    assert len(ml.list_files()) == 5
    again = ml.resume_execution(run.execution_rid)
    with again:
        once_more = again.add_files(
            FileSpec.create_filespecs(scans), description="in a run", chunk_size=2
        )
    assert once_more == root
    assert len(ml.session.fetch(entities(ml.session.ml("Directory_Dataset")))) == 4


def test_a_dry_run_adds_nothing(ml: DerivaML, scans: Path) -> None:
    run = ml.create_execution(ExecutionConfiguration(workflow=WORKFLOW), dry_run=True)
    with pytest.raises(DerivaMLExecutionError, match="dry run"):
        run.add_files(FileSpec.create_filespecs(scans))


def test_ten_thousand_files_take_a_few_statements(
    ml: DerivaML, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        {"URL": f"https://data.org/{n % 100}/{n}", "MD5": f"{n:032x}", "Length": n}
        for n in range(10_000)
    ]
    calls: list[str] = []
    for name in ("insert", "fetch", "update"):
        method = getattr(type(ml.catalog), name)

        def counted(*args: Any, method: Any = method, **named: Any) -> Any:
            calls.append(method.__name__)
            return method(*args, **named)

        monkeypatch.setattr(type(ml.catalog), name, counted)
    root = ml.add_files(files, chunk_size=5_000)
    assert len(calls) < 40
    monkeypatch.undo()
    assert sum(_tree(root).values()) == 10_000

"""Configuration files against a catalog, and configurations proposed from one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from deriva_catalog.interface import Address
from deriva_ml import DerivaMLConfig, Workflow
from deriva_ml.asset import AssetSpecConfig
from deriva_ml.config import ConfigValidationReport, parse_config_file
from deriva_ml.core.base import DerivaML
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
)
from deriva_ml.core.query import name_of
from deriva_ml.dataset import Dataset, DatasetSpecConfig
from deriva_ml.execution.configuration import ExecutionConfiguration
from deriva_ml.execution.execution import Execution


@pytest.fixture
def run(ml: DerivaML) -> Execution:
    workflow = ml.create_workflow("Sort", "Training", "Sorts pictures.")
    return ml.create_execution(ExecutionConfiguration(description="t"), workflow=workflow)


@pytest.fixture
def dataset(run: Execution) -> Dataset:
    return run.create_dataset("Training", description="Pictures of cats")


@pytest.fixture
def asset(ml: DerivaML, run: Execution) -> str:
    with run.execute():
        run.asset_file_path("Execution_Asset", "model.bin").write_text("m")
    run.upload_execution_outputs()
    (found,) = ml.list_assets("Execution_Asset")
    return found.asset_rid


def checked(ml: DerivaML, tmp_path: Path, text: str) -> ConfigValidationReport:
    file = tmp_path / "c.py"
    file.write_text(text)
    return ml.validate_config_file(file)


def reasons(report: ConfigValidationReport) -> list[list[str]]:
    return [list(result.reasons) for result in report.results]


def test_what_is_right_is_valid_and_named(
    ml: DerivaML, tmp_path: Path, run: Execution, dataset: Dataset, asset: str
) -> None:
    report = checked(
        ml,
        tmp_path,
        f"DatasetSpecConfig({dataset.rid!r}, '0.1.0')\nAssetSpecConfig({asset!r})\n"
        f"Workflow(name='x', workflow_type='Training', rid={run.workflow_rid!r})\n"
        f"DerivaMLConfig({ml.host_name!r}, {str(ml.catalog_id)!r})\n",
    )
    assert report.all_valid
    assert [r.resolved_name for r in report.results] == [
        "Pictures of cats",
        "model.bin",
        "Sort",
        None,
    ]
    assert report.to_text() == "4 entries in 1 files: all valid"


def test_every_reason(
    ml: DerivaML, tmp_path: Path, run: Execution, dataset: Dataset, asset: str
) -> None:
    report = checked(
        ml,
        tmp_path,
        f"DatasetSpecConfig('9-ZZZZ', '0.1.0')\nDatasetSpecConfig({asset!r}, '0.1.0')\n"
        f"DatasetSpecConfig({dataset.rid!r})\nDatasetSpecConfig({dataset.rid!r}, '7.0.0')\n"
        f"DatasetSpecConfig(rid=f(), version='0.1.0')\nAssetSpecConfig({dataset.rid!r})\n"
        f"AssetSpecConfig('lower')\nWorkflow('x', 'Training', rid={dataset.rid!r})\n"
        "DerivaMLConfig('elsewhere.org', '77')\n",
    )
    assert reasons(report) == [
        ["rid_not_found"],
        ["not_a_dataset"],
        ["version_missing"],
        ["version_not_found"],
        ["rid_unresolvable"],
        ["not_an_asset"],
        ["rid_not_found"],
        ["not_a_workflow"],
        ["catalog_hostname_mismatch", "catalog_id_mismatch"],
    ]
    assert report.results[3].available_versions == ["0.1.0"]
    assert "version_not_found (there are 0.1.0)" in report.to_text()
    assert report.to_text().endswith("9 entries in 1 files: 9 wrong")


def test_workflows_are_checked_together(
    ml: DerivaML, tmp_path: Path, run: Execution, dataset: Dataset
) -> None:
    rids = [run.workflow_rid, "9-ZZZZ", dataset.rid, run.workflow_rid]
    report = checked(ml, tmp_path, "".join(f"Workflow('x', 'T', rid={r!r})\n" for r in rids))
    assert reasons(report) == [[], ["rid_not_found"], ["not_a_workflow"], []]
    assert [r.resolved_name for r in report.results] == ["Sort", None, None, "Sort"]


def test_only_a_catalog_that_does_not_answer_is_unreachable(
    ml: DerivaML, tmp_path: Path, run: Execution, dataset: Dataset
) -> None:
    text = f"DatasetSpecConfig({dataset.rid!r}, '0.1.0')\n"
    base = tmp_path / "w"
    DerivaML(ml.host_name, working_dir=base).catalog.close()
    away = DerivaML(ml.host_name, working_dir=base, mode="offline")
    assert reasons(checked(away, tmp_path, text)) == [["catalog_unreachable"]]
    ml.catalog.drop(Address(schema="deriva-ml", table="Workflow", column="Name"))
    with pytest.raises(DerivaMLException):  # which is another thing than a catalog that is away
        checked(ml, tmp_path, f"{text}Workflow('x', 'T', rid={run.workflow_rid!r})\n")


def test_directories_and_files_that_cannot_be_read(ml: DerivaML, tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    (configs / "more").mkdir(parents=True)
    (configs / ".venv").mkdir()
    (configs / "a.py").write_text("AssetSpecConfig('1')\n")
    (configs / "more" / "b.py").write_text("x = (\n")
    (configs / ".venv" / "c.py").write_text("AssetSpecConfig('2')\n")
    deep, flat = (ml.validate_config_directory(configs, recursive=r) for r in (True, False))
    assert (deep.file_count, deep.entry_count, len(deep.parse_errors)) == (2, 1, 1)
    assert (flat.file_count, flat.entry_count, len(flat.parse_errors)) == (1, 1, 0)
    assert not deep.all_valid
    with pytest.raises(DerivaMLNotFoundError, match="nowhere"):
        ml.validate_config_directory(tmp_path / "nowhere")
    with pytest.raises(DerivaMLNotFoundError, match=r"none\.py"):
        ml.validate_config_file(tmp_path / "none.py")


# --- proposals ---------------------------------------------------------------------------


def test_a_proposal_is_valid_python_about_what_is_there(
    ml: DerivaML, tmp_path: Path, run: Execution, dataset: Dataset, asset: str
) -> None:
    report = ml.bootstrap_config()
    by_kind = {s.kind: s for s in report.suggestions}
    assert by_kind["datasets"].config_name == "pictures_of_cats"
    assert (by_kind["datasets"].rid, by_kind["datasets"].version) == (dataset.rid, "0.1.0")
    assert by_kind["assets"].rid == asset
    assert by_kind["workflow"].config_name == "sort"
    names = {"DatasetSpecConfig": DatasetSpecConfig, "AssetSpecConfig": AssetSpecConfig}
    names |= {
        "DerivaMLConfig": DerivaMLConfig,
        "Workflow": Workflow,
        "builds": lambda t, **k: t(**k),
    }
    for suggestion in report.suggestions:
        eval(suggestion.spec_string, names)
    file = tmp_path / "proposed.py"
    file.write_text(report.to_code())
    ast.parse(file.read_text())
    entries, _ = parse_config_file(file)
    assert len(entries) == 3  # a new workflow names nothing of the catalog
    assert ml.validate_config_file(file).all_valid


def test_what_is_left_out_has_a_reason(ml: DerivaML, run: Execution) -> None:
    untyped = run.create_dataset(description="No type")
    gone = run.create_dataset("Training", description="Gone")
    ml.delete_dataset(gone)
    report = ml.bootstrap_config(kinds=["datasets"])
    assert report.suggestions == []
    told = {s.rid: s.reason for s in report.skipped}
    assert told[gone.rid] == "It is deleted."
    assert "none of the types" in told[untyped.rid]
    assert not ml.bootstrap_config(kinds=["datasets"], dataset_type_filter=["Split"]).suggestions


def test_a_version_that_cannot_be_read_is_no_release(ml: DerivaML, run: Execution) -> None:
    dataset = run.create_dataset("Training", description="Pictures")
    (row,) = ml.get_table_as_dict("Dataset_Version")
    table = name_of(ml.session.ml("Dataset_Version"))
    ml.catalog.update(table, [{"RID": row["RID"], "Version": "first"}], targets=["Version"])
    report = ml.bootstrap_config(kinds=["datasets"])
    assert report.suggestions == []
    assert [(s.rid, s.reason) for s in report.skipped] == [
        (dataset.rid, "It has no released version.")
    ]


def test_names_are_short_and_differ(ml: DerivaML, run: Execution) -> None:
    long = "9 " + "very long words " * 5
    for _ in range(2):
        run.create_dataset("Training", description=long)
    names = [s.config_name for s in ml.bootstrap_config(kinds=["datasets"]).suggestions]
    assert len(set(names)) == 2
    assert all(len(name) <= 40 and name.isidentifier() for name in names)


def test_an_unknown_kind_is_refused(ml: DerivaML) -> None:
    with pytest.raises(DerivaMLValidationError, match="'models' is no kind"):
        ml.bootstrap_config(kinds=["models"])  # type: ignore[list-item]

"""Configurations of notebooks and `run_notebook`, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra_zen import builds, store

from deriva_ml import DerivaML, DerivaMLConfig
from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLValidationError
from deriva_ml.execution import (
    BaseConfig,
    get_notebook_configuration,
    notebook_config,
    render_notebook_config,
    run_notebook,
)


@dataclass
class Analysis(BaseConfig):
    threshold: float = 0.5


@pytest.fixture
def configured(place: Path, tmp_path: Path) -> Iterator[str]:
    conf = builds(DerivaMLConfig, populate_full_signature=True)
    entries = [
        ("deriva_ml", "default_deriva", conf(hostname=str(place), working_dir=str(tmp_path / "w"))),
        (
            "deriva_ml",
            "named",
            conf(
                hostname=str(place),
                working_dir=str(tmp_path / "w"),
                project_name="lions",
                clean_execution_dir=False,
            ),
        ),
        ("assets", "lost", ["3-ZZZZ"]),
    ]
    before = {(e["group"], e["name"]) for e in store}
    for group, name, node in entries:
        store(node, group=group, name=name)
    notebook_config("look_at_it", Analysis, description="Looks.")
    yield "look_at_it"
    for entry in list(store):
        if (entry["group"], entry["name"]) not in before:
            store.delete_entry(entry["group"], entry["name"])


def executions(place: Path, tmp_path: Path) -> list[str]:
    ml = DerivaML(str(place), working_dir=tmp_path / "other")
    try:
        return sorted(e.execution_rid for e in ml.find_executions())
    finally:
        ml.catalog.close()


def test_the_first_cell_begins_an_execution(
    configured: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_HYDRA_OVERRIDES", json.dumps(["threshold=0.25"]))
    ml, execution, config = run_notebook(configured, overrides=["deriva_ml=named"])
    assert (config.threshold, execution.status) == (0.25, "Running")
    assert ml.session.project_name == "lions"
    assert not ml.session.options.clean_execution_dir
    assert tmp_path / "w" in ml.session.working_dir.parents
    workflow = ml.lookup_workflow(str(execution.workflow_rid))
    assert (workflow.name, workflow.workflow_types) == ("Look At It", ["Analysis Notebook"])
    text = "Looks. [overrides: threshold=0.25, deriva_ml=named]"
    assert execution.configuration.description == text
    assert execution.configuration.config_choices["deriva_ml"] == "named"
    execution.upload_execution_outputs()
    ml.catalog.close()


def test_a_dry_run_and_unknown_inputs_write_nothing(
    configured: str, place: Path, tmp_path: Path
) -> None:
    before = executions(place, tmp_path)
    ml, execution, config = run_notebook(configured, ["dry_run=True"])
    assert (execution.execution_rid, config.dry_run) == ("0000", True)
    ml.catalog.close()
    with pytest.raises(DerivaMLValidationError, match="3-ZZZZ"):
        run_notebook(configured, ["assets=lost"])
    with pytest.raises(DerivaMLConfigurationError, match="threshhold"):
        run_notebook(configured, ["threshhold=1"])
    with pytest.raises(DerivaMLConfigurationError, match="Did you mean 'look_at_it'"):
        run_notebook("look_at_them")
    assert executions(place, tmp_path) == before


def test_the_name_of_the_file_is_the_default(
    configured: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = tmp_path / "unheard_of.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    monkeypatch.setenv("DERIVA_ML_NOTEBOOK_PATH", str(notebook))
    code = "from deriva_ml.execution import run_notebook\nrun_notebook()"
    with pytest.raises(DerivaMLConfigurationError, match="no configuration 'unheard_of'"):
        exec(compile(code, "<cell>", "exec"), {"__name__": "__main__"})


def test_an_interrupted_run_is_taken_up(configured: str) -> None:
    ml, execution, _ = run_notebook(configured)
    execution.asset_file_path("Execution_Asset", "half.txt").write_text("half")
    execution.update_status("Failed", error="Interrupted.")
    ml.catalog.close()
    again, second, _ = run_notebook(configured, ["resume=True"])
    assert second.execution_rid == execution.execution_rid
    assert second.status == "Running"
    second.upload_execution_outputs()
    uploaded = {p.name for paths in second.uploaded_assets.values() for p in paths}
    assert "half.txt" not in uploaded
    again.catalog.close()


def test_configurations_without_a_catalog(configured: str) -> None:
    stored = store[None, configured]
    found = get_notebook_configuration(stored, configured, ["threshold=0.75"])
    assert (type(found).__name__, found.threshold, found.datasets) == ("Analysis", 0.75, None)
    shown = render_notebook_config(configured, overrides=["threshold=0.125"])
    assert "threshold: 0.125" in shown
    assert shown == render_notebook_config(
        configured, overrides=["+deriva_ml=default_deriva", "threshold=0.125"]
    )
    assert "default_deriva" in render_notebook_config(configured, info_mode="defaults")
    with pytest.raises(DerivaMLConfigurationError, match="Did you mean 'job'"):
        render_notebook_config(configured, cfg_mode="jobs")
    with pytest.raises(DerivaMLConfigurationError, match="Did you mean 'threshold'"):
        notebook_config("other", Analysis, treshold=1)


@pytest.mark.parametrize("text", ["assets=x", '{"a": 1}', "[1]"])
def test_overrides_of_the_environment_are_a_list_of_texts(
    configured: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_HYDRA_OVERRIDES", text)
    with pytest.raises(DerivaMLConfigurationError, match="DERIVA_ML_HYDRA_OVERRIDES"):
        run_notebook(configured)

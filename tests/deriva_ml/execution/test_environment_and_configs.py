"""The record of a run's surroundings; loading a project's configuration; named sweeps."""

import json
import sys
from pathlib import Path

import pytest

from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.execution import multirun
from deriva_ml.execution.environment import environment_snapshot, write_environment_snapshot
from deriva_ml.execution.load_configs import load_configs
from deriva_ml.execution.model_protocol import DerivaMLModel
from deriva_ml.execution.multirun import (
    MultirunSpec,
    get_all_multirun_configs,
    get_multirun_config,
    list_multirun_configs,
    multirun_config,
)


def test_snapshot_says_what_is_installed_and_nothing_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cret")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MY_SETTING", "on")
    path = write_environment_snapshot(tmp_path, also=["MY_SETTING"])
    assert path.name.startswith("environment_snapshot_")
    text = path.read_text()
    snapshot = json.loads(text)
    assert "s3cret" not in text
    assert snapshot["variables"]["OMP_NUM_THREADS"] == "3"
    assert snapshot["variables"]["MY_SETTING"] == "on"
    assert "pydantic" in snapshot["packages"]
    assert snapshot["hardware"]["cpus"] >= 1
    assert set(snapshot) == set(environment_snapshot())


def test_a_package_that_is_installed_meanwhile_is_in_the_next_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "fresh" not in environment_snapshot()["packages"]
    (tmp_path / "fresh-1.2.dist-info").mkdir()
    (tmp_path / "fresh-1.2.dist-info" / "METADATA").write_text("Name: fresh\nVersion: 1.2\n")
    assert environment_snapshot()["packages"]["fresh"] == "1.2"


def test_modules_load_with_experiments_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_configs"
    (package / "vision").mkdir(parents=True)
    record = "import sys\nsys.loaded_configs = [*getattr(sys, 'loaded_configs', []), __name__]\n"
    for name in ("experiments", "zebra", "base", "vision/models", "vision/__init__", "__init__"):
        (package / f"{name}.py").write_text(record)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "loaded_configs", [], raising=False)
    names = load_configs("some_configs")
    assert names == ["base", "experiments", "vision", "vision.models", "zebra"]
    order = [n.removeprefix("some_configs").lstrip(".") for n in sys.loaded_configs]  # type: ignore[attr-defined]
    assert order == ["", "vision", "vision.models", "base", "zebra", "experiments"]


def test_missing_package_has_no_modules() -> None:
    assert load_configs("no_such_package_anywhere") == []
    assert load_configs("no_such_package_anywhere.configs") == []


def test_broken_module_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_configs").mkdir()
    (tmp_path / "broken_configs" / "a.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        load_configs("broken_configs")


def test_sweeps_are_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multirun, "_registry", {})
    multirun_config("lr_sweep", ["model_config.lr=0.1,0.01"], description="Rates")
    multirun_config("all", overrides=["model_config=a,b"])
    assert list_multirun_configs() == ["all", "lr_sweep"]
    assert get_multirun_config("lr_sweep") == MultirunSpec(
        "lr_sweep", ("model_config.lr=0.1,0.01",), "Rates"
    )
    assert list(get_all_multirun_configs()) == ["all", "lr_sweep"]
    with pytest.raises(DerivaMLConfigurationError, match="Did you mean 'lr_sweep'"):
        get_multirun_config("lr_sweeep")
    with pytest.raises(DerivaMLConfigurationError, match="give a list"):
        multirun_config("x", "a=1,2")


def test_a_model_is_anything_that_can_be_called() -> None:
    assert isinstance(lambda *, ml_instance, execution: None, DerivaMLModel)
    assert not isinstance("train", DerivaMLModel)

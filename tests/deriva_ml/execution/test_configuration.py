"""What a run is asked to do."""

import sys
from pathlib import Path

import pytest
from hydra_zen import builds, instantiate, make_config
from pydantic import ValidationError

from deriva_ml.asset.spec import AssetRIDConfig, AssetSpec, LocalFile, LocalFileConfig
from deriva_ml.core.exceptions import DerivaMLConfigurationError
from deriva_ml.dataset.spec import DatasetSpec, DatasetSpecConfig
from deriva_ml.execution.configuration import ExecutionConfiguration, started_with
from deriva_ml.execution.secrets import described
from deriva_ml.execution.workflow import Workflow


def test_inputs_are_taken_in_every_shape() -> None:
    configuration = ExecutionConfiguration(
        datasets=["1ABC@1.0.0", DatasetSpecConfig("2DEF", "2.0.0"), {"rid": "3", "version": "1.0"}],
        assets=["WGTS", AssetRIDConfig("WXYZ", "weights"), LocalFileConfig("a.csv")],
    )
    assert [str(d) for d in configuration.datasets] == ["1ABC@1.0.0", "2DEF@2.0.0", "3@1.0.0"]
    assert configuration.assets == [AssetSpec("WGTS"), AssetSpec("WXYZ"), LocalFile("a.csv")]


@pytest.mark.parametrize("assets", ["WGTS", [{"rid": "WGTS", "cashe": True}], [5]])
def test_inputs_that_nobody_would_read_are_refused(assets: object) -> None:
    with pytest.raises(ValidationError):
        ExecutionConfiguration(assets=assets)


def test_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="dataset"):
        ExecutionConfiguration(dataset=["1ABC@1.0.0"])


def test_saved_configuration_is_read_back(tmp_path: Path) -> None:
    configuration = ExecutionConfiguration(
        datasets=["1ABC@1.0.0"],
        assets=["WGTS", LocalFile("a.csv")],
        workflow=Workflow(name="Train", workflow_type=["Training", "Testing"]),
        description="baseline",
        config_choices={"model_config": "quick"},
    )
    saved = configuration.save(tmp_path / "configuration.json")
    assert ExecutionConfiguration.load_configuration(saved) == configuration


@pytest.mark.parametrize("text", ["", "[]", '{"assets": [{"wrong": 1}]}'])
def test_another_file_is_not_a_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DerivaMLConfigurationError, match=r"x\.json"):
        ExecutionConfiguration.load_configuration(path)


def test_command_line_is_kept_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--token", "abc", "model_config.epochs=2"])
    argv = ExecutionConfiguration().argv
    assert argv is not None
    assert argv[2].startswith("***")
    assert [*argv[:2], *argv[3:]] == ["run", "--token", "model_config.epochs=2"]
    option, flag = started_with(["--oauth2-token=abc", "-x"])
    assert option.startswith("--oauth2-token=***")
    assert flag == "-x"


def test_the_description_tells_overrides_without_their_secrets() -> None:
    url = "postgresql://me:0pen%20sesame@db.org/c"
    words = ["lr=0.1", "hf_token=hf_abc", f"deriva_ml.hostname={url}", "++description=x"]
    told = described("Why.", [*words, "m={max_tokens:9,secret_key:'b,cd'}", "again=b,cd"])
    assert told.startswith("Why. [overrides: lr=0.1, hf_token=***")
    assert "deriva_ml.hostname=postgresql://me@db.org/c, " in told
    assert "max_tokens:9" in told
    assert not [s for s in ("hf_abc", "sesame", "description", "b,cd") if s in told]
    assert described("Why.", ["description=Why."]) == "Why."
    assert described("", ["a=1"]) == "[overrides: a=1]"


def test_configurations_combine_as_documented() -> None:
    exec_conf = builds(ExecutionConfiguration, populate_full_signature=True)
    workflow_conf = builds(
        Workflow,
        name="Image Classification",
        workflow_type="Training",
        description="Train CNN classifier",
        populate_full_signature=True,
    )
    app = make_config(
        execution=exec_conf(
            description="Training run",
            datasets=[DatasetSpecConfig(rid="DATA", version="1.0.0")],
            assets=["WGTS"],
        ),
        workflow=workflow_conf,
    )
    made = instantiate(app)
    assert made.execution.datasets == [DatasetSpec(rid="DATA", version="1.0.0")]
    assert made.execution.assets == ["WGTS"]
    assert made.workflow.workflow_types == ["Training"]

"""Mistakes that configurations invite, and that cannot be made here."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def python(directory: Path, program: str, **variables: str) -> str:
    """Run a program in a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


IMPORTS = """
import hydra, hydra_zen, json
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
def state():
    return repr(ConfigStore.instance().repo), GlobalHydra.instance().is_initialized()
before = state()
import deriva_ml.core.config
from deriva_ml.execution import *
import deriva_ml.execution.base_config
assert state() == before, "importing changed what Hydra knows"
hydra_zen.store.add_to_hydra_store()
assert "hydra" in ConfigStore.instance().repo and state() != before
print("unchanged")
"""


def test_importing_changes_nothing_that_hydra_knows(tmp_path: Path) -> None:
    assert python(tmp_path, IMPORTS) == "unchanged\n"


SHADOWS = """
import json
from dataclasses import dataclass
from hydra_zen import builds, launch, make_config, store
from omegaconf import OmegaConf
from deriva_ml import DerivaMLConfig
from deriva_ml.execution import DerivaBaseConfig, create_model_config, with_description

store(DerivaMLConfig, group="deriva_ml", name="default_deriva", hostname="localhost",
      working_dir="work")
data, files = store(group="datasets"), store(group="assets")
data(with_description(["1-ABC"], "small"), name="default_dataset")
data(with_description(["2-ABC"], "large"), name="large")
files(with_description([], "none"), name="default_asset")
store(builds(dict, kind="w"), group="workflow", name="default_workflow")
models = store(group="model_config")
models(builds(dict, epochs=10), name="default_model")
models(builds(dict, epochs=3), name="quick")
store(builds(dict, script="s"), group="script_config", name="report")

own = create_model_config(description="Main", hydra_defaults=[
    "_self_", {"deriva_ml": "default_deriva"}, {"datasets": "default_dataset"},
    {"assets": "default_asset"}, {"workflow": "default_workflow"},
    {"model_config": "default_model"}, {"script_config": "report"}])
experiments = store(group="experiment", package="_global_")
for name, main in (("of_base", DerivaBaseConfig), ("of_own", own)):
    experiments(make_config(hydra_defaults=["_self_", {"override /model_config": "quick"},
                                            {"override /datasets": "large"}], bases=(main,)),
                name=name)
experiments(make_config(hydra_defaults=["_self_", {"override /model_config": "quick"}],
                        description="Own", script_config=None, bases=(own,)), name="explicit")
store(make_config(hydra_defaults=["_self_"], model_config=dict(epochs=7), bases=(own,)),
      group="experiment", package="_global_", name="values",
      zen_meta={"description": "Seven"})
store(own, name="deriva_model")
store.add_to_hydra_store()
found = {}
for name, main, config_name in (("of_base", DerivaBaseConfig, "deriva_base"),
                                ("of_own", own, "deriva_model"),
                                ("explicit", own, "deriva_model"),
                                ("values", own, "deriva_model")):
    job = launch(main, lambda config: OmegaConf.to_container(config), version_base="1.3",
                 overrides=["+experiment=" + name], config_name=config_name)
    found[name] = job.return_value
from deriva_ml.core.zen_store import stored_options
found["described"] = {o.name: o.description for o in stored_options() if o.group == "experiment"}
print(json.dumps(found, default=str))
"""


def test_an_experiment_hides_nothing_that_it_does_not_name(tmp_path: Path) -> None:
    found = json.loads(python(tmp_path, SHADOWS).splitlines()[-1])
    base, own, explicit = found["of_base"], found["of_own"], found["explicit"]
    for composed in (base, own):
        assert composed["datasets"]["items"] == ["2-ABC"]
        assert composed["model_config"]["epochs"] == 3
        assert composed["deriva_ml"]["hostname"] == "localhost"
        assert composed["workflow"]["kind"] == "w"
    assert own["script_config"]["script"] == "s"
    assert own["description"] == "Main"
    # What it names counts, also when that is nothing.
    assert (explicit["script_config"], explicit["description"]) == (None, "Own")
    assert explicit["datasets"]["items"] == ["1-ABC"]
    # It says its own words also where it chooses nothing of a group.
    values = found["values"]
    assert (values["model_config"]["epochs"], values["description"]) == (7, "Main")
    assert values["datasets"]["items"] == ["1-ABC"]
    assert found["described"] == {
        "of_base": "",
        "of_own": "Main",
        "explicit": "Own",
        "values": "Seven",
    }


PLACES = """
from hydra_zen import launch, make_config, store, instantiate
from deriva_ml import DerivaML, DerivaMLConfig
from deriva_ml.core.config import compute_workdir
from deriva_ml.core.zen_store import stored_options
from deriva_ml.execution import create_model_config
import os, sys
from pathlib import Path
Main = make_config(deriva_ml=None, hydra_defaults=["_self_", {"deriva_ml": "here"}])
store(DerivaMLConfig, group="deriva_ml", name="here", hostname="./catalog", working_dir="w")
store(Main, name="main")
store.add_to_hydra_store()
def task(config):
    made = instantiate(config.deriva_ml)
    ml = DerivaML.instantiate(made)
    print(ml.working_dir, made.hydra_runtime_output_dir, ml.hydra_runtime_output_dir, sep="\\n")
launch(Main, task, version_base="1.3", config_name="main")
"""


def test_the_session_and_hydra_agree_on_where_runs_work(place: Path, tmp_path: Path) -> None:
    session, hydra, again = map(Path, python(tmp_path, PLACES).splitlines()[-3:])
    user = tmp_path / "w" / getpass.getuser() / "deriva-ml"
    assert hydra == again
    assert hydra.parent == user / "hydra"
    assert (hydra / "hydra-config" / "config.yaml").is_file()
    assert session.parent.parent == user
    assert session.name == "catalog"


@pytest.mark.parametrize(
    "typo", ["model_config=quick ,", "dryrun", "model_config epochs=3", "-x=3"]
)
def test_no_word_of_the_command_line_is_dropped(typo: str, tmp_path: Path) -> None:
    from deriva_ml.core.overrides import check_words

    assert len(check_words(typo.split(), ["dry_run="])) >= 1

"""The blocks of the document on hydra-zen that are no scripts, on a catalog of this machine.

======================================  ==========================================================
heading of the document                 test
======================================  ==========================================================
Quick Start                             test_a_stored_connection_connects
DerivaMLConfig                          test_each_parameter_of_the_connection
DatasetSpecConfig                       test_specs_of_datasets
AssetRIDConfig                          test_inputs_are_assets_by_their_rids
Working Directory Configuration         test_the_working_directory_is_the_users_own
Environment Configurations              test_environments_are_options_of_a_group
Dataset Collections                     test_collections_of_datasets_and_assets
Asset Collections                       test_collections_of_datasets_and_assets
Complete Execution Configuration        test_the_combined_configuration_runs
For List-Based Configs                  test_a_described_list_is_a_list
For Model Configs (builds())            test_models_say_what_they_are
Summary: When to Use Each Mechanism     test_each_kind_of_configuration_can_be_described
Writing Good Descriptions               test_each_kind_of_configuration_can_be_described
======================================  ==========================================================
"""

from __future__ import annotations

import copy
import getpass
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra_zen import builds, instantiate, make_config, store
from omegaconf import OmegaConf

from deriva_ml import DerivaML, DerivaMLConfig
from deriva_ml.core.zen_store import stored_options
from deriva_ml.dataset import DatasetSpec, DatasetSpecConfig
from deriva_ml.execution import (
    AssetRIDConfig,
    ExecutionConfiguration,
    Workflow,
    with_description,
)

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)


def train(
    learning_rate: float, epochs: int, batch_size: int, ml_instance: Any, execution: Any = None
) -> Any:
    """A model whose configurations are described."""
    return learning_rate, epochs, batch_size, ml_instance, execution


@pytest.fixture(autouse=True)
def own_entries() -> Iterator[None]:
    """Take out of the store what a test put in: there is one for the whole process."""

    def names() -> set[tuple[Any, str]]:
        return {(entry["group"], entry["name"]) for entry in store}

    before = names()
    yield
    for group, name in names() - before:
        store.delete_entry(group, name)


def composed(name: str, *words: str, **settings: Any) -> Any:
    """What Hydra makes of a stored configuration and of words that change it."""
    Plugins.instance()  # fills Hydra's own store once
    of_hydra = ConfigStore.instance()
    kept, of_hydra.repo = of_hydra.repo, copy.deepcopy(of_hydra.repo)
    try:
        store.copy().add_to_hydra_store(overwrite_ok=True)
        with initialize(version_base="1.3"):
            return compose(name, list(words), **settings)
    finally:
        of_hydra.repo = kept


def connected(config: Any) -> DerivaML:
    return DerivaML.instantiate(instantiate(config))


@pytest.mark.usefixtures("lab")
def test_a_stored_connection_connects() -> None:
    conf = DerivaMLConf(hostname="localhost", catalog_id="1", domain_schema="lab")
    config = instantiate(conf)
    assert isinstance(config, DerivaMLConfig)
    ml = DerivaML.instantiate(config)
    assert (ml.catalog_id, ml.domain_schemas) == ("1", frozenset({"lab"}))
    assert {str(d.description) for d in ml.find_datasets()} == {"Pictures"}
    ml.catalog.close()
    by_name = connected(DerivaMLConf(hostname="localhost", catalog_id="lab"))
    assert by_name.catalog.url == ml.catalog.url
    by_name.catalog.close()


def test_each_parameter_of_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    bare = instantiate(DerivaMLConf(hostname="data.example.org"))
    assert (bare.catalog_id, bare.domain_schema, bare.working_dir) == (1, None, None)
    assert (bare.ml_schema, bare.use_minid, bare.check_auth) == ("deriva-ml", False, True)
    block = DerivaMLConf(
        hostname="data.example.org",
        catalog_id="7",
        domain_schema="lab",
        working_dir="/shared/lab",
        use_minid=True,
        check_auth=True,
    )
    with caplog.at_level(logging.INFO, logger="deriva_ml"):
        given = instantiate(block)
    assert (given.hostname, given.catalog_id) == ("data.example.org", "7")
    assert (given.domain_schema, given.domain_schemas) == ("lab", {"lab"})
    assert (str(given.working_dir), given.check_auth) == ("/shared/lab", True)
    assert given.use_minid is False
    assert caplog.messages == ["No MINIDs are made, because no s3_bucket is configured."]
    assert instantiate(block, s3_bucket="s3://bags").use_minid is True
    assert instantiate(block, check_auth=False).check_auth is False


def test_specs_of_datasets() -> None:
    whole = DatasetSpecConfig(
        rid="1ABC", version="1.0.0", materialize=True, description="To train on"
    )
    rows = DatasetSpecConfig(rid="2DEF", version="2.0.0", materialize=False)
    made = [instantiate(entry) for entry in (whole, rows)]
    assert made[0] == DatasetSpec(rid="1ABC", version="1.0.0", description="To train on")
    assert [(s.rid, str(s.version), s.materialize) for s in made][1] == ("2DEF", "2.0.0", False)
    bare = instantiate(DatasetSpecConfig(rid="1ABC", version="1.0.0"))
    assert (bare.materialize, bare.description) == (True, "")


def test_inputs_are_assets_by_their_rids(lab: Any) -> None:
    inputs = [
        AssetRIDConfig(rid=lab.rids["WTSA"], description="Last week's"),
        AssetRIDConfig(rid=lab.rids["WTSB"], description="This week's"),
    ]
    conf = builds(ExecutionConfiguration, populate_full_signature=True)(assets=inputs)
    ml = connected(DerivaMLConf(hostname="localhost"))
    with ml.create_execution(instantiate(conf), dry_run=True) as run:
        (files,) = run.asset_paths.values()
        assert sorted(file.read_text() for file in files) == ["new", "old"]
    assert [a.description for a in run.configuration.assets] == ["Last week's", "This week's"]
    ml.catalog.close()


def test_the_working_directory_is_the_users_own(lab: Any) -> None:
    conf = DerivaMLConf(hostname="localhost", working_dir=str(lab.root / "shared"))
    ml = connected(conf)
    own = lab.root / "shared" / getpass.getuser() / "deriva-ml"
    assert ml.working_dir.is_relative_to(own)
    ml.catalog.close()
    store(make_config(deriva_ml=conf), name="where")
    hydra = composed("where", return_hydra_config=True).hydra
    assert hydra.run.dir.startswith(f"{own}/hydra/")
    assert hydra.sweep.dir.startswith(f"{own}/hydra-sweep/")


def test_environments_are_options_of_a_group() -> None:
    kept = store(group="deriva_ml")
    kept(DerivaMLConf(hostname="dev.example.org", catalog_id="1", use_minid=False), name="dev")
    kept(DerivaMLConf(hostname="data.example.org", catalog_id="9", use_minid=True), name="prod")
    store(make_config(deriva_ml=None, hydra_defaults=["_self_", {"deriva_ml": "dev"}]), name="run")
    chosen = {n: composed("run", f"deriva_ml={n}").deriva_ml for n in ("dev", "prod")}
    assert composed("run").deriva_ml == chosen["dev"]
    assert {n: (c.hostname, c.catalog_id, c.use_minid) for n, c in chosen.items()} == {
        "dev": ("dev.example.org", "1", False),
        "prod": ("data.example.org", "9", True),
    }
    there = instantiate(chosen["prod"], s3_bucket="s3://bags")
    assert (there.hostname, there.catalog_id, there.use_minid) == ("data.example.org", "9", True)


def test_collections_of_datasets_and_assets(lab: Any) -> None:
    first, second = lab.rids["PIXA"], lab.rids["PIXB"]
    datasets, assets = store(group="datasets"), store(group="assets")
    datasets([DatasetSpecConfig(rid=first, version="1.0.0")], name="one")
    datasets(
        [
            DatasetSpecConfig(rid=first, version="2.0.0"),
            DatasetSpecConfig(rid=second, version="1.0.0"),
        ],
        name="both",
    )
    assets([AssetRIDConfig(rid=lab.rids["WTSA"], description="A network")], name="network")
    assets(
        [
            AssetRIDConfig(rid=lab.rids["WTSA"], description="A network"),
            AssetRIDConfig(rid=lab.rids["WTSB"], description="Trained further"),
        ],
        name="further",
    )
    defaults = ["_self_", {"datasets": "one"}, {"assets": "network"}]
    run = builds(ExecutionConfiguration, populate_full_signature=True, hydra_defaults=defaults)
    store(run, name="run")
    one = instantiate(composed("run"))
    assert [str(d) for d in one.datasets] == [f"{first}@1.0.0"]
    assert [(a.rid, a.description) for a in one.assets] == [(lab.rids["WTSA"], "A network")]
    both = instantiate(composed("run", "datasets=both", "assets=further"))
    assert [str(d) for d in both.datasets] == [f"{first}@2.0.0", f"{second}@1.0.0"]
    assert [(a.rid, a.description) for a in both.assets] == [
        (lab.rids["WTSA"], "A network"),
        (lab.rids["WTSB"], "Trained further"),
    ]


def test_the_combined_configuration_runs(lab: Any) -> None:
    combined = make_config(
        deriva_ml=DerivaMLConf(hostname="localhost", catalog_id="1"),
        execution=builds(ExecutionConfiguration, populate_full_signature=True)(
            description="Combined",
            datasets=[DatasetSpecConfig(rid=lab.rids["PIXA"], version="1.0.0")],
            assets=[lab.rids["WTSA"]],
        ),
        workflow=builds(
            Workflow, name="Recognise", workflow_type="Training", populate_full_signature=True
        ),
    )
    cfg = combined()
    ml = connected(cfg.deriva_ml)
    with ml.create_execution(instantiate(cfg.execution)) as run:
        (bag,) = (run.download_dataset_bag(dataset) for dataset in run.datasets)
    run.upload_execution_outputs()
    assert len(bag.list_dataset_members()["Image"]) == 1
    made = ml.lookup_execution(run.execution_rid)
    assert (made.status, made.description) == ("Uploaded", "Combined")
    # The block hands over no workflow, so it is that of the file that asks.
    workflow, here = ml.lookup_workflow(str(made.workflow_rid)), Path(__file__).name
    assert (workflow.name, f"/{here}" in workflow.url) == (here, True)
    assert instantiate(cfg.workflow).workflow_types == ["Training"]
    ml.catalog.close()


def test_a_described_list_is_a_list() -> None:
    datasets, assets = store(group="datasets"), store(group="assets")
    split = [DatasetSpecConfig(rid="2PIC", version="0.22.0")]
    datasets(with_description(split, "Ten thousand pictures, halved."), name="split")
    assets(with_description(["3WTS", "3XTS"], "Weights of a short and a long run."), name="two")
    assets(with_description([], "Nothing is read."), name="nothing")
    config = instantiate(
        make_config(datasets=store["datasets", "split"], assets=store["assets", "two"])
    )
    assert [dataset.rid for dataset in config.datasets] == ["2PIC"]
    assert isinstance(config.datasets, list)
    assert config.datasets.description == "Ten thousand pictures, halved."
    assert (config.assets, config.assets[1:]) == (["3WTS", "3XTS"], ["3XTS"])
    assert config.assets.description == "Weights of a short and a long run."
    empty = instantiate(store["assets", "nothing"])
    assert (list(empty), len(empty), empty.description) == ([], 0, "Nothing is read.")


def test_models_say_what_they_are() -> None:
    models = store(group="model_config")
    network = builds(
        train, learning_rate=1e-3, epochs=10, populate_full_signature=True, zen_partial=True
    )
    models(network, name="default_model", zen_meta={"description": "Ten rounds. For most runs."})
    models(
        network,
        name="quick",
        epochs=3,
        batch_size=128,
        zen_meta={"description": "Three rounds. For looking whether it works."},
    )
    quick = instantiate(store["model_config", "quick"])
    assert quick(ml_instance="here", execution="run") == (1e-3, 3, 128, "here", "run")
    usual = instantiate(store["model_config", "default_model"])
    assert usual(batch_size=32, ml_instance="here") == (1e-3, 10, 32, "here", None)
    with pytest.raises(TypeError, match="batch_size"):
        usual(ml_instance="here")
    told = {o.name: o.description for o in stored_options() if o.group == "model_config"}
    assert told == {
        "default_model": "Ten rounds. For most runs.",
        "quick": "Three rounds. For looking whether it works.",
    }


def test_each_kind_of_configuration_can_be_described() -> None:
    long = "Weights (model.pt): 50 rounds, 64→128 channels, dropout 0.25. To go on from."
    store(with_description(["1ABC"], long), group="assets", name="described")
    specs = [DatasetSpecConfig(rid="1ABC", version="1.0.0")]
    store(with_description(specs, "5,000 pictures."), group="datasets", name="described")
    for group, kind, values in (
        ("model_config", train, {"learning_rate": 1.0, "epochs": 1, "zen_partial": True}),
        ("workflow", Workflow, {"name": "Recognise", "workflow_type": "Training"}),
        ("deriva_ml", DerivaMLConfig, {"hostname": "localhost"}),
    ):
        conf = builds(kind, populate_full_signature=True, **values)
        store(conf, group=group, name="described", zen_meta={"description": f"About {group}."})
    told = {o.group: o.description for o in stored_options() if o.name == "described"}
    assert told == {
        "assets": long,
        "datasets": "5,000 pictures.",
        "deriva_ml": "About deriva_ml.",
        "model_config": "About model_config.",
        "workflow": "About workflow.",
    }
    for group in told:
        assert OmegaConf.structured(store[group, "described"]) is not None
        instantiate(store[group, "described"])

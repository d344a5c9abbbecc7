"""Each experiment and sweep of `src/configs` can be composed."""

import pytest
from deriva_ml.execution import (
    get_multirun_config,
    list_multirun_configs,
    load_configs,
)
from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra
from hydra_zen import store

load_configs("configs")
EXPERIMENTS = [entry["name"] for entry in store if entry["group"] == "experiment"]


@pytest.fixture(scope="module", autouse=True)
def hydra():
    """Hydra, with everything that the project stored."""
    store.add_to_hydra_store(overwrite_ok=True)
    with initialize(version_base="1.3"):
        yield
    GlobalHydra.instance().clear()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiments(name: str) -> None:
    assert compose("deriva_model", [f"+experiment={name}"]).description


@pytest.mark.parametrize("name", list_multirun_configs())
def test_sweeps(name: str) -> None:
    sweep = get_multirun_config(name)
    first = [word.partition(",")[0] for word in sweep.overrides]
    assert compose("deriva_model", first).model_config

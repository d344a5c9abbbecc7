"""Descriptions of stored configurations."""

from collections.abc import Callable
from typing import Any

import pytest
from hydra_zen import ZenStore, builds, instantiate, make_config
from omegaconf import OmegaConf, ValidationError

from deriva_ml.core.config import DerivaMLConfig
from deriva_ml.core.zen_store import (
    default_options,
    description_of,
    keep_descriptions,
    settled_words,
    stored_options,
)
from deriva_ml.execution.descriptions import DescribedList, with_description
from deriva_ml.execution.workflow import Workflow

DerivaMLConf = builds(DerivaMLConfig, populate_full_signature=True)


def train(learning_rate: float = 1e-3, epochs: int = 10, batch_size: int = 32) -> int:
    return epochs


@pytest.fixture
def store() -> ZenStore:
    made = ZenStore(deferred_hydra_store=True)
    keep_descriptions(made)
    return made


def test_described_list_is_a_list_with_a_text(store: ZenStore) -> None:
    store(group="assets")(with_description(["3WMG", "3XPA"], "Weights."), name="weights")
    store(group="assets")(with_description([], "No assets."), name="none")
    weights = instantiate(store["assets", "weights"])
    assert isinstance(weights, DescribedList)
    assert (weights, weights.description) == (["3WMG", "3XPA"], "Weights.")
    assert instantiate(store["assets", "none"]) == []


def test_model_variants_keep_their_values_and_descriptions(store: ZenStore) -> None:
    models = store(group="model_config")
    config = builds(train, epochs=10, populate_full_signature=True, zen_partial=True)
    models(config, name="default", zen_meta={"description": "Ten epochs."})
    models(config, name="quick", epochs=3, zen_meta={"description": "Three epochs."})
    assert instantiate(store["model_config", "quick"])() == 3
    described = {o.name: o.description for o in stored_options(store)}
    assert described == {"default": "Ten epochs.", "quick": "Three epochs."}


def fit(rates: list[float], batch_size: int, *, ml_instance: object, wide: bool = False) -> object:
    return rates, batch_size, ml_instance, wide


def test_a_variant_sets_what_its_configuration_left_out(store: ZenStore) -> None:
    models = store(group="model_config")
    config = builds(fit, populate_full_signature=True, zen_partial=True)
    models(config, name="bare")
    about = {"description": "Small batches."}
    models(config, name="small", rates=[0.1, 0.2], batch_size=8, zen_meta=about)
    models(config, name="misspelt", batchsize=8)
    small = instantiate(store["model_config", "small"])
    assert small(ml_instance="here") == ([0.1, 0.2], 8, "here", False)
    assert description_of(store["model_config", "small"]) == "Small batches."
    kept = OmegaConf.structured(store["model_config", "small"])
    with pytest.raises(ValidationError, match="Integer"):
        kept.batch_size = "many"
    assert store["model_config", "bare"] is config
    with pytest.raises(TypeError, match="batchsize"):
        store["model_config", "misspelt"]


WORKFLOW = builds(Workflow, name="n", workflow_type="Training", description="what it does")
REFUSED_BY_HYDRA_ZEN: list[tuple[str, Any]] = [
    ("a class with a description", WORKFLOW),
    ("an instance", DerivaMLConf(hostname="dev.example.org")),
]


@pytest.mark.parametrize(("case", "config"), REFUSED_BY_HYDRA_ZEN)
def test_every_configuration_may_be_described(case: str, config: Any, store: ZenStore) -> None:
    store(config, group="g", name="n", zen_meta={"description": "when to use it"})
    node = store["g", "n"]
    assert description_of(node) == "when to use it"
    assert instantiate(node) == instantiate(config)
    assert description_of(config) != "when to use it"


def test_both_ways_to_store_a_connection_work(store: ZenStore) -> None:
    connections = store(group="deriva_ml")
    connections(DerivaMLConf(hostname="dev.example.org", use_minid=False), name="dev")
    connections(DerivaMLConf, name="prod", hostname="p.org", zen_meta={"description": "Real."})
    assert instantiate(store["deriva_ml", "dev"]).hostname == "dev.example.org"
    assert instantiate(store["deriva_ml", "prod"]).hostname == "p.org"
    assert [o.description for o in stored_options(store)] == ["", "Real."]


@pytest.mark.parametrize(
    "make",
    [
        lambda: with_description([], "text"),
        lambda: make_config(description="text"),
        lambda: {"description": "text"},
        lambda: WORKFLOW(description="text"),
    ],
)
def test_a_description_is_found_wherever_it_is(make: Callable[[], Any]) -> None:
    assert description_of(make()) == "text"


def test_a_plus_before_a_group_that_has_a_default_is_no_matter(store: ZenStore) -> None:
    defaults = ["_self_", {"datasets": "small"}, {"optional assets": None}]
    store(make_config(datasets=None, assets=None, hydra_defaults=defaults), name="main")
    assert default_options("main", store) == {"datasets": "small", "assets": "None"}
    words = ["+datasets=large", "+assets=one,two", "+experiment=quick", "++datasets=x", "+a.b=1"]
    assert settled_words(words, "main", store) == [
        "datasets=large",
        "assets=one,two",
        *words[2:],
    ]
    assert settled_words(words, "other", store) == words


def test_the_defaults_of_a_main_configuration_are_known(store: ZenStore) -> None:
    listed = ["_self_", {"a": "x"}, {"optional b@c": "y"}]
    store(builds(train, populate_full_signature=True, hydra_defaults=listed), name="main")
    store(builds(train), name="bare")
    assert default_options("main", store) == {"a": "x", "b": "y"}
    assert default_options("bare", store) == default_options("none", store) == {}

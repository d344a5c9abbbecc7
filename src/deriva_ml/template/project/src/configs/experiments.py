"""Presets over the other groups: `deriva-ml-run +experiment=quick`."""

from hydra_zen import make_config, store

from configs.base import ProjectModel

experiment_store = store(group="experiment", package="_global_")
experiment_store(
    make_config(
        hydra_defaults=["_self_", {"override /model_config": "quick"}],
        description="Three epochs, to see that everything works",
        bases=(ProjectModel,),
    ),
    name="quick",
)
experiment_store(
    make_config(
        hydra_defaults=["_self_", {"override /model_config": "default_model"}],
        description="Baseline classifier",
        bases=(ProjectModel,),
    ),
    name="baseline",
)

"""The entry point: one configuration of the runner, whose parts the modules of configs store."""

from hydra_zen import builds, store, zen
from model_runner import run_model

store(
    builds(
        run_model,
        description="Nightly training",
        populate_full_signature=True,
        hydra_defaults=[
            "_self_",
            {"deriva_ml": "default"},
            {"datasets": "training"},
            {"assets": "weights"},
            {"workflow": "training_workflow"},
            {"model_config": "default"},
        ],
    ),
    name="train_app",
)

import configs.model  # noqa: E402

import configs.assets  # noqa: E402
import configs.datasets  # noqa: E402
import configs.deriva  # noqa: E402
import configs.workflow  # noqa: E402, F401

if __name__ == "__main__":
    store.add_to_hydra_store()
    zen(run_model).hydra_main(config_name="train_app", version_base="1.3", config_path=None)

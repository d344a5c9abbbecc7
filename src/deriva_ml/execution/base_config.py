"""The shape of a project's main configuration: one option from each group."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from hydra_zen import builds, store

from ..core._lazy import lazy_names
from ..core.html_tables import settings_html
from .runner import run_model

__all__ = ["BaseConfig", "DerivaBaseConfig", "base_defaults", "create_model_config"]

base_defaults: list[Any] = [
    "_self_",
    {"deriva_ml": "default_deriva"},
    {"datasets": "default_dataset"},
    {"assets": "default_asset"},
    {"workflow": "default_workflow"},
    {"model_config": "default_model"},
]
"""The groups of a model's configuration and the option that each has by default."""


@dataclass
class BaseConfig:
    """What every configuration has; a project adds parameters of its own by inheriting.

    Attributes:
        deriva_ml: How to reach the catalog (group ``deriva_ml``).
        datasets: Dataset versions that are read (group ``datasets``).
        assets: Files that are read (group ``assets``).
        dry_run: Whether nothing is to be recorded.
        description: Why the run is made.
        config_choices: The option chosen from each group.
        script_config: A script to call instead of a model function.
        resume: Whether to take up what was begun on this machine with the same configuration.
        workflow: What kind of work the run is (group ``workflow``).
        model_config: The model function and its hyperparameters (group ``model_config``).
    """

    deriva_ml: Any = None
    datasets: Any = None
    assets: Any = None
    dry_run: bool = False
    description: str = ""
    config_choices: dict[str, str] = field(default_factory=dict)
    script_config: Any = None
    resume: bool = False
    workflow: Any = None
    model_config: Any = None

    def _repr_html_(self) -> str:
        shown = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "deriva_ml" and getattr(self, field.name) is not False
        }
        connection = self.deriva_ml
        own = connection._repr_html_() if hasattr(connection, "_repr_html_") else ""
        return f"<div>{settings_html(type(self).__name__, shown)}{own}</div>"


DerivaBaseConfig = builds(BaseConfig, populate_full_signature=True, hydra_defaults=base_defaults)
"""`BaseConfig` with `base_defaults`, stored as ``deriva_base``."""

if (None, "deriva_base") not in store:
    store(DerivaBaseConfig, name="deriva_base")


def create_model_config(
    ml_class: type[Any] | None = None,
    description: str = "Model execution",
    hydra_defaults: list[Any] | None = None,
) -> Any:
    """Return the main configuration of a project that runs models, to be stored.

    Args:
        ml_class: The session's class; None means `DerivaML`.
        description: Why runs are made, unless a run says otherwise.
        hydra_defaults: Groups and their default options; None means `base_defaults`.

    Example:
        ``store(create_model_config(description="CIFAR-10"), name="deriva_model")``
    """
    return builds(
        run_model,
        ml_class=ml_class,
        description=description,
        populate_full_signature=True,
        hydra_defaults=base_defaults if hydra_defaults is None else hydra_defaults,
    )


# The names for notebooks, which build on what is here.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "...notebook.configuration": (
            "get_notebook_configuration",
            "notebook_config",
            "render_notebook_config",
        ),
        "...notebook.run": ("run_notebook",),
    },
)

"""What can be configured of one notebook, as tables for people."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from deriva_ml.core.zen_store import description_of, stored_options
from deriva_ml.notebook.configuration import compose_only, stored_configuration

__all__ = ["print_notebook_options"]

_OF_OTHERS = ("config_choices", "script_config", "model_config")
"""Fields of every configuration that a notebook does not use."""


def print_notebook_options(console: Console, name: str) -> None:
    """Print the values of a notebook's configuration, then its groups with their options.

    Args:
        console: Where to.
        name: The configuration's name.

    Raises:
        DerivaMLConfigurationError: There is no such configuration, or it cannot be composed.
    """
    composed = compose_only(name)
    groups = {option.group for option in stored_options() if option.group}
    values = Table(title=f"{name}  (key=value)", title_justify="left", expand=False)
    for column in ("key", "value"):
        values.add_column(column, overflow="fold")
    for key, value in _fields(composed.config).items():
        if key not in groups and key not in _OF_OTHERS:
            values.add_row(key, repr(value))
    about = description_of(stored_configuration(name))
    if about:
        console.print(about)
    console.print(values)
    for group, options in groupby(stored_options(), key=lambda option: option.group):
        if not group or group in _OF_OTHERS:
            continue
        chosen = composed.choices.get(group)
        table = Table(title=f"{group}  ({group}=NAME)", title_justify="left", expand=False)
        table.add_column("name", no_wrap=True)
        table.add_column("description", overflow="fold")
        for option in options:
            mark = " *" if option.name == chosen else ""
            table.add_row(f"{option.name}{mark}", option.description or "-")
        console.print(table)
    console.print("* what the notebook uses unless it is told otherwise")


def _fields(config: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(config).items() if not key.startswith("_")}

"""What can be configured of one notebook, as text for people."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import groupby

from deriva_ml.core.zen_store import description_of, stored_options
from deriva_ml.notebook.configuration import compose_only, stored_configuration

from .listing import marked, section

__all__ = ["notebook_options_text"]

_OF_OTHERS = ("config_choices", "script_config", "model_config")
"""Fields of every configuration that a notebook does not use."""


def notebook_options_text(
    name: str, overrides: Sequence[str] = (), width: int | None = None
) -> str:
    """Return the values of a notebook's configuration, then its groups with their options.

    Args:
        name: The configuration's name.
        overrides: Words that change it.
        width: Columns of a line; None means those of the terminal.

    Raises:
        DerivaMLConfigurationError: There is no such configuration, or it cannot be composed.
    """
    columns = shutil.get_terminal_size().columns if width is None else width
    composed = compose_only(name, overrides)
    options = [o for o in stored_options() if o.group and o.group not in _OF_OTHERS]
    left_out = {*_OF_OTHERS, *(option.group for option in options)}
    values = [
        (f"  {key}", [repr(value)])
        for key, value in vars(composed.config).items()
        if key not in left_out and not key.startswith("_")
    ]
    about = description_of(stored_configuration(name))
    lines = [about, ""] if about else []
    lines += section(name, "key=value", values, columns)
    for group, some in groupby(options, key=lambda option: option.group):
        rows = [(marked(o, composed.choices.items()), [o.description]) for o in some]
        lines += section(group, f"{group}=NAME", rows, columns)
    return "\n".join([*lines, "* is what is used unless another is chosen."])

"""Plain Python values out of configuration values, whether or not OmegaConf is loaded."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["fields_of", "plain"]


def plain(value: Any) -> Any:
    """Return `value` with OmegaConf's containers replaced by lists and dictionaries.

    Objects inside are kept as they are. OmegaConf is not imported to find out.
    """
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is None:
        return value
    if isinstance(value, omegaconf.ListConfig | omegaconf.DictConfig):
        return omegaconf.OmegaConf.to_container(value, resolve=True)
    return value


def fields_of(entry: Any) -> Any:
    """Return a mapping of the fields of a configuration object, without its ``_target_``.

    Anything that is neither a mapping nor a dataclass comes back as it is.
    """
    value = plain(entry)
    if (
        dataclasses.is_dataclass(value)
        and not isinstance(value, type)
        and hasattr(value, "_target_")
    ):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): v for k, v in value.items() if k != "_target_"}
    return value

"""A config as plain data: dictionaries, lists and scalars that can be written to a file."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Mapping
from typing import Any

from flexlock.config.building import to_config
from flexlock.config.kinds import is_omegaconf
from flexlock.config.resolving import resolve as resolve_config

__all__ = ["plain_value", "to_plain"]


def to_plain(config: object, *, resolve: bool = True) -> dict[str, Any]:
    """Return a config of any kind as plain dictionaries and lists.

    Paths become text, enumeration members their names, tuples and sets lists, NumPy scalars Python
    numbers. Other objects are kept, so that the writer can show them; secrets are kept too.

    Args:
        config: A config of any kind.
        resolve: Whether interpolations are replaced by their values. Parameters without a value
            stay ``???`` in both cases.

    Raises:
        ConfigError: The object is not a config.
        UnresolvedInterpolationError: An interpolation has no value.

    Example:
        >>> to_plain({"a": 1, "b": "${a}"})
        {'a': 1, 'b': 1}
        >>> to_plain({"a": 1, "b": "${a}"}, resolve=False)
        {'a': 1, 'b': '${a}'}
    """
    from omegaconf import DictConfig, OmegaConf

    source = config if isinstance(config, DictConfig) else to_config(config)
    if resolve:
        # Resolved values hold no interpolations, except escaped ones, which reading unescapes.
        source = resolve_config(source, is_complete=False)
    tree = OmegaConf.to_container(source, resolve=resolve)
    assert isinstance(tree, dict)
    return {_plain_key(key): plain_value(value) for key, value in tree.items()}


def plain_value(value: Any) -> Any:
    """Return one value as plain data, see `to_plain`."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if is_omegaconf(value):
        from omegaconf import OmegaConf

        value = OmegaConf.to_container(value, resolve=True)
    if isinstance(value, Mapping):
        return {_plain_key(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain_value(item) for item in value), key=repr)
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.name
    if type(value).__module__.split(".")[0] == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    return str(value) if isinstance(value, str) else value


def _plain_key(key: Any) -> Any:
    return key.name if isinstance(key, enum.Enum) else key

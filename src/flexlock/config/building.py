"""Any kind of config becomes an OmegaConf `DictConfig`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from flexlock.config.conversion import default_values
from flexlock.config.kinds import is_omegaconf
from flexlock.config.reading import read
from flexlock.config.resolvers import register_resolvers
from flexlock.config.schema import Group
from flexlock.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["build", "to_config"]


def to_config(source: object) -> DictConfig:
    """Return a config of any kind as a new `DictConfig`.

    Interpolations stay unresolved, parameters without a value are ``???``, `Path` values stay
    `Path`, and values that OmegaConf does not know are kept as objects. The source is not changed.

    Args:
        source: A plain class or an instance of one, a dataclass, a mapping, a `DictConfig`, a
            pydantic model, an attrs class, a named tuple, a typed dictionary, a namespace, a
            function (its signature), or None for an empty config.

    Raises:
        ConfigError: The object is not a config.

    Example:
        >>> class Config:
        ...     param = 1
        >>> to_config(Config)
        {'param': 1}
    """
    return build(read(source))


def build(group: Group) -> DictConfig:
    """Return the default values of a schema as a `DictConfig`.

    Raises:
        ConfigError: A value cannot be part of a config.
    """
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    register_resolvers()
    if is_omegaconf(group.source):
        source: DictConfig = group.source
        if source._is_none() or source._is_missing():
            return OmegaConf.create({}, flags={"allow_objects": True})
        duplicate = copy.deepcopy(source)
        duplicate._set_flag("allow_objects", True)
        return duplicate
    values: dict[Any, Any] = default_values(group)
    try:
        created = OmegaConf.create(values, flags={"allow_objects": True})
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"The defaults of {group.source!r} cannot be a config: {error}.",
            hint="Use names, numbers, text, paths, lists and dictionaries.",
        ) from error
    assert isinstance(created, DictConfig)
    return created

"""Configs: any kind of object becomes one tree of named values.

* ``kinds`` tells what an object is, ``reading`` makes a ``schema`` of it with the help of
  ``attributes``; ``docs`` finds what is written about it.
* ``scalars`` and ``yaml_text`` read text, ``conversion`` makes values fit declared types.
* ``overrides`` reads ``-o``, ``loading`` files, ``selecting`` a node of one; ``merging`` puts
  values into a config, ``layers`` says in which order.
* ``building``, ``resolving``, ``plain`` and ``restoring`` turn a schema into a `DictConfig`, its
  interpolations into values, a config into plain data, and a config into an instance of its class.
* ``resolvers`` are ours, ``signature`` makes configs of functions, ``secrets`` masks.

The names below are loaded when they are first used. Nothing here imports OmegaConf or PyYAML before
a config is built or read from text.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flexlock.config.building import to_config
    from flexlock.config.plain import to_plain
    from flexlock.config.reading import describe
    from flexlock.config.resolvers import register_resolvers
    from flexlock.config.resolving import Declared, declared, pin, resolve
    from flexlock.config.restoring import restore
    from flexlock.config.scalars import parse_scalar
    from flexlock.config.schema import Field
    from flexlock.config.secrets import mask_secrets, mask_text, mask_words, secret_values
    from flexlock.config.signature import instantiate, py2cfg

__all__ = [
    "Declared",
    "Field",
    "declared",
    "describe",
    "instantiate",
    "mask_secrets",
    "mask_text",
    "mask_words",
    "parse_scalar",
    "pin",
    "py2cfg",
    "register_resolvers",
    "resolve",
    "restore",
    "secret_values",
    "to_config",
    "to_plain",
]

_HOMES = {
    "Declared": "resolving",
    "Field": "schema",
    "declared": "resolving",
    "describe": "reading",
    "instantiate": "signature",
    "mask_secrets": "secrets",
    "mask_text": "secrets",
    "mask_words": "secrets",
    "parse_scalar": "scalars",
    "pin": "resolving",
    "py2cfg": "signature",
    "register_resolvers": "resolvers",
    "resolve": "resolving",
    "restore": "restoring",
    "secret_values": "secrets",
    "to_config": "building",
    "to_plain": "plain",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

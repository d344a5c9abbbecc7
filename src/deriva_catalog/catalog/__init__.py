"""Catalogs behind one interface: in this process."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import connect as connect
    from .connection import create_catalog as create_catalog
    from .local import LocalCatalog as LocalCatalog
    from .opening import create_local as create_local
    from .opening import open_local as open_local
    from .registered import Alias as Alias
    from .registered import Registered as Registered
    from .registry import Registry as Registry
    from .remote import RemoteCatalog as RemoteCatalog

_HOMES = {
    "Alias": "registered",
    "LocalCatalog": "local",
    "Registered": "registered",
    "Registry": "registry",
    "connect": "connection",
    "create_catalog": "connection",
    "RemoteCatalog": "remote",
    "create_local": "opening",
    "open_local": "opening",
}

__all__ = [
    "Alias",
    "LocalCatalog",
    "Registered",
    "Registry",
    "RemoteCatalog",
    "connect",
    "create_catalog",
    "create_local",
    "open_local",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

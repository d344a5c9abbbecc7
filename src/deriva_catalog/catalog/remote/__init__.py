"""Catalogs of other machines, over HTTP: the same methods and results as in process.

`RemoteCatalog` speaks the ERMrest protocol and works with every server that does. What only our
own server has (transactions, questions longer than a URL, leases that are remembered) is used
where the server says among its `features` that it has it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalog import RemoteCatalog as RemoteCatalog
    from .host import HostAddress as HostAddress
    from .host import parse_host as parse_host
    from .hosts import bind_alias as bind_alias
    from .hosts import create_remote as create_remote
    from .hosts import delete_remote as delete_remote
    from .hosts import open_remote as open_remote

# A service needs the words of the protocol, and no client of it.
_HOMES = {
    "HostAddress": "host",
    "RemoteCatalog": "catalog",
    "bind_alias": "hosts",
    "create_remote": "hosts",
    "delete_remote": "hosts",
    "open_remote": "hosts",
    "parse_host": "host",
}

__all__ = [
    "HostAddress",
    "RemoteCatalog",
    "bind_alias",
    "create_remote",
    "delete_remote",
    "open_remote",
    "parse_host",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Catalogs of other machines, over HTTP: the same methods and results as in process.

`RemoteCatalog` speaks the ERMrest protocol and works with every server that does. What only our
own server has (transactions, questions longer than a URL, leases that are remembered) is used
where the server says among its `features` that it has it.
"""

from __future__ import annotations

from .catalog import RemoteCatalog
from .host import HostAddress, parse_host
from .hosts import bind_alias, create_remote, delete_remote, open_remote

__all__ = [
    "HostAddress",
    "RemoteCatalog",
    "bind_alias",
    "create_remote",
    "delete_remote",
    "open_remote",
    "parse_host",
]

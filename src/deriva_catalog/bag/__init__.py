"""Bags (BDBag: BagIt with references to remote files): write, pack, validate, complete, open.

A bag that was exported from a catalog opens as a catalog that cannot be written.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .archives import pack_bag as pack_bag
    from .catalog import BagCatalog as BagCatalog
    from .catalog import index_bag as index_bag
    from .catalog import open_bag as open_bag
    from .completing import Fetcher as Fetcher
    from .completing import Materialized as Materialized
    from .completing import content_fetcher as content_fetcher
    from .completing import materialize as materialize
    from .export import export_bag as export_bag
    from .names import portable_name as portable_name
    from .tags import Bag as Bag
    from .tags import FetchEntry as FetchEntry
    from .tags import read_bag as read_bag
    from .unpacking import ArchiveLimits as ArchiveLimits
    from .unpacking import unpack_bag as unpack_bag
    from .validation import BagFinding as BagFinding
    from .validation import BagReport as BagReport
    from .validation import validate as validate
    from .writer import BagWriter as BagWriter

_HOMES = {
    "ArchiveLimits": "unpacking",
    "Bag": "tags",
    "BagCatalog": "catalog",
    "BagFinding": "validation",
    "BagReport": "validation",
    "BagWriter": "writer",
    "FetchEntry": "tags",
    "Fetcher": "completing",
    "Materialized": "completing",
    "content_fetcher": "completing",
    "export_bag": "export",
    "index_bag": "catalog",
    "materialize": "completing",
    "open_bag": "catalog",
    "pack_bag": "archives",
    "portable_name": "names",
    "read_bag": "tags",
    "unpack_bag": "unpacking",
    "validate": "validation",
}
__all__ = [
    "ArchiveLimits",
    "Bag",
    "BagCatalog",
    "BagFinding",
    "BagReport",
    "BagWriter",
    "FetchEntry",
    "Fetcher",
    "Materialized",
    "content_fetcher",
    "export_bag",
    "index_bag",
    "materialize",
    "open_bag",
    "pack_bag",
    "portable_name",
    "read_bag",
    "unpack_bag",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

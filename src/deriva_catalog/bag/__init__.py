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
    from .completing import Materialized as Materialized
    from .completing import materialize as materialize
    from .export import export_bag as export_bag
    from .loading import Loaded as Loaded
    from .loading import LoadPolicy as LoadPolicy
    from .loading import TableKnowledge as TableKnowledge
    from .loading import load_bag as load_bag
    from .names import portable_name as portable_name
    from .sources import Fetcher as Fetcher
    from .sources import ManyFetcher as ManyFetcher
    from .sources import cached_fetcher as cached_fetcher
    from .sources import content_fetcher as content_fetcher
    from .sources import fetch_together as fetch_together
    from .sources import first_of as first_of
    from .sources import object_fetcher as object_fetcher
    from .sources import url_fetcher as url_fetcher
    from .tags import Bag as Bag
    from .tags import FetchEntry as FetchEntry
    from .tags import read_bag as read_bag
    from .unpacking import ArchiveLimits as ArchiveLimits
    from .unpacking import unpack_bag as unpack_bag
    from .updating import BagUpdate as BagUpdate
    from .updating import update_bag as update_bag
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
    "BagUpdate": "updating",
    "BagWriter": "writer",
    "FetchEntry": "tags",
    "Fetcher": "sources",
    "LoadPolicy": "loading",
    "Loaded": "loading",
    "ManyFetcher": "sources",
    "Materialized": "completing",
    "cached_fetcher": "sources",
    "TableKnowledge": "loading",
    "load_bag": "loading",
    "content_fetcher": "sources",
    "fetch_together": "sources",
    "export_bag": "export",
    "first_of": "sources",
    "index_bag": "catalog",
    "materialize": "completing",
    "object_fetcher": "sources",
    "open_bag": "catalog",
    "pack_bag": "archives",
    "portable_name": "names",
    "read_bag": "tags",
    "unpack_bag": "unpacking",
    "update_bag": "updating",
    "url_fetcher": "sources",
    "validate": "validation",
}
__all__ = [
    "ArchiveLimits",
    "Bag",
    "BagCatalog",
    "BagFinding",
    "BagReport",
    "BagUpdate",
    "BagWriter",
    "FetchEntry",
    "Fetcher",
    "LoadPolicy",
    "Loaded",
    "ManyFetcher",
    "Materialized",
    "TableKnowledge",
    "cached_fetcher",
    "content_fetcher",
    "export_bag",
    "first_of",
    "index_bag",
    "load_bag",
    "materialize",
    "object_fetcher",
    "open_bag",
    "pack_bag",
    "portable_name",
    "read_bag",
    "unpack_bag",
    "update_bag",
    "url_fetcher",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

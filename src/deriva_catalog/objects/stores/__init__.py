"""Where bytes lie: directories of this machine, and buckets, behind one contract.

Nothing here knows what the bytes are: a store has keys, and a key has bytes, whole or none.
"""

from __future__ import annotations

from .addresses import open_store, own_place
from .bucket import BucketStore
from .contract import Entry, KeyStore
from .failures import translated
from .files import FileStore

__all__ = [
    "BucketStore",
    "Entry",
    "FileStore",
    "KeyStore",
    "open_store",
    "own_place",
    "translated",
]

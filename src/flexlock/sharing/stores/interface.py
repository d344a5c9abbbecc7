"""What a store of pushed data can do, whoever keeps the bytes.

A store is a flat set of keys with bytes. Keys are relative paths with slashes, made by `objects`
and by the manifest; they never come from a user. A key appears only when all of its bytes are
there, so whoever sees it may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

__all__ = ["Progress", "Store"]

Progress = Callable[[int], object]
"""Called with the number of bytes that were moved since the last call."""


class Store(Protocol):
    """Keys with bytes, on this machine or elsewhere."""

    @property
    def url(self) -> str:
        """The address that opens this store again, on this machine or another."""
        ...

    def sizes(self, keys: Collection[str]) -> dict[str, int]:
        """Return the sizes in bytes of those of the keys that are there."""
        ...

    def upload(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Store local files under keys. Files that are there already are replaced by equal ones."""
        ...

    def download(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Write keys to local paths, whose folders exist and which do not exist themselves."""
        ...

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a key, or None when it is not there."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Store a few bytes under a key, replacing what was there."""
        ...

    def local_path(self, key: str) -> Path | None:
        """Return where the bytes of a key lie on this machine's file systems, if they do."""
        ...

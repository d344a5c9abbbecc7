"""What `ContentStore` and `ChunkStore` need of a place for bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with the length of its bytes, and when they were written."""

    key: str
    length: int
    modified: datetime

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]


class KeyStore(Protocol):
    """Bytes under keys such as ``sha256/ab/abc...``.

    Errors are those of the operating system and of `obstore`; see `translated`.
    """

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        ...

    @property
    def directory(self) -> Path | None:
        """The directory of the files; None elsewhere."""
        ...

    def put(self, key: str, source: Iterable[bytes], length: int | None = None) -> None:
        """Write bytes under a key: whole or, when `source` raises, not at all.

        `length` is how many there are, if that is known. What the key had is replaced.
        """
        ...

    def entry(self, key: str) -> Entry | None:
        """What lies under a key; None when nothing does."""
        ...

    def pieces(
        self, key: str, piece: int, begin: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Yield bytes of a key from `begin` on, about `piece` at a time; at most `length`.

        Raises:
            FileNotFoundError: There are none.
        """
        ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield what lies below a prefix, which is one or more whole parts of keys."""
        ...

    def folders(self, prefix: str) -> set[str]:
        """The parts that follow a prefix in keys."""
        ...

    def remove(self, keys: Collection[str]) -> None:
        """Forget keys; those that are not there do not matter."""
        ...

    def sign(self, key: str, seconds: float) -> str | None:
        """A URL that opens the bytes for anybody, for a while; None where there are none."""
        ...

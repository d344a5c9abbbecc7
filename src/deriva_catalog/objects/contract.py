"""What users of objects may count on, wherever the objects are: in this process or on a server."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from .content import Check, Content, Progress, Source
from .names import PREFIX
from .versions import ObjectVersion, Upload

WORKERS = 4


class Contents(Protocol):
    """Bytes by their SHA-256; see `ContentStore` for what each method does and raises."""

    @property
    def directory(self) -> Path | None:
        """Where the bytes are files of this machine; None elsewhere."""
        ...

    @property
    def packed(self) -> int:
        """Up to which length `get_many` asks for contents together; 0 if it never does."""
        ...

    def add(
        self, source: Source, progress: Progress | None = None, *, check: Check | None = None
    ) -> Content:
        """Store bytes unless they are there already; returns what they are."""
        ...

    def add_many(
        self, sources: Sequence[Source], progress: Progress | None = None, *, workers: int = WORKERS
    ) -> list[Content]:
        """Store the bytes of many sources, several at a time; one content for each, in order."""
        ...

    def flush(self, digests: Collection[str]) -> None:
        """Make stored bytes survive a loss of power; call this before they are named."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether bytes of that digest are stored."""
        ...

    def length(self, sha256: str) -> int | None:
        """How many bytes of that digest are stored; None if there are none."""
        ...

    def lengths(self, digests: Collection[str]) -> dict[str, int]:
        """How many bytes of each digest are stored; those that are not are left out."""
        ...

    def path(self, sha256: str) -> Path | None:
        """The file that holds the content, if it is one of this machine."""
        ...

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield stored bytes in pieces."""
        ...

    def get(
        self,
        content: Content,
        destination: Path,
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Put content at `destination`, whole or not at all."""
        ...

    def get_many(
        self,
        wanted: Sequence[tuple[Content, Path]],
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
        workers: int = WORKERS,
    ) -> None:
        """Put many contents at their places, several at a time, each whole or not at all."""
        ...

    def link(self, sha256: str, destination: str | Path) -> bool:
        """Hard-link a stored file to a new name, if that is possible; returns whether it was."""
        ...

    def check(self, sha256: str) -> None:
        """Hash stored bytes and compare with their name."""
        ...


class Objects(Protocol):
    """Objects by their names; see `ObjectStore` for what each method does and raises."""

    @property
    def content(self) -> Contents:
        """The bytes."""
        ...

    def put(
        self,
        name: str,
        source: Source,
        *,
        content_type: str | None = None,
        filename: str | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        parents: bool = True,
        progress: Progress | None = None,
    ) -> ObjectVersion:
        """Store bytes as a new version of the object `name`, making the object if need be."""
        ...

    def put_many(
        self,
        uploads: Iterable[Upload],
        *,
        reuse: bool = False,
        progress: Progress | None = None,
        workers: int = WORKERS,
    ) -> list[ObjectVersion]:
        """Store many files: bytes by several threads, then all names in one transaction."""
        ...

    def register(
        self, uploads: Sequence[Upload], *, parents: bool = True, reuse: bool = False
    ) -> list[ObjectVersion]:
        """Make versions of uploads whose bytes are stored, in one transaction."""
        ...

    def create_namespace(self, name: str, *, parents: bool = True) -> None:
        """Make a namespace; nothing happens when it exists."""
        ...

    def delete(self, url: str) -> None:
        """Delete a version, an object with its versions, or a namespace with all below it."""
        ...

    def stat(self, url: str) -> ObjectVersion:
        """Return the version that `url` names, or the current one of the object."""
        ...

    def stat_many(self, urls: Iterable[str]) -> dict[str, ObjectVersion]:
        """Return what is known of many URLs with versions; unknown ones are left out."""
        ...

    def versions(self, name: str) -> list[ObjectVersion]:
        """Return all versions of an object, newest first."""
        ...

    def names(self, namespace: str = PREFIX) -> list[str]:
        """Return the names directly below a namespace, sorted."""
        ...

    def open(self, url: str) -> BinaryIO:
        """Open the bytes of an object for reading, as a stream."""
        ...

    def read(self, url: str) -> bytes:
        """Return the bytes of an object."""
        ...

    def get(
        self,
        url: str,
        destination: Path | str,
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Put an object's bytes at `destination`."""
        ...

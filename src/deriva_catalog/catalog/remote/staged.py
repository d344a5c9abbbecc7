"""Bytes for a server that has only the plain protocol, where bytes cannot be sent without a name.

What is added is hashed and remembered by where it is; it is sent when it is named. What was looked
up can be got by its digest.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...errors import Conflict, Corrupted, NotFound
from ...objects import Content, ObjectVersion, Source
from ...objects.content import Check, Progress
from .connection import Connection
from .contents import Readable
from .packed import Placed, by_digest
from .parallel import for_each
from .receiving import Place, copy_to, receive, save

__all__ = ["StagedContents"]

_REMEMBERED = 100_000


class StagedContents:
    """The content of a server's objects, as far as this process has seen it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._waiting: dict[str, Path | bytes] = {}
        self._sent: dict[str, str] = {}

    @property
    def directory(self) -> None:
        """The bytes are no files of this machine."""
        return

    @property
    def packed(self) -> int:
        """The server answers with one object at a time: 0."""
        return 0

    def add(
        self, source: Source, progress: Progress | None = None, *, check: Check | None = None
    ) -> Content:
        """Hash a file or bytes, and remember them until they are named.

        Raises:
            Conflict: The source is a stream, which could not be read again then.
        """
        if not isinstance(source, (bytes, Path)):
            raise Conflict(
                "The server takes bytes only together with a name.",
                hint="Give a path or bytes, or put the stream under its name.",
            )
        with Readable(source) as known:
            if check is not None:
                check(known.content)
            with self._lock:
                self._waiting[known.content.sha256] = source
        if progress is not None:
            progress(known.content.length)
        return known.content

    def add_many(
        self, sources: Sequence[Source], progress: Progress | None = None, *, workers: int = 4
    ) -> list[Content]:
        """Hash many; see `add`."""
        with ThreadPoolExecutor(workers, thread_name_prefix="hash") as pool:
            return list(pool.map(lambda source: self.add(source, progress), sources))

    def waiting(self, content: Content) -> Path | bytes:
        """The source of bytes that were added. Raises `NotFound`."""
        with self._lock:
            found = self._waiting.get(content.sha256)
        if found is None:
            raise _missing(content.sha256)
        return found

    def sent(self, version: ObjectVersion) -> None:
        """Remember under which URL bytes can be got."""
        with self._lock:
            if version.sha256:
                if len(self._sent) >= _REMEMBERED:
                    self._sent.clear()
                self._sent[version.sha256] = version.url

    def flush(self, digests: Collection[str]) -> None:
        """Nothing is stored before it is named."""

    def has(self, sha256: str) -> bool:
        """Whether bytes of that digest were added or seen."""
        with self._lock:
            return sha256 in self._waiting or sha256 in self._sent

    def length(self, sha256: str) -> int | None:
        """How many bytes were added; None if there are none, or it is not known."""
        with self._lock:
            source = self._waiting.get(sha256)
        if source is None:
            return None
        return len(source) if isinstance(source, bytes) else source.stat().st_size

    def lengths(self, digests: Collection[str]) -> dict[str, int]:
        """How many bytes of each digest were added; others are left out."""
        found = ((sha256, self.length(sha256)) for sha256 in dict.fromkeys(digests))
        return {sha256: length for sha256, length in found if length is not None}

    def path(self, sha256: str) -> None:
        """The bytes are no files of this machine."""
        return

    def link(self, sha256: str, destination: str | Path) -> bool:
        """There is nothing to link: False."""
        return False

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield bytes that were seen on the server. Raises `NotFound`."""
        return receive(self._place(sha256))

    def get(
        self,
        content: Content,
        destination: Path,
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Put content that was seen on the server at `destination`; see `RemoteContents.get`."""
        place = self._place(content.sha256)
        return save(place, content, destination, verify=verify, progress=progress)

    def get_many(
        self,
        wanted: Sequence[tuple[Content, Path]],
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
        workers: int = 4,
    ) -> None:
        """Put many contents that were seen at their places; see `RemoteContents.get_many`."""

        def get(one: Placed) -> None:
            first, *others = one.places
            self.get(one.content, first, verify=verify, progress=progress)
            copy_to(first, others, progress)

        for_each(get, by_digest(wanted), workers=workers, name="download")

    def check(self, sha256: str) -> None:
        """Get bytes that were seen, hash them and compare. Raises `Corrupted`."""
        with Readable(self.read(sha256)) as known:
            if known.content.sha256 != sha256:
                raise Corrupted(f"The content {sha256} is damaged.", sha256=sha256)

    def _place(self, sha256: str) -> Place:
        with self._lock:
            url = self._sent.get(sha256)
        if url is None:
            raise _missing(sha256)
        return Place(self._connection, url)


def _missing(sha256: str) -> NotFound:
    return NotFound(
        f"The content {sha256} is not known to be on the server.",
        hint="Look its object up by its name first.",
        sha256=sha256,
    )

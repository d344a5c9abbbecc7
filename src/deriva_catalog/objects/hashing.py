"""Digests of bytes that pass by, worked out beside what brings them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Queue
from types import TracebackType
from typing import Any

Progress = Callable[[int], object]
LARGE = 8 << 20
"""From how many bytes on threads pay."""
_AHEAD = 8
"""Pieces that may wait for a hash."""
_DIGITS = frozenset("0123456789abcdef")
_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


def is_digest(text: str, algorithm: str) -> bool:
    """Whether a text is a digest in lower-case hexadecimal: `md5`, `sha1`, `sha256`, `sha512`."""
    return len(text) == _LENGTHS[algorithm] and _DIGITS.issuperset(text)


@dataclass(frozen=True, slots=True)
class Content:
    """What is known of stored bytes: length in bytes, digests in lower-case hexadecimal."""

    length: int
    md5: str
    sha256: str


class Hasher:
    """MD5, SHA-256 and length of bytes that pass by."""

    def __init__(self) -> None:
        self.length = 0
        self.hashes = (hashlib.md5(usedforsecurity=False), hashlib.sha256())

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self.length += len(piece)
        for each in self.hashes:
            each.update(piece)

    @property
    def content(self) -> Content:
        """What passed by so far."""
        md5, sha256 = self.hashes
        return Content(self.length, md5.hexdigest(), sha256.hexdigest())


class ParallelHasher:
    """MD5, SHA-256 and length of bytes, each digest in a thread of its own; a context manager.

    For large contents: the hashes take longer than a fast network, and threads hash at the same
    time. With `hasher` it goes on where that one is, which has what passed by when this ends.
    """

    def __init__(self, hasher: Hasher | None = None) -> None:
        self._hasher = Hasher() if hasher is None else hasher
        self._hashes = self._hasher.hashes
        self._queues: tuple[Queue[bytes | None], ...] = tuple(Queue(_AHEAD) for _ in self._hashes)
        self._threads = [
            threading.Thread(target=_hash, args=pair, daemon=True, name="hash")
            for pair in zip(self._hashes, self._queues, strict=True)
        ]
        self._ended = False

    def __enter__(self) -> ParallelHasher:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def update(self, piece: bytes) -> None:
        """Take the next piece, which must not change any more."""
        self._hasher.length += len(piece)
        for queue in self._queues:
            queue.put(piece)

    @property
    def content(self) -> Content:
        """What passed by; nothing may come after that."""
        self._end()
        return self._hasher.content

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()


class LazyHasher:
    """A `Hasher` for what is short, which becomes parallel when it turns out to be long."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._length = 0
        self._parallel: ParallelHasher | None = None

    def __enter__(self) -> LazyHasher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._parallel is not None:
            self._parallel.__exit__(kind, error, trace)

    def passing(self, source: Iterable[bytes], progress: Progress | None = None) -> Iterator[bytes]:
        """Yield the pieces of a source and hash them on the way."""
        for piece in source:
            data = bytes(piece)
            self._take(data)
            if progress is not None:
                progress(len(data))
            yield data

    def _take(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._parallel is not None:
            self._parallel.update(piece)
            return
        self._kept.append(piece)
        if self._length > LARGE:
            self._parallel = ParallelHasher().__enter__()
            for each in self._kept:
                self._parallel.update(each)
            self._kept.clear()

    @property
    def content(self) -> Content:
        """What passed by; nothing may come after that."""
        if self._parallel is not None:
            return self._parallel.content
        hasher = Hasher()
        for piece in self._kept:
            hasher.update(piece)
        return hasher.content


def _hash(digest: Any, queue: Queue[bytes | None]) -> None:
    while (piece := queue.get()) is not None:
        digest.update(piece)

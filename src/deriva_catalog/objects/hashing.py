"""Digests of bytes that pass by, worked out beside what brings them."""

from __future__ import annotations

import hashlib
import threading
from queue import Queue
from types import TracebackType
from typing import Any

from .content import Content

_AHEAD = 8
"""Pieces that may wait for a hash."""


class ParallelHasher:
    """MD5, SHA-256 and length of bytes, each digest in a thread of its own; a context manager.

    For large contents: the hashes take longer than a fast network, and threads hash at the same
    time.
    """

    def __init__(self) -> None:
        self.length = 0
        self._hashes = (hashlib.md5(usedforsecurity=False), hashlib.sha256())
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
        self.length += len(piece)
        for queue in self._queues:
            queue.put(piece)

    @property
    def content(self) -> Content:
        """What passed by; nothing may come after that."""
        self._end()
        md5, sha256 = self._hashes
        return Content(self.length, md5.hexdigest(), sha256.hexdigest())

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()


def _hash(digest: Any, queue: Queue[bytes | None]) -> None:
    while (piece := queue.get()) is not None:
        digest.update(piece)

"""What bytes are read from: once as a stream, or twice where they must be known beforehand."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from ..errors import BadRequest
from .hashing import Content, LazyHasher, Progress

PIECE = 1 << 20
Source = bytes | Path | BinaryIO | Iterable[bytes]
_SPOOL_MEMORY = 4 * PIECE


def pieces(source: Source) -> Iterator[bytes]:
    """Yield the bytes of a source, about a mebibyte at a time.

    Raises:
        BadRequest: It gives something else than bytes, as a file that was opened as text does.
    """
    for piece in _given(source):
        yield piece if isinstance(piece, bytes) else _as_bytes(piece)


def _given(source: Any) -> Iterator[Any]:
    if isinstance(source, bytes | bytearray | memoryview):
        yield source
    elif isinstance(source, Path):
        with source.open("rb") as file:
            yield from _given(file)
    elif hasattr(source, "read"):
        while piece := source.read(PIECE):
            yield piece
    elif isinstance(source, Iterable):
        yield from source
    else:
        raise _no_bytes(source)


def _as_bytes(piece: Any) -> bytes:
    if isinstance(piece, bytearray | memoryview):
        return bytes(piece)
    raise _no_bytes(piece)  # bytes() makes zeros of a number


def _no_bytes(given: object) -> BadRequest:
    return BadRequest(
        f"Bytes are to be stored, and what is given is of the type {type(given).__name__!r}.",
        hint="Give bytes, a Path, a file that was opened in binary mode, or pieces of bytes.",
    )


class Rereadable:
    """A source that was read once and hashed, and can be read again inside the context.

    Files and iterables that begin anew are read twice; what can be read only once is kept in a
    temporary file. `progress` is told of the first reading.
    """

    def __init__(self, source: Source, progress: Progress | None = None) -> None:
        self._source = source
        self._spool: Any = None
        self._begin = 0
        self._progress = progress
        self.content: Content

    def __enter__(self) -> Rereadable:
        try:
            with LazyHasher() as hasher:
                passing = hasher.passing(pieces(self._source), self._progress)
                if not self._begins_anew():
                    self._spool = tempfile.SpooledTemporaryFile(_SPOOL_MEMORY)
                    self._spool.writelines(passing)
                for _ in passing:
                    pass
                self.content = hasher.content
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def again(self) -> Source:
        """The same bytes, from their beginning."""
        if self._spool is not None:
            self._spool.seek(0)
            return cast("BinaryIO", self._spool)
        if _is_file(self._source):
            cast("BinaryIO", self._source).seek(self._begin)
        return self._source

    def _begins_anew(self) -> bool:
        """Whether the source can be read again; notes where a file stands."""
        source = self._source
        if isinstance(source, bytes | Path):
            return True
        if _is_file(source):
            file = cast("BinaryIO", source)
            if not file.seekable():
                return False
            self._begin = file.tell()
            return True
        return not isinstance(source, Iterator)

    def _close(self) -> None:
        if self._spool is not None:
            self._spool.close()


def _is_file(source: Source) -> bool:
    return isinstance(source, io.BytesIO) or hasattr(source, "read")


class PieceReader(io.RawIOBase):
    """A raw stream over an iterator of bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes; returns how many."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

"""Reading a source in a thread of its own, a little ahead of who takes its pieces."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from queue import Full, Queue

_PIECES = 8
_LOOK_S = 0.1


def ahead(source: Iterable[bytes]) -> Generator[bytes]:
    """Yield what a source yields, and raise what it raises; a few pieces wait at most.

    The source is read in another thread: `obstore` cannot read from a store in the midst of
    writing to one. When the iterator is closed, the source is left where it is.
    """
    pieces: Queue[bytes | BaseException | None] = Queue(_PIECES)
    left = threading.Event()
    reader = threading.Thread(target=_read, args=(source, pieces, left), daemon=True, name="ahead")
    reader.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        left.set()
        reader.join()


def _read(
    source: Iterable[bytes], pieces: Queue[bytes | BaseException | None], left: threading.Event
) -> None:
    try:
        for piece in source:
            if not _pass_on(piece, pieces, left):
                return
    except BaseException as error:  # noqa: BLE001 - raised where the pieces are taken
        _pass_on(error, pieces, left)
        return
    _pass_on(None, pieces, left)


def _pass_on(
    piece: bytes | BaseException | None,
    pieces: Queue[bytes | BaseException | None],
    left: threading.Event,
) -> bool:
    while not left.is_set():
        try:
            pieces.put(piece, timeout=_LOOK_S)
        except Full:
            continue
        return True
    return False

"""Queries: answered by what the database makes of them, piece by piece.

The first piece is made before the answer begins, so that an error is an answer of its own. A
result that fits into it is one answer; only larger ones are streamed.

Source: ERMrest, "Reading" and "ETags and preconditions".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ...path.parser import Request as DataRequest
from ..etags import entity_tag, has_preconditions, not_modified
from ..messages import Answer, Request
from ..service import Opened, close
from .representation import HEADERS, disposition, output_type

__all__ = ["data_tag", "read_data"]

_SMALL = 1 << 18
"""Bytes up to which a result is one answer."""


def read_data(request: Request, opened: Opened, asked: DataRequest) -> Answer:
    """``GET`` of any of the four kinds of query."""
    media_type = output_type(request, asked.options)
    if has_preconditions(request):  # else the query itself finds out
        opened.catalog.decisions.require_catalog("enumerate")
    arrays_json = asked.options.arrays == "json"
    latest, pieces = opened.catalog.dated_stream(asked.query, media_type, arrays_json=arrays_json)
    try:
        etag = _tag(request, opened, media_type, latest)
        unchanged = not_modified(request, etag)
    except BaseException:
        close(pieces)
        raise
    if unchanged is not None:
        close(pieces)
        return unchanged
    headers = {**HEADERS, "ETag": etag, **disposition(asked.options, media_type)}
    return Answer(200, _begun(pieces), media_type, headers)


def data_tag(request: Request, opened: Opened, media_type: str) -> str:
    """The tag of rows: it changes with every change of anything in the catalog.

    It is the same for all rows of a catalog, so that a client can guard a change of some rows by
    what it has read elsewhere.
    """
    return _tag(request, opened, media_type, opened.catalog.latest_snapshot())


def _tag(request: Request, opened: Opened, media_type: str, latest: str) -> str:
    version = (latest, opened.catalog.amended)
    return entity_tag(request.client, media_type, opened.entry.id, "data", *version)


def _begun(pieces: Iterator[bytes]) -> bytes | Iterator[bytes]:
    """The whole body if it is small; else its pieces, some of which were made already."""
    taken: deque[bytes] = deque()
    size = 0
    try:
        for piece in pieces:
            taken.append(piece)
            size += len(piece)
            if size > _SMALL:
                return _Resumed(taken, pieces)
    except BaseException:
        close(pieces)
        raise
    return b"".join(taken)


class _Resumed(Iterator[bytes]):
    """Pieces of which some were taken; closing it ends the reading, begun or not."""

    def __init__(self, taken: deque[bytes], rest: Iterator[bytes]) -> None:
        self._taken = taken
        self._rest = rest

    def __next__(self) -> bytes:
        return self._taken.popleft() if self._taken else next(self._rest)

    def close(self) -> None:
        """End the reading."""
        close(self._rest)

"""Compressing answers on their way to clients that are not on this machine.

Only text of some size is worth it. An answer that is made piece by piece is compressed piece by
piece. Whole answers that are asked for again and again are kept in their compressed form.

Source: RFC 9110, section 8.4; ERMrest, "ETags and preconditions" (what a compressed
representation's tag looks like).
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from .documents import DocumentCache
from .messages import Answer, Request
from .negotiation import preferred_encoding

__all__ = ["codings", "compressed"]

_LEAST = 1400
"""Bytes that fit into one packet are not worth it."""

_TEXTS = ("text/", "application/json", "application/x-json-stream", "application/javascript")
_GZIP_LEVEL = 4
_ZSTD_LEVEL = 3


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def codings() -> tuple[str, ...]:
    """What can be offered: gzip, and zstd where its library is installed."""
    return ("gzip",) if _zstandard() is None else ("zstd", "gzip")


def compressed(answer: Answer, request: Request, kept: DocumentCache) -> Answer:
    """The answer to a request as it is sent, and perhaps kept in that form."""
    if answer.status in (204, 206, 304) or not _is_text(answer):
        return answer
    if isinstance(answer.body, bytes) and len(answer.body) < _LEAST:
        return answer
    names = {name.lower() for name in answer.headers}
    if names & {"content-encoding", "content-range"}:
        return answer
    if "no-transform" in answer.headers.get("Cache-Control", ""):
        return answer  # the bytes of an object, whose hashes are in the headers
    out = {**answer.headers, "Vary": _with(answer.headers.get("Vary"), "accept-encoding")}
    coding = preferred_encoding(request.headers.get("accept-encoding"), codings())
    if coding is None:
        return replace(answer, headers=out)
    out = {name: value for name, value in out.items() if name.lower() != "content-length"}
    out["Content-Encoding"] = coding
    etag = answer.headers.get("ETag")
    if etag is not None:
        out["ETag"] = f'{etag[:-1]}-{coding}"'
    body: bytes | Iterator[bytes]
    if not isinstance(answer.body, bytes):
        body = _pieces(answer.body, _compressor(coding))
    elif etag is not None and request.method == "GET":  # else the body of the request counts too
        whole = answer.body
        body = kept.get(f"{coding} {etag} {request.target}", lambda: _whole(whole, coding))
    else:
        body = _whole(answer.body, coding)
    return replace(answer, body=body, headers=out)


def _is_text(answer: Answer) -> bool:
    return answer.media_type is not None and answer.media_type.startswith(_TEXTS)


def _with(vary: str | None, name: str) -> str:
    return name if not vary else f"{vary}, {name}"


def _whole(body: bytes, coding: str) -> bytes:
    compressor = _compressor(coding)
    return compressor.compress(body) + compressor.flush()


def _pieces(body: Iterator[bytes], compressor: _Compressor) -> Iterator[bytes]:
    try:
        for piece in body:
            if made := compressor.compress(piece):
                yield made
        yield compressor.flush()
    finally:
        end = getattr(body, "close", None)
        if end is not None:
            end()


def _compressor(coding: str) -> _Compressor:
    if coding == "gzip":
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    found: _Compressor = _zstandard().ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    return found


def _zstandard() -> Any:
    try:
        return importlib.import_module("zstandard")
    except ImportError:
        return None

"""The service as an ASGI application.

Each request is one hop into a worker thread, where it is authenticated and answered. A small
answer goes out in one piece. A large one is streamed: its pieces are fetched by further hops,
each after the client has taken the one before.

The request target is used as it was sent. What an ASGI server decodes (``path``) is not looked
at, because an escaped slash or colon is part of a name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ..access import ANONYMOUS
from ..errors import CatalogError
from .bodies import Disconnected, Receive, receive_body
from .errors import INTERNAL_ERROR, error_answer, failure_answer
from .messages import Answer, Request
from .service import Service, close

__all__ = ["App"]

log = logging.getLogger("deriva_catalog.server")

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
WebSocketHandler = Callable[[Scope, Receive, Send], Awaitable[None]]

_PIECE = 1 << 18
"""Bytes that are gathered before they are sent, when an answer is streamed."""


class App:
    """An ASGI application for one service; `websockets` answers WebSocket connections."""

    def __init__(self, service: Service, websockets: WebSocketHandler | None = None) -> None:
        self.service = service
        self._websockets = websockets
        self._pool = ThreadPoolExecutor(service.settings.threads, "request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket" and self._websockets is not None:
            await self._websockets(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self._pool.shutdown(wait=True)
                self.service.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    # --- one request -----------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope["headers"])
        try:
            body = await receive_body(receive, headers, self.service.settings, self._pool)
        except Disconnected:
            return
        except CatalogError as error:
            await _send_whole(send, error_answer(error, headers), b"")
            return
        request = Request(
            scope["method"],
            target_of(scope),
            headers,
            ANONYMOUS,
            body,
            address=(scope.get("client") or (None,))[0],
            is_secure=scope.get("scheme") in ("https", "wss"),
        )
        loop = asyncio.get_running_loop()
        answer, first, more = await loop.run_in_executor(self._pool, self._answer, request)
        if more is None:
            await _send_whole(send, answer, first)
        else:
            await self._stream(send, answer, first, more)

    def _answer(self, request: Request) -> tuple[Answer, bytes, Iterator[bytes] | None]:
        """The answer, the first part of its body, and the rest unless that was all."""
        with request.body:
            try:
                client = self.service.sessions.client_of(request.headers)
            except CatalogError as error:  # who knows the client cannot be reached
                log.error("%s %s: %s", request.method, request.path, error, exc_info=True)
                return (failed := error_answer(error, request.headers)), _bytes(failed), None
            answer = self.service.handle(replace(request, client=client))
            if isinstance(answer.body, bytes):
                return answer, answer.body, None
            try:
                first, more = _gathered(answer.body)
            except CatalogError as error:  # nothing was sent yet, so it can be told
                close(answer.body)
                return (failed := error_answer(error, request.headers)), _bytes(failed), None
            except Exception:
                log.exception("%s %s failed", request.method, request.path)
                close(answer.body)
                failed = failure_answer(500, INTERNAL_ERROR, "", request.headers)
                return failed, _bytes(failed), None
        return answer, first, answer.body if more else None

    async def _stream(
        self, send: Send, answer: Answer, first: bytes, more: Iterator[bytes]
    ) -> None:
        """Send an answer piece by piece; an error breaks the connection, so that it is seen."""
        loop = asyncio.get_running_loop()
        try:
            await send(_start(answer, None))
            piece, unfinished = first, True
            while True:
                async with asyncio.timeout(self.service.settings.answer_seconds):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                if not unfinished:
                    break
                piece, unfinished = await loop.run_in_executor(self._pool, _gathered, more)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await loop.run_in_executor(self._pool, close, more)


def headers_of(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header names to values; those that are repeated are joined as HTTP says."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in found:
            found[name] += ("; " if name == "cookie" else ", ") + value
        else:
            found[name] = value
    return found


def target_of(scope: Mapping[str, Any]) -> str:
    """The path and query of a request as they were sent."""
    path: str = scope["raw_path"].decode("latin-1")
    query: str = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _gathered(pieces: Iterator[bytes]) -> tuple[bytes, bool]:
    """The next pieces together, and whether there may be more."""
    taken: list[bytes] = []
    size = 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= _PIECE:
            return b"".join(taken), True
    return b"".join(taken), False


def _bytes(answer: Answer) -> bytes:
    assert isinstance(answer.body, bytes)
    return answer.body


def _start(answer: Answer, length: int | None) -> dict[str, Any]:
    headers = [(b"content-type", answer.media_type.encode("latin-1"))] if answer.media_type else []
    names = set()
    for name, value in answer.headers.items():
        names.add(name.lower())
        headers.append((name.lower().encode("latin-1"), value.encode("latin-1", "replace")))
    if length is not None and "content-length" not in names and answer.status not in (204, 304):
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _send_whole(send: Send, answer: Answer, body: bytes) -> None:
    await send(_start(answer, len(body)))
    await send({"type": "http.response.body", "body": body})

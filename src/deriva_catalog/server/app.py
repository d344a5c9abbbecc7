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
from dataclasses import dataclass, replace
from io import SEEK_END
from time import perf_counter
from typing import Any, BinaryIO

from ..access import ANONYMOUS, Client
from ..errors import CatalogError, Unavailable
from .accesslog import AccessLog, Entry
from .bodies import Disconnected, Receive, receive_body
from .compression import compressed
from .crossorigin import allowing, options_answer
from .errors import INTERNAL_ERROR, error_answer, failure_answer
from .health import HEALTH, health_answer
from .messages import Answer, Request
from .metrics import Metrics, resource_of
from .networks import Networks
from .service import Service, close

__all__ = ["App"]

log = logging.getLogger("deriva_catalog.server")

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
WebSocketHandler = Callable[[Scope, Receive, Send], Awaitable[None]]

_PIECE = 1 << 18
"""Bytes that are gathered before they are sent, when an answer is streamed."""


@dataclass(slots=True)
class _Exchange:
    """One request and what became of it."""

    method: str
    target: str
    headers: dict[str, str]
    address: str | None
    is_secure: bool
    send: Send
    receive: Receive
    client: Client = ANONYMOUS
    status: int = 500
    size: int = 0
    complete: bool = False


class App:
    """An ASGI application for one service.

    Args:
        service: What answers.
        websockets: What answers WebSocket connections.
        metrics: Where requests are counted.
        access_log: Where they are written down; None for nowhere.
    """

    def __init__(
        self,
        service: Service,
        websockets: WebSocketHandler | None = None,
        *,
        metrics: Metrics | None = None,
        access_log: AccessLog | None = None,
    ) -> None:
        self.service = service
        self.metrics = Metrics() if metrics is None else metrics
        self._websockets = websockets
        self._access_log = access_log
        self._settings = service.settings
        self._monitors = Networks(service.settings.monitors)
        self._pool = ThreadPoolExecutor(service.settings.threads, "request")
        self._running = 0
        self._stopping = False

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

    def stop(self) -> None:
        """Tell load balancers (``/readyz``) to send no more requests."""
        self._stopping = True

    # --- one request -----------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = perf_counter()
        exchange = _Exchange(
            method=scope["method"],
            target=target_of(scope),
            headers=headers_of(scope["headers"]),
            address=(scope.get("client") or (None,))[0],
            is_secure=scope.get("scheme") in ("https", "wss"),
            send=send,
            receive=receive,
        )
        self.metrics.begun()
        try:
            await self._exchange(exchange)
        finally:
            seconds = perf_counter() - begun
            resource = resource_of(exchange.target.partition("?")[0])
            self.metrics.ended(exchange.method, resource, exchange.status, seconds)
            self.metrics.sent(exchange.size)
            if not exchange.complete:
                self.metrics.broken()
            if self._access_log is not None:
                self._access_log.write(_entry(exchange, seconds))

    async def _exchange(self, exchange: _Exchange) -> None:
        early = await self._early_answer(exchange)
        if early is not None:
            await self._send(exchange, early)
            return
        if self._running >= self._settings.threads + self._settings.waiting:
            self.metrics.refused()
            busy = Unavailable("Too many requests wait already.", hint="Repeat it a little later.")
            answer = error_answer(busy, exchange.headers)
            await self._send(
                exchange, replace(answer, headers={**answer.headers, "Retry-After": "1"})
            )
            return
        self._running += 1
        try:
            await self._answered(exchange)
        except Disconnected:
            exchange.status = 499
        finally:
            self._running -= 1

    async def _early_answer(self, exchange: _Exchange) -> Answer | None:
        """The answer to what no service is needed for."""
        if exchange.method == "OPTIONS":
            return options_answer(exchange.headers, self._settings.origins)
        path = exchange.target.partition("?")[0]
        if path not in HEALTH:
            return None
        is_monitor = exchange.address is None or exchange.address in self._monitors
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            None,
            lambda: health_answer(path, self.service, self.metrics, is_monitor, self._stopping),
        )

    async def _answered(self, exchange: _Exchange) -> None:
        headers = exchange.headers
        try:
            body = await receive_body(
                exchange.receive, headers, self._settings, self._pool, self.service.spool
            )
        except CatalogError as error:
            await self._send(exchange, error_answer(error, headers))
            return
        self.metrics.received(body.seek(0, SEEK_END))
        body.seek(0)
        loop = asyncio.get_running_loop()
        answer, more = await loop.run_in_executor(self._pool, self._work, exchange, body)
        if more is None:
            await self._send(exchange, answer)
        else:
            await self._stream(exchange, answer, more)

    # --- in a worker thread ----------------------------------------------------------

    def _work(self, exchange: _Exchange, body: BinaryIO) -> tuple[Answer, Iterator[bytes] | None]:
        """The answer with the first part of its body, and the rest unless that was all."""
        request = Request(
            exchange.method,
            exchange.target,
            exchange.headers,
            ANONYMOUS,
            body,
            address=exchange.address,
            is_secure=exchange.is_secure,
        )
        with body:
            try:
                exchange.client = self.service.sessions.client_of(request.headers)
            except CatalogError as error:  # who knows the client cannot be reached
                return self.service.told(error, request), None
            answer = self.service.handle(replace(request, client=exchange.client))
            if self._is_worth_compressing(exchange):
                answer = compressed(answer, request, self.service.documents)
            if isinstance(answer.body, bytes):
                return answer, None
            return self._first_part(answer, answer.body, request)

    def _first_part(
        self, answer: Answer, body: Iterator[bytes], request: Request
    ) -> tuple[Answer, Iterator[bytes] | None]:
        """The answer with the first part of a body that is made piece by piece, and the rest.

        An error before anything was sent is told like any other.
        """
        try:
            first, unfinished = _gathered(body)
        except CatalogError as error:
            close(body)
            return self.service.told(error, request), None
        except Exception:  # the outermost place for what a body raises
            log.exception("%s %s failed", request.method, request.path)
            close(body)
            return failure_answer(500, INTERNAL_ERROR, "", request.headers), None
        return replace(answer, body=first), body if unfinished else None

    def _is_worth_compressing(self, exchange: _Exchange) -> bool:
        return (
            self._settings.compress
            and "accept-encoding" in exchange.headers
            and exchange.address is not None
            and exchange.address not in _LOOPBACK
        )

    # --- sending ---------------------------------------------------------------------

    async def _send(self, exchange: _Exchange, answer: Answer) -> None:
        assert isinstance(answer.body, bytes)
        body = answer.body
        exchange.status, exchange.size = answer.status, len(body)
        # How long the body of a streamed answer would be, HEAD cannot tell: not 0 bytes.
        unknown = exchange.method == "HEAD" and not body
        await exchange.send(self._start(exchange, answer, None if unknown else len(body)))
        await exchange.send({"type": "http.response.body", "body": body})
        exchange.complete = True

    async def _stream(self, exchange: _Exchange, answer: Answer, more: Iterator[bytes]) -> None:
        """Send an answer piece by piece; an error breaks the connection, so that it is seen."""
        loop = asyncio.get_running_loop()
        exchange.status = answer.status
        gone = asyncio.ensure_future(_disconnection(exchange.receive))
        try:
            assert isinstance(answer.body, bytes)
            await exchange.send(self._start(exchange, answer, None))
            piece, unfinished = answer.body, True
            while not gone.done():
                exchange.size += len(piece)
                await exchange.send(
                    {"type": "http.response.body", "body": piece, "more_body": unfinished}
                )
                if not unfinished:
                    exchange.complete = True
                    return
                piece, unfinished = await loop.run_in_executor(self._pool, _gathered, more)
        except CatalogError as error:
            log.error("%s %s ended early: %s", exchange.method, exchange.target, error)
            raise _Broken from error
        finally:
            gone.cancel()
            await loop.run_in_executor(self._pool, close, more)

    def _start(self, exchange: _Exchange, answer: Answer, length: int | None) -> dict[str, Any]:
        headers: list[tuple[bytes, bytes]] = []
        if answer.media_type is not None:
            headers.append((b"content-type", answer.media_type.encode("latin-1")))
        given = {name.lower(): value for name, value in answer.headers.items()}
        for name, value in allowing(exchange.headers, self._settings.origins).items():
            before = given.get(name.lower())
            given[name.lower()] = value if before is None else f"{before}, {value}"
        for name, value in given.items():
            headers.append((name.encode("latin-1"), value.encode("latin-1", "replace")))
        if length is not None and "content-length" not in given and answer.status not in (204, 304):
            headers.append((b"content-length", str(length).encode()))
        return {"type": "http.response.start", "status": answer.status, "headers": headers}


_LOOPBACK = Networks(("127.0.0.0/8", "::1"))


class _Broken(Exception):
    """An answer could not be finished after its beginning was sent."""


async def _disconnection(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


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
    """The path and query of a request as they were sent.

    Our own protocol supplies the whole target; other servers its parts. The scheme and host of
    a target in absolute form are left out.
    """
    raw: bytes | None = scope.get("raw_target")
    if raw is not None and raw.startswith(b"/"):
        return raw.decode("latin-1")
    path: str = scope["raw_path"].decode("latin-1")
    query: str = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _entry(exchange: _Exchange, seconds: float) -> Entry:
    return Entry(
        method=exchange.method,
        target=exchange.target,
        status=exchange.status,
        seconds=seconds,
        size=exchange.size,
        client=exchange.client.id,
        address=exchange.address,
        headers=exchange.headers,
        complete=exchange.complete,
    )

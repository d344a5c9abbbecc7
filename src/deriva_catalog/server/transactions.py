"""Transactions over several requests, each on a WebSocket connection: ``GET CAT/transaction``.

What a client sends are requests like any others (`catalog.remote.frames` has the form of the
messages); they are answered by `Service.handle`, one after the other, in one thread, inside one
transaction of the catalog. A connection that ends before ``commit`` leaves nothing behind, and so
does one on which nothing comes for `Settings.transaction_seconds`: others wait for its end.

Between transactions a connection has no thread and may stay.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

from ..access import ANONYMOUS, Client
from ..catalog.local import LocalCatalog
from ..catalog.remote.frames import PIECE, SUBPROTOCOL, pack, unpack
from ..engine.history import LEASES
from ..errors import (
    BadRequest,
    CatalogError,
    Forbidden,
    NotAuthenticated,
    NotFound,
    ReadOnly,
    TooLarge,
    Unavailable,
)
from .accesslog import AccessLog, Entry
from .app import Scope, Send, headers_of, target_of
from .bodies import Receive
from .errors import INTERNAL_ERROR, error_answer, failure_answer
from .messages import Answer, Request
from .service import Opened, Service, close

__all__ = ["Transactions"]

log = logging.getLogger("deriva_catalog.server")

_BEFORE = ("ermrest", "catalog")
_CLOSED = 499
"""In the access log: the client went away, as for a request."""
_GOING_AWAY, _PROTOCOL_ERROR, _POLICY = 1001, 1002, 1008


class Transactions:
    """Answers the WebSocket connections of a service.

    Args:
        service: What answers.
        access_log: Where requests, and the ends of transactions, are written down.
    """

    def __init__(self, service: Service, access_log: AccessLog | None = None) -> None:
        self._service = service
        self._access_log = access_log
        self._threads = concurrent.futures.ThreadPoolExecutor(
            service.settings.transactions, "transaction"
        )
        self._free = threading.BoundedSemaphore(service.settings.transactions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await receive()  # websocket.connect
        loop = asyncio.get_running_loop()
        headers, target = headers_of(scope["headers"]), target_of(scope)
        address = (scope.get("client") or (None,))[0]
        is_secure = scope.get("scheme") == "wss"
        asked = Request(
            "GET", target, headers, ANONYMOUS, BytesIO(), address=address, is_secure=is_secure
        )
        try:
            client, segment = await loop.run_in_executor(None, self._admit, asked)
        except CatalogError as error:
            await _refuse(scope, send, self._service.told(error, asked))
            return
        chosen = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": chosen})
        wire = _Wire(loop, receive, send, self._service)
        known = replace(asked, client=client)
        conversation = _Conversation(self._service, wire, known, segment, self._access_log)
        await self._converse(conversation, wire)

    def _admit(self, asked: Request) -> tuple[Client, str]:
        """Who asks, and the segment of the catalog.

        Raises:
            CatalogError: there is no such catalog, or nothing to write for this client.
        """
        segments = asked.path[1:].split("/")
        if len(segments) != 4 or tuple(segments[:2]) != _BEFORE or segments[3] != "transaction":
            raise NotFound(f"There is nothing for a WebSocket at {asked.path!r}.")
        client = self._service.sessions.client_of(asked.headers)
        self._service.admit(replace(asked, client=client), websocket=True)
        opened = self._service.catalog(replace(asked, client=client), segments[2])
        if client.is_anonymous:
            raise NotAuthenticated("A transaction needs a login.")
        if client.scope is not None and client.scope.read_only:
            raise Forbidden(
                "Your access token is for reading, not for transactions.",
                hint="Read without one.",
            )
        if opened.catalog.snaptime is not None:
            raise ReadOnly("A transaction cannot be begun on a catalog at a previous revision.")
        if not _may_write(opened.catalog):
            raise Forbidden(
                f"A transaction on catalog {opened.id!r} is for those who may change something.",
                hint="Read without one.",
            )
        return client, segments[2]

    async def _converse(self, conversation: _Conversation, wire: _Wire) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                message = await asyncio.wait_for(
                    wire.receive_async(), self._service.settings.connection_seconds
                )
                header, _ = unpack(message)
                if header.get("control") != "begin":
                    raise BadRequest("A transaction has not begun; send 'begin' first.")
                try:
                    client, _ = await loop.run_in_executor(None, self._admit, conversation.asked)
                except CatalogError as error:  # what was right when it was opened
                    told = self._service.told(error, conversation.asked)
                    await wire.send_async(_message(told))
                    await wire.end(_POLICY, str(error))
                    return
                conversation.asked = replace(conversation.asked, client=client)
                if not self._free.acquire(blocking=False):
                    full = Unavailable(
                        "Too many transactions are open at the same time.",
                        hint="Try again in a moment.",
                    )
                    await wire.send_async(_message(error_answer(full, {})))
                    continue
                try:
                    await loop.run_in_executor(self._threads, conversation.run)
                finally:
                    self._free.release()
        except _Gone:
            return
        except TimeoutError:
            await wire.end(_GOING_AWAY, "No transaction was begun for a while.")
        except CatalogError as error:
            await wire.end(
                _POLICY if isinstance(error, Unavailable) else _PROTOCOL_ERROR, str(error)
            )


def _may_write(catalog: LocalCatalog) -> bool:
    """Whether a client may change anything: others wait while a transaction is open."""
    model, decisions = catalog.model, catalog.decisions
    if decisions.catalog("owner") or decisions.catalog("create"):
        return True
    return any(decisions.schema(s, "create") for s in model.schemas.values()) or any(
        decisions.table(table, right) is not False
        for table in model.tables()
        if (table.schema, table.name) != LEASES  # whose binding everybody is in the scope of
        for right in ("insert", "update", "delete")
    )


class _Gone(Exception):
    """The other side has closed the connection."""


class _Undone(Exception):
    """Leaves a transaction, or a part of it, so that it is undone."""


class _Wire:
    """A WebSocket connection, used from the thread of a transaction."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, receive: Receive, send: Send, service: Service
    ) -> None:
        self._loop = loop
        self._receive = receive
        self._send = send
        self._settings = service.settings

    async def receive_async(self) -> bytes | str:
        """The next message."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise _Gone
        data = message.get("bytes")
        return data if data is not None else str(message.get("text"))

    async def send_async(self, message: bytes) -> None:
        """Send a message; the client must take it in time."""
        async with asyncio.timeout(self._settings.answer_seconds):
            await self._send({"type": "websocket.send", "bytes": message})

    async def end(self, code: int, reason: str) -> None:
        """Close the connection and say why."""
        short = reason.encode()[:120].decode(errors="ignore")
        await self._send({"type": "websocket.close", "code": code, "reason": short})

    def receive(self) -> bytes | str:
        """The next message, from a thread.

        Raises:
            Unavailable: nothing came for too long.
            _Gone: the connection has ended.
        """
        coming = asyncio.run_coroutine_threadsafe(self.receive_async(), self._loop)
        try:
            return coming.result(self._settings.transaction_seconds)
        except concurrent.futures.TimeoutError:
            coming.cancel()
            raise Unavailable(
                f"Nothing came for {self._settings.transaction_seconds:g} s; the transaction was "
                "undone."
            ) from None

    def send(self, message: bytes) -> None:
        """Send a message, from a thread."""
        asyncio.run_coroutine_threadsafe(self.send_async(message), self._loop).result()

    def request_body(self, header: Mapping[str, Any], piece: bytes) -> BinaryIO:
        """The body of a request, with what follows in further messages.

        Raises:
            TooLarge: it is; the connection cannot be used further.
        """
        if not header.get("more"):
            return BytesIO(piece)
        spool = tempfile.SpooledTemporaryFile(self._settings.memory_bytes)  # noqa: SIM115
        total = 0
        while True:
            total += len(piece)
            if total > self._settings.body_bytes:
                spool.close()
                raise TooLarge(f"The body has more than {self._settings.body_bytes} bytes.")
            spool.write(piece)
            if not header.get("more"):
                break
            header, piece = unpack(self.receive())
        spool.seek(0)
        return spool  # type: ignore[return-value]  # it has all that is read from it


class _Conversation:
    """What is said on one connection, from ``begin`` to the end of the transaction."""

    def __init__(
        self,
        service: Service,
        wire: _Wire,
        asked: Request,
        segment: str,
        access_log: AccessLog | None,
    ) -> None:
        self._access_log = access_log
        self._begun = 0.0
        self._service = service
        self._wire = wire
        self.asked = asked
        """The opening handshake, from whoever its credential says now."""
        self._home = f"/{'/'.join(_BEFORE)}/{segment}"
        self._segment = segment

    def run(self) -> None:
        """One transaction; its outcome is told to the client.

        Raises:
            _Gone: the connection has ended; the transaction is undone.
            CatalogError: the client did what it may not, or nothing; likewise.
        """
        self._begun = time.perf_counter()
        try:
            with (
                self._service.holding(self._opened()),
                self._opened().catalog.transaction() as begun,
            ):
                self._tell({"status": 200, "snaptime": begun.snaptime})
                parts: list[AbstractContextManager[Any]] = []
                try:
                    self._serve(parts)
                finally:
                    while parts:
                        _undo(parts.pop())
        except _Undone:
            self._ended("UNDO", 200)
            self._tell({"status": 200})
        except (_Gone, _Broken) as ended:
            self._ended("UNDO", _CLOSED)
            if isinstance(ended, _Broken):
                raise ended.error from ended
            raise
        except CatalogError as error:  # it could not begin, or not be kept
            answer = self._service.told(error, self.asked)
            self._ended("COMMIT", answer.status)
            self._wire.send(_message(answer))
        else:
            self._ended("COMMIT", 200)
            self._tell({"status": 200})

    def _ended(self, control: str, status: int) -> None:
        """Write down how a transaction ended, and how long it was open."""
        self._log(control, self.asked.target, status, self._begun, 0)

    def _log(self, method: str, target: str, status: int, begun: float, size: int) -> None:
        if self._access_log is None:
            return
        asked, seconds = self.asked, time.perf_counter() - begun
        client, address, headers = asked.client.id, asked.address, asked.headers
        self._access_log.write(
            Entry(method, target, status, seconds, size, client, address, headers)
        )

    def _opened(self) -> Opened:
        return self._service.catalog(self.asked, self._segment)

    def _serve(self, parts: list[AbstractContextManager[Any]]) -> None:
        """Answer messages until ``commit``; `_Undone` is raised at ``undo``."""
        while True:
            try:
                header, piece = unpack(self._wire.receive())
                self._require_same_client()
                control = header.get("control")
                if control is None:
                    self._answer(header, piece)
                elif control == "commit" and not parts:
                    return
                elif control == "undo" and not parts:
                    raise _Undone
                else:
                    self._turn(control, parts)
            except CatalogError as error:
                raise _Broken(error) from error

    def _require_same_client(self) -> None:
        """Refuse to go on for a login that has ended, or is worth something else now.

        Raises:
            NotAuthenticated: it is.
        """
        client, before = self._service.sessions.client_of(self.asked.headers), self.asked.client
        if (client.id, client.roles, client.scope) != (before.id, before.roles, before.scope):
            raise NotAuthenticated("The login of this transaction has ended, or was changed.")

    def _turn(self, control: Any, parts: list[AbstractContextManager[Any]]) -> None:
        """Begin or end a part."""
        if control == "begin":
            part = self._opened().catalog.transaction()
            part.__enter__()
            parts.append(part)
        elif control == "release" and parts:
            parts.pop().__exit__(None, None, None)
        elif control == "undo" and parts:
            _undo(parts.pop())
        else:
            raise BadRequest(f"The control {control!r} is not possible here.")
        self._tell({"status": 200})

    def _answer(self, header: Mapping[str, Any], piece: bytes) -> None:
        """Answer a request."""
        method, target, headers = (header.get(n) for n in ("method", "target", "headers"))
        if not isinstance(method, str) or not isinstance(target, str):
            raise BadRequest("A message is a control or has a method and a target.")
        given = headers if isinstance(headers, dict) else {}
        lower = {str(name).lower(): str(value) for name, value in given.items()}
        begun = time.perf_counter()
        with self._wire.request_body(header, piece) as body:
            request = Request(method, target, lower, self.asked.client, body)
            if not self._is_here(target):
                wrong = BadRequest(
                    f"The transaction is on {self._home!r}; {request.path!r} is elsewhere."
                )
                answer = error_answer(wrong, lower)
            else:
                answer = self._service.handle(request)
            status, size = self._send(answer, lower)
        self._log(method, target, status, begun, size)

    def _is_here(self, target: str) -> bool:
        rest = target.removeprefix(self._home)
        return target.startswith(self._home) and rest[:1] in ("", "/", "@", "?")

    def _send(self, answer: Answer, headers: Mapping[str, str]) -> tuple[int, int]:
        """Send an answer; returns its status and length."""
        pieces = _pieces(answer)
        try:
            piece = next(pieces, b"")
        except CatalogError as error:  # nothing was sent yet, so it can be told
            answer = error_answer(error, headers)
            pieces, piece = _pieces(answer), b""
        except Exception:
            log.exception("a request of a transaction failed")
            answer = failure_answer(500, INTERNAL_ERROR, "", headers)
            pieces, piece = _pieces(answer), b""
        out: dict[str, Any] = {"status": answer.status, "headers": _told_headers(answer)}
        size = len(piece)
        try:
            for following in pieces:
                self._wire.send(pack({**out, "more": True}, piece))
                out, piece = {}, following
                size += len(piece)
        finally:
            if not isinstance(answer.body, bytes):
                close(answer.body)
        self._wire.send(pack(out, piece))
        return answer.status, size

    def _tell(self, header: dict[str, Any]) -> None:
        self._wire.send(pack(header))


class _Broken(Exception):
    """Ends a transaction whose client did what it may not."""

    def __init__(self, error: CatalogError) -> None:
        super().__init__(str(error))
        self.error = error


def _undo(part: AbstractContextManager[Any]) -> None:
    undone = _Undone()
    try:
        part.__exit__(_Undone, undone, None)
    except _Undone:
        return


def _pieces(answer: Answer) -> Iterator[bytes]:
    body = [answer.body] if isinstance(answer.body, bytes) else answer.body
    for piece in body:
        for start in range(0, len(piece), PIECE):
            yield piece[start : start + PIECE]


def _told_headers(answer: Answer) -> dict[str, str]:
    told = {name.lower(): value for name, value in answer.headers.items()}
    if answer.media_type:
        told["content-type"] = answer.media_type
    return told


def _message(answer: Answer) -> bytes:
    assert isinstance(answer.body, bytes)
    return pack({"status": answer.status, "headers": _told_headers(answer)}, answer.body)


async def _refuse(scope: Scope, send: Send, answer: Answer) -> None:
    """Answer an opening handshake with an error."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": _POLICY})
        return
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in _told_headers(answer).items()
    ]
    await send(
        {
            "type": "websocket.http.response.start",
            "status": answer.status,
            "headers": headers,
        }
    )
    await send({"type": "websocket.http.response.body", "body": answer.body})

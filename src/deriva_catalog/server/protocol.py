"""HTTP/1.1 connections: uvicorn's, with limits on what a client may keep us waiting for.

- The request head must be complete within a time and below a size.
- What is sent must be taken within a time; else the connection is broken off, because it holds
  memory and perhaps a transaction.
- The request target is handed on as it was sent (``raw_target`` of the scope), with a ``#`` in it
  if there is one, so that what is not allowed there is refused rather than dropped.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

__all__ = ["HttpProtocol", "http_protocol"]

_MALFORMED = "Request malformed. Detail: This is no HTTP/1.1 request.\n"
_TOO_LARGE = (
    "The request head is too large. Detail: It has more than {limit} bytes. Shorten the URL; a "
    "long list of values can be split into several requests.\n"
)


class HttpProtocol(HttpToolsProtocol):
    """One connection. Use `http_protocol`, which sets the limits."""

    head_seconds = 30.0
    head_bytes = 64 * 1024
    answer_seconds = 60.0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: TimerHandle | None = None
        self._stall_timer: TimerHandle | None = None
        self._in_head = True
        self._head_size = 0

    # --- connections -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new client some time for its first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was waited for."""
        self._head_arrived()
        self.resume_writing()
        super().connection_lost(exc)

    # --- request heads ---------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that does not end is refused."""
        if self._in_head:
            if self._head_timer is None:
                self._await_head()
            self._head_size += len(data)
        super().data_received(data)
        if self._in_head and self._head_size > self.head_bytes and not self.transport.is_closing():
            self._refuse(431, _TOO_LARGE.format(limit=self.head_bytes))

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a head."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand the request on, with its target untouched."""
        self._in_head = False
        self._head_size = 0
        self._head_arrived()
        self.scope["raw_target"] = self.url  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next is a head again."""
        self._in_head = True
        super().on_message_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_missing)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_missing(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Tell that what came is no HTTP, and close."""
        self._refuse(400, _MALFORMED)

    def _refuse(self, status: int, text: str) -> None:
        reason = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}[status]
        body = text.encode()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status, reason, len(body), body)
        )
        self.transport.close()

    # --- answers that are not taken --------------------------------------------------

    def pause_writing(self) -> None:
        """The client takes less than is sent: wait for it, but not for ever."""
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(self.answer_seconds, self._stalled)
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has taken enough to go on."""
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        super().resume_writing()

    def _stalled(self) -> None:
        self._stall_timer = None
        self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nothing was asked on for some time."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()


def http_protocol(
    *, head_seconds: float, head_bytes: int, answer_seconds: float
) -> type[HttpProtocol]:
    """The protocol with these limits."""
    limits = {
        "head_seconds": head_seconds,
        "head_bytes": head_bytes,
        "answer_seconds": answer_seconds,
    }
    return type("LimitedHttpProtocol", (HttpProtocol,), limits)

"""Receiving the body of a request: into memory if it is small, else into a temporary file.

A body that is too large, or comes too slowly, is given up before anything is done with it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import BadRequest, TooLarge, Unavailable
from .settings import Settings

__all__ = ["Disconnected", "receive_body"]

Receive = Callable[[], Awaitable[Any]]


class Disconnected(Exception):
    """The client went away before its request was complete."""


async def receive_body(
    receive: Receive,
    headers: Mapping[str, str],
    settings: Settings,
    pool: Executor,
    directory: Path | None = None,
) -> BinaryIO:
    """The whole body, ready to be read from its beginning.

    Args:
        receive: Brings the next message.
        headers: Of the request.
        settings: Its limits.
        pool: Where files are written.
        directory: Where a large body waits; default: that of the system. Near the objects that it
            may become, it need not be copied.

    Raises:
        TooLarge: it has more than `Settings.body_bytes`.
        BadRequest: it came too slowly.
        Disconnected: it did not come at all.
    """
    declared = headers.get("content-length")
    if declared is None and "transfer-encoding" not in headers:
        return BytesIO()
    if declared is not None and declared.isdecimal() and int(declared) > settings.body_bytes:
        raise _too_large(settings)
    body = _Body(settings, pool, directory)
    try:
        await body.fill(receive)
    except BaseException:
        body.discard()
        raise
    return body.whole()


class _Body:
    """What has come so far: pieces in memory, and what was before them in a file."""

    def __init__(self, settings: Settings, pool: Executor, directory: Path | None) -> None:
        self._settings = settings
        self._directory = str(directory) if directory is not None else tempfile.gettempdir()
        self._pool = pool
        self._pieces: list[bytes] = []
        self._kept = 0
        self._total = 0
        self._spool: BinaryIO | None = None

    async def fill(self, receive: Receive) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._settings.body_seconds) as patience:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    await self._take(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
                    # Who keeps a modest pace may take as long as the body needs.
                    earned = self._total / self._settings.slowest_bytes_per_second
                    patience.reschedule(begun + self._settings.body_seconds + earned)
        except TimeoutError:
            raise BadRequest(
                f"The body came too slowly: {self._total} bytes until now.",
                hint="Send it in smaller parts, or over a faster connection.",
            ) from None

    async def _take(self, piece: bytes) -> None:
        if not piece:
            return
        self._pieces.append(piece)
        self._kept += len(piece)
        self._total += len(piece)
        if self._total > self._settings.body_bytes:
            raise _too_large(self._settings)
        if self._kept > self._settings.memory_bytes:
            pieces, self._pieces, self._kept = self._pieces, [], 0
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._pool, self._write, pieces)

    def _write(self, pieces: list[bytes]) -> None:
        try:
            if self._spool is None:
                self._spool = _unnamed_file(self._directory)
            self._spool.writelines(pieces)
        except OSError as error:
            raise Unavailable(
                f"A large body cannot be kept: {error}.",
                hint="Send it in smaller parts, or have the service given more space.",
            ) from error

    def whole(self) -> BinaryIO:
        if self._spool is None:
            return BytesIO(b"".join(self._pieces))
        self._write(self._pieces)
        self._spool.seek(0)
        return self._spool

    def discard(self) -> None:
        if self._spool is not None:
            self._spool.close()


def _unnamed_file(directory: str) -> BinaryIO:
    """A file that is gone when it is closed; unlike those of `tempfile`, it can get a name."""
    kind = getattr(os, "O_TMPFILE", None)
    if kind is not None:
        try:
            return os.fdopen(os.open(directory, os.O_RDWR | kind, 0o600), "w+b")
        except OSError:
            pass  # a file system without such files, or no space: the next line will say
    return tempfile.TemporaryFile(dir=directory)


def _too_large(settings: Settings) -> TooLarge:
    return TooLarge(
        f"The body has more than {settings.body_bytes} bytes.", hint="Send it in several requests."
    )

"""Bytes that a server has in a bucket and sends its clients to, by a URL that is good for a while.

Source: Hatrac, "Redirects".
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from ...errors import Unavailable
from .host import HostAddress, is_loopback

__all__ = ["LIMITS", "StoreClients", "Timeouts", "elsewhere"]

LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=4.0)
"""Idle connections are given up before a server closes them, usually after five seconds."""
_PASSED_ON = ("range", "accept", "accept-encoding")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds: for a connection, and for the next bytes of an answer."""

    connect_s: float = 10.0
    read_s: float = 120.0


class StoreClients:
    """The connections of this process to where a server sends us. Threads may share them.

    They do not survive a fork. On this machine no proxy is in between.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._lock = threading.Lock()
        self._kept: dict[bool, httpx.Client] = {}
        self._pid = os.getpid()

    def to(self, name: str) -> httpx.Client:
        """A client for the host of a name."""
        proxied = not is_loopback(name)
        with self._lock:
            if self._pid != os.getpid():
                self._kept, self._pid = {}, os.getpid()
            if proxied not in self._kept:
                wait = httpx.Timeout(self._timeouts.read_s, connect=self._timeouts.connect_s)
                client = httpx.Client(timeout=wait, limits=LIMITS, trust_env=proxied)
                weakref.finalize(self, client.close)
                self._kept[proxied] = client
            return self._kept[proxied]

    def close(self) -> None:
        """Close the connections; new ones are made when they are needed."""
        with self._lock:
            kept, self._kept = self._kept, {}
            mine = self._pid == os.getpid()
        for client in kept.values() if mine else ():
            client.close()


@contextmanager
def elsewhere(
    url: str, headers: Mapping[str, str], host: HostAddress, clients: StoreClients
) -> Iterator[httpx.Response]:
    """What is at a URL that a server sent us to; its body is not read yet.

    Only what says which bytes are wanted goes there: no credentials. Bytes under such a URL never
    change, so a part of them needs no condition.

    Args:
        url: Where the server says that the bytes are.
        headers: Of the request that the server got.
        host: The server.
        clients: The connections to such places.

    Raises:
        Unavailable: It is no such URL, or would let others on the way read along; nobody answers
            there, or not with the bytes.
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"  # what follows opens the bytes
    name = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not name:
        raise Unavailable(
            f"The server {host.origin} sends for bytes to {shown!r}, which is no address.",
            hint="Tell who runs it.",
        )
    if host.scheme == "https" and parts.scheme == "http" and not is_loopback(name):
        raise Unavailable(
            f"The server {host.origin} sends for bytes to {shown!r}, where others can read along.",
            hint="Its store needs an endpoint with TLS. Tell who runs it.",
        )
    passed = {name: value for name, value in headers.items() if name.lower() in _PASSED_ON}
    try:
        with clients.to(name).stream("GET", url, headers=passed) as response:
            if response.status_code not in (200, 206):
                raise Unavailable(
                    f"The bytes that {host.origin} has at {shown!r} were refused there: "
                    f"{response.status_code}.",
                    hint="Try again. If that persists, the clock of the server may be wrong.",
                )
            yield response
    except httpx.TransportError as error:
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            raise Unavailable(
                f"The store {parts.netloc!r} of {host.origin} cannot be reached: {error}.",
                hint="The network may let you reach the server only; tell who runs it.",
            ) from error
        raise

"""One server as a process uses it: a pool of connections, credentials, time-outs and repetition.

A request is repeated only when that cannot do anything twice: always when no connection could be
made; after a lost answer or a status of 502, 503 or 504 only if it is `Repeat.SAFE`.
"""

from __future__ import annotations

import json
import logging
import os
import random
import ssl
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from ...errors import CatalogError, Unavailable
from ..credentials import authentication_headers, credential_for
from ..registry import default_home
from .elsewhere import LIMITS, StoreClients, Timeouts, elsewhere
from .failures import error_of
from .host import HostAddress, is_loopback

__all__ = [
    "Connection",
    "Content",
    "Received",
    "Repeat",
    "Sender",
    "Timeouts",
    "back_off_s",
    "context_header",
]

log = logging.getLogger("deriva_catalog.remote")

Content = bytes | Iterable[bytes]
_ATTEMPTS = 5
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 8.0
_TRY_AGAIN = frozenset((502, 503, 504))
_SEE_OTHER = 303
OWN_CERTIFICATE = Path("tls", "localhost.pem")
"""Where ``deriva-catalog serve --tls`` keeps its certificate, below the home."""
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Repeat(Enum):
    """Whether a request may be sent again when it is not known what became of it."""

    SAFE = "safe"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Received:
    """An answer that came whole; names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The document in the body.

        Raises:
            Unavailable: it is none: something else than a catalog answered.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Unavailable(
                f"The server answered with no JSON: {self.body[:80]!r}.",
                hint="Check that the address is that of a catalog server.",
            ) from error


class Sender(Protocol):
    """What carries requests: the pool of connections, or an open transaction."""

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: Content = b"",
        repeat: Repeat = Repeat.NEVER,
    ) -> Received:
        """Send a request and take its answer."""
        ...

    def stream(
        self, method: str, target: str, *, headers: Mapping[str, str], content: Content = b""
    ) -> Iterator[bytes]:
        """Send a request that changes nothing; the answer comes in pieces."""
        ...


@dataclass(slots=True)
class _Pool:
    """The connections of one process: they do not survive a fork."""

    client: httpx.Client
    pid: int = field(default_factory=os.getpid)


class Connection:
    """A server. Threads may share it."""

    def __init__(
        self,
        host: HostAddress,
        *,
        credential: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.host = host
        self.timeouts = timeouts or Timeouts()
        self._credential = credential
        self._lock = threading.Lock()
        self._pool: _Pool | None = None
        self._stores = StoreClients(self.timeouts)

    def __repr__(self) -> str:
        return f"<connection to {self.host.origin}>"

    def waiting(self, timeouts: Timeouts) -> Connection:
        """Another connection to the same server, for the same client, with other time-outs."""
        return Connection(self.host, credential=self._credential, timeouts=timeouts)

    # --- what every request carries --------------------------------------------------

    def authentication(self) -> dict[str, str]:
        """The headers that say who asks: the credential that was given, or the user's file's."""
        known = self._credential
        if known is None:
            known = credential_for(self.host.netloc)
        return authentication_headers(known)

    def tls(self) -> ssl.SSLContext | None:
        """What certificates are accepted; None for plain HTTP.

        Here that of this machine's own service is.
        """
        if self.host.scheme != "https":
            return None
        context = tls_context()
        own = default_home() / OWN_CERTIFICATE
        if self.is_loopback and own.is_file():
            context.load_verify_locations(own)
        return context

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, where no proxy is in between."""
        return is_loopback(self.host.name)

    # --- requests --------------------------------------------------------------------

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: Content = b"",
        repeat: Repeat = Repeat.NEVER,
    ) -> Received:
        """Send a request and take its answer; statuses of 400 and more are raised.

        Args:
            method: The HTTP method.
            target: Path and query, encoded as they shall be sent.
            headers: What to add to the usual ones.
            content: The body; pieces are sent as they come. An iterator's cannot be repeated.
            repeat: Whether it may be sent again when its answer was lost.

        Raises:
            CatalogError: as the server says.
            Unavailable: no answer came.
        """
        with self._answered(method, target, headers or {}, content, repeat) as response:
            body = self._read(response, target)
            return Received(response.status_code, response.headers, body)

    def stream(
        self, method: str, target: str, *, headers: Mapping[str, str], content: Content = b""
    ) -> Iterator[bytes]:
        """Send a request that changes nothing and yield its answer as it comes.

        Raises:
            CatalogError: as the server says, when the first piece is asked for.
            Unavailable: the answer broke off.
        """
        with self._answered(method, target, headers, content, Repeat.SAFE) as response:
            try:
                yield from response.iter_bytes()
            except httpx.HTTPError as error:
                raise self._broken_off(target, error) from error

    def answered(
        self, method: str, target: str, *, headers: Mapping[str, str], content: bytes = b""
    ) -> AbstractContextManager[httpx.Response]:
        """Send a request that changes nothing; its body is not read yet.

        Where the server says that the bytes are elsewhere, they are taken from there, without
        the credentials that are meant for the server. An ETag is always the server's own.

        Raises:
            CatalogError: as the server says.
            Unavailable: no answer came.
        """
        return self._answered_anywhere(method, target, headers, content)

    @contextmanager
    def _answered_anywhere(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> Iterator[httpx.Response]:
        with self._answered(method, target, headers, content, Repeat.SAFE) as response:
            if response.status_code != _SEE_OTHER:
                yield response
                return
            url = response.headers.get("location", "")
            etag = response.headers.get("etag")
        with elsewhere(url, headers, self.host, self._stores) as response:
            # What the bucket calls the bytes is nothing that the server would know again.
            response.headers.pop("etag", None)
            if etag is not None:
                response.headers["etag"] = etag
            yield response

    @contextmanager
    def _answered(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: Content,
        repeat: Repeat,
    ) -> Iterator[httpx.Response]:
        """An answer with a good status, whose body is not read yet."""
        response = self._respond(method, target, headers, content, repeat)
        try:
            if response.status_code >= 400:
                body = self._read(response, target)
                raise error_of(
                    response.status_code,
                    response.headers,
                    body,
                    asked=f"{method} {_shown(self.host.origin + target)}",
                    host=self.host.netloc,
                )
            yield response
        finally:
            response.close()

    def _respond(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: Content,
        repeat: Repeat,
    ) -> httpx.Response:
        client = self._client()
        request = client.build_request(
            method,
            self.host.origin,
            content=content or None,
            headers={**self.authentication(), **headers},
            extensions={"target": target.encode("ascii")},
        )
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS or isinstance(content, Iterator)
            pause: float | None = None
            try:
                response = client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                failure = self._unreachable(error)
                if last or _tls_failure(error) is not None:
                    raise failure from error
            except httpx.HTTPError as error:
                failure = self._lost(method, target, error, repeat)
                if last or repeat is Repeat.NEVER:
                    raise failure from error
            else:
                if response.status_code not in _TRY_AGAIN or last or repeat is Repeat.NEVER:
                    return response
                failure = Unavailable(f"{self.host.origin} answered {response.status_code}.")
                pause = _wanted_pause(response)
                response.close()
            log.info("%s %s is repeated: %s", method, _shown(target), failure)
            time.sleep(back_off_s(attempt) if pause is None else pause)
        raise AssertionError("the last attempt returns or raises")

    def _read(self, response: httpx.Response, target: str) -> bytes:
        try:
            return response.read()
        except httpx.HTTPError as error:
            raise self._broken_off(target, error) from error

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._pool is None or self._pool.pid != os.getpid():
                client = self._new_client()
                self._pool = _Pool(client)
                weakref.finalize(self, client.close)
            return self._pool.client

    def _new_client(self) -> httpx.Client:
        wait = self.timeouts
        return httpx.Client(
            verify=self.tls() or False,
            trust_env=not self.is_loopback,
            limits=LIMITS,
            timeout=httpx.Timeout(wait.read_s, connect=wait.connect_s),
            headers={"User-Agent": "derivaml", "Accept-Encoding": "gzip, deflate"},
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections; new ones are made when they are needed."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and pool.pid == os.getpid():
            pool.client.close()
        self._stores.close()

    # --- failures --------------------------------------------------------------------

    def _unreachable(self, error: httpx.HTTPError) -> CatalogError:
        origin = self.host.origin
        failed = _tls_failure(error)
        if failed is not None and not isinstance(failed, ssl.SSLCertVerificationError):
            return Unavailable(
                f"{origin} does not speak TLS as it should: {error}.",
                hint=f"A server without TLS is http://{self.host.netloc}.",
                hostname=self.host.netloc,
            )
        if failed is not None:
            return Unavailable(
                f"{origin} shows a certificate that is not trusted: {error}.",
                hint=f"Check the name of the host. For a certificate of your own, let "
                f"{_CA_VARIABLES[0]} name its file.",
                hostname=self.host.netloc,
            )
        hint = "Check the name, the port and the network, and that the server runs."
        if self.host.scheme == "https" and self.is_loopback:
            hint += f" A server without TLS is http://{self.host.netloc}."
        return Unavailable(
            f"The server {origin} cannot be reached: {error or type(error).__name__}.",
            hint=hint,
            hostname=self.host.netloc,
        )

    def _lost(
        self, method: str, target: str, error: httpx.HTTPError, repeat: Repeat
    ) -> CatalogError:
        why = str(error) or type(error).__name__
        shown = _shown(self.host.origin + target)
        if repeat is Repeat.SAFE:
            hint = "Try again; nothing is done twice."
        else:
            hint = "It may have been done or not: look before you repeat it."
        return Unavailable(f"{method} {shown} got no answer: {why}.", hint=hint)

    def _broken_off(self, target: str, error: httpx.HTTPError) -> CatalogError:
        return Unavailable(
            f"The answer to {_shown(self.host.origin + target)} broke off: {error}.",
            hint="Ask again.",
        )


def tls_context() -> ssl.SSLContext:
    """The certificates of the system, and of the file that the environment names, if it does."""
    given = next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), None)
    try:
        return ssl.create_default_context(cafile=given) if given else _usual_context()
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"The certificates in {given!r} cannot be read: {error}.") from error


def _usual_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:  # a system that has none
        context = httpx.create_ssl_context()
    return context


def context_header(action: str, **more: object) -> dict[str, str]:
    """The header by which a server's log tells what a request was for."""
    document = {"cid": "derivaml", "action": action, **more}
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True)
    return {"deriva-client-context": quote(text, safe="")}


def _tls_failure(error: BaseException) -> ssl.SSLError | None:
    """What TLS had to say, if that is why."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLError):
        seen = seen.__cause__ or seen.__context__
    return seen


def back_off_s(attempt: int) -> float:
    """How many seconds to wait before the next try: longer each time, and never the same."""
    longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1))
    return random.uniform(longest / 2, longest)


def _wanted_pause(response: httpx.Response) -> float | None:
    """What the server asks for, within reason."""
    given = response.headers.get("retry-after", "")
    return min(float(given), 60.0) if given.isdecimal() else None


def _shown(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."

"""A real catalog service on a loopback port, and a client that sends targets as they are given.

``serving(home)`` starts one in a thread of this process; `Served.client` makes clients of any
roles. Nothing is decoded, normalised or followed on the way, because that is what is tested.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from deriva_catalog.catalog.registry import Registry
from deriva_catalog.server.accesslog import AccessLog
from deriva_catalog.server.routing import ROUTES
from deriva_catalog.server.running import Running
from deriva_catalog.server.service import Handler, Service
from deriva_catalog.server.settings import Settings
from deriva_catalog.server.tokenfile import TokenFile


@dataclass(frozen=True)
class Reply:
    """What came back. `headers` are by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HttpClient:
    """One client over one connection. Not for several threads at once."""

    def __init__(self, port: int, token: str | None = None, client_id: str | None = None) -> None:
        self.port = port
        self.token = token
        self.id = client_id
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request; a body that is neither bytes nor text goes as JSON."""
        sent = dict(headers or {})
        lower = {name.lower() for name in sent}
        if self.token is not None and not lower & {"authorization", "cookie"}:
            sent["Authorization"] = f"Bearer {self.token}"
        if isinstance(body, str):
            body = body.encode()
        elif body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            if "content-type" not in lower:
                sent["Content-Type"] = "application/json"
        try:
            self._connection.request(method, target, body, sent)
            reply = self._connection.getresponse()
            return Reply(reply.status, {n.lower(): v for n, v in reply.getheaders()}, reply.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def get(self, target: str, **headers: str) -> Reply:
        return self.request("GET", target, headers=_named(headers))

    def head(self, target: str, **headers: str) -> Reply:
        return self.request("HEAD", target, headers=_named(headers))

    def post(self, target: str, body: Any = None, **headers: str) -> Reply:
        return self.request("POST", target, body, _named(headers))

    def put(self, target: str, body: Any = None, **headers: str) -> Reply:
        return self.request("PUT", target, body, _named(headers))

    def delete(self, target: str, **headers: str) -> Reply:
        return self.request("DELETE", target, headers=_named(headers))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Tokens:
    """A file of tokens that clients are added to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[dict[str, Any]] = []
        self._write()

    def add(self, client_id: str, groups: Sequence[str] = ()) -> str:
        """Give a client a token."""
        token = f"t{secrets.token_urlsafe()}"  # never a dash first: tools take that for an option
        self._entries.append(
            {
                "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
                "client": {"id": client_id, "display_name": client_id},
                "attributes": [
                    {"id": client_id, "display_name": client_id, "identities": [client_id]},
                    *({"id": group, "display_name": group} for group in groups),
                ],
            }
        )
        self._write()
        return token

    def _write(self) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self._entries))
        fresh.replace(self.path)


@dataclass
class Served:
    """A running service and its clients."""

    service: Service
    port: int
    tokens: Tokens
    _clients: list[HttpClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def client(self, client_id: str | None = None, groups: Sequence[str] = ()) -> HttpClient:
        """A client of this id and these groups; anonymous without an id."""
        token = None if client_id is None else self.tokens.add(client_id, groups)
        made = HttpClient(self.port, token, client_id)
        self._clients.append(made)
        return made

    def close_clients(self) -> None:
        for client in self._clients:
            client.close()


@contextmanager
def serving(
    home: Path,
    *,
    registry: Registry | None = None,
    settings: Settings | None = None,
    routes: Mapping[str, Handler] = ROUTES,
    access_log: TextIO | None = None,
) -> Iterator[Served]:
    """A service of the catalogs of a registry; by default, of a home directory."""
    home.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(home / f"tokens-{secrets.token_hex(4)}.json")
    service = Service(
        registry if registry is not None else Registry(home),
        TokenFile(tokens.path),
        routes,
        settings,
    )
    log = None if access_log is None else AccessLog(access_log)
    with Running(service, access_log=log) as running:
        served = Served(service, running.port, tokens)
        try:
            yield served
        finally:
            served.close_clients()

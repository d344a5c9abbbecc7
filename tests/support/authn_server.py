"""A catalog service with logins on a loopback port, whose clock the tests set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from catalog_server import HttpClient, Reply
from deriva_catalog.catalog.registry import Registry
from deriva_catalog.server.accesslog import AccessLog
from deriva_catalog.server.authn.accounts import add_account
from deriva_catalog.server.authn.sessions import Sessions
from deriva_catalog.server.authn.settings import AuthnSettings
from deriva_catalog.server.routing import ROUTES
from deriva_catalog.server.running import Running
from deriva_catalog.server.service import Service

PASSWORD = "correct horse battery"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Clock:
    """Seconds since 1970, as the tests say."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class LoginServer:
    """A running service and its logins."""

    service: Service
    sessions: Sessions
    clock: Clock
    port: int
    _clients: list[HttpClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def client(self, token: str | None = None) -> HttpClient:
        """A client that sends a bearer token, or nothing."""
        made = HttpClient(self.port, token)
        self._clients.append(made)
        return made

    def account(self, name: str) -> None:
        add_account(self.sessions.store, name, PASSWORD, now=self.clock())

    def log_in(self, name: str, password: str = PASSWORD, **headers: str) -> Reply:
        """Send the form of the login page."""
        body = urlencode({"username": name, "password": password})
        return self.client().post("/authn/session", body, Content_Type=FORM, **headers)

    def cookie(self, name: str) -> str:
        """The ``Cookie`` header of somebody who logged in just now."""
        return cookie_of(self.log_in(name))

    def close_clients(self) -> None:
        for client in self._clients:
            client.close()


def cookie_of(reply: Reply) -> str:
    """What a browser sends back of the cookie that it was given."""
    return reply.headers["set-cookie"].partition(";")[0]


@contextmanager
def login_server(
    home: Path,
    settings: AuthnSettings | None = None,
    *,
    url: str | None = None,
    access_log: AccessLog | None = None,
) -> Iterator[LoginServer]:
    """A service of the catalogs of a home, with its logins there or in a database."""
    clock = Clock()
    settings = settings or AuthnSettings(memory_seconds=0.001)
    made = Sessions.of_home(home, settings) if url is None else Sessions.of_database(url, settings)
    made.clock = clock
    service = Service(Registry(home), made, ROUTES)
    try:
        with Running(service, access_log=access_log) as running:
            server = LoginServer(service, made, clock, running.port)
            try:
                yield server
            finally:
                server.close_clients()
    finally:
        made.close()

"""Whatever is logged in a whole life of logins, no secret is in it."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus, urlencode, urlsplit

import pytest

from authn_server import FORM, PASSWORD, LoginServer, cookie_of, login_server
from catalog_server import Reply
from deriva_catalog.catalog.signin.native import Native, in_browser
from deriva_catalog.server.accesslog import AccessLog
from deriva_catalog.server.authn.settings import AuthnSettings, ProviderSettings
from oidc_provider import SECRET, Browser, needs_node, oidc_provider, path_of

TYPED_AS_NAME = "my-password-typed-as-a-name"


class Logs(logging.Handler):
    """All that is logged by other threads than that of the test, which plays the clients."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.threadName != "MainThread" and not record.name.startswith("websockets"):
            self.lines.append(self.format(record))


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Everything is logged, whatever levels and handlers were set in this process before."""
    handler, root = Logs(), logging.getLogger()
    loud = ("deriva_catalog", "sqlalchemy.engine", "sqlalchemy.pool", "httpx", "httpcore")
    known = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    before = {each: (each.level, each.propagate, each.disabled) for each in (root, *known)}
    for each in known:
        each.propagate, each.disabled = True, False
        each.setLevel(logging.NOTSET)
    for each in (root, *map(logging.getLogger, loud)):
        each.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for each, (level, propagate, disabled) in before.items():
        each.setLevel(level)
        each.propagate, each.disabled = propagate, disabled
    for each in map(logging.getLogger, loud):
        if each not in before:
            each.setLevel(logging.NOTSET)


def test_a_whole_life_of_logins(tmp_path: Path, logs: Logs) -> None:
    needs_node()
    access = io.StringIO()
    secrets = [PASSWORD, TYPED_AS_NAME, SECRET]
    with oidc_provider(["http://catalog.test/authn/callback"]) as issuer:
        provider = ProviderSettings(issuer, "catalog", SECRET, native_client_id="command-line")
        settings = AuthnSettings(
            memory_seconds=0.001, public_url="http://catalog.test", provider=provider
        )
        with login_server(tmp_path, settings, access_log=AccessLog(access)) as server:
            server.clock.now = time.time()
            secrets += by_password_and_token(server)
            secrets += by_link(server)
            secrets += by_provider(server, issuer)
            server.sessions.store.close()
            (tmp_path / "service.db").rename(tmp_path / "gone.db")
            (tmp_path / "service.db").write_text("no database at all, whatever is asked of it")
            assert server.log_in("kim").status == 503
            assert (
                server.client().get("/authn/session", Cookie=f"webauthn={secrets[3]}").status == 503
            )
    assert len(secrets) == 15
    written = "\n".join(logs.lines) + access.getvalue()
    for name in ("deriva_catalog.authn kim logged in", "sqlalchemy.engine", "httpcore", "/authn/"):
        assert name in written
    for secret in secrets:
        for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
            assert form not in written


def by_password_and_token(server: LoginServer) -> list[str]:
    server.account("kim")
    assert server.log_in(TYPED_AS_NAME).status == 401
    assert server.log_in("kim", TYPED_AS_NAME).status == 401
    broken = server.client().post("/authn/session", "{" + PASSWORD, Content_Type="application/json")
    assert broken.status == 400
    cookie = server.cookie("kim")
    client = server.client()
    made = client.post("/authn/token", {"name": "ci"}, Cookie=cookie).json
    assert server.client(made["token"]).get("/authn/session").status == 200
    assert server.client(made["token"]).post("/ermrest/catalog/9/schema/x").status == 404
    assert client.put("/authn/session", Cookie=cookie).status == 200
    assert client.delete("/authn/session", Cookie=cookie).status == 200
    return [cookie.partition("=")[2], made["token"]]


def by_link(server: LoginServer) -> list[str]:
    secret = server.sessions.link_for("operator")
    client = server.client()
    assert client.get(f"/authn/link?token={secret}").status == 200
    body = urlencode({"link": secret})
    reply = client.post("/authn/session", body, Content_Type=FORM)
    return [secret, cookie_of(reply).partition("=")[2]]


def by_provider(server: LoginServer, issuer: str) -> list[str]:
    browser = Browser()
    away = browser.go(f"http://{server.host}/authn/provider?referrer=/", stop="http://catalog.test")
    url = str(away.headers["location"])
    sent = parse_qs(urlsplit(browser.seen[0]).query)
    query = parse_qs(urlsplit(url).query)
    known = browser.cookies_for(f"http://{server.host}/authn/callback")

    def come_back(target: str) -> Reply:
        return server.client().get(target, Cookie=known)

    reply = come_back(path_of(url))
    assert reply.status == 303
    assert come_back(path_of(url)).status == 401
    native = Native(issuer, "command-line", ("openid", "profile", "offline_access"), "The Lab")
    granted = in_browser(native, lambda page: browser.go(page))
    assert server.client(granted.access_token).get("/authn/session").status == 200
    assert server.client(granted.access_token + "x").get("/authn/session").status == 404
    assert granted.refresh_token is not None
    found = [query["code"][0], query["state"][0], cookie_of(reply).partition("=")[2]]
    found += [part.partition("=")[2] for part in known.split("; ") if "authn_login" in part]
    browser.close()
    found += [*sent["nonce"], *sent["state"]]
    return [*found, granted.access_token, granted.refresh_token]

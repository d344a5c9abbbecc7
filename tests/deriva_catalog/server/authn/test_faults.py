"""A service that is killed, pages of other sites, and accounts that are guessed."""

from __future__ import annotations

import http.client
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import argon2
import pytest

from authn_server import FORM, LoginServer, cookie_of, login_server
from catalog_server import HttpClient
from deriva_catalog.access import ANONYMOUS
from deriva_catalog.server.authn.limits import Limit, Limits
from deriva_catalog.server.authn.settings import AuthnSettings
from deriva_catalog.server.messages import Request
from serve_command import serve_process

HTML = "text/html"


@pytest.mark.slow
def test_a_service_that_is_killed_keeps_its_sessions(tmp_path: Path) -> None:
    with serve_process(tmp_path) as served:
        _, _, secret = str(served.told["login_url"]).partition("token=")
        with HttpClient(served.port) as client:
            form = urlencode({"link": secret})
            cookie = cookie_of(client.post("/authn/session", form, Content_Type=FORM))
            token = client.post("/authn/token", {"name": "ci"}, Cookie=cookie).json["token"]
        served.kill()
    with serve_process(tmp_path) as served:
        with HttpClient(served.port) as client:
            found = client.get("/authn/session", Cookie=cookie).json
            assert found["client"]["id"] == served.told["user"]
            assert client.post("/authn/session", form, Content_Type=FORM).status == 401
        with HttpClient(served.port, token) as client:
            assert client.post("/ermrest/catalog").status == 201
            assert client.get("/authn/session").json["client"]["id"] == served.told["user"]
        assert served.stop() == 0
    written = (tmp_path / "stderr.txt").read_text()
    assert "logged in by a login link" in written
    for known in (secret, token, cookie.partition("=")[2]):
        assert known not in written


def test_a_page_of_another_site_does_nothing(server: LoginServer) -> None:
    cookie = server.cookie("kim")
    client = server.client()
    made = client.post("/ermrest/catalog", Cookie=cookie, Origin=f"http://{server.host}")
    assert made.status == 201
    schema = f"{made.headers['location']}/schema/x"
    for foreign in (
        {"Origin": "https://evil.example"},
        {"Origin": f"http://127.0.0.1:{server.port + 1}"},  # another service of this machine
        {"Origin": "null"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        for method, target in (
            ("POST", schema),
            ("DELETE", made.headers["location"]),
            ("DELETE", "/authn/session"),
            ("PUT", "/authn/session"),
            ("POST", "/authn/token"),
        ):
            named = {name.replace("_", "-"): value for name, value in foreign.items()}
            reply = client.request(method, target, headers={"Cookie": cookie, **named})
            assert (reply.status, "another site" in reply.text) == (403, True)
        assert server.log_in("ada", **foreign).status == 403
    assert client.get(schema, Cookie=cookie).status == 404
    assert client.get("/authn/session", Cookie=cookie).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "https://evil.example"}, 403), ({"Origin": "http://127.0.0.1:{port}"}, 101)],
)
def test_a_page_of_another_site_opens_no_websocket(
    server: LoginServer, headers: dict[str, str], status: int
) -> None:
    cookie = server.cookie("kim")
    made = server.client().post("/ermrest/catalog", Cookie=cookie)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        sent = {name: value.format(port=server.port) for name, value in headers.items()}
        sent |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Cookie": cookie,
        }
        connection.request("GET", f"{made.headers['location']}/transaction", headers=sent)
        assert connection.getresponse().status == status
    finally:
        connection.close()


def test_too_many_failures_are_429_with_the_time_to_wait(tmp_path: Path) -> None:
    limits = Limits(pair=Limit(2, 60.0))
    with login_server(tmp_path, AuthnSettings(limits=limits)) as server:
        server.account("kim")
        assert [server.log_in("kim", "mistaken").status for _ in range(2)] == [401, 401]
        refused = server.log_in("kim")
        assert (refused.status, refused.headers["retry-after"]) == (429, "60")
        assert "set-cookie" not in refused.headers
        page = server.log_in("kim", Accept=HTML)
        assert (page.status, page.headers["retry-after"]) == (429, "60")
        assert "Too many" in page.text
        server.clock.now += 60
        assert server.log_in("kim").status == 200


def test_an_account_that_is_not_there_costs_the_same_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verify = argon2.PasswordHasher.verify

    def noted(hasher: argon2.PasswordHasher, kept: str, password: str) -> bool:
        checked.append(kept.rsplit("$", 2)[0])  # the kind and its costs, without salt and hash
        return verify(hasher, kept, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", noted)
    with login_server(tmp_path) as server:
        server.account("kim")
        for name in ("kim", "nobody", "no name at all"):
            checked.clear()
            assert server.sessions.log_in(name, "mistaken", None) is None
            assert checked == ["$argon2id$v=19$m=47104,t=1,p=1"], name


@pytest.mark.parametrize(
    ("is_secure", "public_url"), [(True, None), (False, "https://lab.example")]
)
def test_over_tls_the_cookie_is_for_tls_only(
    server: LoginServer, is_secure: bool, public_url: str | None
) -> None:
    body = BytesIO(urlencode({"link": server.sessions.link_for("operator")}).encode())
    headers = {"host": "lab.example", "content-type": FORM}
    asked = Request("POST", "/authn/session", headers, ANONYMOUS, body, is_secure=is_secure)
    before = server.sessions.settings
    server.sessions.settings = replace(before, public_url=public_url)
    try:
        answer = server.service.handle(asked)
    finally:
        server.sessions.settings = before
    assert answer.status == 200
    assert "; Secure" in answer.headers["Set-Cookie"]

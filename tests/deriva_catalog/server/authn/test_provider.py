"""Logging in with an OpenID Connect provider, in a browser and with bearer tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from authn_server import LoginServer, cookie_of, login_server
from catalog_server import Reply
from deriva_catalog.catalog.signin.native import Granted, Native, Prompt, by_device, in_browser
from deriva_catalog.errors import NotAuthenticated, Unavailable
from deriva_catalog.server.authn.accounts import add_to_group, lock_client, remove_group
from deriva_catalog.server.authn.provider import Provider
from deriva_catalog.server.authn.settings import AuthnSettings, ProviderSettings
from oidc_provider import SECRET, Browser, needs_node, oidc_provider, path_of

PUBLIC = "http://catalog.test"
HTML = "text/html"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    needs_node()
    with oidc_provider([f"{PUBLIC}/authn/callback"]) as found:
        yield found


@pytest.fixture(scope="module")
def provider(issuer: str) -> ProviderSettings:
    return ProviderSettings(
        issuer, "catalog", SECRET, name="The Lab", native_client_id="command-line"
    )


@pytest.fixture(scope="module")
def settings(provider: ProviderSettings) -> AuthnSettings:
    return AuthnSettings(
        memory_seconds=0.001, bearer_seconds=0.001, public_url=PUBLIC, provider=provider
    )


@pytest.fixture(scope="module")
def server(
    settings: AuthnSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoginServer]:
    with login_server(tmp_path_factory.mktemp("home"), settings) as running:
        yield running


@pytest.fixture(autouse=True)
def on_time(server: LoginServer) -> None:
    server.clock.now = time.time()  # that of the provider


@pytest.fixture
def browsers() -> Iterator[Callable[..., Browser]]:
    made: list[Browser] = []

    def make(person: str | None = "kim") -> Browser:
        made.append(Browser(person))
        return made[-1]

    yield make
    for browser in made:
        browser.close()


def sent_away(server: LoginServer, browser: Browser, referrer: str = "/chaise/") -> str:
    """Log in at the provider; gives the address that it sends the browser back to."""
    place = f"http://{server.host}/authn/provider?referrer={referrer}"
    reply = browser.go(place, stop=PUBLIC)
    return str(reply.headers["location"])


def come_back(server: LoginServer, browser: Browser, url: str, **headers: str) -> Reply:
    cookies = browser.cookies_for(f"http://{server.host}/authn/callback")
    return server.client().get(path_of(url), Cookie=cookies, **headers)


# --- in a browser ------------------------------------------------------------------------


def test_a_whole_login(server: LoginServer, issuer: str, browsers: Callable[..., Browser]) -> None:
    preauth = server.client().get("/authn/preauth?referrer=/chaise/").json
    assert preauth == {
        "authentication_type": "oidc",
        "redirect_url": f"{PUBLIC}/authn/login?referrer=%2Fchaise%2F",
    }
    page = server.client().get(path_of(preauth["redirect_url"]), Accept=HTML)
    assert 'href="/authn/provider?referrer=%2Fchaise%2F">Log in with The Lab' in page.text
    browser = browsers()
    reply = come_back(server, browser, sent_away(server, browser))
    assert (reply.status, reply.headers["location"]) == (303, "/chaise/")
    found = server.client().get("/authn/session", Cookie=cookie_of(reply)).json
    identities = [f"{issuer}/kim", f"{issuer}/kim.home"]
    assert found["client"] == {
        "id": f"{issuer}/kim",
        "display_name": "kim@lab.example",
        "full_name": "Kim Doe",
        "email": "kim@lab.example",
        "identities": identities,
    }
    assert found["attributes"] == [
        {"id": identities[0], "display_name": "kim@lab.example", "identities": identities},
        {"id": identities[1], "identities": [identities[1]]},
        {"id": f"{issuer}/group/staff", "display_name": "staff"},
        {"id": f"{issuer}/group/a%2Fb", "display_name": "a/b"},
    ]
    assert found["seconds_remaining"] == 86400


def test_groups_of_this_service_hold_identities_of_the_provider(
    server: LoginServer, issuer: str, browsers: Callable[..., Browser]
) -> None:
    add_to_group(server.sessions.store, "linked", (f"{issuer}/kim.home",), now=0.0)
    browser = browsers()
    reply = come_back(server, browser, sent_away(server, browser))
    found = server.client().get("/authn/session", Cookie=cookie_of(reply)).json
    remove_group(server.sessions.store, "linked")
    assert {"id": "group:linked", "display_name": "linked"} in found["attributes"]


def test_what_comes_back_a_second_time_is_refused(
    server: LoginServer, browsers: Callable[..., Browser]
) -> None:
    browser = browsers()
    url = sent_away(server, browser)
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: come_back(server, browser, url), range(4)))
    assert sorted(reply.status for reply in replies) == [303, 401, 401, 401]
    assert sum("set-cookie" in reply.headers for reply in replies) == 1


def test_a_code_of_another_login_is_refused(
    server: LoginServer, browsers: Callable[..., Browser]
) -> None:
    browser = browsers()
    first, second = sent_away(server, browser), sent_away(server, browser)
    stolen = parse_qs(urlsplit(first).query)["code"][0]
    own = parse_qs(urlsplit(second).query)["code"][0]
    reply = come_back(server, browser, second.replace(own, stolen))
    assert reply.status == 401
    assert "set-cookie" not in reply.headers


def test_a_login_is_finished_only_in_the_browser_that_began_it(
    server: LoginServer, browsers: Callable[..., Browser]
) -> None:
    mallory, victim = browsers("ada"), browsers()
    url = sent_away(server, mallory)
    sent_away(server, victim)
    assert come_back(server, victim, url).status == 401
    assert server.client().get(path_of(url)).status == 401
    assert come_back(server, mallory, url).status == 303  # it was not used up by that


@pytest.mark.parametrize("query", ["", "state=x&code=y", "code=y", "state=%00"])
def test_what_was_never_begun_is_refused(server: LoginServer, query: str) -> None:
    reply = server.client().get(f"/authn/callback?{query}", Accept=HTML)
    assert reply.status == 401
    assert "Log in with The Lab" in reply.text


def test_somebody_who_says_no_is_not_logged_in(
    server: LoginServer, browsers: Callable[..., Browser]
) -> None:
    browser = browsers(None)
    url = sent_away(server, browser)
    assert "error=access_denied" in url
    reply = come_back(server, browser, url)
    assert reply.status == 401
    assert "did not log you in" in reply.text


def test_a_login_that_takes_too_long_is_over(
    server: LoginServer, browsers: Callable[..., Browser]
) -> None:
    browser = browsers()
    url = sent_away(server, browser)
    server.clock.now += 601
    try:
        assert come_back(server, browser, url).status == 401
    finally:
        server.clock.now -= 601


@pytest.mark.parametrize(("ahead", "status"), [(50, 303), (-50, 303), (3600, 401), (-180, 401)])
def test_clocks_may_differ_by_a_minute(
    server: LoginServer, browsers: Callable[..., Browser], ahead: float, status: int
) -> None:
    browser = browsers()
    server.clock.now += ahead
    try:
        url = sent_away(server, browser)
        assert come_back(server, browser, url).status == status
    finally:
        server.clock.now -= ahead


def test_a_token_of_another_login_is_refused(
    provider: ProviderSettings, browsers: Callable[..., Browser]
) -> None:
    asked, callback = Provider(provider), f"{PUBLIC}/authn/callback"
    refused = pytest.raises(NotAuthenticated, match="another login")
    try:
        told: AbstractContextManager[Any]
        for nonce, told in (("own", nullcontext()), ("another", refused)):
            verifier = "v" * 43
            url = asked.authorization_url(
                redirect_uri=callback, state="s", nonce="own", verifier=verifier
            )
            back = str(browsers().go(url, stop=PUBLIC).headers["location"])
            code = parse_qs(urlsplit(back).query)["code"][0]
            with told:
                asked.redeem(
                    code, redirect_uri=callback, verifier=verifier, nonce=nonce, now=time.time()
                )
    finally:
        asked.close()


def test_who_is_locked_cannot_log_in(
    server: LoginServer, issuer: str, browsers: Callable[..., Browser]
) -> None:
    browser = browsers("ada")
    reply = come_back(server, browser, sent_away(server, browser))
    cookie = cookie_of(reply)
    lock_client(server.sessions.store, f"{issuer}/ada")
    try:
        assert server.client().get("/authn/session", Cookie=cookie).status == 404
        again = come_back(server, browser, sent_away(server, browser))
        assert again.status == 403
        assert "set-cookie" not in again.headers
    finally:
        lock_client(server.sessions.store, f"{issuer}/ada", locked=False)


# --- bearer tokens -----------------------------------------------------------------------


def granted(issuer: str, browser: Browser, client_id: str = "command-line") -> Granted:
    """A token as a command line gets it, in a browser of this machine."""
    native = Native(issuer, client_id, ("openid", "profile", "email", "offline_access"), "The Lab")
    if client_id != "command-line":
        native = replace(native, scopes=("openid", "profile"))
    replies: list[httpx.Response] = []
    found = in_browser(native, lambda url: replies.append(browser.go(url)), wait_s=20)
    assert "can be closed" in replies[0].text
    return found


def session(server: LoginServer, token: str) -> Reply:
    return server.client(token).get("/authn/session")


def test_a_bearer_token_is_a_session(
    server: LoginServer, issuer: str, browsers: Callable[..., Browser]
) -> None:
    token = granted(issuer, browsers()).access_token
    found = session(server, token).json
    assert found["client"]["id"] == f"{issuer}/kim"
    assert found["client"]["full_name"] == "Kim Doe"
    assert f"{issuer}/group/staff" in [a["id"] for a in found["attributes"]]
    assert 500 < found["seconds_remaining"] <= 601


def test_a_token_that_is_not_for_this_service_is_nobody(
    server: LoginServer, issuer: str, browsers: Callable[..., Browser]
) -> None:
    own = granted(issuer, browsers())
    assert own.refresh_token is not None
    theirs = granted(issuer, browsers(), "stranger").access_token
    for token in (theirs, own.refresh_token, own.access_token[:-1], "nonsense", "a.b.c", "é"):
        assert server.sessions.client_of({"authorization": f"Bearer {token}"}).is_anonymous
    as_cookie = server.client().get("/authn/session", Cookie=f"webauthn={own.access_token}")
    assert as_cookie.status == 404


def test_a_token_that_has_ended_or_was_revoked_is_nobody(
    server: LoginServer, issuer: str, browsers: Callable[..., Browser]
) -> None:
    own = granted(issuer, browsers())
    assert session(server, own.access_token).status == 200
    server.clock.now += 700
    try:
        assert session(server, own.access_token).status == 404
    finally:
        server.clock.now -= 700
    fields = {"token": own.access_token, "client_id": "command-line"}
    assert own.revocation_endpoint is not None
    assert httpx.post(own.revocation_endpoint, data=fields).status_code == 200
    assert session(server, own.access_token).status == 404


def test_a_code_is_entered_on_another_device(
    server: LoginServer, issuer: str, browsers: Callable[..., Browser]
) -> None:
    browser = browsers("ada")
    told: list[Prompt] = []

    def tell(prompt: Prompt) -> None:
        told.append(prompt)
        browser.agree(prompt.url)

    native = Native(issuer, "command-line", ("openid", "profile"), "The Lab")
    found = by_device(native, tell)
    assert told[0].code in told[0].url
    who = session(server, found.access_token).json
    assert who["client"]["id"] == f"{issuer}/ada"
    assert {"id": f"{issuer}/g-1", "display_name": "Readers"} in who["attributes"]


def test_discovery_tells_programs_as_whom_to_log_in(server: LoginServer, issuer: str) -> None:
    found = server.client().get("/authn/discovery").json
    assert found["native"] == {
        "issuer": issuer,
        "client_id": "command-line",
        "scopes": ["openid", "profile", "email", "offline_access"],
        "name": "The Lab",
    }


# --- other ways to check and to find groups ----------------------------------------------


@pytest.mark.parametrize(
    ("changes", "known"),
    [({"bearer": "userinfo"}, True), ({"bearer": "off"}, False), ({"audiences": ("x",)}, False)],
)
def test_how_bearer_tokens_are_checked_can_be_set(
    provider: ProviderSettings,
    issuer: str,
    browsers: Callable[..., Browser],
    changes: dict[str, Any],
    known: bool,
) -> None:
    token = granted(issuer, browsers()).access_token
    asked = Provider(replace(provider, **changes))
    try:
        found = asked.bearer(token, time.time())
        assert asked.bearer(token[:-1], time.time()) is None
    finally:
        asked.close()
    assert (found.client.id if found else None) == (f"{issuer}/kim" if known else None)


def test_groups_are_asked_for_elsewhere_with_a_token_of_their_own(
    settings: AuthnSettings,
    provider: ProviderSettings,
    issuer: str,
    browsers: Callable[..., Browser],
    tmp_path: Path,
) -> None:
    elsewhere = replace(
        provider,
        groups_claim=None,
        groups_url=f"{issuer}/groups",
        groups_scope="groups",
        dependent_tokens=True,
    )
    team = {"id": f"{issuer}/team-of-kim", "display_name": "Team"}
    with login_server(tmp_path, replace(settings, provider=elsewhere)) as server:
        server.clock.now = time.time()
        browser = browsers()
        reply = come_back(server, browser, sent_away(server, browser))
        found = server.client().get("/authn/session", Cookie=cookie_of(reply)).json
        assert found["attributes"][-1] == team
        token = granted(issuer, browsers()).access_token
        assert session(server, token).json["attributes"][-1] == team


# --- a provider that fails ---------------------------------------------------------------


def test_without_the_provider_sessions_go_on_and_tokens_wait(
    settings: AuthnSettings, browsers: Callable[..., Browser], tmp_path: Path
) -> None:
    with oidc_provider([f"{PUBLIC}/authn/callback"]) as issuer:
        assert settings.provider is not None
        own = replace(settings, provider=replace(settings.provider, issuer=issuer))
        with login_server(tmp_path, own) as server:
            server.clock.now = time.time()
            browser = browsers()
            cookie = cookie_of(come_back(server, browser, sent_away(server, browser)))
            token = granted(issuer, browsers()).access_token
            url = sent_away(server, browser)
            # From here on the provider is gone.
            httpx.post(f"{issuer}/stop")
            assert server.client().get("/authn/session", Cookie=cookie).status == 200
            unavailable = session(server, token)
            assert unavailable.status == 503
            assert token not in unavailable.text
            assert come_back(server, browser, url).status == 503
            assert server.client().get("/authn/login", Accept=HTML).status == 200


def test_a_provider_that_calls_itself_another_is_refused(
    provider: ProviderSettings, issuer: str
) -> None:
    asked = Provider(replace(provider, issuer=issuer + "/"))
    try:
        with pytest.raises(Unavailable, match="calls itself"):
            asked.document()
    finally:
        asked.close()

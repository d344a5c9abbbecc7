"""Logging in to servers from the command line."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from authn_server import PASSWORD, LoginServer, login_server
from deriva_catalog.catalog import connect
from deriva_catalog.catalog.credentials import credential_for, entry_of, keep_credential
from deriva_catalog.catalog.opening import default_client
from deriva_catalog.errors import CatalogError
from deriva_catalog.server.authn.settings import AuthnSettings, ProviderSettings
from oidc_provider import SECRET, Browser, needs_node, oidc_provider
from terminal import Terminal


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERIVA_CREDENTIAL_FILE", str(tmp_path / "credential.json"))
    for name in ("DERIVA_TOKEN", "DERIVA_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[LoginServer]:
    with login_server(home) as running:
        running.clock.now = time.time()
        running.account("kim")
        yield running


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def log_in(terminal: Terminal, server: LoginServer) -> None:
    words = ("login", server.url, "--name", "kim", "--password-stdin")
    terminal.run(*words, typed=f"{PASSWORD}\n")


def test_in_and_out_with_a_password(server: LoginServer, terminal: Terminal) -> None:
    host = f"localhost:{server.port}"
    told = terminal.run("login", host, "--name", "kim", "--password-stdin", typed=PASSWORD)
    assert "You are kim at" in told
    assert set(credential_for(server.url) or {}) == {"cookie"}
    assert terminal.json("whoami", host)["client"]["id"] == "kim"
    assert terminal.json("whoami") == {host: "kim"}
    assert "kim" in terminal.run("whoami")
    assert terminal.json("logout", host) == {"host": host, "logged_out": True}
    assert credential_for(server.url) is None
    assert "not logged in" in terminal.run("whoami", host, status=1)
    assert "not logged in anywhere" in terminal.run("whoami", status=1)
    assert "not logged in" in terminal.run("logout", host)


def test_a_wrong_password_keeps_what_was_there(server: LoginServer, terminal: Terminal) -> None:
    log_in(terminal, server)
    before = credential_for(server.url)
    words = ("login", server.url, "--name", "kim", "--password-stdin")
    assert "wrong" in terminal.run(*words, typed="mistaken\n", status=2)
    assert credential_for(server.url) == before
    log_in(terminal, server)  # also while logged in
    assert credential_for(server.url) != before


def test_a_catalog_is_used_as_who_logged_in(server: LoginServer, terminal: Terminal) -> None:
    log_in(terminal, server)
    made = server.service.registry.create(alias="mine", client="kim", owner=("kim",))
    made.close()
    catalog = connect(server.url, "mine")
    catalog.create_schema("lab")
    catalog.close()
    terminal.run("logout", server.url)
    with pytest.raises(CatalogError) as refused:
        connect(server.url, "mine").create_schema("other")
    assert refused.value.status == 401


def test_tokens_are_made_tried_and_revoked(
    server: LoginServer, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(terminal, server)
    words = ("token", "create", server.url, "nightly", "--read-only", "--catalog", "7")
    made = terminal.json(*words, "--objects", "/hatrac/lab", "--days", "3")
    assert made["scope"] == {"read_only": True, "catalogs": ["7"], "objects": ["/hatrac/lab"]}
    shown = terminal.run("token", "list", server.url)
    assert "read only, catalog 7, /hatrac/lab" in shown
    assert made["token"] not in shown
    terminal.run("logout", server.url)
    told = terminal.run("login", server.url, "--token-stdin", typed=made["token"])
    assert "only catalog 7" in told
    assert credential_for(server.url) == {"bearer-token": made["token"]}
    assert "access token cannot" in terminal.run("token", "list", server.url, status=2)
    terminal.run("logout", server.url)
    monkeypatch.setenv("DERIVA_TOKEN", made["token"])
    monkeypatch.setenv("DERIVA_HOST", f"localhost:{server.port}")
    assert terminal.json("whoami", server.url)["scope"]["read_only"] is True
    monkeypatch.delenv("DERIVA_TOKEN")
    log_in(terminal, server)
    assert "is revoked" in terminal.run("token", "revoke", server.url, made["id"])
    assert "no token" in terminal.run("token", "revoke", server.url, made["id"], status=2)
    refused = terminal.run("login", server.url, "--token-stdin", typed=made["token"], status=2)
    assert "does not accept" in refused
    assert set(credential_for(server.url) or {}) == {"cookie"}


def test_a_login_link_on_the_command_line(server: LoginServer, terminal: Terminal) -> None:
    link = f"{server.url}/authn/link?token={server.sessions.link_for('operator')}"
    assert "You are operator" in terminal.run("login", link)
    assert "used before" in terminal.run("login", link, status=2)


def test_this_machines_own_user(
    server: LoginServer, home: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DERIVA_ML_HOME", str(home))
    assert terminal.json("login", server.url, "--own")["client"]["id"] == default_client()
    monkeypatch.setenv("DERIVA_ML_HOME", str(home / "another"))
    assert "used before" in terminal.run("login", server.url, "--own", status=2)


def test_without_a_terminal_or_a_server_it_is_told(terminal: Terminal, server: LoginServer) -> None:
    assert "--name" in terminal.run("login", server.url, status=2)
    assert "-stdin" in terminal.run("login", server.url, "--name", "kim", status=2)
    assert "no provider" in terminal.run("login", server.url, "--device", status=2)
    assert "no address" in terminal.run("login", "https://user@host", status=2)


# --- with a provider ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginServer]:
    needs_node()
    with oidc_provider(["http://catalog.test/authn/callback"]) as issuer:
        provider = ProviderSettings(issuer, "catalog", SECRET, native_client_id="command-line")
        settings = AuthnSettings(
            memory_seconds=0.001, bearer_seconds=0.001, local_accounts=False, provider=provider
        )
        with login_server(tmp_path_factory.mktemp("home"), settings) as running:
            running.clock.now = time.time()
            yield running


def test_in_the_browser_of_this_machine(
    with_provider: LoginServer, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, browser = with_provider.url, Browser()
    monkeypatch.setattr("webbrowser.open", lambda page: browser.go(page).status_code == 200)
    assert "You are Kim Doe" in terminal.run("login", url)  # the only way that this server has
    entry = dict(entry_of(url))
    assert entry["client-id"] == "command-line"
    # One that ends is renewed by whoever asks for it.
    keep_credential(url, {**entry, "expires": time.time() + 30})
    renewed = credential_for(url)
    assert renewed is not None
    assert renewed["bearer-token"] != entry["bearer-token"]
    assert entry_of(url)["expires"] > time.time() + 60
    assert terminal.json("whoami", url)["client"]["full_name"] == "Kim Doe"
    # Logging out takes it back at the provider, too.
    terminal.run("logout", url)
    assert with_provider.client(renewed["bearer-token"]).get("/authn/session").status == 404
    keep_credential(url, {**entry, "expires": time.time() - 10})
    assert credential_for(url) == {"bearer-token": entry["bearer-token"]}  # cannot be renewed
    browser.close()


def test_on_another_device(
    with_provider: LoginServer,
    terminal: Terminal,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser = Browser("ada")

    class Screen(io.StringIO):
        """Standard error, which a person reads."""

        def write(self, text: str) -> int:
            if page := re.search(r"or open (\S+)", text):
                browser.agree(page[1])
            return len(text)

    monkeypatch.setattr("sys.stderr", Screen())
    assert "You are Ada" in terminal.run("login", with_provider.url, "--device")
    browser.close()


def test_a_browser_that_brings_a_foreign_state_is_not_believed(
    with_provider: LoginServer, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()

    def disturbed(page: str) -> bool:
        place = httpx.URL(page).params["redirect_uri"]
        for query in ("", "?code=stolen", "?code=stolen&state=x"):
            assert httpx.get(place + query).status_code == 400
        return browser.go(page).status_code == 200

    monkeypatch.setattr("webbrowser.open", disturbed)
    assert "You are Kim Doe" in terminal.run("login", with_provider.url)
    browser.close()

"""A program that logs its user in with an OpenID Connect provider, and renews its token.

Source: RFC 8628 (device codes), RFC 8252 (native applications), RFC 7636 (PKCE), RFC 6749.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from ...errors import NotAuthenticated, Unavailable

__all__ = ["Granted", "Native", "Prompt", "by_device", "in_browser", "renewed", "revoke"]

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_TIMEOUT_S = 20.0
_LONGEST_WAIT_S = 900.0
_DONE = b"<!DOCTYPE html><title>Logged in</title><p>You are logged in. This page can be closed."
_NOT_DONE = b"<!DOCTYPE html><title>Not logged in</title><p>You are not logged in."


@dataclass(frozen=True, slots=True)
class Native:
    """As whom programs log in: what the server's ``/authn/discovery`` says."""

    issuer: str
    client_id: str
    scopes: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person has to do: open `url`, and enter `code` there if it is asked for."""

    url: str
    code: str
    short_url: str


@dataclass(frozen=True, slots=True)
class Granted:
    """A token and what renews it. `expires` is in seconds since 1970."""

    access_token: str
    expires: float | None
    refresh_token: str | None
    token_endpoint: str
    revocation_endpoint: str | None
    client_id: str

    def entry(self) -> dict[str, Any]:
        """What is kept of it in the file of credentials."""
        known = {
            "bearer-token": self.access_token,
            "expires": self.expires,
            "refresh-token": self.refresh_token,
            "token-endpoint": self.token_endpoint,
            "revocation-endpoint": self.revocation_endpoint,
            "client-id": self.client_id,
        }
        return {name: value for name, value in known.items() if value is not None}


def by_device(native: Native, tell: Callable[[Prompt], object]) -> Granted:
    """Log in on another device, such as a phone; `tell` shows where.

    Raises:
        NotAuthenticated: the person, or the provider, said no; or it took too long.
        Unavailable: the provider cannot be reached, or has no such way.
    """
    document = _document(native)
    place = _endpoint(document, "device_authorization_endpoint", native)
    try:
        begun = _posted(place, {"client_id": native.client_id, "scope": " ".join(native.scopes)})
    except _Refused as error:
        raise _no_login(error.code) from error
    page = _text(begun, "verification_uri", place)
    whole = begun.get("verification_uri_complete") or page
    tell(Prompt(str(whole), _text(begun, "user_code", place), page))
    pause = float(begun.get("interval", 5))
    last = time.monotonic() + min(float(begun.get("expires_in", 600)), _LONGEST_WAIT_S)
    asked = {
        "grant_type": _DEVICE_GRANT,
        "device_code": _text(begun, "device_code", place),
        "client_id": native.client_id,
    }
    while time.monotonic() < last:
        time.sleep(pause)  # the provider says how often it may be asked
        try:
            given = _posted(_endpoint(document, "token_endpoint", native), asked)
        except _Refused as error:
            if error.code == "slow_down":
                pause += 5
            elif error.code != "authorization_pending":
                raise _no_login(error.code) from error
            continue
        return _granted(given, document, native)
    raise _no_login("it took too long")


def in_browser(
    native: Native, open_page: Callable[[str], object], *, wait_s: float = 300.0
) -> Granted:
    """Log in with this machine's browser, which comes back to a port that is open meanwhile.

    Args:
        native: As whom.
        open_page: Shows the page of a URL.
        wait_s: How long to wait for the person.

    Raises:
        NotAuthenticated: the person, or the provider, said no; or it took too long.
        Unavailable: the provider cannot be reached.
    """
    document = _document(native)
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    with _Callback(state) as callback:
        asked = {
            "response_type": "code",
            "client_id": native.client_id,
            "redirect_uri": callback.url,
            "scope": " ".join(native.scopes),
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if "offline_access" in native.scopes:
            asked["prompt"] = "consent"  # OpenID Connect gives no refresh token without
        open_page(f"{_endpoint(document, 'authorization_endpoint', native)}?{urlencode(asked)}")
        code = callback.wait(wait_s)
        redirect_uri = callback.url
    exchange = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": native.client_id,
        "code_verifier": verifier,
    }
    try:
        given = _posted(_endpoint(document, "token_endpoint", native), exchange)
    except _Refused as error:
        raise _no_login(error.code) from error
    return _granted(given, document, native)


def renewed(entry: Mapping[str, Any], now: float) -> dict[str, Any] | None:
    """An entry of the credential file with a fresh token; None when the provider gives none.

    Raises:
        Unavailable: the provider cannot be reached.
    """
    place = str(entry.get("token-endpoint"))
    asked = {
        "grant_type": "refresh_token",
        "refresh_token": entry["refresh-token"],
        "client_id": entry.get("client-id"),
    }
    try:
        given = _posted(place, asked)
    except _Refused:
        return None
    fresh = {**entry, "bearer-token": _text(given, "access_token", place)}
    fresh.pop("expires", None)
    if "expires_in" in given:
        fresh["expires"] = now + float(given["expires_in"])
    if given.get("refresh_token"):
        fresh["refresh-token"] = given["refresh_token"]
    return fresh


def revoke(entry: Mapping[str, Any]) -> bool:
    """Take back what an entry holds; tells whether the provider did so.

    Raises:
        Unavailable: the provider cannot be reached.
    """
    place = entry.get("revocation-endpoint")
    if not place:
        return False
    for name in ("refresh-token", "bearer-token"):
        if name in entry:
            try:
                fields = {"token": entry[name], "client_id": entry.get("client-id")}
                _posted(str(place), fields, empty=True)
            except _Refused:
                return False
    return True


# --- the provider ------------------------------------------------------------------------


class _Refused(Exception):
    """The provider refuses, and says why in a word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _document(native: Native) -> Mapping[str, Any]:
    place = f"{native.issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        found: Mapping[str, Any] = _answered("GET", place)
    except _Refused as error:
        raise _unusable(place, error.code) from error
    if found.get("issuer") != native.issuer:
        raise Unavailable(f"The provider {native.issuer!r} calls itself {found.get('issuer')!r}.")
    return found


def _endpoint(document: Mapping[str, Any], name: str, native: Native) -> str:
    found = document.get(name)
    if not isinstance(found, str):
        raise Unavailable(
            f"The provider {native.issuer!r} has no {name}.", hint="Log in in another way."
        )
    return found


def _text(found: Mapping[str, Any], name: str, place: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise _unusable(place, f"its answer has no {name}")
    return value


def _granted(given: Mapping[str, Any], document: Mapping[str, Any], native: Native) -> Granted:
    expires = given.get("expires_in")
    return Granted(
        _text(given, "access_token", native.issuer),
        None if expires is None else time.time() + float(expires),
        given.get("refresh_token"),
        _endpoint(document, "token_endpoint", native),
        document.get("revocation_endpoint"),
        native.client_id,
    )


def _posted(place: str, fields: Mapping[str, Any], *, empty: bool = False) -> Any:
    return _answered("POST", place, data=dict(fields), empty=empty)


def _answered(method: str, place: str, *, empty: bool = False, **options: Any) -> Any:
    try:
        reply = httpx.request(
            method,
            place,
            headers={"Accept": "application/json"},
            timeout=_TIMEOUT_S,
            follow_redirects=False,
            **options,
        )
    except httpx.HTTPError as error:
        raise _unusable(place, type(error).__name__) from error
    try:
        found = {} if empty and reply.status_code == 200 else reply.json()
    except ValueError as error:
        raise _unusable(place, f"status {reply.status_code}, and no JSON") from error
    if 400 <= reply.status_code < 500 and isinstance(found, dict):
        raise _Refused(str(found.get("error", reply.status_code)))
    if reply.status_code != 200 or not isinstance(found, dict):
        raise _unusable(place, f"status {reply.status_code}")
    return found


def _unusable(place: str, why: str) -> Unavailable:
    return Unavailable(
        f"The provider at {urlsplit(place).netloc!r} cannot be used: {why}.", hint="Try again."
    )


def _no_login(why: str) -> NotAuthenticated:
    return NotAuthenticated(f"You were not logged in: {why}.", hint="Log in again.")


# --- coming back -------------------------------------------------------------------------


class _Callback:
    """A port of this machine that a browser comes back to, with the state that was sent away."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._done = threading.Event()
        self._found: Mapping[str, list[str]] = {}
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/callback"

    def __enter__(self) -> _Callback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, seconds: float) -> str:
        if not self._done.wait(seconds):
            raise _no_login("nobody logged in within the time")
        if "code" not in self._found:
            raise _no_login(self._found.get("error", ["no code came"])[0])
        return self._found["code"][0]

    def _take(self, target: str) -> bool:
        """Take what came; False for what was not begun here, which changes nothing."""
        parts = urlsplit(target)
        given = parse_qs(parts.query)
        state = given.get("state", [""])[0]
        if parts.path != "/callback" or not hmac.compare_digest(
            state.encode(), self._state.encode()
        ):
            return False
        if not self._done.is_set():
            self._found = given
            self._done.set()
        return "code" in given

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            timeout = 10.0

            def do_GET(self) -> None:
                good = take(self.path)
                self.send_response(200 if good else 400)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(_DONE if good else _NOT_DONE)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the address has the code."""

        return Handler

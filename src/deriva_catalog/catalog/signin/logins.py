"""The ways to log in to a server, and out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

from ...errors import NotAuthenticated, NotFound, Unavailable
from ..credentials import COOKIE, credential_for, entry_of, forget_credential, keep_credential
from ..remote.connection import Connection, Repeat, context_header
from ..remote.host import parse_host
from . import native
from .native import Granted, Native, Prompt

__all__ = [
    "Ways",
    "log_in_by_device",
    "log_in_by_link",
    "log_in_by_password",
    "log_in_by_token",
    "log_in_in_browser",
    "log_out",
    "session_at",
    "ways_to_log_in",
]

_SESSION = "/authn/session"
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ways:
    """How one can log in to a server; `native` is None when programs cannot use a provider."""

    password: bool
    native: Native | None


def ways_to_log_in(host: str) -> Ways:
    """What a server says about logging in.

    Raises:
        Unavailable: the server cannot be reached, or says something else.
    """
    found = _asked(host, "GET", "/authn/discovery")
    told = found.get("native")
    known = None
    if isinstance(told, dict):
        known = Native(
            str(told["issuer"]), str(told["client_id"]), tuple(told["scopes"]), str(told["name"])
        )
    # A server of another make says nothing about passwords: then it is tried.
    return Ways(bool(found.get("password", True)), known)


def log_in_by_password(host: str, name: str, password: str) -> Document:
    """Log in with a name and a password; returns the session document.

    Raises:
        NotAuthenticated: one of them is wrong.
        Unavailable: the server cannot be reached.
    """
    return _log_in(host, {"username": name, "password": password})


def log_in_by_link(host: str, secret: str) -> Document:
    """Log in by the secret of a login link; returns the session document.

    Raises:
        NotAuthenticated: it was used before, or is too old.
        Unavailable: the server cannot be reached.
    """
    return _log_in(host, {"link": secret})


def log_in_by_token(host: str, token: str) -> Document:
    """Keep an access token after it was tried; returns the session document.

    Raises:
        NotAuthenticated: the server does not accept it.
        Unavailable: the server cannot be reached.
    """
    return _kept(host, {"bearer-token": token})


def log_in_by_device(host: str, tell: Callable[[Prompt], object]) -> Document:
    """Log in with the server's provider on another device; returns the session document.

    Raises:
        NotFound: the server has no provider for programs.
        NotAuthenticated: the login did not succeed.
        Unavailable: the server or the provider cannot be reached.
    """
    return _granted(host, native.by_device(_provider(host), tell))


def log_in_in_browser(host: str, open_page: Callable[[str], object]) -> Document:
    """Log in with the server's provider in this machine's browser; returns the session document.

    Raises:
        NotFound: the server has no provider for programs.
        NotAuthenticated: the login did not succeed.
        Unavailable: the server or the provider cannot be reached.
    """
    return _granted(host, native.in_browser(_provider(host), open_page))


def session_at(host: str) -> Document | None:
    """The session document of this user at a server; None if nobody is logged in.

    Raises:
        Unavailable: the server cannot be reached.
    """
    try:
        return _asked(host, "GET", _SESSION, credential_for(host))
    except (NotFound, NotAuthenticated):
        return None


def log_out(host: str) -> bool:
    """End the session at a server and forget its credential; tells whether there was one.

    A session and a provider's token are of no use to anybody then. An access token is only
    forgotten here: others may use it too.

    Raises:
        Unavailable: the server cannot be reached; the credential is forgotten all the same.
    """
    entry = entry_of(host)
    try:
        if "cookie" in entry:
            _asked(host, "DELETE", _SESSION, {"cookie": entry["cookie"]})
        elif "refresh-token" in entry:
            native.revoke(entry)
    except (NotFound, NotAuthenticated):
        pass  # it had ended by itself
    finally:
        gone = forget_credential(host)
    return gone


# --- steps -------------------------------------------------------------------------------


def _log_in(host: str, fields: Mapping[str, str]) -> Document:
    """Send the fields of a login; the cookie that comes back is kept."""
    connection = Connection(parse_host(host), credential={})
    try:
        # A form, because every server of this kind takes one.
        body = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
        received = connection.send(
            "POST",
            _SESSION,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
                **context_header("login"),
            },
            content=body.encode(),
            repeat=Repeat.NEVER,
        )
    finally:
        connection.close()
    morsel = SimpleCookie(received.headers.get("set-cookie", "")).get(COOKIE)
    if morsel is None or not morsel.value:
        raise Unavailable(
            f"The server {host!r} logged in without giving a session.",
            hint="Check that the address is that of a catalog server.",
        )
    return _kept(host, {"cookie": f"{COOKIE}={morsel.value}"})


def _granted(host: str, granted: Granted) -> Document:
    return _kept(host, granted.entry())


def _kept(host: str, entry: Mapping[str, Any]) -> Document:
    """Keep a credential, if the server says whose it is."""
    usable = {name: entry[name] for name in ("cookie", "bearer-token") if name in entry}
    try:
        found = _asked(host, "GET", _SESSION, usable)
    except (NotFound, NotAuthenticated) as error:
        raise NotAuthenticated(
            f"The server {host!r} does not accept this login.",
            hint="Check that the token is complete, has not ended, and is for this server.",
        ) from error
    keep_credential(host, entry)
    return found


def _provider(host: str) -> Native:
    found = ways_to_log_in(host).native
    if found is None:
        raise NotFound(
            f"The server {host!r} has no provider that programs can log in with.",
            hint="Log in with a password or a token.",
        )
    return found


def _asked(
    host: str, method: str, target: str, credential: Mapping[str, str] | None = None
) -> dict[str, Any]:
    connection = Connection(parse_host(host), credential=credential or {})
    try:
        headers = {"Accept": "application/json", **context_header("login")}
        safe = Repeat.SAFE if method == "GET" else Repeat.NEVER
        found = connection.send(method, target, headers=headers, repeat=safe).json()
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise Unavailable(f"The server {host!r} answered with something else than a document.")
    return found

"""What the headers of a request say about its sender: cookies, tokens, origins.

Why no other site can make a browser act for somebody who is logged in here:

- The cookie is ``SameSite=Lax``: pages of other sites cannot send it with a request that changes
  something. That alone is not enough, because to a browser all ports of a host are one site.
- So each request that changes something and carries the cookie is refused when the browser says
  that a page of another origin makes it (``Origin``, or ``Sec-Fetch-Site`` where that is
  missing). Browsers send one of them with each such request, and pages cannot forge them.
- A login is checked in the same way, also without a cookie: nobody can be logged in as somebody
  else without noticing.
- Requests without either header come from programs, which send the cookie of nobody else. A
  bearer token is never sent by a browser on its own.
- What is changed here is sent as JSON, but for the forms of the login page.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ...errors import BadRequest, Forbidden

__all__ = [
    "COOKIE",
    "cookie",
    "credential_in",
    "host_of",
    "refuse_other_origins",
    "safe_referrer",
    "set_cookie",
]

COOKIE = "webauthn"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}


def cookie(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a cookie; the first one of that name."""
    for pair in headers.get("cookie", "").split(";"):
        found, mark, value = pair.strip().partition("=")
        if mark and found == name:
            return value.strip().strip('"') or None
    return None


def credential_in(headers: Mapping[str, str]) -> tuple[str | None, bool]:
    """The secret of a request, and whether it is the cookie's, which goes before a bearer token."""
    held = cookie(headers, COOKIE)
    if held is not None:
        return held, True
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip(), False
    return None, False


def set_cookie(
    name: str, value: str, *, secure: bool, path: str = "/", seconds: int | None = None
) -> str:
    """A ``Set-Cookie`` header that scripts cannot read; it goes when the browser is closed.

    `seconds` limits its life; 0 removes it.
    """
    parts = [f"{name}={value}", f"Path={path}", "HttpOnly", "SameSite=Lax"]
    if secure:
        parts.append("Secure")
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    return "; ".join(parts)


# --- origins -----------------------------------------------------------------------------


def host_of(headers: Mapping[str, str], public_url: str | None = None) -> str:
    """The host and port that the service is addressed by; of `public_url` if that is set."""
    return urlsplit(public_url).netloc if public_url else headers.get("host", "")


def refuse_other_origins(
    method: str,
    headers: Mapping[str, str],
    *,
    public_url: str | None = None,
    trusted: tuple[str, ...] = (),
    always: bool = False,
    secure: bool = False,
) -> None:
    """Refuse what a page of another origin makes a browser do with somebody's cookie.

    Args:
        method: Of the request; one that changes nothing is not looked at.
        headers: Of the request, by lower-case name.
        public_url: What people call the service, if the ``Host`` header is not that.
        trusted: Other origins that may.
        always: Whether it is looked at without a cookie and for each method too: a login, or the
            opening of a WebSocket.
        secure: Whether it came by TLS: then pages that did not, which anybody on the way may have
            written, are of another origin.

    Raises:
        Forbidden: another origin makes the request.
    """
    if not always and (method in _SAFE_METHODS or cookie(headers, COOKIE) is None):
        return
    origin = headers.get("origin")
    if origin is None:
        if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
            return
    elif origin in trusted:
        return
    elif _is_own(origin, host_of(headers, public_url)):
        is_secure = secure or (public_url or "").startswith("https:")
        if origin.startswith("https:") or not is_secure:
            return
    raise Forbidden(
        "A page of another site made this request with the cookie of somebody who is logged in.",
        hint="If that page shall be trusted, add its origin to 'trusted_origins' in the settings.",
    )


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return False
    if parts.scheme not in _PORTS or parts.path or not parts.hostname or not host:
        return False
    return _place(host, parts.scheme) == (parts.hostname, port)


def _place(host: str, scheme: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname, parts.port or _PORTS[scheme]
    except ValueError:
        return None, None


def safe_referrer(
    referrer: str | None,
    headers: Mapping[str, str],
    *,
    public_url: str | None = None,
    trusted: tuple[str, ...] = (),
) -> str:
    """Where a browser may go after a login: a place of this service, ``/`` if none is given.

    Raises:
        BadRequest: it is a place of another one.
    """
    if not referrer:
        return "/"
    plain = referrer.isprintable() and referrer.isascii() and "\\" not in referrer
    plain = plain and " " not in referrer
    if plain and referrer.startswith("/") and not referrer.startswith("//"):
        return referrer
    try:
        parts = urlsplit(referrer) if plain else None
    except ValueError:
        parts = None
    if parts is not None and parts.username is None and parts.password is None:
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin in trusted or _is_own(origin, host_of(headers, public_url)):
            return referrer
    raise BadRequest(
        "The referrer is not a place of this service.",
        hint="Give a path that begins with '/', or a URL of this host.",
    )

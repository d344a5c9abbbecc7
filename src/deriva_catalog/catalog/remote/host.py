"""What a person writes for a host, and where it leads."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import BadRequest

__all__ = ["HostAddress", "is_loopback", "parse_host"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HostAddress:
    """A server: scheme, name and port (None: that of the scheme)."""

    scheme: str
    name: str
    port: int | None = None

    @property
    def netloc(self) -> str:
        """``host`` or ``host:port``, as in the ``Host`` header and in credential files."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"

    @property
    def origin(self) -> str:
        """``scheme://host[:port]``, without a slash at the end."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def websocket_origin(self) -> str:
        """The same for WebSockets."""
        return f"{'wss' if self.scheme == 'https' else 'ws'}://{self.netloc}"


def parse_host(text: str) -> HostAddress:
    """Read ``host``, ``host:port`` or a URL with ``http`` or ``https``.

    Without a scheme it is HTTPS, for this machine itself (``localhost:8080``) plain HTTP.

    Raises:
        BadRequest: it is none of these, or a URL that goes on after the host.
    """
    given = text.strip()
    scheme, separator, _ = given.partition("://")
    try:
        parts = urlsplit(given if separator else f"//{given}")
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(text, str(error)) from None
    if separator and scheme.lower() not in _DEFAULT_PORTS:
        raise _wrong(text, f"the scheme {scheme!r} is neither http nor https")
    if not name:
        raise _wrong(text, "it names no host")
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise _wrong(text, "it has more than a scheme, a host and a port")
    usual = "http" if is_loopback(name) else "https"
    chosen = scheme.lower() if separator else usual
    return HostAddress(chosen, name, None if port == _DEFAULT_PORTS[chosen] else port)


def is_loopback(name: str) -> bool:
    """Whether a host name means this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _wrong(text: str, why: str) -> BadRequest:
    return BadRequest(
        f"{text!r} is no address of a server: {why}.",
        hint="Write a host name, host:port, or https://host:port.",
        hostname=text,
    )

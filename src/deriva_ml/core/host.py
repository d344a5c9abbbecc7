"""What a host name means."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from deriva_catalog.engine.postgresql.address import is_database_url, parse_address

__all__ = [
    "catalog_argument",
    "directory_of",
    "is_directory",
    "is_server",
    "web_address",
    "without_password",
]


def is_directory(hostname: str) -> bool:
    """Whether the host name is the directory of one catalog, as a path or ``file:`` URL."""
    return hostname.startswith(("file:", ".", "/", "~"))


def directory_of(hostname: str) -> Path:
    """The directory that a host name means, in full; however it is written, it is one path."""
    path = unquote(urlsplit(hostname).path) if hostname.startswith("file:") else hostname
    return Path(path).expanduser().resolve()


def catalog_argument(hostname: str, catalog_id: str) -> str | int:
    """What to connect with as ``catalog_id``: a directory holds one catalog, which is 1."""
    if not is_directory(hostname):
        return catalog_id
    snapshot = catalog_id.partition("@")[2]
    return f"@{snapshot}" if snapshot else 1


def is_server(hostname: str) -> bool:
    """Whether the host name means a server; ``localhost`` alone is this machine's own store."""
    return not (hostname == "localhost" or is_directory(hostname) or is_database_url(hostname))


def without_password(hostname: str) -> str:
    """The host name as it may be shown and written down: a database's URL has no password."""
    return parse_address(hostname).shown if is_database_url(hostname) else hostname


def web_address(hostname: str, catalog_url: str) -> str:
    """Where the web pages of a catalog are: ``https://host``, for a server as it is reached.

    A catalog in this process has none; what is written down of it begins with
    ``https://localhost``, wherever it lies.

    Args:
        hostname: As the catalog was asked for.
        catalog_url: The catalog's own address.
    """
    parts = urlsplit(catalog_url)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    if not is_server(hostname):
        return "https://localhost"
    from deriva_catalog.catalog.remote.host import parse_host

    return parse_host(hostname).origin

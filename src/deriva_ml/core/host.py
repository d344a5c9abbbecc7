"""What a host name means."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["is_directory", "is_server", "web_address"]


def is_directory(hostname: str) -> bool:
    """Whether the host name is the directory of one catalog, as a path or ``file:`` URL."""
    return hostname.startswith(("file:", ".", "/", "~"))


def is_server(hostname: str) -> bool:
    """Whether the host name means a server; ``localhost`` alone is this machine's own store."""
    return hostname != "localhost" and not is_directory(hostname)


def web_address(hostname: str, catalog_url: str) -> str:
    """Where the web pages of a catalog are: ``https://host``, for a server as it is reached.

    Args:
        hostname: As the catalog was asked for.
        catalog_url: The catalog's own address.
    """
    parts = urlsplit(catalog_url)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"https://{hostname}"

"""Where a PostgreSQL database is: its URL, and how to write it without secrets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ...errors import BadRequest, Unavailable

__all__ = ["Address", "is_database_url", "parse_address", "psycopg"]

_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_LONGEST_NAME = 63
"""PostgreSQL cuts identifiers off after so many bytes."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database: `url` is what libpq connects to, `shown` the same without the password.

    `fragment` is what stood after ``#`` or ``%23``: the identifier of a catalog, if any.
    """

    url: str
    shown: str
    fragment: str = ""

    @property
    def slug(self) -> str:
        """A name for directories that belong to the database."""
        parts = urlsplit(self.shown)
        name = unquote(parts.path.strip("/")) or "postgres"
        safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
        return f"{safe[:40]}-{hashlib.sha256(self.shown.encode()).hexdigest()[:8]}"


def is_database_url(text: str) -> bool:
    """Whether a text is meant as the URL of a PostgreSQL database."""
    return text.partition("://")[0] in _SCHEMES and "://" in text


def parse_address(url: str) -> Address:
    """Take a URL such as ``postgresql://user:password@host:5432/database#catalog`` apart.

    Raises:
        BadRequest: it is no URL of a PostgreSQL database.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _malformed(url) from error
    if parts.scheme not in _SCHEMES:
        raise _malformed(url)
    user, at, host = parts.netloc.rpartition("@")
    shown_host = f"{user.partition(':')[0]}{at}{host}"
    whole = urlunsplit(("postgresql", parts.netloc, parts.path, parts.query, ""))
    query = "&".join(
        pair for pair in parts.query.split("&") if not pair.lower().startswith("password=")
    )
    shown = urlunsplit(("postgresql", shown_host, parts.path, query, ""))
    # urlunsplit leaves the slashes out where there is no host, as with a socket's directory.
    whole, shown = (_with_slashes(text) for text in (whole, shown))
    return Address(whole, shown, unquote(parts.fragment))


def _with_slashes(url: str) -> str:
    rest = url.removeprefix("postgresql:")
    return url if rest.startswith("//") else f"postgresql://{rest}"


def _malformed(url: str) -> BadRequest:
    shown = url.rpartition("@")[2]
    return BadRequest(
        f"{shown!r} is no URL of a PostgreSQL database.",
        hint="Write postgresql://user@host:5432/database.",
    )


def schema_name(prefix: str, catalog_id: str) -> str:
    """The name of the schema of a catalog: its identifier, shortened if need be."""
    name = f"{prefix}{catalog_id}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(catalog_id.encode()).hexdigest()[:16]
    return f"{name[: _LONGEST_NAME - 17]}~{digest}"


def catalog_url(address: Address, catalog_id: str) -> str:
    """The URL of one catalog in a database, without a password."""
    return f"{address.shown}#{quote(catalog_id)}"


def psycopg() -> Any:
    """The driver.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise Unavailable(
            "Catalogs in PostgreSQL need the package 'psycopg', which is not installed.",
            hint="Install it: pip install 'derivaml[postgresql]'.",
        ) from error
    return psycopg

"""Files and small documents in a store of objects, by URL: ``s3://``, ``file://`` and the like.

Which stores there are, and what may stand in their URLs, is what catalogs know of places for their
files. Credentials come from the environment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from deriva_catalog.objects.sources import pieces
from deriva_catalog.objects.stores import KeyStore, open_store
from deriva_catalog.objects.stores import translated as told_of_stores
from deriva_ml.core.exceptions import (
    DerivaMLNotFoundError,
    DerivaMLUnavailableError,
    translated,
)

__all__ = ["below", "bucket_url", "download", "read_bytes", "upload", "write_bytes"]

_PIECE = 8 << 20


def bucket_url(bucket: str) -> str:
    """A bucket as a URL; a bare name is one of S3."""
    return bucket if "://" in bucket else f"s3://{bucket}"


def below(url: str, path: str) -> str:
    """The URL of what lies at a path below a URL; what follows ``?`` stays."""
    parts = urlsplit(url)
    joined = f"{parts.path.rstrip('/')}/{path}"
    return urlunsplit((parts.scheme, parts.netloc, joined, parts.query, ""))


def upload(file: Path, url: str) -> None:
    """Copy a file to a URL, unless one of the same length is there: names tell contents.

    Raises:
        DerivaMLValidationError: The URL is in no store.
        DerivaMLUnavailableError: The store cannot be written.
    """
    length = file.stat().st_size
    with _place(url, "storing") as (store, key):
        known = store.entry(key)
        if known is None or known.length != length:
            store.put(key, pieces(file), length)


def download(url: str, file: Path) -> str:
    """Copy what is at a URL to a file; returns its SHA-256 in hexadecimal.

    Raises:
        DerivaMLNotFoundError: There is nothing.
        DerivaMLUnavailableError: The store cannot be reached.
    """
    digest = hashlib.sha256()
    with file.open("wb") as out:
        for piece in _pieces(url):
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


def read_bytes(url: str) -> bytes:
    """A small document.

    Raises:
        DerivaMLNotFoundError: There is none.
        DerivaMLUnavailableError: The store cannot be reached.
    """
    return b"".join(_pieces(url))


def write_bytes(url: str, data: bytes) -> None:
    """Write a small document, whole or not at all.

    Raises:
        DerivaMLValidationError: The URL is in no store.
        DerivaMLUnavailableError: The store cannot be written.
    """
    with _place(url, "storing") as (store, key):
        store.put(key, [data], len(data))


def _pieces(url: str) -> Iterator[bytes]:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        yield from _from_web(url)
        return
    if parts.scheme == "file" and not Path(unquote(parts.path)).is_file():
        raise DerivaMLNotFoundError(f"There is nothing at {url!r}.")
    with _place(url, "reading") as (store, key):
        for piece in store.pieces(key, _PIECE):
            yield bytes(piece)


def _from_web(url: str) -> Iterator[bytes]:
    import httpx

    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=60) as response:
            if response.status_code in (404, 410):
                raise DerivaMLNotFoundError(f"There is nothing at {url!r}.")
            response.raise_for_status()
            yield from response.iter_bytes(_PIECE)
    except httpx.HTTPError as error:
        raise DerivaMLUnavailableError(f"Reading {url!r} failed: {error}.") from error


@contextmanager
def _place(url: str, doing: str) -> Iterator[tuple[KeyStore, str]]:
    """The store that a URL is in and the key in it; its errors become ours."""
    parts = urlsplit(url)
    folder, _, key = parts.path.rpartition("/")
    with translated():
        store = open_store(urlunsplit((parts.scheme, parts.netloc, folder, parts.query, "")))
        with told_of_stores(f"{doing} {url!r}"):
            try:
                yield store, key
            except FileNotFoundError as error:
                raise DerivaMLNotFoundError(f"There is nothing at {url!r}.") from error

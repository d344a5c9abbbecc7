"""Files and small documents in a store of objects, by URL: ``s3://``, ``file://`` and the like.

Credentials and endpoints come from the environment, as `obstore` describes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from deriva_ml.core.exceptions import (
    DerivaMLConfigurationError,
    DerivaMLNotFoundError,
    DerivaMLUnavailableError,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

__all__ = ["bucket_url", "download", "read_bytes", "upload", "write_bytes"]

_PIECE = 8 << 20


def bucket_url(bucket: str) -> str:
    """A bucket as a URL without an end slash; a bare name is one of S3."""
    return (bucket if "://" in bucket else f"s3://{bucket}").rstrip("/")


def upload(file: Path, url: str) -> None:
    """Copy a file to a URL, unless one of the same length is there: names tell contents.

    Large files go in parts, several at a time.

    Raises:
        DerivaMLUnavailableError: The store cannot be written.
    """
    import obstore

    with _store_of(url, "storing") as (store, key):
        try:
            if obstore.head(store, key)["size"] == file.stat().st_size:
                return
        except FileNotFoundError:
            pass
        obstore.put(store, key, file, use_multipart=file.stat().st_size > _PIECE)


def download(url: str, file: Path) -> str:
    """Copy what is at a URL to a file; returns its SHA-256 in hexadecimal.

    Raises:
        DerivaMLNotFoundError: There is nothing.
        DerivaMLUnavailableError: The store cannot be reached, or the file not be written.
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
        DerivaMLUnavailableError: The store cannot be written.
    """
    import obstore

    with _store_of(url, "storing") as (store, key):
        obstore.put(store, key, data)


def _pieces(url: str) -> Iterator[bytes]:
    if urlsplit(url).scheme in ("http", "https"):
        yield from _from_web(url)
        return
    import obstore

    with _store_of(url, "reading") as (store, key):
        for piece in obstore.get(store, key).stream(min_chunk_size=_PIECE):
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


def _options() -> ClientConfig:
    """Plain HTTP is allowed where the environment names such an endpoint."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    return {"allow_http": True} if endpoint.startswith("http://") else {}


@contextmanager
def _store_of(url: str, doing: str) -> Iterator[tuple[ObjectStore, str]]:
    """The store that a URL is in and the key in it; its errors become ours."""
    import obstore
    from obstore.store import LocalStore, from_url

    parts = urlsplit(url)
    key = unquote(parts.path).lstrip("/")
    try:
        if parts.scheme == "file":
            store: ObjectStore = LocalStore("/", mkdir=True)
        else:
            store = from_url(f"{parts.scheme}://{parts.netloc}", client_options=_options())
    except (ValueError, obstore.exceptions.BaseError) as error:
        raise DerivaMLConfigurationError(
            f"{url!r} is in no store of objects: {error}. Write 's3://bucket/...', "
            "'file:///directory/...' or another URL of obstore."
        ) from error
    try:
        yield store, key
    except FileNotFoundError as error:
        raise DerivaMLNotFoundError(f"There is nothing at {url!r}.") from error
    except (OSError, obstore.exceptions.BaseError) as error:
        raise DerivaMLUnavailableError(
            f"{doing.capitalize()} {url!r} failed: {error}. Check the bucket, the credentials in "
            "the environment and the network."
        ) from error

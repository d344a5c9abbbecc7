"""A store in a bucket (S3, Google Cloud Storage, Azure), through `obstore`.

Credentials and region come from the environment, as the cloud's own tools read them. A large file
goes up in parts and appears when the last one has arrived.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from flexlock.errors import MissingExtraError, ShareError
from flexlock.sharing.stores.interface import Progress

__all__ = ["BucketStore"]

_AT_ONCE = 8
_CHUNK = 8 << 20


@dataclass(frozen=True)
class BucketStore:
    """Keys are objects below the prefix that `url` names, as ``s3://bucket/prefix``."""

    url: str

    @cached_property
    def _bucket(self) -> Any:
        try:
            from obstore.store import from_url
        except ImportError as error:
            message = f"The store {self.url!r} needs the library 'obstore', which is not installed."
            raise MissingExtraError(message, hint="pip install obstore") from error
        options: dict[str, Any] = {}
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        if endpoint.startswith("http://"):
            options["client_options"] = {"allow_http": True}
        with _failures("opened", self.url):
            return from_url(self.url, **options)

    def sizes(self, keys: Collection[str]) -> dict[str, int]:
        """Return the sizes in bytes of those of the keys that are there."""
        import obstore

        def size(key: str) -> tuple[str, int | None]:
            try:
                with _failures("looked up", key):
                    return key, int(obstore.head(self._bucket, key)["size"])
            except _Missing:
                return key, None

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = threads.map(size, keys)
            return {key: size for key, size in found if size is not None}

    def upload(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Send local files, a few at a time."""
        import obstore

        def send(item: tuple[str, Path]) -> None:
            key, source = item
            with _failures("written", key):
                obstore.put(self._bucket, key, source)
            progress(source.stat().st_size)

        self._all(send, files)

    def download(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Fetch keys to local paths, a few at a time; each appears when it is complete."""
        import obstore

        def fetch(item: tuple[str, Path]) -> None:
            key, target = item
            temporary = target.with_name(f".{target.name}.part")
            try:
                with _failures("read", key), temporary.open("wb") as writing:
                    for chunk in obstore.get(self._bucket, key).stream(min_chunk_size=_CHUNK):
                        writing.write(chunk)
                        progress(len(chunk))
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)

        self._all(fetch, files)

    @staticmethod
    def _all(move: Any, files: Mapping[str, Path]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for _ in threads.map(move, files.items()):
                pass

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a key, or None when it is not there."""
        import obstore

        try:
            with _failures("read", key):
                return bytes(obstore.get(self._bucket, key).bytes())
        except _Missing:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Store a few bytes under a key, replacing what was there."""
        import obstore

        with _failures("written", key):
            obstore.put(self._bucket, key, data)

    def local_path(self, key: str) -> Path | None:
        """Return None: a bucket is not on this machine."""
        return None


class _Missing(ShareError):
    """There is no such key."""


class _failures:
    """Turns the library's errors into ours."""

    def __init__(self, what: str, key: str) -> None:
        self._what, self._key = what, key

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from obstore.exceptions import BaseError

        if isinstance(error, FileNotFoundError):
            raise _Missing(f"There is no {self._key!r} in the store.") from error
        if isinstance(error, (BaseError, OSError)):
            raise ShareError(
                f"{self._key!r} could not be {self._what}: {str(error).splitlines()[0]}",
                hint="What was moved before stays; repeat the command once that is put right.",
            ) from error

"""A bucket that `obstore` reaches: S3 and what speaks its protocol, Azure, Google Cloud, memory.

An object of a bucket appears when all of it has been accepted, so nothing is renamed: that would
be a copy. A large one goes up in parts; when its source fails, the parts are given up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .ahead import ahead
from .contract import Entry

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Backend

_PART = 8 << 20
"""Bytes up to this length go in one request, longer ones in parts of it."""
_PARTS_AT_ONCE = 4
_MOST_PARTS = 9_000
"""S3 takes 10,000; the length may have been told wrong."""


class BucketStore:
    """Keys are objects of a bucket, below its prefix.

    Args:
        backend: A store of `obstore`.
        url: Where it is.
    """

    def __init__(self, backend: Backend, url: str) -> None:
        self.backend = backend
        self.url = url

    @property
    def directory(self) -> None:
        """There are no files of this machine."""
        return

    # --- writing ---------------------------------------------------------------------

    def put(self, key: str, source: Iterable[bytes], length: int | None = None) -> None:
        """Write bytes under a key, whole or not at all; memory holds a few parts of them."""
        import obstore

        if length is not None and length <= _PART:
            obstore.put(self.backend, key, b"".join(source), use_multipart=False)
            return
        part = max(_PART, -(-(length or 0) // _MOST_PARTS))
        with closing(ahead(source)) as pieces:
            obstore.put(self.backend, key, pieces, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)

    def remove(self, keys: Collection[str]) -> None:
        """Forget keys, many in one request."""
        import obstore

        if not keys:
            return
        try:
            obstore.delete(self.backend, list(keys))
        except FileNotFoundError:  # memory and Google Cloud say so, S3 does not
            if len(keys) > 1:
                for key in keys:
                    self.remove([key])

    # --- reading ---------------------------------------------------------------------

    def entry(self, key: str) -> Entry | None:
        """What lies under a key; None when nothing does."""
        import obstore

        try:
            return _entry(obstore.head(self.backend, key))
        except FileNotFoundError:
            return None

    def pieces(
        self, key: str, piece: int, begin: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Yield bytes of an object, by one request."""
        import obstore

        if length == 0:
            return
        wanted = {"offset": begin} if length is None else (begin, begin + length)
        options: Any = {"range": wanted} if begin or length is not None else None
        found = obstore.get(self.backend, key, options=options)
        for some in found.stream(min_chunk_size=piece):
            yield bytes(some)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield the objects below a prefix."""
        import obstore

        for batch in obstore.list(self.backend, prefix=prefix):
            for facts in batch:
                yield _entry(facts)

    def folders(self, prefix: str) -> set[str]:
        """The parts that follow a prefix in keys."""
        import obstore

        found = obstore.list_with_delimiter(self.backend, prefix=prefix)
        return {str(each).rstrip("/").rpartition("/")[2] for each in found["common_prefixes"]}

    def sign(self, key: str, seconds: float) -> str | None:
        """A URL that opens the bytes for a while; None if the store cannot sign."""
        import obstore
        from obstore.store import AzureStore, GCSStore, S3Store

        if not isinstance(self.backend, S3Store | GCSStore | AzureStore):
            return None
        return str(obstore.sign(self.backend, "GET", key, timedelta(seconds=seconds)))


def _entry(facts: Any) -> Entry:
    return Entry(str(facts["path"]), int(facts["size"]), facts["last_modified"])

"""Which store the bytes of a catalog lie in: kept in its database, so that all who open it agree.

Without an entry they lie in a directory beside the catalog. The table is no part of copies:
a copy has bytes of its own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from ..errors import Corrupted
from .content import Content, ContentStore
from .stores import FileStore, open_store, own_place, translated
from .stores.addresses import probe

_METADATA = sa.MetaData()
_PLACE = sa.Table(
    "_object_place",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
)
_WORKERS = 4


def new_place(url: str) -> str:
    """A place of its own below the store at `url`, which was tried.

    Raises:
        BadRequest: `url` names no store, or one that is forgotten with the process.
        Unavailable: The store cannot be written: there is no such bucket, the credentials are
            wrong, or nobody answers.
    """
    place = own_place(url)
    probe(open_store(place))
    return place


def try_place(url: str) -> None:
    """See that a store can be used for objects, and leave nothing. Raises as `new_place` does."""
    store = open_store(own_place(url))
    try:
        probe(store)
    finally:
        if isinstance(store, FileStore):
            with translated(f"trying the store {url!r}"):
                store.remove_all()


def keep_place(connection: sa.Connection, place: str | None) -> None:
    """Write down in which store bytes lie; None for the directory beside the catalog."""
    _METADATA.create_all(connection)
    connection.execute(sa.delete(_PLACE))
    if place is not None:
        connection.execute(sa.insert(_PLACE).values(url=place))


def kept_place(connection: sa.Connection) -> str | None:
    """The URL that was written down; None for the directory beside the catalog."""
    if not sa.inspect(connection).has_table(_PLACE.name):
        return None
    return connection.execute(sa.select(_PLACE.c.url)).scalar()


def content_at(place: str | None, directory: Path) -> ContentStore:
    """The bytes in the store at `place`, or in `directory` when there is none."""
    return ContentStore.local(directory) if place is None else ContentStore.from_url(place)


def copy_contents(source: ContentStore, target: ContentStore) -> int:
    """Copy all bytes that are not there yet, and verify them; returns how many contents.

    Raises:
        Corrupted: Bytes are not what their digest says; those are not kept.
        Unavailable: A store failed; what was copied stays.
    """

    def copy(stored: tuple[str, int]) -> None:
        sha256, length = stored
        if not target.has(sha256):
            check = partial(_require_digest, sha256)
            target.add(source.read(sha256), check=check, sha256=sha256, length=length)

    contents = list(source.digests())
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="copy") as pool:
        for _ in pool.map(copy, contents):
            pass
    return len(contents)


def _require_digest(sha256: str, content: Content) -> None:
    if content.sha256 != sha256:
        raise Corrupted(
            f"The stored content {sha256} is damaged: its bytes have the digest {content.sha256}.",
            hint="Run 'deriva-catalog check' to list all damage.",
            sha256=sha256,
        )

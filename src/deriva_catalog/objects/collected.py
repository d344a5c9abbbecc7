"""Whether bytes that are about to be named were collected in between; see `collecting`."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from ..errors import Unavailable
from .content import ContentStore
from .tables import COLLECTED
from .versions import chunks


class ContentGone(Unavailable):
    """Bytes that were in the store when they were asked for are not there any more (HTTP 503)."""


def require_present(
    connection: sa.Connection, content: ContentStore, digests: Collection[str]
) -> None:
    """Refuse to name bytes that were collected, inside the transaction that names them.

    Raises:
        ContentGone: They were, and nobody stored them again.
    """
    for some in chunks(sorted(set(digests))):
        collected = sa.select(COLLECTED.c.sha256).where(COLLECTED.c.sha256.in_(some))
        back = list(connection.execute(collected).scalars())
        for sha256 in back:
            if not content.has(sha256):
                raise content_gone(sha256)
        if back:
            connection.execute(sa.delete(COLLECTED).where(COLLECTED.c.sha256.in_(back)))


def content_gone(sha256: str) -> ContentGone:
    """The error for bytes that were collected before they got a name."""
    return ContentGone(
        f"The content {sha256} was not needed by anything and has been collected.",
        hint="Send the bytes again.",
        sha256=sha256,
    )

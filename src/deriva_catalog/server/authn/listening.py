"""Where the service of some logins listens, for those who make links to it beside it."""

from __future__ import annotations

import sqlalchemy as sa

from .storage import AuthnStore, insert
from .tables import addresses

__all__ = ["keep_address", "known_address"]

_ONLY = 1


def keep_address(store: AuthnStore, url: str) -> None:
    """Note where a service has begun to listen; of several, the last one counts."""
    with store.writing() as connection:
        row = insert(connection, addresses).values(number=_ONLY, url=url)
        connection.execute(row.on_conflict_do_update(index_elements=["number"], set_={"url": url}))


def known_address(store: AuthnStore) -> str | None:
    """Where a service listened that was started last; None if there was none yet."""
    with store.reading() as connection:
        found = connection.scalar(sa.select(addresses.c.url))
    return None if found is None else str(found)

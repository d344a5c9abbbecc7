"""Connections that outlive their pool."""

from __future__ import annotations

import os
import weakref
from typing import Any

import sqlalchemy as sa

__all__ = ["close_late_returns"]

_OF = "deriva_catalog.pool"


def close_late_returns(engine: sa.Engine) -> None:
    """Close a connection that comes back when its pool has been disposed of.

    Disposing closes the connections that wait; one in use returns to the old pool, which nobody
    asks any more, and would stay open until it is collected.
    """
    here = weakref.ref(engine)  # the listeners live as long as the pool

    def made(_connection: Any, record: Any) -> None:
        owner = here()
        if owner is not None:
            record.info[_OF] = (weakref.ref(owner.pool), os.getpid())

    def returned(connection: Any, record: Any) -> None:
        owner, (pool, pid) = here(), record.info.get(_OF, (None, None))
        # A fork's copy is left alone: closing it would end the session of the parent.
        if connection is None or pool is None or pid != os.getpid():
            return
        if owner is None or pool() is not owner.pool:
            record.invalidate()

    sa.event.listen(engine, "connect", made)
    sa.event.listen(engine, "checkin", returned)

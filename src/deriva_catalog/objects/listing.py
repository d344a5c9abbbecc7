"""Lists of names, versions and uploads, for a client with its rights.

Source: Hatrac, sections 4 and 5.2.
"""

from __future__ import annotations

import sqlalchemy as sa

from .asking import Asker
from .names import PREFIX, ObjectName
from .states import state_of
from .store import ObjectStore
from .tables import NAME, VERSION
from .versions import of_name


def children(store: ObjectStore, asker: Asker, name: ObjectName) -> list[str]:
    """The names directly below a namespace that the client may list, sorted.

    Raises:
        NotFound: There is nothing of that name.
        Conflict: It is an object.
        NotAuthenticated, Forbidden: The client may not list it.
    """
    with store.database.reading() as reading:
        line = asker.line(reading.connection, name)
        place = line.namespace
        asker.require("read", place.acls, line.lists_above, line.place.path)
        return _children(reading.connection, line.place.path)


def _children(connection: sa.Connection, path: str) -> list[str]:
    below = sa.select(NAME.c.path).where(NAME.c.parent == path, ~NAME.c.deleted)
    return sorted(connection.execute(below).scalars())


def versions(store: ObjectStore, asker: Asker, name: ObjectName) -> list[str]:
    """The URLs of an object's versions under this name, newest first.

    Raises:
        NotFound: There is no such object.
        NotAuthenticated, Forbidden: The client may not list them.
    """
    with store.database.reading() as reading:
        line = asker.line(reading.connection, name)
        place = line.object
        asker.require("read", place.acls, line.lists_above, name.path)
        found = sa.select(VERSION.c.version).where(of_name(place.id or 0), ~VERSION.c.deleted)
        rows = reading.connection.execute(found.order_by(VERSION.c.id.desc())).scalars()
        return [f"{name.path}:{version}" for version in rows]


def has(name: ObjectName) -> sa.Select[tuple[int]]:
    """A question that has an answer where there is an object, or the version that a name says."""
    if name.version is not None:
        here = VERSION.c.version == name.version
        return sa.select(VERSION.c.id).where(here, ~VERSION.c.deleted).limit(1)
    return sa.select(NAME.c.id).where(NAME.c.path == name.path, ~NAME.c.deleted).limit(1)


def current_state(connection: sa.Connection, name: ObjectName) -> str | None:
    """The current version of an object; None if it has none, or there is no object."""
    here = sa.select(NAME.c.id).where(NAME.c.path == name.path, ~NAME.c.deleted)
    newest = sa.select(VERSION.c.version).where(of_name(here.scalar_subquery()), ~VERSION.c.deleted)
    return connection.execute(newest.order_by(VERSION.c.id.desc()).limit(1)).scalar()


def namespace_state(connection: sa.Connection, name: ObjectName) -> str:
    """The state of a namespace: that of the list of its names."""
    return state_of(_children(connection, name.path if name.parts else PREFIX))

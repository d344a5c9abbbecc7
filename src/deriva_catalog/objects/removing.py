"""Deleting versions, objects and namespaces: rows are marked, names stay taken for ever.

Source: Hatrac, "Deletion".
"""

from __future__ import annotations

import sqlalchemy as sa

from .. import snaptime
from .tables import JOB, NAME, VERSION


def below(path: str) -> sa.ColumnElement[bool]:
    """Whether a name lies below another, at any depth."""
    start = f"{path}/"  # compared as it is: LIKE may ignore case
    return sa.func.substr(NAME.c.path, 1, len(start)) == start


def remove_version(connection: sa.Connection, version: str) -> None:
    """Delete one version; the one before becomes the current one."""
    here = VERSION.c.version == version
    connection.execute(sa.update(VERSION).where(here).values(deleted=True, removed=snaptime.now()))


def remove_names(connection: sa.Connection, path: str) -> None:
    """Delete a name and all below it, with versions and uploads."""
    gone = ((NAME.c.path == path) | below(path)) & ~NAME.c.deleted
    mark = {"deleted": True, "removed": snaptime.now()}
    ids = sa.select(NAME.c.id).where(gone)
    connection.execute(sa.delete(JOB).where(JOB.c.name_id.in_(ids)))
    there = VERSION.c.name_id.in_(ids) & ~VERSION.c.deleted
    connection.execute(sa.update(VERSION).where(there).values(**mark))
    connection.execute(sa.update(NAME).where(gone).values(**mark))

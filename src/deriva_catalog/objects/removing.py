"""Deleting versions, objects and namespaces: rows are marked, names stay taken for ever.

Source: Hatrac, "Deletion".
"""

from __future__ import annotations

import sqlalchemy as sa

from .tables import JOB, NAME, VERSION


def below(path: str) -> sa.ColumnElement[bool]:
    """Whether a name lies below another, at any depth."""
    start = f"{path}/"  # compared as it is: LIKE may ignore case
    return sa.func.substr(NAME.c.path, 1, len(start)) == start


def remove_version(connection: sa.Connection, version: str) -> None:
    """Delete one version; the one before becomes the current one."""
    connection.execute(sa.update(VERSION).where(VERSION.c.version == version).values(deleted=True))


def remove_names(connection: sa.Connection, path: str) -> None:
    """Delete a name and all below it, with versions and uploads."""
    gone = (NAME.c.path == path) | below(path)
    ids = sa.select(NAME.c.id).where(gone)
    connection.execute(sa.delete(JOB).where(JOB.c.name_id.in_(ids)))
    connection.execute(sa.update(VERSION).where(VERSION.c.name_id.in_(ids)).values(deleted=True))
    connection.execute(sa.update(NAME).where(gone).values(deleted=True))

"""Undoing deletions, while the bytes are still there: for administrators only.

The protocol has no such request: for its clients, what is deleted is gone. A deletion marks rows,
and this takes the marks away, so that the same URLs work again.

Source: Hatrac, "Deletion".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import Conflict, NotFound
from .names import ObjectName, parse_name
from .removing import below
from .store import ObjectStore
from .tables import COLLECTED, NAME, VERSION
from .versions import chunks, of_name


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deleted version. `removed` is in microseconds since 1970, `length` in bytes."""

    url: str
    length: int
    sha256: str
    removed: int | None
    is_stored: bool


def trash(store: ObjectStore) -> list[Deleted]:
    """The versions that were deleted, latest first; those whose bytes are stored can be restored.

    Cost: One listing of the store.
    """
    stored = {sha256 for sha256, _ in store.content.digests()}
    statement = (
        sa.select(
            NAME.c.path, VERSION.c.version, VERSION.c.length, VERSION.c.sha256, VERSION.c.removed
        )
        .join_from(VERSION, NAME, VERSION.c.name_id == NAME.c.id)
        .where(VERSION.c.deleted)
        .order_by(VERSION.c.removed.desc(), VERSION.c.id.desc())
    )
    with store.database.reading() as reading:
        rows = reading.connection.execute(statement).all()
    return [
        Deleted(f"{path}:{version}", length, sha256, removed, sha256 in stored)
        for path, version, length, sha256, removed in rows
    ]


def restore(store: ObjectStore, url: str) -> list[str]:
    """Undo the deletion of a version, an object or a namespace; all of it or nothing.

    Of an object or a namespace, that comes back which was deleted by the same act. Namespaces
    above come back as well, but nothing else in them. Uploads that were cancelled do not.

    Args:
        store: The objects.
        url: What was deleted.

    Returns:
        The URLs of the versions that are there again.

    Raises:
        NotFound: There never was such a thing.
        Conflict: It is not deleted, or bytes of it are gone; nothing is changed.
    """
    name = parse_name(url)
    with store.database.writing() as writing:
        connection = writing.connection
        if name.version is not None:
            versions = [_version(connection, name)]
            names = [versions[0].name_id]
        else:
            versions, names = _act(connection, name)
        _require_bytes(store, name, versions)
        paths = [parse_name(v.path) for v in versions] or [name]
        above = {parent.path for each in paths for parent in each.parents}
        _unmark(connection, names, sorted(above), [v.id for v in versions])
        for some in chunks(sorted({v.sha256 for v in versions})):
            connection.execute(sa.delete(COLLECTED).where(COLLECTED.c.sha256.in_(some)))
    return [f"{v.path}:{v.version}" for v in versions]


_VERSIONS = sa.select(
    VERSION.c.id,
    VERSION.c.name_id,
    VERSION.c.version,
    VERSION.c.length,
    VERSION.c.sha256,
    VERSION.c.deleted,
    NAME.c.path,
).join_from(VERSION, NAME, VERSION.c.name_id == NAME.c.id)


def _version(connection: sa.Connection, name: ObjectName) -> Any:
    here = sa.select(NAME.c.id).where(NAME.c.path == name.path).scalar_subquery()
    statement = _VERSIONS.where(VERSION.c.version == name.version, of_name(here))
    found = connection.execute(statement).first()
    if found is None:
        raise NotFound(f"There never was a version {name.url}.", name=name.url)
    if not found.deleted:
        raise _not_deleted(name)
    return found


def _act(connection: sa.Connection, name: ObjectName) -> tuple[list[Any], list[int]]:
    """What one deletion of a name took away: versions, and the names themselves."""
    here = connection.execute(
        sa.select(NAME.c.id, NAME.c.deleted, NAME.c.removed).where(NAME.c.path == name.path)
    ).first()
    if here is None:
        raise NotFound(f"There never was an object or a namespace {name.path}.", name=name.path)
    if not here.deleted:
        raise _not_deleted(name)
    gone = ((NAME.c.path == name.path) | below(name.path)) & NAME.c.deleted
    same = NAME.c.removed.is_(None) if here.removed is None else NAME.c.removed == here.removed
    ids = sa.select(NAME.c.id).where(gone, same)
    together = (
        VERSION.c.removed.is_(None) if here.removed is None else VERSION.c.removed == here.removed
    )
    chosen = _VERSIONS.where(VERSION.c.name_id.in_(ids), VERSION.c.deleted, together)
    versions = connection.execute(chosen.order_by(VERSION.c.id)).all()
    return list(versions), list(connection.execute(ids).scalars())


def _require_bytes(store: ObjectStore, name: ObjectName, versions: Sequence[Any]) -> None:
    lengths = {v.sha256: store.content.length(v.sha256) for v in versions}
    gone = [v for v in versions if lengths[v.sha256] != v.length]
    if gone:
        raise Conflict(
            f"{name.url} cannot be restored: the bytes of {len(gone)} of its {len(versions)} "
            f"versions are gone, such as those of {gone[0].path}:{gone[0].version}.",
            hint="'deriva-catalog trash' tells which versions can be restored, one by one.",
        )


def _unmark(
    connection: sa.Connection, names: Sequence[int], above: Sequence[str], versions: Sequence[int]
) -> None:
    here = {"deleted": False, "removed": None}
    for some in chunks(names):
        connection.execute(sa.update(NAME).where(NAME.c.id.in_(some)).values(**here))
    for paths in chunks(above):
        connection.execute(sa.update(NAME).where(NAME.c.path.in_(paths)).values(**here))
    for some in chunks(versions):
        connection.execute(sa.update(VERSION).where(VERSION.c.id.in_(some)).values(**here))


def _not_deleted(name: ObjectName) -> Conflict:
    return Conflict(
        f"{name.url} is not deleted.",
        hint="Name a version to restore one that was deleted by itself.",
        name=name.url,
    )

"""Taking names for objects and namespaces, many at once."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from ..errors import Conflict, NotFound
from .names import PREFIX, ObjectName
from .tables import NAME

_CHUNK = 5000


def claim_names(
    connection: sa.Connection,
    names: Iterable[ObjectName],
    *,
    now: int,
    parents: bool,
    namespace: bool = False,
) -> dict[str, int]:
    """Return the row id of each name by its path, taking those that are free.

    Raises:
        Conflict: A name is of the other kind or was deleted, or a parent is an object.
        NotFound: A parent is missing and `parents` is False.
    """
    wanted = {name.path: namespace for name in names if name.parts}
    above = {parent.path for name in names for parent in name.parents}
    known = _known(connection, wanted.keys() | above)
    _check(known, wanted, above, parents)
    missing = (wanted.keys() | above) - known.keys()
    if missing:
        rows = [
            {
                "path": path,
                "parent": path.rpartition("/")[0],
                "is_namespace": wanted.get(path, True) or path in above,
                "deleted": False,
                "created": now,
            }
            for path in sorted(missing)
        ]
        connection.execute(sa.insert(NAME), rows)
        known.update(_known(connection, missing))
    return {path: known[path][0] for path in wanted}


def _known(connection: sa.Connection, paths: Iterable[str]) -> dict[str, tuple[int, bool, bool]]:
    """Return (id, is a namespace, is deleted) of the names that exist."""
    every = sorted(paths)
    found: dict[str, tuple[int, bool, bool]] = {}
    for start in range(0, len(every), _CHUNK):
        statement = sa.select(NAME.c.path, NAME.c.id, NAME.c.is_namespace, NAME.c.deleted).where(
            NAME.c.path.in_(every[start : start + _CHUNK])
        )
        for path, identifier, is_namespace, deleted in connection.execute(statement):
            found[path] = (identifier, is_namespace, deleted)
    return found


def _check(
    known: dict[str, tuple[int, bool, bool]],
    wanted: dict[str, bool],
    above: set[str],
    parents: bool,
) -> None:
    for path in (*wanted, *above):
        _, is_namespace, deleted = known.get(path, (0, path in above, False))
        if deleted:
            raise Conflict(
                f"The name {path!r} was deleted and is not available.",
                hint="A name denotes one thing for ever; choose another.",
            )
        if path in above and (not is_namespace or wanted.get(path) is False):
            raise Conflict(f"{path!r} is an object, so nothing can be below it.")
        if path in wanted and path in known and is_namespace != wanted[path]:
            kind = "a namespace" if is_namespace else "an object"
            raise Conflict(f"The name {path!r} is taken by {kind}.")
    if not parents and (missing := sorted(above - known.keys())):
        raise NotFound(
            f"There is no namespace {missing[0]!r}.",
            hint=f"Create it, or ask for missing parents below '{PREFIX}'.",
        )

"""Taking names for objects and namespaces, many at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from ..errors import Conflict, NotFound
from .acls import NOBODY, Acls, dump, load
from .asking import Asker
from .names import PREFIX, ObjectName
from .tables import NAME

_CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Known:
    """A name that was used; `acls` is the text of its lists."""

    id: int
    is_namespace: bool
    deleted: bool
    acls: str | None


Granting = Callable[[Mapping[str, Known], Collection[ObjectName]], None]
"""Raises when names may not be taken, given all that exists of them and above them."""


def claim_names(
    connection: sa.Connection,
    names: Collection[ObjectName],
    *,
    now: int,
    parents: bool,
    namespace: bool = False,
    acls: Acls = NOBODY,
    granting: Granting | None = None,
) -> dict[str, int]:
    """Return the row id of each name by its path, taking those that are free.

    Args:
        connection: Inside a writing transaction.
        names: Names of objects, or of namespaces.
        now: When; microseconds since 1970.
        parents: Whether to make missing namespaces above.
        namespace: Whether the names are those of namespaces.
        acls: The lists of what is made.
        granting: Asked once it is clear that the names can be taken.

    Raises:
        Conflict: A name is of the other kind or was deleted, or a parent is an object.
        NotFound: A parent is missing and `parents` is False.
    """
    known = check_names(connection, names, parents=parents, namespace=namespace, granting=granting)
    wanted = {name.path: namespace for name in names if name.parts}
    above = {parent.path for name in names for parent in name.parents}
    missing = (wanted.keys() | above) - known.keys()
    if missing:
        kept = dump(acls)
        rows = [
            {
                "path": path,
                "parent": path.rpartition("/")[0],
                "is_namespace": wanted.get(path, True) or path in above,
                "deleted": False,
                "created": now,
                "acls": kept,
            }
            for path in sorted(missing)
        ]
        connection.execute(sa.insert(NAME), rows)
        known.update(_known(connection, missing))
    return {path: known[path].id for path in wanted}


def check_names(
    connection: sa.Connection,
    names: Collection[ObjectName],
    *,
    parents: bool,
    namespace: bool = False,
    granting: Granting | None = None,
) -> dict[str, Known]:
    """Raise what `claim_names` would, writing nothing; returns all that exists of the names."""
    wanted = {name.path: namespace for name in names if name.parts}
    above = {parent.path for name in names for parent in name.parents}
    known = _known(connection, {PREFIX, *wanted, *above})
    _check(known, wanted, above, parents)
    if granting is not None:
        granting(known, names)
    return known


def _known(connection: sa.Connection, paths: Iterable[str]) -> dict[str, Known]:
    """Return the names that exist."""
    every = sorted(paths)
    found: dict[str, Known] = {}
    columns = (NAME.c.path, NAME.c.id, NAME.c.is_namespace, NAME.c.deleted, NAME.c.acls)
    for start in range(0, len(every), _CHUNK):
        statement = sa.select(*columns).where(NAME.c.path.in_(every[start : start + _CHUNK]))
        for path, *facts in connection.execute(statement):
            found[path] = Known(*facts)
    return found


def _check(
    known: dict[str, Known], wanted: dict[str, bool], above: set[str], parents: bool
) -> None:
    for path in (*wanted, *above):
        found = known.get(path)
        is_namespace = path in above if found is None else found.is_namespace
        if found is not None and found.deleted:
            raise Conflict(
                f"The name {path!r} was deleted and is not available.",
                hint="A name denotes one thing for ever; choose another.",
            )
        if path in above and (not is_namespace or wanted.get(path) is False):
            raise Conflict(f"{path!r} is an object, so nothing can be below it.")
        if path in wanted and found is not None and is_namespace != wanted[path]:
            kind = "a namespace" if is_namespace else "an object"
            raise Conflict(f"The name {path!r} is taken by {kind}.")
    if not parents and (missing := sorted(above - known.keys())):
        raise NotFound(
            f"There is no namespace {missing[0]!r}.",
            hint=f"Create it, or ask for missing parents below '{PREFIX}'.",
        )


def granting_to(asker: Asker) -> Granting:
    """Return what checks the rights of a client: ``update`` on objects, ``create`` above new names.

    Raises:
        NotAuthenticated: The client is anonymous, or lacks a right and is anonymous.
        Forbidden: It lacks a right.
    """

    def check(known: Mapping[str, Known], names: Collection[ObjectName]) -> None:
        root = known.get(PREFIX)
        lists = {PREFIX: asker.root_lists(None if root is None else root.acls)}
        parents_allowed: set[str] = set()

        def of(path: str) -> Acls:
            if path not in lists:
                lists[path] = load(known[path].acls)
            return lists[path]

        for name in names:
            asker.require_login(name.path)
            line = [PREFIX, *(p.path for p in name.parents if p.path in known)]
            if name.path in known:
                above = [of(path) for path in line]
                asker.require("update", of(name.path), above, name.path)
            elif line[-1] not in parents_allowed:
                above = [of(path) for path in line[:-1]]
                asker.require("create", of(line[-1]), above, name.path)
                parents_allowed.add(line[-1])

    return check

"""Reading and changing access control lists, for owners.

Source: Hatrac, "Access control".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from .. import snaptime
from ..errors import Conflict, NotFound
from .acls import Acls, Kind, check_list_name, checked_roles, dump, every_list
from .asking import Asker
from .names import PREFIX, ObjectName
from .states import Precondition, no_precondition, state_of
from .store import ObjectStore
from .tables import NAME, VERSION


@dataclass(frozen=True, slots=True)
class _Owned:
    """A resource whose lists the client may see and change."""

    kind: Kind
    url: str
    acls: Acls
    table: sa.Table
    id: int | None


def read_lists(store: ObjectStore, asker: Asker, name: ObjectName) -> dict[str, list[str]]:
    """All lists of a namespace, an object or (of a name with a version) a version.

    Raises:
        NotFound: There is no such resource.
        NotAuthenticated, Forbidden: The client does not own it.
    """
    with store.database.reading() as reading:
        found = _owned(reading.connection, asker, name)
    return every_list(found.kind, found.acls)


def read_list(store: ObjectStore, asker: Asker, name: ObjectName, access: str) -> list[str]:
    """One list. Raises also `BadRequest` for one that the kind of resource does not have."""
    with store.database.reading() as reading:
        found = _owned(reading.connection, asker, name)
    check_list_name(found.kind, access, found.url)
    return list(found.acls.get(access, ()))


def set_list(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    access: str,
    roles: Sequence[str],
    *,
    precondition: Precondition = no_precondition,
) -> None:
    """Replace one list; see `read_list` for what is raised."""
    chosen = checked_roles(list(roles))
    _change(store, asker, name, access, lambda _: chosen, precondition)


def add_role(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    access: str,
    role: str,
    *,
    precondition: Precondition = no_precondition,
) -> None:
    """Put a role on a list, if it is not there yet."""
    checked_roles([role])
    _change(store, asker, name, access, lambda have: dict.fromkeys((*have, role)), precondition)


def remove_role(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    access: str,
    role: str,
    *,
    precondition: Precondition = no_precondition,
) -> None:
    """Take a role off a list. Raises `NotFound` when it is not on it."""

    def without(have: tuple[str, ...]) -> Sequence[str]:
        if role not in have:
            raise NotFound(f"ACL member {role} not found on {access} of {name.url}.")
        return [each for each in have if each != role]

    _change(store, asker, name, access, without, precondition)


def _change(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    access: str,
    change: Callable[[tuple[str, ...]], Sequence[str] | dict[str, None]],
    precondition: Precondition,
) -> None:
    with store.database.writing() as writing:
        found = _owned(writing.connection, asker, name)
        check_list_name(found.kind, access, found.url)
        have = tuple(found.acls.get(access, ()))
        precondition(state_of(list(have)))
        if not name.parts and asker.root:
            raise Conflict(
                "The lists of the root are those of the catalog.",
                hint="Change the catalog's lists.",
            )
        lists = dump({**found.acls, access: tuple(change(have))})
        if found.id is None:
            row = {"path": PREFIX, "parent": "", "is_namespace": True, "deleted": False}
            writing.connection.execute(
                sa.insert(NAME).values(**row, created=snaptime.now(), acls=lists)
            )
            return
        here = found.table.c.id == found.id
        writing.connection.execute(sa.update(found.table).where(here).values(acls=lists))


def _owned(connection: sa.Connection, asker: Asker, name: ObjectName) -> _Owned:
    if name.version is not None:
        kept = asker.owned(connection, name)
        return _Owned("version", name.url, kept.acls, VERSION, kept.id)
    line = asker.line(connection, name)
    place = line.place
    asker.require("owner", place.acls, line.lists_above, place.path)
    kind: Kind = "namespace" if place.is_namespace else "object"
    return _Owned(kind, place.path, place.acls, NAME, place.id)

"""Making and deleting objects and namespaces, for a client with its rights.

Source: Hatrac, sections 4, 5 and 11.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from .. import snaptime
from ..errors import Conflict, Forbidden
from .acls import Acls, holds, load, owned_by
from .asking import Asker, Line
from .content import Progress
from .listing import current_state, namespace_state
from .names import PREFIX, ObjectName, parse_name
from .naming import check_names, claim_names, granting_to
from .removing import below, remove_names, remove_version
from .states import Precondition, no_precondition
from .store import ObjectStore
from .tables import NAME
from .versions import ObjectVersion, Upload, declared


def put(
    store: ObjectStore,
    asker: Asker,
    upload: Upload,
    *,
    parents: bool = False,
    precondition: Precondition = no_precondition,
    progress: Progress | None = None,
    take: bool = False,
) -> ObjectVersion:
    """Store bytes as a new version of an object, making the object if need be.

    With `take`, a source that is an open file is given away (`ContentStore.add`).

    The right to do so is checked before the bytes are stored, and again when they are named.

    Raises:
        BadRequest: The bytes are not what the upload declares; nothing is left behind.
        NotAuthenticated, Forbidden: The client may not.
        NotFound, Conflict: See `ObjectStore.put`.
        PreconditionFailed: By `precondition`.
    """
    name = parse_name(upload.name, version_allowed=False)
    granting = granting_to(asker)
    with store.database.reading() as reading:
        check_names(reading.connection, [name], parents=parents, granting=granting)
        precondition(current_state(reading.connection, name))
    source = upload.source
    assert source is not None

    def stored() -> list[Upload]:
        content = store.content.add(source, progress, check=partial(declared, upload), take=take)
        store.content.flush([content.sha256])
        return [replace(upload, source=None, content=content)]

    def named(uploads: list[Upload]) -> list[ObjectVersion]:
        with store.database.writing() as writing:
            precondition(current_state(writing.connection, name))
            return store.register(
                uploads, parents=parents, acls=owned_by(asker.client.id), granting=granting
            )

    return store.naming(stored, named, [upload])[0]


def make_namespace(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    *,
    parents: bool = False,
    precondition: Precondition = no_precondition,
) -> None:
    """Make a namespace that is not there yet.

    Raises:
        Conflict: The name is taken, or was deleted, or is the root's.
        NotAuthenticated, Forbidden, NotFound: See `put`.
    """
    if not name.parts:
        raise Conflict(f"Namespace {PREFIX} exists.")
    with store.database.writing() as writing:
        line = asker.line(writing.connection, name)
        precondition(_state(writing.connection, line))
        if line.here is not None and not line.here.deleted:
            kind = "Namespace" if line.here.is_namespace else "Object"
            raise Conflict(f"{kind} {name.path} exists already.", hint="Choose another name.")
        claim_names(
            writing.connection,
            [name],
            now=snaptime.now(),
            parents=parents,
            namespace=True,
            acls=owned_by(asker.client.id),
            granting=granting_to(asker),
        )


def remove(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    *,
    precondition: Precondition = no_precondition,
) -> None:
    """Delete a version, an object with its versions, or a namespace with all below it.

    Raises:
        NotFound: There is no such thing.
        NotAuthenticated, Forbidden: The client does not own it, or something below it; nothing
            is deleted then.
    """
    if not name.parts:
        raise Forbidden(f"Root service namespace {PREFIX}/ cannot be deleted.")
    with store.database.writing() as writing:
        connection = writing.connection
        if name.version is not None:
            kept = asker.kept(connection, name)
            precondition(kept.version.version)
            place = kept.line.place
            if not asker.may("owner", place.acls, kept.line.lists_above):
                asker.require("owner", kept.acls, kept.lists_above, name.url)
            remove_version(connection, kept.version.version)
            return
        line = asker.line(connection, name)
        place = line.place
        precondition(_state(connection, line))
        asker.require("owner", place.acls, line.lists_above, name.path)
        if place.is_namespace:
            _require_all_below(connection, asker, line)
        remove_names(connection, name.path)


def _state(connection: sa.Connection, line: Line) -> str | None:
    if line.here is None or line.here.deleted:
        return None
    if line.here.is_namespace:
        return namespace_state(connection, line.name)
    return current_state(connection, line.name)


def _require_all_below(connection: sa.Connection, asker: Asker, line: Line) -> None:
    """Refuse unless the client owns each name below a namespace."""
    roles, path = asker.client.roles, line.name.path
    above = (*line.lists_above, line.place.acls)
    if holds("owner", {}, above, roles):
        return
    lists: dict[str, tuple[Acls, ...]] = {path: above}
    statement = sa.select(NAME.c.path, NAME.c.parent, NAME.c.acls)
    # In the order of their lengths, so that each comes after its parent.
    order = sa.func.length(NAME.c.path)
    for each, parent, text in connection.execute(
        statement.where(below(path), ~NAME.c.deleted).order_by(order)
    ):
        own, over = load(text), lists[parent]
        asker.require("owner", own, over, each)
        lists[each] = (*over, own)

"""Giving versions another name; no byte is copied, and the old URLs go on working.

Source: Hatrac, "Rename".
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from .. import snaptime
from ..errors import Conflict, NotFound
from .acls import dump, owned_by
from .asking import Asker, Kept, Place
from .listing import current_state
from .names import ObjectName
from .naming import claim_names, granting_to
from .states import Precondition, no_precondition
from .store import ObjectStore
from .tables import FORMER, VERSION
from .versions import of_name


def rename(
    store: ObjectStore,
    asker: Asker,
    name: ObjectName,
    source: ObjectName,
    versions: Sequence[str] | None = None,
    *,
    copy_acls: bool = False,
    precondition: Precondition = no_precondition,
) -> tuple[list[str], bool]:
    """Move versions of `source` (default: all) to `name`, which is made if need be.

    Returns the URLs that they have now, newest first, and whether anything was moved: the same
    request again moves nothing.

    Args:
        store: The objects.
        asker: Must own `source` and the versions, and may create or update `name`.
        name: The new name.
        source: The old one.
        versions: Which of its versions.
        copy_acls: Keep the lists of the object and the versions; else the client owns them.
        precondition: On the current version of `name`.

    Raises:
        Conflict: `source` is no object, a version is not its, or was given another name before;
            `name` is taken or was deleted.
        NotFound: The namespace of `name` is missing.
        NotAuthenticated, Forbidden: The client may not.
    """
    with store.database.writing() as writing:
        connection = writing.connection
        place = _source(connection, asker, source)
        chosen = _chosen(connection, asker, source, place, versions)
        precondition(current_state(connection, name))
        urls = [f"{name.path}:{kept.version.version}" for kept in chosen]
        moving = [
            kept for kept in chosen if kept.version.name == source.path and source.path != name.path
        ]
        if any(kept.version.name not in (source.path, name.path) for kept in chosen):
            raise Conflict(
                f"Versions of {source.path} were renamed before, to another name than {name.path}.",
                hint="Rename them from the name that they have now.",
            )
        line = asker.line(connection, name)
        if not moving and line.here is not None and not line.here.deleted:
            return urls, False
        ids = claim_names(
            connection,
            [name],
            now=snaptime.now(),
            parents=False,
            acls=place.acls if copy_acls else owned_by(asker.client.id),
            granting=granting_to(asker),
        )
        _move(connection, asker, place, moving, ids[name.path], copy_acls=copy_acls)
        return urls, True


def _source(connection: sa.Connection, asker: Asker, source: ObjectName) -> Place:
    line = asker.line(connection, source)
    if line.here is None or line.here.deleted or line.here.is_namespace:
        raise Conflict(
            f"There is no object {source.path} to rename.", hint="Check the source's name."
        )
    asker.require("owner", line.here.acls, line.lists_above, source.path)
    return line.here


def _chosen(
    connection: sa.Connection,
    asker: Asker,
    source: ObjectName,
    place: Place,
    versions: Sequence[str] | None,
) -> list[Kept]:
    statement = sa.select(VERSION.c.version).where(of_name(place.id or 0), ~VERSION.c.deleted)
    known = list(connection.execute(statement.order_by(VERSION.c.id.desc())).scalars())
    wanted = known if versions is None else [v for v in known if v in versions]
    unknown = set(versions or ()) - set(known)
    if unknown:
        raise Conflict(f"{source.path} has no version {sorted(unknown)[0]}.")
    chosen = []
    for version in wanted:
        each = ObjectName(source.parts, version)
        try:
            chosen.append(asker.owned(connection, each))
        except NotFound as error:
            raise Conflict(f"{each.url} cannot be renamed: {error.message}") from error
    return chosen


def _move(
    connection: sa.Connection,
    asker: Asker,
    place: Place,
    moving: Sequence[Kept],
    target: int,
    *,
    copy_acls: bool,
) -> None:
    if not moving:
        return
    ids = [kept.id for kept in moving]
    values: dict[str, object] = {"name_id": target}
    if not copy_acls:
        values["acls"] = dump(owned_by(asker.client.id))
    connection.execute(sa.update(VERSION).where(VERSION.c.id.in_(ids)).values(**values))
    # A version that comes back to a name it once had is there, and nowhere else.
    names = (target, place.id)
    connection.execute(
        sa.delete(FORMER).where(FORMER.c.name_id.in_(names), FORMER.c.version_id.in_(ids))
    )
    connection.execute(
        sa.insert(FORMER), [{"name_id": place.id, "version_id": each} for each in ids]
    )

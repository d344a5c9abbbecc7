"""Clients as they are kept: who they are, which groups they are in, whether they are shut out."""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from ...access import Attribute, Client
from .storage import insert
from .tables import clients, groups, members

__all__ = ["GROUP_PREFIX", "group_id", "keep_client", "known_client"]

GROUP_PREFIX = "group:"
"""Before the name of a group of this service; no login name and no URI begins so."""


def group_id(name: str) -> str:
    """The role of the members of a group of this service."""
    return f"{GROUP_PREFIX}{name}"


def keep_client(connection: sa.Connection, client: Client) -> None:
    """Write down who a client is, and which groups its provider told of."""
    identities = client.identities or ((client.id,) if client.id else ())
    own = {client.id, *identities}
    told = [
        {"id": a.id, "display_name": a.display_name}
        for a in client.attributes
        if a.id not in own and not a.id.startswith(GROUP_PREFIX)
    ]
    values = {
        "display_name": client.display_name,
        "full_name": client.full_name,
        "email": client.email,
        "identities": json.dumps(list(identities)),
        "attributes": json.dumps(told),
    }
    made = insert(connection, clients).values(id=client.id, locked=False, **values)
    connection.execute(made.on_conflict_do_update(index_elements=[clients.c.id], set_=values))


def known_client(connection: sa.Connection, client_id: str) -> Client | None:
    """The client with its groups as they are now; None if it is unknown or locked."""
    row = connection.execute(
        sa.select(clients).where(clients.c.id == client_id, sa.not_(clients.c.locked))
    ).first()
    if row is None:
        return None
    identities = tuple(json.loads(row.identities))
    told = [Attribute(a["id"], a["display_name"]) for a in json.loads(row.attributes)]
    name = row.display_name or row.id
    own = [Attribute(row.id, name, identities)]
    own += [Attribute(identity, None, (identity,)) for identity in identities if identity != row.id]
    return Client(
        id=row.id,
        display_name=name,
        full_name=row.full_name,
        email=row.email,
        identities=identities if len(identities) > 1 else (),
        attributes=(*own, *told, *_groups_of(connection, [a.id for a in (*own, *told)])),
    )


def _groups_of(connection: sa.Connection, roles: Iterable[str]) -> list[Attribute]:
    """The groups of this service that one of the roles is a member of."""
    found = connection.execute(
        sa.select(groups.c.name, groups.c.title)
        .join(members)
        .where(members.c.member.in_(list(roles)))
        .distinct()
        .order_by(groups.c.name)
    )
    return [Attribute(group_id(name), title) for name, title in found]

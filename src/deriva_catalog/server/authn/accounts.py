"""Accounts and groups of this service, as its administrator keeps them.

The id of an account's client is its login name, which is also what embedded use of the catalogs
on this machine records. A name that was removed may own catalogs and rows: it is not given to
somebody else by accident.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from ...access import Client
from ...errors import BadRequest, Conflict, NotFound
from ...model.lookup import near_misses
from .passwords import Passwords, refuse_weak
from .people import GROUP_PREFIX, keep_client, known_client
from .storage import AuthnStore, insert
from .tables import accounts, clients, groups, links, members, sessions, tokens

__all__ = [
    "Account",
    "Group",
    "add_account",
    "add_to_group",
    "check_password",
    "client_named",
    "ensure_client",
    "list_accounts",
    "list_groups",
    "lock_client",
    "remove_account",
    "remove_from_group",
    "remove_group",
    "set_password",
]

_NAME = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.@+]{0,127}")


@dataclass(frozen=True, slots=True)
class Account:
    """One that can log in here. `last_login` and `created` are seconds since 1970."""

    name: str
    display_name: str | None
    full_name: str | None
    email: str | None
    has_password: bool
    locked: bool
    created: float
    last_login: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """A group; `members` are ids of clients."""

    name: str
    title: str
    members: tuple[str, ...]


# --- accounts ----------------------------------------------------------------------------


def add_account(
    store: AuthnStore,
    name: str,
    password: str | None,
    *,
    now: float,
    full_name: str | None = None,
    email: str | None = None,
    again: bool = False,
) -> None:
    """Make an account.

    Args:
        store: Where logins are kept.
        name: Its login name, which is also the id of the client.
        password: What opens it; None when only login links and tokens shall.
        now: Seconds since 1970.
        full_name: The person's name.
        email: Where the person is reached.
        again: Whether the name may be one that was used before; what its owner owned then
            belongs to the new account.

    Raises:
        BadRequest: the name or the password cannot be used.
        Conflict: there is such an account, or there was one.
    """
    _check_name(name, "a login name")
    if password is not None:
        refuse_weak(password, name)
    kept = None if password is None else Passwords().hash(password)
    with store.writing() as connection:
        if _account(connection, name) is not None:
            raise Conflict(f"There is an account {name!r} already.", hint="Choose another name.")
        used = connection.scalar(sa.select(clients.c.id).where(clients.c.id == name))
        if used is not None and not again:
            raise Conflict(
                f"The name {name!r} was used before, and may own catalogs and rows.",
                hint="Choose another name, or say that it is the same person (--again).",
            )
        keep_client(connection, Client(name, name, full_name, email))
        connection.execute(sa.update(clients).where(clients.c.id == name).values(locked=False))
        connection.execute(
            sa.insert(accounts).values(
                folded=name.casefold(), client=name, password=kept, created=now
            )
        )


def ensure_client(store: AuthnStore, name: str) -> None:
    """Make sure that a login link can be made for a login name, such as this machine's user.

    Raises:
        BadRequest: the name cannot be one.
    """
    if not name or name.startswith(("group:", "*")) or not name.isprintable():
        raise BadRequest(f"{name!r} cannot be the name of a user.")
    with store.writing() as connection:
        if connection.scalar(sa.select(clients.c.id).where(clients.c.id == name)) is None:
            keep_client(connection, Client(name, name))


def list_accounts(store: AuthnStore) -> list[Account]:
    """All accounts, by name."""
    with store.reading() as connection:
        found = connection.execute(
            sa.select(accounts, clients).join(clients).order_by(accounts.c.folded)
        ).all()
    return [
        Account(
            row.id,
            row.display_name,
            row.full_name,
            row.email,
            row.password is not None,
            bool(row.locked),
            row.created,
            row.last_login,
        )
        for row in found
    ]


def set_password(store: AuthnStore, name: str, password: str) -> None:
    """Give an account another password, and end its sessions. Its tokens stay.

    Raises:
        NotFound: there is no such account.
        BadRequest: the password is too weak.
    """
    refuse_weak(password, name)
    kept = Passwords().hash(password)
    with store.writing() as connection:
        client = _existing(connection, name)
        connection.execute(
            sa.update(accounts).where(accounts.c.client == client).values(password=kept)
        )
        connection.execute(sa.delete(sessions).where(sessions.c.client == client))
        connection.execute(sa.delete(links).where(links.c.client == client))


def lock_client(store: AuthnStore, name: str, *, locked: bool = True) -> None:
    """Shut a client out, or let it in again: an account, or the id of one from a provider.

    Its sessions end; its tokens do not work meanwhile.

    Raises:
        NotFound: nobody of that name or id has ever been here.
    """
    with store.writing() as connection:
        client = _account(connection, name) or name
        changed = connection.execute(
            sa.update(clients).where(clients.c.id == client).values(locked=locked)
        )
        if not changed.rowcount:
            raise _unknown(connection, name)
        if locked:
            connection.execute(sa.delete(sessions).where(sessions.c.client == client))
            connection.execute(sa.delete(links).where(links.c.client == client))


def remove_account(store: AuthnStore, name: str) -> None:
    """Remove an account, its sessions, tokens and memberships. What it owns stays its own.

    Raises:
        NotFound: there is no such account.
    """
    with store.writing() as connection:
        client = _existing(connection, name)
        for table in (accounts, sessions, tokens, links):
            connection.execute(sa.delete(table).where(table.c.client == client))
        connection.execute(sa.delete(members).where(members.c.member == client))
        connection.execute(sa.update(clients).where(clients.c.id == client).values(locked=True))


def check_password(
    store: AuthnStore, passwords: Passwords, name: str, password: str, now: float
) -> str | None:
    """The id of the client whose name and password these are; None if they are nobody's.

    Takes the same time for accounts that there are, that there are not, and that are locked.
    """
    asked = name.casefold() if _NAME.fullmatch(name) else ""  # no database likes every text
    with store.reading() as connection:
        row = connection.execute(
            sa.select(accounts.c.client, accounts.c.password, clients.c.locked)
            .join(clients)
            .where(accounts.c.folded == asked)
        ).first()
    right = passwords.matches(password, None if row is None else row.password)
    if row is None or not right or row.locked:
        return None
    client: str = row.client
    changes: dict[str, object] = {"last_login": now}
    if passwords.is_outdated(row.password):
        changes["password"] = passwords.hash(password)
    with store.writing() as connection:
        # Not if the password was changed meanwhile.
        same = sa.and_(accounts.c.client == client, accounts.c.password == row.password)
        done = connection.execute(sa.update(accounts).where(same).values(changes))
    return client if done.rowcount else None


def _account(connection: sa.Connection, name: str) -> str | None:
    return connection.scalar(
        sa.select(accounts.c.client).where(accounts.c.folded == name.casefold())
    )


def _existing(connection: sa.Connection, name: str) -> str:
    found = _account(connection, name)
    if found is None:
        raise _unknown(connection, name)
    return found


def _unknown(connection: sa.Connection, name: str) -> NotFound:
    known = list(connection.scalars(sa.select(accounts.c.client).order_by(accounts.c.folded)))
    return NotFound(
        f"There is no account {name!r}.",
        hint=near_misses(name, known)
        or ("The accounts are " + ", ".join(known[:10]) + "." if known else "There is none yet."),
    )


def _check_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be {what}.",
            hint="Use letters, digits, and '-', '_', '.', '@', '+' inside; at most 128.",
        )


# --- groups ------------------------------------------------------------------------------


def add_to_group(
    store: AuthnStore, name: str, new: tuple[str, ...], *, now: float, title: str | None = None
) -> None:
    """Put clients into a group, which is made if it is not there.

    Args:
        store: Where logins are kept.
        name: The group's name; its role in access control lists is ``group:NAME``.
        new: Login names, or ids of clients that come from a provider (URIs).
        now: Seconds since 1970.
        title: What people read; default: the name. Replaces what it was.

    Raises:
        BadRequest: the group's name cannot be used, or a member is a group.
        NotFound: there is no account of a login name; nothing is changed.
    """
    _check_name(name, "the name of a group")
    for member in new:
        if member.startswith(GROUP_PREFIX):
            raise BadRequest(
                f"{member!r} is a group; groups have people as members, and no groups.",
                hint="Name its members, or name both groups in the access control lists.",
            )
    with store.writing() as connection:
        known = [m if ":" in m else _existing(connection, m) for m in new]
        made = insert(connection, groups).values(name=name, title=title or name, created=now)
        if title is None:
            connection.execute(made.on_conflict_do_nothing())
        else:
            connection.execute(
                made.on_conflict_do_update(index_elements=[groups.c.name], set_={"title": title})
            )
        for member in known:
            joined = insert(connection, members).values(group_name=name, member=member)
            connection.execute(joined.on_conflict_do_nothing())


def remove_from_group(store: AuthnStore, name: str, old: tuple[str, ...]) -> None:
    """Take clients out of a group, which stays.

    Raises:
        NotFound: there is no such group, or one of them is not in it; nothing is changed.
    """
    with store.writing() as connection:
        _existing_group(connection, name)
        for given in old:
            member = given if ":" in given else _account(connection, given) or given
            gone = connection.execute(
                sa.delete(members).where(members.c.group_name == name, members.c.member == member)
            )
            if not gone.rowcount:
                raise NotFound(f"{given!r} is not in the group {name!r}.")


def remove_group(store: AuthnStore, name: str) -> None:
    """Remove a group. Access control lists that name it admit nobody by it then.

    Raises:
        NotFound: there is no such group.
    """
    with store.writing() as connection:
        _existing_group(connection, name)
        connection.execute(sa.delete(members).where(members.c.group_name == name))
        connection.execute(sa.delete(groups).where(groups.c.name == name))


def list_groups(store: AuthnStore) -> list[Group]:
    """All groups, by name."""
    with store.reading() as connection:
        inside: dict[str, list[str]] = {}
        for group, member in connection.execute(
            sa.select(members.c.group_name, members.c.member).order_by(members.c.member)
        ):
            inside.setdefault(group, []).append(member)
        found = connection.execute(sa.select(groups.c.name, groups.c.title).order_by(groups.c.name))
        return [Group(name, title, tuple(inside.get(name, ()))) for name, title in found]


def _existing_group(connection: sa.Connection, name: str) -> None:
    known = list(connection.scalars(sa.select(groups.c.name).order_by(groups.c.name)))
    if name not in known:
        raise NotFound(
            f"There is no group {name!r}.",
            hint=near_misses(name, known)
            or ("The groups are " + ", ".join(known[:10]) + "." if known else "There is none yet."),
        )


def client_named(store: AuthnStore, name: str) -> Client:
    """The client of an account, or one that is known by its id.

    Raises:
        NotFound: there is none, or it is locked.
    """
    with store.reading() as connection:
        found = known_client(connection, _account(connection, name) or name)
        if found is None:
            raise _unknown(connection, name)
        return found

"""Sessions and one-time links as rows: begun, found, extended, ended."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

import sqlalchemy as sa

from ...access import Client
from .people import known_client
from .secrets import digest_of, new_secret
from .settings import AuthnSettings
from .storage import AuthnStore
from .tables import links, pending, sessions, tokens

__all__ = ["Session", "begin", "clean_up", "end", "extend", "find", "make_link", "redeem"]


@dataclass(frozen=True, slots=True)
class Session:
    """A login as it is used: by a cookie (``session``), a token or a provider's bearer token.

    `since` and `expires` are seconds since 1970.
    """

    client: Client
    kind: str
    since: float
    expires: float


def begin(store: AuthnStore, settings: AuthnSettings, client_id: str, now: float) -> str:
    """Begin a session of a client that is known; returns the secret of its cookie.

    It is always a new one: a secret that came with the request is never taken over.
    """
    secret = new_secret("session")
    with store.writing() as connection:
        connection.execute(
            sa.insert(sessions).values(
                digest=digest_of(secret),
                client=client_id,
                since=now,
                extended=now,
                expires=now + settings.session_seconds,
            )
        )
    return secret


def find(store: AuthnStore, settings: AuthnSettings, digest: str, now: float) -> Session | None:
    """The session with that digest, if it lasts and its client is not locked.

    One that is used lasts on: its end moves, a small part of its time after it did last.
    """
    with store.reading() as connection:
        row = connection.execute(sa.select(sessions).where(sessions.c.digest == digest)).first()
        if row is None or not hmac.compare_digest(row.digest, digest) or row.expires <= now:
            return None
        client = known_client(connection, row.client)
    if client is None:
        return None
    if now - row.extended > settings.session_seconds / 50:
        return extend(store, settings, digest, now)
    return Session(client, "session", row.since, row.expires)


def extend(store: AuthnStore, settings: AuthnSettings, digest: str, now: float) -> Session | None:
    """Let a session last on from now, but never beyond the longest one."""
    with store.writing() as connection:
        lasting = sa.and_(sessions.c.digest == digest, sessions.c.expires > now)
        row = connection.execute(sa.select(sessions).where(lasting)).first()
        client = None if row is None else known_client(connection, row.client)
        if row is None or client is None:
            return None
        expires = max(
            min(now + settings.session_seconds, row.since + settings.longest_session_seconds),
            row.expires,
        )
        connection.execute(
            sa.update(sessions)
            .where(sessions.c.digest == digest)
            .values(extended=now, expires=expires)
        )
    return Session(client, "session", row.since, expires)


def end(store: AuthnStore, digest: str) -> bool:
    """End a session; tells whether there was one."""
    with store.writing() as connection:
        gone = connection.execute(sa.delete(sessions).where(sessions.c.digest == digest))
    return bool(gone.rowcount)


def make_link(store: AuthnStore, client_id: str, now: float, seconds: float) -> str:
    """The secret of a link that logs a known client in, once."""
    secret = new_secret("link")
    with store.writing() as connection:
        connection.execute(
            sa.insert(links).values(
                digest=digest_of(secret), client=client_id, expires=now + seconds
            )
        )
    return secret


def redeem(store: AuthnStore, digest: str, now: float) -> str | None:
    """Use a link up; the id of its client, or None if it is no link, or used or too old.

    Of several that come at once, one gets it.
    """
    with store.writing() as connection:
        row = connection.execute(
            sa.delete(links)
            .where(links.c.digest == digest, links.c.expires > now)
            .returning(links.c.client)
        ).first()
        if row is None or known_client(connection, row.client) is None:
            return None
    return str(row.client)


def clean_up(store: AuthnStore, now: float) -> None:
    """Remove the sessions, tokens, links and unfinished logins whose time is over."""
    with store.writing() as connection:
        for table in (sessions, tokens, links, pending):
            connection.execute(sa.delete(table).where(table.c.expires <= now))

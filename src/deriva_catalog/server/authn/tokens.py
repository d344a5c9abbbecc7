"""Personal access tokens: for scripts and other programs, shown once, kept as a hash."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from ...access import Scope
from ...errors import BadRequest, NotFound
from .logins import Session
from .people import known_client
from .secrets import digest_of, new_secret
from .settings import AuthnSettings
from .storage import AuthnStore
from .tables import tokens

__all__ = ["Token", "create_token", "find_token", "list_tokens", "revoke_token", "scope_of"]

_DAY = 86400.0
_NOTED_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """What is known about a token; times are seconds since 1970."""

    id: str
    name: str
    scope: Scope
    created: float
    expires: float
    last_used: float | None


def create_token(
    store: AuthnStore,
    settings: AuthnSettings,
    client_id: str,
    name: str,
    *,
    days: float,
    scope: Scope,
    now: float,
) -> tuple[Token, str]:
    """Make a token of a client that is known; returns it and its secret, which is not kept.

    Raises:
        BadRequest: the name is empty, or the time not between 0 and the longest.
    """
    if not name or len(name) > 200 or not name.isprintable():
        raise BadRequest(f"{name[:200]!r} cannot be the name of a token.", hint="Say its purpose.")
    if not 0 < days <= settings.longest_token_days:
        raise BadRequest(
            f"A token cannot be good for {days} days.",
            hint=f"Give a number up to {settings.longest_token_days}.",
        )
    for place in scope.objects:
        if not place.startswith("/hatrac"):
            raise BadRequest(f"{place!r} names no objects.", hint="Write '/hatrac/NAMESPACE'.")
    secret = new_secret("token")
    made = Token(secrets.token_hex(4), name, scope, now, now + days * _DAY, None)
    with store.writing() as connection:
        connection.execute(
            sa.insert(tokens).values(
                digest=digest_of(secret),
                id=made.id,
                client=client_id,
                name=name,
                scope=json.dumps(asdict(scope)),
                created=made.created,
                expires=made.expires,
            )
        )
    return made, secret


def find_token(store: AuthnStore, digest: str, now: float) -> Session | None:
    """The token with that digest as a session, if it lasts and its client is not locked."""
    with store.reading() as connection:
        row = connection.execute(sa.select(tokens).where(tokens.c.digest == digest)).first()
        if row is None or not hmac.compare_digest(row.digest, digest) or row.expires <= now:
            return None
        client = known_client(connection, row.client)
    if client is None:
        return None
    if row.last_used is None or now - row.last_used > _NOTED_EVERY:
        with store.writing() as connection:
            connection.execute(
                sa.update(tokens).where(tokens.c.digest == digest).values(last_used=now)
            )
    scope = _kept_scope(row.scope)
    limited = scope if scope != Scope() else None
    return Session(replace(client, scope=limited), "token", row.created, row.expires)


def list_tokens(store: AuthnStore, client_id: str) -> list[Token]:
    """The tokens of a client, newest first, also those whose time is over."""
    with store.reading() as connection:
        found = connection.execute(
            sa.select(tokens)
            .where(tokens.c.client == client_id)
            .order_by(tokens.c.created.desc(), tokens.c.id)
        )
        return [
            Token(r.id, r.name, _kept_scope(r.scope), r.created, r.expires, r.last_used)
            for r in found
        ]


def revoke_token(store: AuthnStore, client_id: str, token_id: str) -> str:
    """Remove a token of a client; returns its digest.

    Raises:
        NotFound: the client has none of that id.
    """
    with store.writing() as connection:
        gone = (
            token_id.isalnum()
            and connection.execute(
                sa.delete(tokens)
                .where(tokens.c.client == client_id, tokens.c.id == token_id)
                .returning(tokens.c.digest)
            ).first()
        )
    if not gone:
        raise NotFound(f"You have no token {token_id!r}.", hint="List them to see their ids.")
    return str(gone.digest)


def scope_of(document: Mapping[str, Any]) -> Scope:
    """The scope that a document asks for.

    Raises:
        BadRequest: it has members that are unknown or of the wrong type.
    """
    unknown = set(document) - {"read_only", "catalogs", "objects"}
    if unknown:
        raise BadRequest(
            f"A token's scope has no {', '.join(map(repr, sorted(unknown)))}.",
            hint="It has 'read_only', 'catalogs' and 'objects'.",
        )
    read_only = document.get("read_only", False)
    if not isinstance(read_only, bool):
        raise BadRequest(f"'read_only' is true or false, not {read_only!r}.")
    return Scope(read_only, _texts(document, "catalogs"), _texts(document, "objects"))


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(t, str) and t for t in found):
        raise BadRequest(f"{name!r} is a list of texts, not {found!r}.")
    return tuple(found)


def _kept_scope(text: str) -> Scope:
    kept = json.loads(text)
    return Scope(kept["read_only"], tuple(kept["catalogs"]), tuple(kept["objects"]))

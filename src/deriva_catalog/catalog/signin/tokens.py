"""Access tokens that a user has at a server: made, listed, revoked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..credentials import credential_for
from ..remote.connection import Connection, Repeat, context_header
from ..remote.host import parse_host

__all__ = ["create_token", "list_tokens", "revoke_token"]

_TOKENS = "/authn/token"


def create_token(
    host: str,
    name: str,
    *,
    days: float | None = None,
    read_only: bool = False,
    catalogs: Sequence[str] = (),
    objects: Sequence[str] = (),
) -> Mapping[str, Any]:
    """Make an access token; its secret is the ``token`` of what is returned, and not kept.

    Args:
        host: The server, where this user is logged in.
        name: What it is for.
        days: How long it is good; default: as the server has it.
        read_only: Whether nothing can be changed with it.
        catalogs: The identifiers of the catalogs that it opens ...
        objects: ... and the names of objects or namespaces; all when both are empty.

    Raises:
        NotAuthenticated: this user is not logged in there.
        Forbidden: this user is logged in by such a token.
        BadRequest: the name or the time cannot be used.
    """
    wanted: dict[str, Any] = {
        "name": name,
        "scope": {"read_only": read_only, "catalogs": list(catalogs), "objects": list(objects)},
    }
    if days is not None:
        wanted["days"] = days
    made: Mapping[str, Any] = json.loads(_sent(host, "POST", _TOKENS, json.dumps(wanted).encode()))
    return made


def list_tokens(host: str) -> list[Mapping[str, Any]]:
    """The access tokens of this user, newest first, without their secrets.

    Raises:
        NotAuthenticated: this user is not logged in there.
    """
    found: list[Mapping[str, Any]] = json.loads(_sent(host, "GET", _TOKENS))
    return found


def revoke_token(host: str, token_id: str) -> None:
    """Make an access token useless.

    Raises:
        NotAuthenticated: this user is not logged in there.
        NotFound: this user has no such token.
    """
    _sent(host, "DELETE", f"{_TOKENS}/{quote(token_id, safe='')}")


def _sent(host: str, method: str, target: str, content: bytes = b"") -> bytes:
    connection = Connection(parse_host(host), credential=credential_for(host) or {})
    headers = {"Accept": "application/json", **context_header("token")}
    if content:
        headers["Content-Type"] = "application/json"
    try:
        safe = Repeat.SAFE if method == "GET" else Repeat.NEVER
        return connection.send(method, target, headers=headers, content=content, repeat=safe).body
    finally:
        connection.close()

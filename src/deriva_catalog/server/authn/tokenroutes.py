"""``/authn/token``: the access tokens of whoever is logged in."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...errors import BadRequest, Forbidden, NotAuthenticated
from ..messages import Answer, Request, json_answer
from ..requests import wrong_method
from . import tokens
from .documents import PRIVATE, shown_time
from .forms import json_object
from .sessions import Sessions

__all__ = ["token_resource", "tokens_resource"]


def tokens_resource(sessions: Sessions, request: Request) -> Answer:
    """List the tokens of whoever asks, or make one and show its secret."""
    owner = _token_owner(sessions, request)
    if request.method == "GET":
        found = tokens.list_tokens(sessions.store, owner)
        return json_answer([_token_document(t) for t in found], headers=PRIVATE)
    if request.method != "POST":
        raise wrong_method(request, "GET", "POST")
    given = json_object(request)
    unknown = set(given) - {"name", "days", "scope"}
    name, days = given.get("name"), given.get("days", sessions.settings.token_days)
    scope = given.get("scope", {})
    if unknown or not isinstance(name, str) or not isinstance(scope, dict):
        raise BadRequest(
            "A token has 'name', 'days' and 'scope', which is an object.",
            hint=f"What is {sorted(unknown)[0]!r}?" if unknown else "",
        )
    if isinstance(days, bool) or not isinstance(days, (int, float)):
        raise BadRequest(f"'days' is a number, not {days!r}.")
    made, secret = tokens.create_token(
        sessions.store,
        sessions.settings,
        owner,
        name,
        days=days,
        scope=tokens.scope_of(scope),
        now=sessions.clock(),
    )
    document = {**_token_document(made), "token": secret}
    return json_answer(document, status=201, headers=PRIVATE)


def token_resource(sessions: Sessions, request: Request, token_id: str) -> Answer:
    """Revoke a token of whoever asks."""
    owner = _token_owner(sessions, request)
    if request.method != "DELETE":
        raise wrong_method(request, "DELETE")
    sessions.forget(tokens.revoke_token(sessions.store, owner, token_id))
    return Answer(204, headers=PRIVATE)


def _token_owner(sessions: Sessions, request: Request) -> str:
    """Whose tokens are asked for.

    Raises:
        NotAuthenticated: nobody is logged in.
        Forbidden: somebody is by a token, which must not make more of its kind.
    """
    found = sessions.session_of(request.headers)
    if found is None or found.client.id is None:
        raise NotAuthenticated("Access tokens belong to somebody.", hint="Log in first.")
    if found.kind == "token":
        raise Forbidden(
            "An access token cannot list, make or revoke access tokens.", hint="Log in instead."
        )
    return found.client.id


def _token_document(token: tokens.Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scope": asdict(token.scope),
        "created": shown_time(token.created),
        "expires": shown_time(token.expires),
        "last_used": None if token.last_used is None else shown_time(token.last_used),
    }

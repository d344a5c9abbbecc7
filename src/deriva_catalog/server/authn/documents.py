"""What is told about a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ...access import Client
from ..messages import Answer, json_answer
from .logins import Session
from .sessions import Sessions

__all__ = ["PRIVATE", "described", "shown_time", "who"]

PRIVATE = {"Cache-Control": "no-store", "Vary": "cookie, authorization"}
"""Headers of what is told to one client only."""


def described(
    session: Session, sessions: Sessions | None, headers: Mapping[str, str] | None = None
) -> Answer:
    """The session document, with its times as they are now."""
    document = who(session.client)
    now = sessions.clock() if sessions is not None else session.since
    document |= {
        "since": shown_time(session.since),
        "expires": shown_time(session.expires),
        "seconds_remaining": max(0, int(session.expires - now)),
    }
    return json_answer(document, headers={**PRIVATE, **(headers or {})})


def who(client: Client) -> dict[str, Any]:
    """The ``client`` and ``attributes`` of a session document."""
    attributes: list[dict[str, Any]] = []
    for attribute in client.attributes:
        shown: dict[str, Any] = {"id": attribute.id}
        if attribute.display_name is not None:
            shown["display_name"] = attribute.display_name
        if attribute.identities:
            shown["identities"] = list(attribute.identities)
        attributes.append(shown)
    document: dict[str, Any] = {"client": client.document(), "attributes": attributes}
    if client.scope is not None:
        document["scope"] = asdict(client.scope)
    return document


def shown_time(seconds: float) -> str:
    """Seconds since 1970 as session documents have them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""From what a provider says about somebody to a client.

Ids are URIs below the issuer, as deployments of the field with Globus Auth have them:
``https://auth.globus.org/`` and the identity or the group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ...access import Attribute, Client
from .settings import ProviderSettings

__all__ = ["client_of_claims", "identity_uri"]

_READABLE = "@:|~+="
"""Characters of a subject that stay as they are in its URI; a slash does not."""


def identity_uri(issuer: str, subject: str) -> str:
    """The id of a subject of an issuer."""
    return f"{issuer.rstrip('/')}/{quote(subject, safe=_READABLE)}"


def client_of_claims(
    settings: ProviderSettings,
    claims: Mapping[str, Any],
    groups: Sequence[Any] | None = None,
) -> Client:
    """The client that claims describe; their ``sub`` was checked to be a text.

    Args:
        settings: Which claims mean what.
        claims: Of the ID token, of ``userinfo`` or of an introspection.
        groups: What was said about groups elsewhere; default: what the groups' claim says.
    """
    subject = identity_uri(settings.issuer, claims["sub"])
    linked = [identity_uri(settings.issuer, s) for s in _subjects(settings, claims)]
    identities = tuple(dict.fromkeys([subject, *linked]))
    name = _text(claims, "preferred_username", "username", "name", "email") or subject
    own = [Attribute(subject, name, identities)]
    own += [Attribute(identity, None, (identity,)) for identity in identities[1:]]
    if groups is None:
        groups = claims.get(settings.groups_claim) if settings.groups_claim else None
    return Client(
        id=subject,
        display_name=name,
        full_name=_text(claims, "name"),
        email=_text(claims, "email"),
        identities=identities if len(identities) > 1 else (),
        attributes=(*own, *_groups(settings, groups)),
    )


def _subjects(settings: ProviderSettings, claims: Mapping[str, Any]) -> list[str]:
    found = claims.get(settings.identities_claim) if settings.identities_claim else None
    listed = found if isinstance(found, list) else []
    subjects = [item.get("sub") if isinstance(item, dict) else item for item in listed]
    return [s for s in subjects if isinstance(s, str) and s]


def _groups(settings: ProviderSettings, found: Any) -> list[Attribute]:
    groups: dict[str, Attribute] = {}
    for item in found if isinstance(found, list) else []:
        if isinstance(item, str) and item:
            # Names are of another space than subjects; the slash keeps them apart.
            role = f"{settings.issuer.rstrip('/')}/group/{quote(item, safe=_READABLE)}"
            groups[role] = Attribute(role, item)
        elif isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"]:
            role = identity_uri(settings.issuer, item["id"])
            groups[role] = Attribute(role, _text(item, "name", "display_name") or item["id"])
    return list(groups.values())


def _text(claims: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        found = claims.get(name)
        if isinstance(found, str) and found:
            return found
    return None

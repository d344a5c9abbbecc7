"""Access control lists of namespaces, objects and versions: which there are, what they grant.

Source: Hatrac, "Access control".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from ..errors import BadRequest

Kind = Literal["namespace", "object", "version"]
Right = Literal["owner", "create", "read", "update"]
Acls = Mapping[str, tuple[str, ...]]
"""Roles by the name of the list; a list that is not there is empty."""

NOBODY: Acls = {}
LISTS: Mapping[Kind, tuple[str, ...]] = {
    "namespace": (
        "owner",
        "create",
        "read",
        "subtree-owner",
        "subtree-create",
        "subtree-read",
        "subtree-update",
    ),
    "object": ("owner", "update", "read", "subtree-owner", "subtree-read"),
    "version": ("owner", "read"),
}


def owned_by(role: str | None) -> Acls:
    """The lists of what a client has just made."""
    return NOBODY if role is None else {"owner": (role,)}


def every_list(kind: Kind, acls: Acls) -> dict[str, list[str]]:
    """All lists of a kind of resource, also those that are empty."""
    return {name: list(acls.get(name, ())) for name in LISTS[kind]}


def check_list_name(kind: Kind, access: str, url: str) -> None:
    """Refuse a list that the kind of resource does not have.

    Raises:
        BadRequest: There is no such list.
    """
    if access not in LISTS[kind]:
        raise BadRequest(
            f"Invalid ACL name {access} for {url}.",
            hint=f"The lists of {'an object' if kind == 'object' else 'a ' + kind} are "
            + ", ".join(LISTS[kind])
            + ".",
        )


def checked_roles(roles: Any) -> tuple[str, ...]:
    """The roles of a list as they are kept: each once, in the order given.

    Raises:
        BadRequest: It is no list of texts, or one of them cannot be written in UTF-8.
    """
    if not isinstance(roles, list) or not all(map(_can_be_role, roles)):
        raise BadRequest(
            "An access control list is a JSON array of roles.",
            hint='Write ["https://example.org/group"], or ["*"] for everybody.',
        )
    return tuple(dict.fromkeys(roles))


def _can_be_role(role: Any) -> bool:
    halves = ("\ud800", "\udfff")  # of pairs of characters: JSON may spell one alone
    return (
        isinstance(role, str) and role != "" and not any(halves[0] <= c <= halves[1] for c in role)
    )


def holds(right: Right, own: Acls, above: Iterable[Acls], roles: frozenset[str]) -> bool:
    """Whether one of `roles` has a right on a resource with lists `own`, below lists `above`.

    Owners have every right; the ``subtree-`` lists above count as if they were the resource's own.
    """
    if not roles.isdisjoint(own.get(right, ())) or not roles.isdisjoint(own.get("owner", ())):
        return True
    names = {f"subtree-{right}", "subtree-owner"}
    return any(not roles.isdisjoint(acls.get(name, ())) for acls in above for name in names)


def merged(one: Acls, other: Acls) -> Acls:
    """Both, list by list."""
    if not one or not other:
        return one or other
    return {
        name: tuple(dict.fromkeys((*one.get(name, ()), *other.get(name, ()))))
        for name in (*one, *(n for n in other if n not in one))
    }


def load(text: str | None) -> Acls:
    """Lists as the database keeps them."""
    if text is None:
        return NOBODY
    found: dict[str, Sequence[str]] = json.loads(text)
    return {name: tuple(roles) for name, roles in found.items()}


def dump(acls: Acls) -> str | None:
    """The text that the database keeps; None when every list is empty."""
    kept = {name: list(roles) for name, roles in acls.items() if roles}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None

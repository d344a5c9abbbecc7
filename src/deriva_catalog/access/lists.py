"""What the lists and bindings of one element give a client: sets of rights, as bits.

A list gives its right to the client if it holds one of the client's roles. `listed` follows
the lists from element to element, `closed` adds what a right implies inside one element.

Source: ERMrest, "Access control: static ACLs" (meaning, inheritance).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..model.elements import AclBindings, Acls

__all__ = [
    "ALL",
    "BIT",
    "OWNER",
    "READING",
    "Holds",
    "bound",
    "closed",
    "listed",
    "scope_of",
    "set_of",
]

_NAMES = ("owner", "create", "write", "insert", "update", "delete", "select", "enumerate")
BIT: Mapping[str, int] = {name: 1 << n for n, name in enumerate(_NAMES)}
"""The bit of each right."""

ALL = (1 << len(_NAMES)) - 1


def set_of(*names: str) -> int:
    """The set of the rights called so."""
    return sum(BIT[name] for name in set(names))


OWNER = BIT["owner"]
READING = set_of("select", "enumerate")
"""What is left at a snapshot, and what an anonymous client can have."""

_IMPLIED = (
    (OWNER, ALL),
    (BIT["write"], set_of("insert", "update", "delete", "select", "enumerate")),
    (set_of("update", "delete"), READING),
    (set_of("insert", "create", "select"), BIT["enumerate"]),
)

Holds = Callable[[Iterable[str]], bool]
"""Whether a list of roles holds one of the client's."""


def _closed(rights: int) -> int:
    for any_of, implied in _IMPLIED:
        if rights & any_of:
            rights |= implied
    return rights


_CLOSED = tuple(map(_closed, range(ALL + 1)))


def closed(rights: int) -> int:
    """The rights with all that they imply."""
    return _CLOSED[rights]


def listed(inherited: int, acls: Acls, holds: Holds) -> int:
    """What the lists used for an element give: its own, and its parent's for other names.

    An owner of the parent stays an owner, whatever the element's own list says.
    """
    rights = inherited
    for name, roles in acls.items():
        rights = rights | BIT[name] if holds(roles) else rights & ~BIT[name]
    return rights | (inherited & OWNER)


def bound(bindings: AclBindings, holds: Holds) -> int:
    """What bindings may give on some row: those that are considered for the client.

    Bindings never give a right to insert rows; on a foreign key the caller adds what `owner`
    means there.
    """
    rights = 0
    for binding in bindings.values():
        if binding is not False and holds(scope_of(binding)):
            rights |= set_of(*binding["types"])
    if rights & OWNER:
        rights |= set_of("update", "delete", "select")
    if rights & set_of("update", "delete"):
        rights |= BIT["select"]
    return rights


def scope_of(binding: Mapping[str, Any]) -> Iterable[str]:
    """The roles that a binding is considered for."""
    roles: Iterable[str] = binding.get("scope_acl", ("*",))
    return roles

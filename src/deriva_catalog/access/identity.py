"""The one who asks: a client, its names and its roles.

Source: ERMrest, "Authenticating a request"; webauthn, the session document.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .scope import Scope

EVERYBODY = "*"
"""The role that each client has, also an anonymous one."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A role of a client: a group, or one of its own identities (then `identities` holds it)."""

    id: str
    display_name: str | None = None
    identities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Client:
    """Who asks. `id` is a URI, or a login name for a user of this service; None is anonymous.

    `scope` is set when it comes with a token that carries only a part of its rights.
    """

    id: str | None = None
    display_name: str | None = None
    full_name: str | None = None
    email: str | None = None
    identities: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    scope: Scope | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody in particular asks."""
        return self.id is None

    @cached_property
    def roles(self) -> frozenset[str]:
        """What access control lists are matched against."""
        if self.id is None:
            return frozenset({EVERYBODY})
        return frozenset({EVERYBODY, self.id, *(a.id for a in self.attributes)})

    @property
    def groups(self) -> tuple[Attribute, ...]:
        """The attributes that have a name and are not an identity of the client itself."""
        own = {self.id, *self.identities}
        return tuple(a for a in self.attributes if a.display_name and a.id not in own)

    def document(self) -> dict[str, Any]:
        """The ``client`` member of a session document, without what is not known."""
        known = {
            "id": self.id,
            "display_name": self.display_name,
            "full_name": self.full_name,
            "email": self.email,
            "identities": list(self.identities) or None,
        }
        return {name: value for name, value in known.items() if value is not None}


ANONYMOUS = Client()

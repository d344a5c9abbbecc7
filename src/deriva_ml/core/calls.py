"""Calls that change the catalog once, however often the run that makes them is begun.

A collaborator that changes the catalog on behalf of an execution asks a `Once` about each call
before it carries it out. For an execution that is under way, that is its journal: it knows the
calls that an earlier, interrupted attempt of the run made. Outside of one, every call is new.

A call is carried out in one transaction of the catalog, which takes the call's token by leasing
a RID with it. So the token says for good whether the call took place, and what it made may have
that RID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .session import Session

__all__ = ["Call", "Once", "fingerprint_of_rids", "untracked"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that changes the catalog.

    Attributes:
        token: What the catalog knows the call by; None when nobody keeps a record of it.
        rid: The RID that belongs to the token, when the call has taken place.
        result: What `keep` was given by the attempt that made the call.
        write: Writes a result down.
    """

    token: str | None = None
    rid: str | None = None
    result: Any = None
    write: Callable[[str, Any], None] | None = None

    @property
    def done(self) -> bool:
        """Whether the call has taken place, so that it must not be carried out again."""
        return self.rid is not None

    def take(self, session: Session) -> str | None:
        """Mark the call as carried out, by the transaction that the caller has open.

        Returns the RID for what the call makes; None leaves it to the catalog.
        """
        if self.token is None:
            return None
        return session.catalog.lease_rids([self.token])[self.token]

    def keep(self, result: Any) -> None:
        """Write down what the call returns (a JSON value), before its transaction commits."""
        if self.token is not None and self.write is not None:
            self.write(self.token, result)


Once = Callable[[str | None, str, Mapping[str, Any]], Call]
"""Gives the call of an execution (by RID) with a name and arguments, which are JSON values."""


def untracked(execution_rid: str | None, name: str, arguments: Mapping[str, Any]) -> Call:
    """A call that nobody keeps a record of."""
    return Call()


def fingerprint_of_rids(rids: Iterable[str]) -> str:
    """A short text that stands for a set of RIDs, whatever their order."""
    found = sorted(rids)
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()
    return f"{len(found)} rows, {digest[:32]}"

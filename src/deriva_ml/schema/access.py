"""Who may do what in a catalog that a team shares: one policy for all of its tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from deriva_catalog.interface import Address, Catalog
from deriva_ml.core.exceptions import DerivaMLValidationError, translated

__all__ = ["ROW_OWNER_GUARD", "AccessPolicy", "apply_access_policy"]

ROW_OWNER_GUARD = "row_owner_guard"
"""The binding that lets people change rows that they made."""

_GUARD = {
    "types": ["update", "delete"],
    "projection": ["RCB"],
    "projection_type": "acl",
    "scope_acl": ["*"],
}
_NOBODY: dict[str, list[str]] = {
    right: [] for right in ("create", "write", "insert", "update", "delete")
}


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Who belongs to which circle; a role is a person, or a group by its URL.

    Attributes:
        admins: Own the catalog: they change tables and rights.
        curators: Insert, and change and delete what anybody made.
        writers: Insert, and change and delete what they made themselves.
        users: Read; ``*`` stands for everybody, also without a login.
    """

    admins: tuple[str, ...]
    curators: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.admins:
            raise DerivaMLValidationError("A catalog needs somebody who owns it; name the admins.")
        for name in ("admins", "curators", "writers", "users"):
            roles = getattr(self, name)
            if isinstance(roles, str) or not all(isinstance(r, str) and r for r in roles):
                raise DerivaMLValidationError(f"{name} is a list of roles, not {roles!r}.")
            if name != "users" and "*" in roles:
                raise DerivaMLValidationError(f"{name} cannot be everybody ('*'); only users can.")

    @property
    def self_serve(self) -> dict[str, list[str]]:
        """The access control lists of the catalog."""
        inserting = _once((*self.writers, *self.curators))
        everyone = ["*"] if "*" in self.users else _once((*self.users, *inserting))
        return {
            **_NOBODY,
            "owner": _once(self.admins),
            "enumerate": ["*"],
            "select": everyone,
            "insert": inserting,
            "update": _once(self.curators),
            "delete": _once(self.curators),
        }


@translated()
def apply_access_policy(catalog: Catalog | Any, policy: AccessPolicy) -> None:
    """Give a catalog a policy, in one transaction.

    Everyone sees what tables there are, users read, writers insert and change their own rows,
    curators change all rows, admins own the catalog. The catalog's own schema cannot be written
    by anybody else, but identifiers of rows can be leased by those who insert. Tables that are made
    later have the rights of the catalog; call this again to give them the rule about own rows.

    Args:
        catalog: The catalog, or a `DerivaML` on it.
        policy: The policy. You must be one of its admins to change anything afterwards.

    Raises:
        DerivaMLPermissionError: You do not own the catalog.
    """
    target: Catalog = getattr(catalog, "catalog", catalog)
    lists = policy.self_serve
    with target.transaction():
        for table in target.model.tables():
            if table.schema != "public":
                address = Address(table.schema, table.name)
                target.set_acl_binding(address, ROW_OWNER_GUARD, _GUARD)
        target.set_acls(Address("public"), _NOBODY)
        leases = Address("public", "ERMrest_RID_Lease")
        target.set_acl(leases, "insert", lists["insert"])
        target.set_acls(Address(), lists)  # last: from here on the client may own nothing


def _once(roles: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(roles))

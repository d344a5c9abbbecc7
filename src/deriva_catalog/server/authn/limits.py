"""How often a login may fail: by account, by address, and by both together.

An attempt is counted before the password is looked at and taken back when it was right, so that
many attempts at the same moment gain nothing. One who fails from one address shuts an account to
that address only; the limit of the account alone is wide, so that nobody is easily locked out by
others. What was typed as a name is kept as a digest: it may be a password.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from .storage import AuthnStore, insert
from .tables import attempts

__all__ = ["Limit", "Limits", "forgive", "seconds_to_wait"]


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures within so many seconds."""

    failures: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of failed logins."""

    pair: Limit = Limit(10, 300.0)
    account: Limit = Limit(100, 3600.0)
    address: Limit = Limit(50, 300.0)


def seconds_to_wait(
    store: AuthnStore, limits: Limits, name: str, address: str | None, now: float
) -> int:
    """Count an attempt; returns 0, or how long to wait when there were too many already."""
    with store.writing() as connection:
        connection.execute(sa.delete(attempts).where(attempts.c.until <= now))
        keys = _keys(limits, name, address)
        found = connection.execute(
            sa.select(attempts.c.key, attempts.c.failures, attempts.c.until).where(
                attempts.c.key.in_(list(keys))
            )
        )
        waits: list[float] = [
            until - now for key, count, until in found if count >= keys[key].failures
        ]
        if waits:
            return max(1, math.ceil(max(waits)))
        for key, limit in keys.items():
            made = insert(connection, attempts).values(
                key=key, failures=1, until=now + limit.seconds
            )
            connection.execute(
                made.on_conflict_do_update(
                    index_elements=[attempts.c.key], set_={"failures": attempts.c.failures + 1}
                )
            )
    return 0


def forgive(store: AuthnStore, limits: Limits, name: str, address: str | None) -> None:
    """Take an attempt back that was right: forget the pair's failures, and this one elsewhere."""
    keys = list(_keys(limits, name, address))
    with store.writing() as connection:
        connection.execute(sa.delete(attempts).where(attempts.c.key == keys[0]))
        connection.execute(
            sa.update(attempts)
            .where(attempts.c.key.in_(keys[1:]), attempts.c.failures > 0)
            .values(failures=attempts.c.failures - 1)
        )


def _keys(limits: Limits, name: str, address: str | None) -> Mapping[str, Limit]:
    account = hashlib.sha256(name.casefold().encode("utf-8", "surrogateescape")).hexdigest()
    place = _network(address)
    keys = {f"pair {account} {place}": limits.pair, f"account {account}": limits.account}
    if place:  # unknown behind some sockets; then all would share one limit
        keys[f"address {place}"] = limits.address
    return keys


def _network(address: str | None) -> str:
    """The address, or for IPv6 the network that one household has."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)

"""Passwords: kept as Argon2id, and checked in the same time whether the account exists or not.

Source: RFC 9106; the costs are a choice of OWASP's Password Storage Cheat Sheet; NIST SP 800-63B,
section 5.1.1.2.
"""

from __future__ import annotations

import threading
import unicodedata
from typing import TYPE_CHECKING

from ...errors import BadRequest, Unavailable

if TYPE_CHECKING:
    import argon2

__all__ = ["Passwords", "refuse_weak"]

SHORTEST = 8
LONGEST = 1024
_AT_ONCE = threading.BoundedSemaphore(4)
"""Each check takes 46 MiB; a crowd of them must not take all of the memory."""


class Passwords:
    """Hashing and checking of passwords; keeps what an unknown account is checked against."""

    def __init__(self) -> None:
        self._hasher = _hasher()
        self._lock = threading.Lock()
        self._nobodys: str | None = None

    def hash(self, password: str) -> str:
        """The hash that is kept of a password."""
        with _AT_ONCE:
            return self._hasher.hash(_normal(password))

    def matches(self, password: str, kept: str | None) -> bool:
        """Whether a password is the one that was kept; never for None, in the same time."""
        import argon2

        normal = _normal(password)
        if len(normal) > LONGEST:
            normal, kept = normal[:LONGEST], None
        with _AT_ONCE:
            try:
                self._hasher.verify(self._of_nobody() if kept is None else kept, normal)
            except argon2.exceptions.VerificationError:
                return False
            except argon2.exceptions.InvalidHashError:
                return False
        return kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with lower costs than are used now."""
        return self._hasher.check_needs_rehash(kept)

    def _of_nobody(self) -> str:
        with self._lock:
            if self._nobodys is None:
                self._nobodys = self._hasher.hash("nobody's password")
            return self._nobodys


def refuse_weak(password: str, name: str) -> None:
    """Refuse a password that is too short, too long, or the account's own name.

    Raises:
        BadRequest: it is one of these.
    """
    length = len(_normal(password))
    if length < SHORTEST:
        raise BadRequest(
            f"The password for {name!r} is too short.", hint=f"It needs {SHORTEST} characters."
        )
    if length > LONGEST:
        raise BadRequest(
            f"The password for {name!r} is too long.", hint=f"{LONGEST} characters are enough."
        )
    if _normal(password).casefold() == name.casefold():
        raise BadRequest(f"The password for {name!r} is its name.", hint="Choose another.")


def _normal(password: str) -> str:
    """One form for what keyboards send in several."""
    return unicodedata.normalize("NFC", password)


def _hasher() -> argon2.PasswordHasher:
    try:
        import argon2
    except ImportError as error:
        raise Unavailable(
            "Accounts with passwords need a package that is not installed.",
            hint="Install it: pip install 'derivaml[server]'.",
        ) from error
    # 46 MiB and one pass: as hard to guess as more passes over less memory, and one core's work.
    return argon2.PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)

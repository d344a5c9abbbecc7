"""Secrets that this service hands out: 256 random bits, of which only a hash is kept.

A hash that is looked up in an index tells by its time nothing about the secret, because the
secret is random throughout; it is compared in constant time besides.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Literal

__all__ = ["Kind", "digest_of", "kind_of", "new_secret"]

Kind = Literal["session", "token", "link", "state"]

_PREFIXES: dict[Kind, str] = {
    "session": "deriva_s_",
    "token": "deriva_t_",
    "link": "deriva_l_",
    "state": "deriva_o_",
}
_FORM = re.compile(r"(deriva_[stlo]_)[A-Za-z0-9_-]{43}")
_KINDS = {prefix: kind for kind, prefix in _PREFIXES.items()}


def new_secret(kind: Kind) -> str:
    """A fresh secret. Its beginning says what it is for, also to those who search for leaks."""
    return _PREFIXES[kind] + secrets.token_urlsafe(32)


def kind_of(text: str) -> Kind | None:
    """What a secret is for, by its form; None if it is not one of this service."""
    found = _FORM.fullmatch(text)
    return _KINDS[found[1]] if found else None


def digest_of(text: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

"""Names of model elements: what is allowed, and what constraints are called by default.

Source: ERMrest, "The model: operations" (general rules; details of creation).
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable
from typing import Any

from ..errors import BadRequest

__all__ = [
    "MAX_NAME_BYTES",
    "check_name",
    "foreign_key_name",
    "key_name",
    "shorten",
    "untaken",
]

MAX_NAME_BYTES = 63
_DIGEST_LENGTH = 8


def check_name(name: Any, what: str) -> str:
    """Return `name` when an element may be called so.

    Args:
        name: The proposed name.
        what: What it names, for the message: ``"table"``.

    Raises:
        BadRequest: it is no text, empty, longer than 63 bytes of UTF-8, or holds a NUL.
    """
    if not isinstance(name, str) or not name:
        raise BadRequest(f"The name of a {what} is non-empty text, not {name!r}.")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BadRequest(f"The {what} name {name!r} cannot be written in UTF-8.") from None
    if "\0" in name:
        raise BadRequest(f"The {what} name {name!r} holds a NUL character.")
    if size > MAX_NAME_BYTES:
        raise BadRequest(
            f"The {what} name {name!r} has {size} bytes; at most {MAX_NAME_BYTES} are allowed.",
            hint="Choose a shorter name.",
        )
    return name


def shorten(name: str) -> str:
    """The name itself, or its beginning closed with part of the MD5 of all of it.

    The same long name always gives the same short one, of at most 63 bytes.
    """
    encoded = name.encode()
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.md5(encoded, usedforsecurity=False).hexdigest()[:_DIGEST_LENGTH]
    head = encoded[: MAX_NAME_BYTES - _DIGEST_LENGTH - 1].decode(errors="ignore")
    return f"{head}_{digest}"


def key_name(table: str, columns: Iterable[str]) -> str:
    """The default name of a key: ``TABLE_COL1_COL2_key``, shortened."""
    return shorten("_".join([table, *columns, "key"]))


def foreign_key_name(table: str, columns: Iterable[str]) -> str:
    """The default name of a foreign key: ``TABLE_COL1_COL2_fkey``, shortened."""
    return shorten("_".join([table, *columns, "fkey"]))


def untaken(name: str, taken: Container[str]) -> str:
    """The name, or the first of ``name1``, ``name2`` ... that is not taken yet."""
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = shorten(f"{name}{number}")
    return candidate

"""Asking for a password, which is never shown and never part of the command line."""

from __future__ import annotations

import getpass
import sys

from ..errors import BadRequest

__all__ = ["new_password", "password_of", "secret_from"]


def password_of(name: str, *, from_stdin: bool) -> str:
    """The password of somebody: typed, or the first line of the standard input.

    Raises:
        BadRequest: there is nobody to type it, or it is empty.
    """
    return secret_from(f"Password of {name}: ", from_stdin=from_stdin)


def new_password(name: str, *, from_stdin: bool) -> str:
    """A new password, typed twice.

    Raises:
        BadRequest: there is nobody to type it, it is empty, or the two differ.
    """
    first = secret_from(f"New password of {name}: ", from_stdin=from_stdin)
    if not from_stdin and getpass.getpass("The same once more: ") != first:
        raise BadRequest("The two passwords differ.", hint="Nothing was changed; try again.")
    return first


def secret_from(prompt: str, *, from_stdin: bool) -> str:
    """A secret: typed, or the first line of the standard input.

    Raises:
        BadRequest: there is nobody to type it, or it is empty.
    """
    if from_stdin:
        found = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        found = getpass.getpass(prompt)
    else:
        raise BadRequest(
            "There is no terminal to type a secret at.", hint="Use the option that ends in -stdin."
        )
    if not found:
        raise BadRequest("An empty secret opens nothing.")
    return found

"""Looking up names that a user typed, with a suggestion when there is no such name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ..errors import UnknownName


class UnknownAttribute(UnknownName, AttributeError):
    """An attribute of a builder object names no schema, table or column (HTTP 409)."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest of the `known` names, or else with the first ten of them."""
    names = sorted(known)
    lower = {n.lower(): n for n in names}
    near = get_close_matches(name.lower(), lower, n=3)
    if near:
        return f"Did you mean {' or '.join(repr(lower[n]) for n in near)}?"
    if not names:
        return "There are none."
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"There are {', '.join(repr(n) for n in names[:10])}{more}."


def unknown(kind: str, name: object, where: str, known: Iterable[str]) -> UnknownAttribute:
    """The error that `where` has no `kind` called `name`."""
    message = f"{where} has no {kind} {name!r}."
    return UnknownAttribute(message, hint=suggestion(str(name), known), name=name)

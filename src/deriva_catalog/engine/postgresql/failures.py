"""From PostgreSQL's error codes to the errors of the catalog.

Source: PostgreSQL manual, "PostgreSQL Error Codes".
"""

from __future__ import annotations

from ...errors import (
    CatalogError,
    Conflict,
    Corrupted,
    QueryTimeout,
    ReadOnly,
    Unavailable,
)

__all__ = ["PATIENCE_S", "first_upper", "meaning", "too_long"]

PATIENCE_S = 120.0
"""How long a writer waits for the others, in seconds."""

_REPEAT = "Nothing was changed; repeat the request."


def first_upper(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def too_long(subject: str) -> Unavailable:
    """The error for a writer that waited in vain."""
    return Unavailable(
        f"{first_upper(subject)} was busy with other writers for {PATIENCE_S:.0f} seconds.",
        hint="See which process keeps a transaction open; then repeat the request.",
    )


def meaning(subject: str, error: BaseException | None) -> CatalogError:
    """The error of the catalog for what the driver raised; `subject` is what it is about."""
    code = str(getattr(error, "sqlstate", None) or "")
    text = _message(error)
    if not code or code[:2] in ("08", "57") or code in ("25P03", "25P04"):
        return _interrupted(subject, code, text)
    if code == "55P03":
        return too_long(subject)
    if code in ("42P01", "42703", "3F000", "0A000"):
        return Unavailable(
            f"The model of {subject} changed while it was being read: {text}.", hint=_REPEAT
        )
    if code[:2] == "40":
        return Unavailable(f"Two transactions on {subject} got into each other's way: {text}.")
    if code == "53100":
        return Unavailable(
            f"No space is left on the database's device for {subject}.",
            hint="Nothing was changed. Free some space and repeat the request.",
        )
    if code[:2] in ("53", "58"):
        return Unavailable(f"The database of {subject} is at its limits: {text}.", hint=_REPEAT)
    if code[:2] in ("28", "42") and code in ("28000", "28P01", "42501"):
        return Unavailable(
            f"The database does not let this user at {subject}: {text}.",
            hint="Check the user, the password and the rights that were granted.",
        )
    if code == "25006":
        return ReadOnly(f"The database of {subject} takes no writing: {text}.")
    if code[:2] == "XX":
        return Corrupted(
            f"The database of {subject} is damaged: {text}.", hint="Restore it from a backup."
        )
    return _refused(subject, code, text)


def _interrupted(subject: str, code: str, text: str) -> CatalogError:
    if code == "57014":
        return QueryTimeout(
            "Query run time limit exceeded.", hint="Ask for less, or for a part at a time."
        )
    if code == "3D000" or "does not exist" in text:
        return Unavailable(f"There is no such database for {subject}: {text}.")
    return Unavailable(
        f"The database of {subject} cannot be reached: {text}.",
        hint="Check that the server runs and takes connections; then repeat the request.",
    )


def _refused(subject: str, code: str, text: str) -> CatalogError:
    if code == "2201B":
        return Conflict(
            f"Invalid regular expression: {text}.",
            hint="To search for these very characters, put a backslash before the special ones.",
        )
    if code == "54000":
        return Conflict(
            f"A value is too long for an index of {subject}: {text}.",
            hint="Values of keys and foreign keys can have about 2,700 bytes.",
        )
    if code in ("22003", "22012"):
        return Conflict(f"A number is out of range: {text}.")
    return CatalogError(f"The database of {subject} refused: {text}.")


def _message(error: BaseException | None) -> str:
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    text = " ".join(str(primary or error or "unknown").split())
    return text.rstrip(".")

"""Errors of places for bytes, as the catalog's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import CatalogError, Unavailable

_HINT = "Check free space, permissions and the connection, then try again."
_CREDENTIALS = (
    "Check the credentials in the environment (such as AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY), and what they may do."
)
_BUCKET = "Make the bucket, or correct the URL of the store."
_DENIED = ("PermissionDeniedError", "UnauthenticatedError")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what the operating system and `obstore` raise inside into the catalog's errors."""
    import obstore

    try:
        yield
    except CatalogError:
        raise
    except (OSError, obstore.exceptions.BaseError) as error:
        told = reason(error)
        raise Unavailable(
            f"The storage failed while {doing}: {told}.", hint=_hint(error, told)
        ) from error


def reason(error: Exception) -> str:
    """What went wrong, in one line and without the path of a local file.

    A server's answer is XML in the middle of a long text; its message is what matters.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).partition("\n\nDebug source")[0]
    told = [m.group(2) for m in re.finditer(r"<(Code|Message)>([^<]*)</\1>", text)]
    if told:
        text = ": ".join(told)
    return " ".join(text.split()).rstrip(".: ")


def _hint(error: Exception, told: str) -> str:
    if type(error).__name__ in _DENIED or "credential" in told.lower():
        return _CREDENTIALS
    missing = "NoSuchBucket" in told or "ContainerNotFound" in told
    return _BUCKET if missing else _HINT

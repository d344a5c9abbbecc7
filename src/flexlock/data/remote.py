"""What a web server says of a file, instead of its content: its entity tag and size."""

from __future__ import annotations

from dataclasses import dataclass

from flexlock.data.hashing import hash_bytes
from flexlock.errors import DataError, MissingDataError

__all__ = ["Remote", "is_url", "look_up"]

_TIMEOUT_S = 20.0
_NOT_FOUND = (404, 410)


@dataclass(frozen=True, slots=True)
class Remote:
    """`tag` identifies the version that the server holds; `bytes` is its size when told."""

    tag: str
    bytes: int | None


def is_url(text: str) -> bool:
    """Return whether a text is a URL, not a path (``C:/x`` is a path)."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and len(scheme) > 1 and scheme.replace("+", "").isalnum()


def look_up(url: str, *, timeout_s: float = _TIMEOUT_S) -> Remote:
    """Ask a web server for the entity tag and the size of a file, without fetching it.

    Raises:
        MissingDataError: The server says that there is no such file.
        DataError: It cannot be asked, or tells nothing that identifies the version.
    """
    if not url.startswith(("http://", "https://")):
        message = f"the version of {url!r} cannot be asked for."
        raise DataError(message, hint="Supply it: {'path': URL, 'hash': 'algorithm:hex'}.")
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:
        message = f"{url!r} cannot be looked up: HTTP {error.code} {error.reason}."
        kind = MissingDataError if error.code in _NOT_FOUND else DataError
        raise kind(message, path=url) from error
    except OSError as error:
        raise DataError(f"{url!r} cannot be looked up: {error}.", path=url) from error
    length = headers.get("Content-Length")
    size = int(length) if length and length.isdigit() else None
    mark = headers.get("ETag")
    if mark is None and headers.get("Last-Modified"):
        mark = f"{headers['Last-Modified']} {size}"
    if mark is None:
        message = f"the server of {url!r} tells neither an entity tag nor a time."
        raise DataError(message, hint="Supply a hash: {'path': URL, 'hash': 'algorithm:hex'}.")
    return Remote(hash_bytes(mark.encode()), size)

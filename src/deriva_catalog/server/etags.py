"""Entity tags and the preconditions that name them.

A tag stands for the client's roles, the media type and the version of what is read, so that one
client is never told that another one's representation is current.

Source: ERMrest, "ETags and preconditions"; RFC 9110, section 13.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from ..access import Client
from ..errors import PreconditionFailed
from .messages import Answer, Request

__all__ = ["entity_tag", "has_preconditions", "not_modified", "refuse_if_changed"]

_TAG = re.compile(r'(?:W/)?("[^"]*")|(\*)')
_PRECONDITIONS = ("if-match", "if-none-match")


def entity_tag(client: Client, media_type: str, *version: object) -> str:
    """The tag of a representation for a client; `version` is whatever it depends on."""
    digest = hashlib.blake2b(digest_size=12)
    for part in (*sorted(client.roles), "", media_type, *map(str, version)):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return f'"{digest.hexdigest()}"'


def has_preconditions(request: Request) -> bool:
    """Whether the request depends on what is there."""
    return any(name in request.headers for name in _PRECONDITIONS)


def not_modified(request: Request, etag: str) -> Answer | None:
    """The answer 304 if a precondition of a read fails; None if it is to be done.

    On a read, also a failing ``If-Match`` is answered 304, as clients of the protocol expect.
    """
    if _holds(request, etag):
        return None
    return Answer(304, headers={"ETag": etag})


def refuse_if_changed(request: Request, etag: str | None) -> None:
    """Check the preconditions of a change; `etag` is None for what does not exist.

    Raises:
        PreconditionFailed: one of them fails; `facts` has the current ``etag``.
    """
    if not _holds(request, etag):
        raise PreconditionFailed(
            f"The resource {request.path!r} is not in the state that the request asks for.",
            hint="Read it again and decide anew.",
            etag=etag,
        )


def _holds(request: Request, etag: str | None) -> bool:
    match, none_match = (request.headers.get(name) for name in _PRECONDITIONS)
    if match is not None and not _names(match, etag):
        return False
    return none_match is None or not _names(none_match, etag)


def _names(header: str, etag: str | None) -> bool:
    """Whether a list of tags has this one; ``*`` is any that exists."""
    return etag is not None and any(tag in ("*", etag) for tag in _tags(header))


def _tags(header: str) -> Iterator[str]:
    """The tags of a header without weakness, and without what a compressing proxy appended."""
    for quoted, star in _TAG.findall(header):
        yield star or re.sub(r'-(?:gzip|zstd|br)"$', '"', quoted)

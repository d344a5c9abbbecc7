"""Objects and their versions: reading, writing, renaming and deleting them.

Source: Hatrac, sections 5, 6, 10 and 11.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, BinaryIO

from ...errors import BadRequest, Forbidden
from ...objects import Upload
from ...objects.asking import Kept
from ...objects.headers import (
    checked_content_type,
    digest_header,
    digest_of,
    disposition_of,
    filename_of,
)
from ...objects.names import PREFIX, ObjectName, parse_name
from ...objects.renaming import rename
from ...objects.writing import put, remove
from ..messages import NO_CONTENT, Answer, Request
from ..requests import json_body, wrong_method
from .answers import VARY, created
from .conditions import check_read, etag_of, precondition_of
from .namespaces import MEDIA_TYPE, make, wants_parents
from .ranges import requested_range
from .refusals import LengthRequired
from .views import View

__all__ = [
    "answer_content",
    "declared_digests",
    "delete",
    "move",
    "read",
    "require_length",
    "write",
]

_AT_ONCE = 1 << 18
_PIECE = 1 << 20
_DEFAULT_TYPE = "application/octet-stream"
_RENAME = {"command", "source_name", "source_versions", "versions", "copy_acls"}


# --- reading -----------------------------------------------------------------------------


def read(request: Request, view: View, kept: Kept) -> Answer:
    """The content of a version, or a range of it."""
    version = kept.version
    etag = etag_of(version.version)
    check_read(request.headers, version.version, etag)
    filename = version.filename or kept.line.name.parts[-1]
    kind = version.content_type or _DEFAULT_TYPE
    headers = {
        **VARY,
        **_harmless(kind),
        "ETag": etag,
        "Content-Location": view.base + version.url,
        "Content-Disposition": disposition_of(filename),
    }
    hashes = {
        "Content-MD5": digest_header(version.md5),
        "Content-SHA256": digest_header(version.sha256),
    }
    what = (version.sha256, version.length)
    return answer_content(request, view, what, kind, headers, hashes)


def _harmless(media_type: str) -> dict[str, str]:
    """The headers that keep a page among the objects from acting for whoever opens it.

    Scripts in it may run, but as those of no site: they cannot use the reader's login. Browsers
    show no PDF in such a sandbox, and run nothing of it outside of one.
    """
    headers = {"X-Content-Type-Options": "nosniff"}
    if media_type.partition(";")[0].strip().lower() != "application/pdf":
        headers["Content-Security-Policy"] = "sandbox allow-scripts allow-popups allow-downloads"
    return headers


def answer_content(
    request: Request,
    view: View,
    what: tuple[str, int],
    media_type: str,
    headers: Mapping[str, str],
    hashes: Mapping[str, str],
) -> Answer:
    """Bytes by their SHA-256 and length, or the range that is asked for.

    `hashes` are headers that describe the whole, so a range goes without them. Where the
    deployment wants it, a reader is sent to the bucket instead. HEAD is answered here: the hashes
    are not told there.

    Source: Hatrac, "Reading content", "Ranges", "Redirects".
    """
    sha256, length = what
    content = view.store.content
    if view.signed_seconds > 0 and not request.is_head:
        url = content.signed_url(sha256, view.signed_seconds)
        if url is not None:
            # Our ETag: the bucket has another, which no condition here can be compared with.
            tag = {"ETag": headers["ETag"]} if "ETag" in headers else {}
            where = {"Location": url, "Cache-Control": "no-store"}
            return Answer(303, headers={**where, **tag})
    wanted = requested_range(request.headers, length, headers.get("ETag", ""))
    # The hashes are of the bytes as they are: nothing on the way may compress them.
    cache = f"{headers['Cache-Control']}, no-transform"
    out = {**headers, "Accept-Ranges": "bytes", "Cache-Control": cache}
    if wanted is None:
        out |= hashes
        begin, size, status = 0, length, 200
    else:
        begin, size, status = wanted[0], wanted[1] - wanted[0] + 1, 206
        out["Content-Range"] = f"bytes {wanted[0]}-{wanted[1]}/{length}"
    out["Content-Length"] = str(size)
    source = content.pieces(sha256, begin, size, _PIECE)
    body = b"".join(source) if size <= _AT_ONCE else source
    return Answer(status, body, media_type, out)


# --- writing -----------------------------------------------------------------------------


def write(request: Request, view: View, name: ObjectName) -> Answer:
    """PUT: new content of an object, or a new namespace."""
    if name.version is not None:
        raise wrong_method(request, "GET", "DELETE")
    view.require_writable()
    kind = request.headers.get("content-type")
    if not name.parts or (kind == MEDIA_TYPE and not _is_object(view, name)):
        return make(request, view, name)
    require_length(request)
    disposition = request.headers.get("content-disposition")
    md5, sha256 = declared_digests(request.headers)
    upload = Upload(
        name.path,
        source=_source(request.body),
        content_type=None if kind is None else checked_content_type(kind),
        filename=None if disposition is None else filename_of(disposition),
        md5=md5,
        sha256=sha256,
    )
    version = put(
        view.store,
        view.asker,
        upload,
        parents=wants_parents(request),
        precondition=precondition_of(request.headers),
        take=True,
    )
    return created(version.url, view.base)


def _source(body: BinaryIO) -> bytes | BinaryIO:
    return body.getvalue() if isinstance(body, io.BytesIO) else body


def _is_object(view: View, name: ObjectName) -> bool:
    with view.store.database.reading() as reading:
        here = view.asker.line(reading.connection, name).here
    return here is not None and not here.is_namespace and not here.deleted


def require_length(request: Request) -> None:
    """Refuse a body whose length was not told before it came. Raises `LengthRequired`."""
    if not request.headers.get("content-length", "").isdecimal():
        raise LengthRequired(
            "The header Content-Length is required.", hint="Send the length before the body."
        )


def declared_digests(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The MD5 and the SHA-256 that a request declares of its body, in hexadecimal."""
    md5, sha256 = headers.get("content-md5"), headers.get("content-sha256")
    return (
        None if md5 is None else digest_of(md5, "MD5"),
        None if sha256 is None else digest_of(sha256, "SHA-256"),
    )


def delete(request: Request, view: View, name: ObjectName) -> Answer:
    """Delete a version, an object or a namespace."""
    view.require_writable()
    remove(view.store, view.asker, name, precondition=precondition_of(request.headers))
    return NO_CONTENT


# --- renaming ----------------------------------------------------------------------------


def move(request: Request, view: View, name: ObjectName) -> Answer:
    """POST of a rename document."""
    view.require_writable()
    if name.version is not None or not name.parts:
        raise wrong_method(request, "GET", "PUT", "DELETE")
    document = json_body(request)
    source, versions, copy_acls = _checked(document)
    scope = request.client.scope
    if scope is not None and not view.of_catalog and not scope.admits_object(*source.parts):
        raise Forbidden(
            f"Your access token does not open {source.path!r}.",
            hint="Make one with a wider scope.",
        )
    urls, moved = rename(
        view.store,
        view.asker,
        name,
        source,
        versions,
        copy_acls=copy_acls,
        precondition=precondition_of(request.headers),
    )
    if not moved:
        return NO_CONTENT
    return created(urls[0], view.base, more=urls[1:]) if urls else created(name.path, view.base)


def _checked(document: Any) -> tuple[ObjectName, list[str] | None, bool]:
    if not isinstance(document, dict):
        raise BadRequest("A request to rename is a JSON object.")
    if unknown := set(document) - _RENAME:
        raise BadRequest(f"A request to rename has no member {sorted(unknown)[0]!r}.")
    if document.get("command") != "rename_from":
        raise BadRequest(
            f"Unknown command {document.get('command')!r}.", hint="The command is 'rename_from'."
        )
    source = document.get("source_name")
    if not isinstance(source, str):
        raise BadRequest("The member 'source_name' is missing, or no text.")
    versions = document.get("source_versions", document.get("versions"))
    if versions is not None and not (
        isinstance(versions, list) and all(isinstance(v, str) for v in versions)
    ):
        raise BadRequest("The member 'source_versions' is no list of identifiers of versions.")
    copy_acls = document.get("copy_acls", False)
    if not isinstance(copy_acls, bool):
        raise BadRequest("The member 'copy_acls' is true or false.")
    # An empty list means all, as no list does.
    path = source if source.startswith(f"{PREFIX}/") else f"{PREFIX}/{source.lstrip('/')}"
    return parse_name(path, version_allowed=False), versions or None, copy_acls

"""Objects of any server that speaks Hatrac.

Source: Hatrac.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from ...errors import CatalogError, Conflict, NotFound, PreconditionFailed, Unavailable
from ...objects import Content, ObjectVersion, Upload
from ...objects.content import PIECE, Progress
from ...objects.headers import digest_header, digest_of, disposition_of, filename_of
from ...objects.names import PREFIX, parse_name
from .connection import Received, Repeat
from .contents import Known, json_bytes

__all__ = ["Carrier", "PlainObjects"]

NAMESPACE = "application/x-hatrac-namespace"
LARGE = 100 * PIECE
"""Contents beyond this length go in chunks, as published clients do it."""
CHUNK = 25 * PIECE
_AT_ONCE = 8
_AS_STORED = {"Accept-Encoding": "identity", "Accept": "*/*"}
_LISTING = {"Accept": "application/json"}


class Carrier(Protocol):
    """Sends requests to one server."""

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        repeat: Repeat = Repeat.NEVER,
    ) -> Received:
        """Send a request and take its answer."""
        ...


class PlainObjects:
    """The objects below ``/hatrac`` of a server, or below the address of a catalog there.

    Args:
        carrier: The server.
        base: What comes before ``/hatrac``.
    """

    def __init__(self, carrier: Carrier, base: str = "") -> None:
        self._carrier = carrier
        self._base = base

    def target(self, url: str) -> str:
        """Where an object is on the server. Raises `BadRequest` for what is no name."""
        return self._base + parse_name(url).url

    # --- reading ---------------------------------------------------------------------

    def stat(self, url: str) -> ObjectVersion:
        """The version that a URL names, or the current one of the object.

        A digest that the server does not tell is empty.

        Raises:
            NotFound: There is none, or it is a namespace.
            Conflict: The object has no content.
        """
        name = parse_name(url)
        answer = self._send("HEAD", self.target(url), _AS_STORED)
        where = answer.headers.get("content-location")
        if where is None:
            raise NotFound(f"There is no object {name.url!r}: it is a namespace.", name=name.url)
        found = parse_name(where[max(0, where.rfind(f"{PREFIX}/", 0, where.find(":") + 1)) :])
        return _version(found.path, found.version or "", answer.headers)

    def stat_many(self, urls: Iterable[str]) -> dict[str, ObjectVersion]:
        """What is known of many URLs; unknown ones are left out."""

        def one(url: str) -> ObjectVersion | None:
            try:
                return self.stat(url)
            except (NotFound, Conflict):
                return None

        wanted = list(dict.fromkeys(urls))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(one, wanted))
        return {url: version for url, version in zip(wanted, found, strict=True) if version}

    def version_urls(self, name: str) -> list[str]:
        """The URLs of an object's versions, newest first. Raises `NotFound`."""
        target = f"{self._base}{parse_name(name, version_allowed=False).path};versions"
        urls: list[str] = self._send("GET", target, _LISTING).json()
        return urls

    def names(self, namespace: str) -> list[str]:
        """The names directly below a namespace, sorted. Raises `NotFound`."""
        is_root = namespace.rstrip("/") == PREFIX
        path = PREFIX if is_root else parse_name(namespace, version_allowed=False).path
        # The slash tells servers and readers of logs that it is a namespace; the root needs it.
        target = f"{self._base}{path}{'/' if is_root else ''}"
        head = self._send("HEAD", target, _LISTING)
        if "content-location" in head.headers:
            raise NotFound(f"There is no namespace {path!r}: it is an object.", name=path)
        found: list[str] = self._send("GET", target, _LISTING).json()
        return sorted(found)

    # --- writing ---------------------------------------------------------------------

    def put(
        self, upload: Upload, known: Known, *, parents: bool, progress: Progress | None = None
    ) -> ObjectVersion:
        """Store bytes as a new version; large ones in chunks.

        Raises:
            BadRequest, Conflict, NotFound, NotAuthenticated, Forbidden: As the server says.
        """
        target = self.target(upload.name)
        query = "?parents=true" if parents else ""
        described = _described(upload, known.content)
        if known.content.length > LARGE:
            url = self._put_chunks(target, query, described, known, progress)
        else:
            with known.open() as file:
                data = file.read()
            answer = self._carrier.send(
                "PUT", target + query, headers={**described, **_length(data)}, content=data
            )
            url = answer.body.decode().strip()
            if progress is not None:
                progress(len(data))
        content = known.content
        found = parse_name(url)
        return ObjectVersion(
            found.path,
            found.version or "",
            content.length,
            content.md5,
            content.sha256,
            described["Content-Type"],
            upload.filename,
        )

    def _put_chunks(
        self,
        target: str,
        query: str,
        described: Mapping[str, str],
        known: Known,
        progress: Progress | None,
    ) -> str:
        plan = {
            "chunk-length": CHUNK,
            "content-length": known.content.length,
            **{name.lower(): value for name, value in described.items()},
        }
        made = self._post(f"{target};upload{query}", json_bytes(plan))
        job = f"{target};upload/{made.body.decode().strip().rsplit('/', 1)[-1]}"

        def send(number: int) -> None:
            with known.open() as file:
                file.seek(number * CHUNK)
                data = file.read(CHUNK)
            headers = {"Content-Type": "application/octet-stream", **_length(data)}
            self._carrier.send(
                "PUT", f"{job}/{number}", headers=headers, content=data, repeat=Repeat.SAFE
            )
            if progress is not None:
                progress(len(data))

        try:
            with ThreadPoolExecutor(4, thread_name_prefix="upload") as pool:
                list(pool.map(send, range(-(-known.content.length // CHUNK))))
            return self._post(job, b"").body.decode().strip()
        except BaseException:
            with suppress(CatalogError):
                self._send("DELETE", job)
            raise

    def create_namespace(self, name: str, *, parents: bool) -> None:
        """Make a namespace; nothing happens when it exists.

        Raises:
            Conflict: The name is an object, or was deleted.
        """
        target = self.target(name)
        if self._is_namespace(target):
            return
        # On an object it would be content of that type; the condition refuses that.
        headers = {"Content-Type": NAMESPACE, "Content-Length": "0", "If-None-Match": "*"}
        query = "?parents=true" if parents else ""
        try:
            self._carrier.send("PUT", target + query, headers=headers)
        except (Conflict, PreconditionFailed) as error:
            if not self._is_namespace(target):
                raise Conflict(error.message, hint=error.hint) from error

    def _is_namespace(self, target: str) -> bool:
        """Whether there is a namespace. Raises `Conflict` if there is an object."""
        try:
            head = self._send("HEAD", target, _LISTING)
        except NotFound:
            return False
        if "content-location" in head.headers:
            raise Conflict(f"{target} is an object, not a namespace.")
        return True

    def delete(self, url: str) -> None:
        """Delete a version, an object or a namespace. Raises `NotFound`."""
        self._carrier.send("DELETE", self.target(url))

    def _send(self, method: str, target: str, headers: Mapping[str, str] | None = None) -> Received:
        return self._carrier.send(method, target, headers=headers or {}, repeat=Repeat.SAFE)

    def _post(self, target: str, body: bytes) -> Received:
        headers = {"Content-Type": "application/json", **_length(body)}
        return self._carrier.send("POST", target, headers=headers, content=body)


def _length(data: bytes) -> dict[str, str]:
    return {"Content-Length": str(len(data))}


def _described(upload: Upload, content: Content) -> dict[str, str]:
    guessed = mimetypes.guess_type(upload.filename or parse_name(upload.name).parts[-1])[0]
    found = {
        "Content-Type": upload.content_type or guessed or "application/octet-stream",
        "Content-MD5": digest_header(content.md5),
        "Content-SHA256": digest_header(content.sha256),
    }
    if upload.filename is not None:
        found["Content-Disposition"] = disposition_of(upload.filename)
    return found


def _version(path: str, version: str, headers: Mapping[str, str]) -> ObjectVersion:
    md5, sha256 = headers.get("content-md5"), headers.get("content-sha256")
    length = headers.get("content-length", "")
    if not length.isdecimal():
        raise Unavailable(f"The server does not tell the length of {path}.")
    disposition = headers.get("content-disposition")
    filename = None
    if disposition is not None:
        with suppress(CatalogError):
            filename = filename_of(disposition)
    return ObjectVersion(
        path,
        version,
        int(length),
        "" if md5 is None else digest_of(md5, "MD5"),
        "" if sha256 is None else digest_of(sha256, "SHA-256"),
        headers.get("content-type"),
        filename,
    )

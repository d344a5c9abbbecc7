"""Objects of any server that speaks Hatrac.

Source: Hatrac.
"""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Iterable, Mapping, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ...errors import CatalogError, Conflict, NotFound, PreconditionFailed, Unavailable
from ...objects import Content, ObjectVersion, Upload
from ...objects.content import PIECE, Progress
from ...objects.headers import digest_header, digest_of, disposition_of, filename_of
from ...objects.names import PREFIX, parse_name
from .connection import Content as Body
from .connection import Received, Repeat, back_off_s
from .contents import Known, json_bytes
from .parallel import for_each
from .uploads import BegunUpload, begun_upload

__all__ = ["Carrier", "PlainObjects"]

NAMESPACE = "application/x-hatrac-namespace"
CHUNK = 25 * PIECE
"""Contents beyond this length go in chunks of it, as published clients do it."""
_CHUNKS_AT_ONCE = 4
_ATTEMPTS = 4
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
        content: Body = b"",
        repeat: Repeat = Repeat.NEVER,
    ) -> Received:
        """Send a request and take its answer."""
        ...


@dataclass(frozen=True, slots=True)
class _Sending:
    """Bytes on their way to a name: `described` are the headers that describe them."""

    target: str
    query: str
    described: Mapping[str, str]
    known: Known
    progress: Progress | None

    @property
    def length(self) -> int:
        """How many bytes there are."""
        return self.known.content.length

    def tell(self, length: int) -> None:
        """Say that the server has some more bytes."""
        if self.progress is not None:
            self.progress(length)


class PlainObjects:
    """The objects below ``/hatrac`` of a server, or below the address of a catalog there.

    Args:
        carrier: What sends requests to the server.
        server: Which server that is: scheme, name and port.
        base: What comes before ``/hatrac``.
    """

    def __init__(self, carrier: Carrier, server: str, base: str = "") -> None:
        self._carrier = carrier
        self._server = server
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

        An upload in chunks that broke off is gone on with, also by another process (see
        `begun_upload`).

        Raises:
            BadRequest, Conflict, NotFound, NotAuthenticated, Forbidden: As the server says.
            Unavailable: The server cannot be reached, or answered that it is too busy, again and
                again.
        """
        content = known.content
        sending = _Sending(
            self.target(upload.name),
            "?parents=true" if parents else "",
            _described(upload, content),
            known,
            progress,
        )
        url = self._put_chunks(sending) if content.length > CHUNK else self._put_whole(sending)
        found = parse_name(url)
        return ObjectVersion(
            found.path,
            found.version or "",
            content.length,
            content.md5,
            content.sha256,
            sending.described["Content-Type"],
            upload.filename,
        )

    def _put_whole(self, sending: _Sending) -> str:
        data = sending.known.part(0, sending.length)
        headers = {**sending.described, **_length(data)}
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._carrier.send(
                    "PUT", sending.target + sending.query, headers=headers, content=data
                )
                url = answer.body.decode().strip()
                break
            except Unavailable:
                # It may have been done or not; a second version is not wanted.
                url = self._stored(sending) or ""
                if url:
                    break
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(back_off_s(attempt))
        sending.tell(len(data))
        return url

    def _stored(self, sending: _Sending) -> str | None:
        """The URL of the current version if it has the bytes; the server must be there."""
        try:
            there = self.stat(sending.target[len(self._base) :])
        except (NotFound, Conflict):
            return None
        same = there.sha256 == sending.known.content.sha256 or (
            not there.sha256 and there.md5 == sending.known.content.md5
        )
        return there.url if same and there.length == sending.length else None

    def _put_chunks(self, sending: _Sending) -> str:
        content = sending.known.content
        with begun_upload(self._server, sending.target, content) as begun:
            for resumed in (begun.job is not None, False):
                try:
                    return self._by_chunks(sending, begun)
                except CatalogError as refused:
                    if refused.status >= 500 or isinstance(refused, PermissionError):
                        raise  # the job stays, for the next call
                    if begun.job is not None:
                        with suppress(CatalogError):
                            self._send("DELETE", f"{sending.target};upload/{begun.job}")
                        begun.forget()
                    if not (resumed and isinstance(refused, (Conflict, NotFound))):
                        raise
                    # What an earlier call left is not what it should be.
        raise AssertionError("the second attempt is not resumed")

    def _by_chunks(self, sending: _Sending, begun: BegunUpload) -> str:
        there = self._received(sending, begun)
        if begun.job is None:
            plan = {
                "chunk-length": CHUNK,
                "content-length": sending.length,
                **{name.lower(): value for name, value in sending.described.items()},
            }
            made = self._post(f"{sending.target};upload{sending.query}", json_bytes(plan))
            begun.begin(made.body.decode().strip().rsplit("/", 1)[-1], CHUNK)
        job, size = f"{sending.target};upload/{begun.job}", begun.chunk_length

        def send(number: int) -> None:
            data = sending.known.part(number * size, size)
            headers = {"Content-Type": "application/octet-stream", **_length(data)}
            self._carrier.send(
                "PUT", f"{job}/{number}", headers=headers, content=data, repeat=Repeat.SAFE
            )
            begun.acknowledged(number)
            sending.tell(len(data))

        for number in there:
            sending.tell(min(size, sending.length - number * size))
        missing = [n for n in range(-(-sending.length // size)) if n not in there]
        for_each(send, missing, workers=_CHUNKS_AT_ONCE, name="upload")
        url = self._finished(sending, job)
        begun.forget()
        return url

    def _received(self, sending: _Sending, begun: BegunUpload) -> set[int]:
        """The chunks that the server has of an upload that was begun; it is forgotten if gone.

        Servers of ours tell them. For others, what they acknowledged counts.
        """
        if begun.job is None:
            return set()
        try:
            document = self._send("GET", f"{sending.target};upload/{begun.job}", _LISTING).json()
            begun.chunk_length = int(document["chunk-length"])
            same = int(document["content-length"]) == sending.length
        except (NotFound, Conflict, PermissionError, KeyError, TypeError, ValueError):
            same = False
        if not same:
            begun.forget()
            return set()
        ranges = document.get("chunks-received")
        if ranges is None:
            return set(begun.sent)
        return {n for low, high in ranges for n in range(low, high + 1)}

    def _finished(self, sending: _Sending, job: str) -> str:
        try:
            return self._post(job, b"", Repeat.SAFE).body.decode().strip()
        except (NotFound, Unavailable):
            # An answer that was lost: it was finished, unless it was not.
            url = self._stored(sending)
            if url is None:
                raise
            return url

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

    def _post(self, target: str, body: bytes, repeat: Repeat = Repeat.NEVER) -> Received:
        headers = {"Content-Type": "application/json", **_length(body)}
        return self._carrier.send("POST", target, headers=headers, content=body, repeat=repeat)


def _length(data: Sized) -> dict[str, str]:
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

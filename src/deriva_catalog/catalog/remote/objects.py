"""The objects of a served catalog: the interface of `ObjectStore`, over HTTP.

On our own server, bytes and names go separate ways, as in process: bytes by their SHA-256 first,
several requests at once; then all names in one request, inside the transaction that is open. On
another server each object is put under its name at ``/hatrac``, several at a time.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import BadRequest, Conflict, Forbidden, NotAuthenticated, NotFound
from ...objects import ObjectVersion, Source, Upload
from ...objects.content import Progress
from ...objects.names import PREFIX, parse_name
from ...objects.store import PieceReader
from ...objects.versions import declared
from .connection import Repeat
from .contents import Readable, RemoteContents, json_bytes
from .link import Link
from .parallel import for_each
from .plain import PlainObjects
from .receiving import Place, receive, save
from .staged import StagedContents

__all__ = ["FEATURE", "RemoteObjectStore"]

FEATURE = "catalog_objects"
"""The name in ``features`` of a server whose catalogs have objects of their own."""
WORKERS = 4
_AT_ONCE = 20_000
_JSON = {"Content-Type": "application/json"}


class RemoteObjectStore:
    """The objects of one catalog of a server. Threads may share it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        server = link.connection.host.origin
        self._elsewhere = PlainObjects(link.connection, server)
        """The server's objects that belong to no catalog; on another server, all of them."""
        self._own: PlainObjects | None = None
        self._staged = StagedContents(link.connection)
        self.content: RemoteContents | StagedContents = self._staged
        if link.has(FEATURE):
            self._own = PlainObjects(_Sender(link), server, link.target)
            self.content = RemoteContents(link)

    # --- writing ---------------------------------------------------------------------

    def put(
        self,
        name: str,
        source: Source,
        *,
        content_type: str | None = None,
        filename: str | None = None,
        md5: str | None = None,
        sha256: str | None = None,
        parents: bool = True,
        progress: Progress | None = None,
    ) -> ObjectVersion:
        """Store bytes as a new version of the object `name`; see `ObjectStore.put`."""
        parse_name(name, version_allowed=False)
        upload = Upload(name, source, None, content_type, filename, md5, sha256)
        if self._own is None:
            return self._put_plain(upload, parents=parents, progress=progress)
        return self.register([self._stored(upload, progress)], parents=parents)[0]

    def put_many(
        self,
        uploads: Iterable[Upload],
        *,
        reuse: bool = False,
        progress: Progress | None = None,
        workers: int = WORKERS,
    ) -> list[ObjectVersion]:
        """Store many files: bytes several at a time, then all names in one transaction.

        See `ObjectStore.put_many`. Another server than our own has no such transaction: what was
        put before an error stays.
        """
        return self.register(
            self.add_contents(uploads, progress=progress, workers=workers), reuse=reuse
        )

    def add_contents(
        self,
        uploads: Iterable[Upload],
        *,
        progress: Progress | None = None,
        workers: int = WORKERS,
    ) -> list[Upload]:
        """Send the bytes of uploads without naming them; returns them with their `content`."""
        waiting = list(uploads)
        for upload in waiting:
            parse_name(upload.name, version_allowed=False)
            if upload.content is None and upload.source is None:
                raise BadRequest(f"The upload of {upload.name!r} has neither source nor content.")
        fresh = [u for u in waiting if u.content is None]
        sources = [u.source for u in fresh if u.source is not None]
        sent = dict(
            zip(
                map(id, fresh),
                self.content.add_many(sources, progress, workers=workers),
                strict=True,
            )
        )
        stored = [
            u if u.content is not None else replace(u, source=None, content=sent[id(u)])
            for u in waiting
        ]
        for upload in stored:
            assert upload.content is not None
            declared(upload, upload.content)
        return stored

    def _stored(self, upload: Upload, progress: Progress | None) -> Upload:
        assert upload.source is not None
        check = partial(declared, upload) if upload.md5 or upload.sha256 else None
        content = self.content.add(upload.source, progress, check=check)
        return replace(upload, source=None, content=content)

    def register(
        self, uploads: Sequence[Upload], *, parents: bool = True, reuse: bool = False
    ) -> list[ObjectVersion]:
        """Make versions of uploads whose bytes were added; see `ObjectStore.register`."""
        for upload in uploads:
            if upload.content is None:
                raise BadRequest(f"The bytes of {upload.name!r} are not stored yet.")
            parse_name(upload.name, version_allowed=False)
        if self._own is None:
            return self._register_elsewhere(uploads, parents=parents, reuse=reuse)
        if not uploads:
            return []
        document = {
            "uploads": [_upload_document(upload) for upload in uploads],
            "parents": parents,
            "reuse": reuse,
        }
        made = self._link.send(
            "POST", "hatrac/;register", headers=_JSON, content=json_bytes(document)
        ).json()
        return [_version(each) for each in made]

    def create_namespace(self, name: str, *, parents: bool = True) -> None:
        """Make a namespace; nothing happens when it exists.

        Raises:
            Conflict: The name is an object, or was deleted.
        """
        (self._own or self._elsewhere).create_namespace(name, parents=parents)

    def delete(self, url: str) -> None:
        """Delete a version, an object with its versions, or a namespace with all below it.

        Raises:
            NotFound: There is no such thing.
        """
        (self._own or self._elsewhere).delete(url)

    # --- reading ---------------------------------------------------------------------

    def stat(self, url: str) -> ObjectVersion:
        """Return the version that `url` names, or the current one of the object.

        Objects that do not belong to the catalog but to the server are found as well.

        Raises:
            NotFound: There is no such object or version.
            Conflict: The object has no version any more.
        """
        return self._found(url)[0]

    def _found(self, url: str) -> tuple[ObjectVersion, bool]:
        """The version, and whether it is the catalog's own."""
        parse_name(url)
        if self._own is None:
            return self._seen(self._elsewhere.stat(url)), False
        known = self._stat([url])
        if url in known:
            return known[url], True
        try:
            return self._own.stat(url), True  # or says what is wrong with it
        except NotFound as error:
            try:
                return self._elsewhere.stat(url), False
            except (NotFound, PermissionError):
                raise error from None

    def _seen(self, version: ObjectVersion) -> ObjectVersion:
        self._staged.sent(version)
        return version

    def stat_many(self, urls: Iterable[str]) -> dict[str, ObjectVersion]:
        """Return what is known of many URLs with versions; unknown ones are left out."""
        wanted = [url for url in dict.fromkeys(urls) if parse_name(url).version is not None]
        found: dict[str, ObjectVersion] = {}
        if self._own is not None:
            for begin in range(0, len(wanted), _AT_ONCE):
                found |= self._stat(wanted[begin : begin + _AT_ONCE])
        missing = [url for url in wanted if url not in found]
        for url, version in self._elsewhere.stat_many(missing).items():
            found[url] = self._seen(version)
        return found

    def _stat(self, urls: Sequence[str]) -> dict[str, ObjectVersion]:
        """What the catalog has of some URLs: by one request for who may read all objects."""
        assert self._own is not None
        try:
            answer = self._link.send(
                "POST",
                "hatrac/;stat",
                headers=_JSON,
                content=json_bytes(list(urls)),
                repeat=Repeat.SAFE,
            )
        except (Forbidden, NotAuthenticated):
            return self._own.stat_many(urls)
        return {url: _version(each) for url, each in answer.json().items()}

    def versions(self, name: str) -> list[ObjectVersion]:
        """Return all versions of an object, newest first; there may be none left.

        Raises:
            NotFound: There is no such object.
        """
        if self._own is None:
            urls = self._elsewhere.version_urls(name)
            known = self._elsewhere.stat_many(urls)
        else:
            urls = self._own.version_urls(name)
            known = self._stat(urls)
        return [known[url] for url in urls if url in known]

    def names(self, namespace: str = PREFIX) -> list[str]:
        """Return the names directly below a namespace, sorted.

        Raises:
            NotFound: There is no such namespace.
        """
        return (self._own or self._elsewhere).names(namespace)

    def open(self, url: str) -> BinaryIO:
        """Open the bytes of an object for reading, as a stream.

        Raises:
            NotFound: There is no such object.
        """
        version, own = self._found(url)
        return io.BufferedReader(PieceReader(receive(self._place(version, own), version.length)))

    def read(self, url: str) -> bytes:
        """Return the bytes of an object."""
        version, own = self._found(url)
        return b"".join(receive(self._place(version, own), version.length))

    def get(
        self,
        url: str,
        destination: Path | str,
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Put an object's bytes at `destination`, whole or not at all.

        Raises:
            NotFound: There is no such object.
            Corrupted: The bytes are not what the server says that they are.
        """
        version, own = self._found(url)
        place = self._place(version, own)
        return save(place, version.content, Path(destination), verify=verify, progress=progress)

    def _place(self, version: ObjectVersion, own: bool) -> Place:
        base = self._link.target if own else ""
        if own and self._link.transactions.current is not None:
            # Its name may be known inside the transaction only; its bytes are there.
            return Place(self._link.connection, f"{base}/hatrac/;content/{version.sha256}")
        return Place(self._link.connection, base + version.url)

    # --- another server --------------------------------------------------------------

    def _put_plain(
        self, upload: Upload, *, parents: bool, progress: Progress | None = None
    ) -> ObjectVersion:
        assert upload.source is not None
        with Readable(upload.source) as known:
            declared(upload, known.content)
            made = self._elsewhere.put(upload, known, parents=parents, progress=progress)
        return self._seen(made)

    def _register_elsewhere(
        self, uploads: Sequence[Upload], *, parents: bool, reuse: bool
    ) -> list[ObjectVersion]:
        """Put uploads, several at a time; those of one name in order, so that the last counts."""
        by_name: dict[str, list[int]] = {}
        for number, upload in enumerate(uploads):
            by_name.setdefault(parse_name(upload.name).path, []).append(number)

        def put(numbers: list[int]) -> list[ObjectVersion]:
            return [self._register_plain(uploads[n], parents=parents, reuse=reuse) for n in numbers]

        groups = list(by_name.values())
        # The first by itself: it makes the namespaces.
        made = [put(numbers) for numbers in groups[:1]]
        made += for_each(put, groups[1:], workers=WORKERS, name="upload")
        found = {
            n: version
            for numbers, versions in zip(groups, made, strict=True)
            for n, version in zip(numbers, versions, strict=True)
        }
        return [found[n] for n in range(len(uploads))]

    def _register_plain(self, upload: Upload, *, parents: bool, reuse: bool) -> ObjectVersion:
        content = upload.content
        assert content is not None
        if reuse:
            try:
                there = self._elsewhere.stat(upload.name)
            except (NotFound, Conflict):
                there = None
            if there is not None and there.length == content.length:
                same = there.sha256 == content.sha256 if there.sha256 else there.md5 == content.md5
                if same:
                    return self._seen(replace(there, sha256=content.sha256, md5=content.md5))
        source = self._staged.waiting(content)
        return self._put_plain(replace(upload, source=source, content=None), parents=parents)


class _Sender:
    """Sends requests through the transaction that a thread has open, if it has one."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def send(self, method: str, target: str, **more: Any) -> Any:
        """Send a request and take its answer."""
        if method not in ("GET", "HEAD"):
            self._link.transactions.refuse_waiting_for_itself()
        return self._link.sender.send(method, target, **more)


def _upload_document(upload: Upload) -> dict[str, Any]:
    content = upload.content
    assert content is not None
    document = {
        "name": upload.name,
        "length": content.length,
        "md5": content.md5,
        "sha256": content.sha256,
        "content_type": upload.content_type,
        "filename": upload.filename,
        "version": upload.version,
        "declared": [name for name in ("md5", "sha256") if getattr(upload, name) is not None],
    }
    return {name: value for name, value in document.items() if value not in (None, [])}


def _version(document: dict[str, Any]) -> ObjectVersion:
    return ObjectVersion(**document)

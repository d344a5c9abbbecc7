"""The objects of a catalog as a client uses them: the methods of `ObjectStore`, within rights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from ..errors import Conflict, NotFound, ReadOnly
from . import listing, writing
from .acls import holds, owned_by
from .asking import ROOT, Asker
from .content import Content, ContentStore, Progress, Source
from .contract import WORKERS
from .names import PREFIX, ObjectName, parse_name
from .naming import check_names, granting_to
from .store import ObjectStore
from .versions import ObjectVersion, Upload

__all__ = ["ClientObjects"]


class ClientObjects:
    """Objects that a client reads and changes as its rights allow.

    Args:
        store: The objects, without rights.
        asking: Who asks, with the lists of the catalog as they are now.
        readonly: Refuse changes, as at a snapshot.
    """

    def __init__(
        self, store: ObjectStore, asking: Callable[[], Asker], *, readonly: bool = False
    ) -> None:
        self._store = store
        self._asking = asking
        self._readonly = readonly

    @property
    def content(self) -> ContentStore:
        """The bytes by their SHA-256, for a client that may read all objects.

        Raises:
            NotAuthenticated, Forbidden: It may not: a digest would open what a name does not.
        """
        asker = self._asking()
        if not self._reads_all(asker):
            raise asker.denied(PREFIX)
        return self._store.content

    def _reads_all(self, asker: Asker) -> bool:
        with self._store.database.reading() as reading:
            root = asker.line(reading.connection, ROOT).place
        return holds("read", {}, (root.acls,), asker.client.roles)

    def _changing(self) -> Asker:
        if self._readonly:
            raise ReadOnly(
                "Objects cannot be changed through a snapshot.", hint="Use the live catalog."
            )
        return self._asking()

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
        """Store bytes as a new version of an object; see `ObjectStore.put`."""
        upload = Upload(name, source, None, content_type, filename, md5, sha256)
        return writing.put(
            self._store, self._changing(), upload, parents=parents, progress=progress
        )

    def put_many(
        self,
        uploads: Iterable[Upload],
        *,
        reuse: bool = False,
        progress: Progress | None = None,
        workers: int = WORKERS,
    ) -> list[ObjectVersion]:
        """Store many files, then all names in one transaction; see `ObjectStore.put_many`."""
        asker, waiting = self._changing(), list(uploads)
        names = [parse_name(upload.name, version_allowed=False) for upload in waiting]
        with self._store.database.reading() as reading:
            granting = granting_to(asker)
            check_names(reading.connection, names, parents=True, granting=granting)
        if any(upload.content is not None for upload in waiting):
            _ = self.content  # raises
        store = self._store

        def stored() -> list[Upload]:
            return store.add_contents(waiting, progress=progress, workers=workers)

        def named(uploads: list[Upload]) -> list[ObjectVersion]:
            owner = owned_by(asker.client.id)
            return store.register(uploads, reuse=reuse, acls=owner, granting=granting)

        return store.naming(stored, named, waiting)

    def register(
        self, uploads: Sequence[Upload], *, parents: bool = True, reuse: bool = False
    ) -> list[ObjectVersion]:
        """Name bytes that are stored, for a client that may read all; see `content`."""
        asker = self._changing()
        missing = [u for u in uploads if u.content and not self.content.has(u.content.sha256)]
        if missing:
            raise Conflict(
                f"The bytes of {missing[0].name!r} are not in the store.", hint="Add them first."
            )
        return self._store.register(
            uploads,
            parents=parents,
            reuse=reuse,
            acls=owned_by(asker.client.id),
            granting=granting_to(asker),
        )

    def create_namespace(self, name: str, *, parents: bool = True) -> None:
        """Make a namespace; nothing happens when it exists."""
        asker, parsed = self._changing(), parse_name(name, version_allowed=False)
        with self._store.database.reading() as reading:
            here = asker.line(reading.connection, parsed).here
        if here is not None and here.is_namespace and not here.deleted:
            return
        writing.make_namespace(self._store, asker, parsed, parents=parents)

    def delete(self, url: str) -> None:
        """Delete a version, an object or a namespace; see `ObjectStore.delete`."""
        writing.remove(self._store, self._changing(), parse_name(url))

    # --- reading ---------------------------------------------------------------------

    def stat(self, url: str) -> ObjectVersion:
        """The version that `url` names, or the current one; see `ObjectStore.stat`.

        Raises:
            NotAuthenticated, Forbidden: The client may not read it.
        """
        with self._store.database.reading() as reading:
            return self._asking().readable(reading.connection, parse_name(url)).version

    def stat_many(self, urls: Iterable[str]) -> dict[str, ObjectVersion]:
        """What is known of many URLs with versions, as far as the client may read them."""
        wanted = list(urls)
        if self._reads_all(self._asking()):
            return self._store.stat_many(wanted)
        found = {}
        for url in dict.fromkeys(wanted):
            try:
                if parse_name(url).version is not None:
                    found[url] = self.stat(url)
            except (NotFound, Conflict, PermissionError):
                continue
        return found

    def versions(self, name: str) -> list[ObjectVersion]:
        """All versions of an object that the client may read, newest first."""
        parsed = parse_name(name, version_allowed=False)
        urls = listing.versions(self._store, self._asking(), parsed)
        known = self.stat_many(urls)
        return [known[url] for url in urls if url in known]

    def names(self, namespace: str = PREFIX) -> list[str]:
        """The names directly below a namespace, sorted. Raises `NotFound`."""
        is_root = namespace.rstrip("/") == PREFIX
        name = ROOT if is_root else ObjectName(parse_name(namespace, version_allowed=False).parts)
        try:
            return listing.children(self._store, self._asking(), name)
        except Conflict as error:
            raise NotFound(error.message, name=name.path) from error

    def open(self, url: str) -> BinaryIO:
        """Open the bytes of an object for reading, as a stream."""
        return self._store.open(self.stat(url).url)

    def read(self, url: str) -> bytes:
        """Return the bytes of an object."""
        with self.open(url) as file:
            return file.read()

    def get(
        self,
        url: str,
        destination: Path | str,
        *,
        link: bool = False,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> Path:
        """Put an object's bytes at `destination`; see `ObjectStore.get`."""
        found: Content = self.stat(url).content
        store, place = self._store.content, Path(destination)
        return store.get(found, place, link=link, verify=verify, progress=progress)

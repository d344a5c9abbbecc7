"""Named, versioned files of a catalog over content that is stored once.

Bytes go to the content store first; the rows that name them come last, in one transaction of
the catalog's database. So a version is visible only when it is complete, and an object put
inside ``catalog.transaction()`` commits or rolls back with the rows that refer to it.

Here nobody is asked for rights: `asking` and the modules that take an `Asker` do that.

Source: Hatrac, sections 1 to 6 and 11.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal

import sqlalchemy as sa

from .. import snaptime
from ..errors import BadRequest, Conflict, NotFound
from .acls import NOBODY, Acls, dump
from .collected import ContentGone, content_gone, require_present
from .content import ContentStore, Progress, Source
from .contract import WORKERS
from .database import Database, ObjectDatabase
from .names import PREFIX, ObjectName, check_version, parse_name
from .naming import Granting, claim_names
from .removing import remove_names, remove_version
from .sources import PieceReader as PieceReader
from .tables import NAME, VERSION, knows_former
from .together import each
from .versions import (
    SELECT,
    ObjectVersion,
    Upload,
    chunks,
    declared,
    from_row,
    of_name,
    row_of,
    version_of,
    without_taken_versions,
)

_TIDY_EACH_S = 3600.0
_TRIES = 5


class ObjectStore:
    """The objects of one catalog.

    Args:
        database: Where names and versions are kept.
        content: Where bytes are kept.
    """

    def __init__(self, database: Database, content: ContentStore) -> None:
        self.database = database
        self.content = content
        self._knows_former: bool | None = None
        self._tidied_s = -_TIDY_EACH_S

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
        """Store bytes as a new version of the object `name`, making the object if need be.

        Args:
            name: ``/hatrac/...``, without a version.
            source: Bytes, a path, a binary file or an iterable of bytes; read as a stream.
            content_type: MIME type to keep.
            filename: The name to offer when it is downloaded.
            md5: Expected MD5 in hexadecimal.
            sha256: Expected SHA-256 in hexadecimal.
            parents: Make missing namespaces.
            progress: Told the bytes of each piece.

        Raises:
            BadRequest: The name is malformed, or the bytes do not have the digest given.
            Conflict: The name is a namespace or was deleted, or a parent is an object.
            NotFound: A parent is missing and `parents` is False.
            Unavailable: The storage failed.
        """
        upload = Upload(name, source, None, content_type, filename, md5, sha256)

        def stored() -> list[Upload]:
            return self.add_contents([upload], progress=progress)

        return self.naming(stored, lambda s: self.register(s, parents=parents), [upload])[0]

    def put_many(
        self,
        uploads: Iterable[Upload],
        *,
        reuse: bool = False,
        progress: Progress | None = None,
        workers: int = WORKERS,
    ) -> list[ObjectVersion]:
        """Store many files: bytes by `workers` threads, then all names in one transaction.

        With `reuse`, an object whose current version has the same bytes keeps that version.
        Returns one version for each upload, in order.

        Raises:
            CatalogError: As `put`; no object becomes visible then.
        """
        waiting = list(uploads)

        def stored() -> list[Upload]:
            return self.add_contents(waiting, progress=progress, workers=workers)

        return self.naming(stored, lambda s: self.register(s, reuse=reuse), waiting)

    def add_contents(
        self,
        uploads: Iterable[Upload],
        *,
        progress: Progress | None = None,
        workers: int = WORKERS,
    ) -> list[Upload]:
        """Store the bytes of uploads without naming them; returns them with their `content`.

        Bytes that are never named do no harm: they are collected as garbage after some days.
        """
        waiting = list(uploads)
        for upload in waiting:
            parse_name(upload.name, version_allowed=False)
        if len(waiting) == 1:
            stored = [self._stored(waiting[0], progress)]
        else:
            stored = each(
                lambda upload: self._stored(upload, progress),
                waiting,
                is_small=lambda upload: (
                    upload.source is None or self.content.is_small(upload.source)
                ),
                workers=workers,
            )
        self.content.flush([u.content.sha256 for u in stored if u.content is not None])
        return stored

    def register(
        self,
        uploads: Sequence[Upload],
        *,
        parents: bool = True,
        reuse: bool = False,
        acls: Acls = NOBODY,
        granting: Granting | None = None,
    ) -> list[ObjectVersion]:
        """Make versions of uploads whose bytes are stored, in one transaction.

        Args:
            uploads: What to name, with their `content`.
            parents: Make missing namespaces.
            reuse: An object whose current version has the same bytes keeps that version.
            acls: The access control lists of what is made.
            granting: Checks whether the names may be taken.

        Raises:
            BadRequest: An upload has no `content`, or wants an identifier that no version has.
            Conflict: A name is a namespace or was deleted, or a parent is an object.
            NotFound: A parent is missing and `parents` is False.
            ContentGone: Bytes were collected as garbage before they got their name.
        """
        digests = set()
        for upload in uploads:
            if upload.content is None:
                raise BadRequest(f"The bytes of {upload.name!r} are not stored yet.")
            if upload.version is not None:
                check_version(upload.version)
            digests.add(upload.content.sha256)
        names = {u.name: parse_name(u.name, version_allowed=False) for u in uploads}
        now = snaptime.now()
        lists = dump(acls)
        with self.database.writing() as writing:
            require_present(writing.connection, self.content, digests)
            ids = claim_names(
                writing.connection,
                list(names.values()),
                now=now,
                parents=parents,
                acls=acls,
                granting=granting,
            )
            current = self._current(writing.connection, ids) if reuse else {}
            uploads = without_taken_versions(writing.connection, uploads)
            made: list[ObjectVersion] = []
            rows: list[dict[str, object]] = []
            for upload in uploads:
                path = names[upload.name].path
                version = version_of(upload, path, now)
                known = current.get(path)
                if known is not None and known.sha256 == version.sha256:
                    version = known
                else:
                    rows.append(row_of(version, ids[path], upload, lists))
                    current[path] = version
                made.append(version)
            if rows:
                writing.connection.execute(sa.insert(VERSION), rows)
        return made

    def naming(
        self,
        stored: Callable[[], list[Upload]],
        name: Callable[[list[Upload]], list[ObjectVersion]],
        uploads: Sequence[Upload],
    ) -> list[ObjectVersion]:
        """Store bytes and name them; again if they were collected in between.

        Args:
            stored: Stores the bytes of the uploads, unless they are there.
            name: Names them.
            uploads: What is stored; what can be read only once is not stored again.

        Raises:
            ContentGone: They were collected each time, or cannot be stored again.
        """
        again = all(isinstance(upload.source, bytes | Path) for upload in uploads)
        for left in reversed(range(_TRIES)):
            try:
                return name(stored())
            except (ContentGone, NotFound) as error:
                if "sha256" not in error.facts:  # it is a namespace that is missing
                    raise
                if not again or not left:
                    raise content_gone(str(error.facts["sha256"])) from error
        raise AssertionError("the last try returns or raises")

    def create_namespace(self, name: str, *, parents: bool = True) -> None:
        """Make a namespace; nothing happens when it exists.

        Raises:
            Conflict: The name is an object, or was deleted.
        """
        parsed = parse_name(name, version_allowed=False)
        with self.database.writing() as writing:
            claim_names(
                writing.connection,
                [parsed],
                now=snaptime.now(),
                parents=parents,
                namespace=True,
            )

    def delete(self, url: str) -> None:
        """Delete a version, an object with its versions, or a namespace with all below it.

        The name of an object or namespace stays taken for ever. Bytes that nothing refers to any
        more stay where they are until they are collected; see `collecting` and `restoring`.

        Raises:
            NotFound: There is no such thing.
        """
        name = parse_name(url)
        with self.database.writing() as writing:
            if name.version is not None:
                found = self._find(writing.connection, name)
                remove_version(writing.connection, found.version)
            else:
                self._kind(writing.connection, name.path)
                remove_names(writing.connection, name.path)

    # --- reading ---------------------------------------------------------------------

    def stat(self, url: str) -> ObjectVersion:
        """Return the version that `url` names, or the current one of the object.

        Raises:
            NotFound: There is no such object or version.
            Conflict: The object has no version any more.
        """
        with self.database.reading() as reading:
            return self._find(reading.connection, parse_name(url))

    def stat_many(self, urls: Iterable[str]) -> dict[str, ObjectVersion]:
        """Return what is known of many URLs with versions; unknown ones are left out."""
        names = {url: parse_name(url) for url in urls}
        versions = {name.version: url for url, name in names.items()}
        versions.pop(None, None)
        found: dict[str, ObjectVersion] = {}
        with self.database.reading() as reading:
            for some in chunks([v for v in versions if v is not None]):
                statement = SELECT.where(VERSION.c.version.in_(some), ~VERSION.c.deleted)
                for row in reading.connection.execute(statement):
                    version = from_row(row)
                    url = versions[version.version]
                    is_now = url == version.url or names[url].path == version.name
                    if is_now or self._was(reading.connection, names[url]):
                        found[url] = version
        return found

    def _was(self, connection: sa.Connection, name: ObjectName) -> bool:
        try:
            self._find(connection, name)
        except NotFound:
            return False
        return True

    def versions(self, name: str) -> list[ObjectVersion]:
        """Return all versions of an object, newest first; there may be none left.

        Raises:
            NotFound: There is no such object.
        """
        parsed = parse_name(name, version_allowed=False)
        with self.database.reading() as reading:
            if self._kind(reading.connection, parsed.path) != "object":
                raise _unknown(parsed)
            here = sa.select(NAME.c.id).where(NAME.c.path == parsed.path)
            statement = SELECT.where(self._of_name(reading.connection, here), ~VERSION.c.deleted)
            rows = reading.connection.execute(statement.order_by(VERSION.c.id.desc()))
            return [from_row(row) for row in rows]

    def names(self, namespace: str = PREFIX) -> list[str]:
        """Return the names directly below a namespace, sorted.

        Raises:
            NotFound: There is no such namespace.
        """
        path = PREFIX if namespace.rstrip("/") == PREFIX else parse_name(namespace).path
        with self.database.reading() as reading:
            known = sa.select(NAME.c.id).where(
                NAME.c.path == path, NAME.c.is_namespace, ~NAME.c.deleted
            )
            if path != PREFIX and reading.connection.execute(known).first() is None:
                raise NotFound(f"There is no namespace {path!r}.", name=path)
            below = sa.select(NAME.c.path).where(NAME.c.parent == path, ~NAME.c.deleted)
            return sorted(reading.connection.execute(below).scalars())

    def open(self, url: str) -> BinaryIO:
        """Open the bytes of an object for reading, as a stream.

        Raises:
            NotFound: There is no such object, or its bytes are missing.
        """
        found = self.stat(url)
        stored = self.content.path(found.sha256)
        if stored is not None and stored.is_file():
            return stored.open("rb")
        return io.BufferedReader(PieceReader(self.content.read(found.sha256)))

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
        """Put an object's bytes at `destination` (see `ContentStore.get`).

        Raises:
            NotFound: There is no such object, or its bytes are missing.
            Corrupted: The stored bytes are damaged.
        """
        content = self.stat(url).content
        place = Path(destination)
        return self.content.get(content, place, link=link, verify=verify, progress=progress)

    # --- keeping house ---------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether it is time to keep house; True once an hour."""
        now = time.monotonic()
        if now - self._tidied_s < _TIDY_EACH_S:
            return False
        self._tidied_s = now
        return True

    def close(self) -> None:
        """Release connections of a database that is the store's own."""
        if isinstance(self.database, ObjectDatabase):
            self.database.close()

    # --- inside ----------------------------------------------------------------------

    def _stored(self, upload: Upload, progress: Progress | None) -> Upload:
        content = upload.content
        if content is None:
            if upload.source is None:
                raise BadRequest(f"The upload of {upload.name!r} has neither source nor content.")
            content = self.content.add(upload.source, progress, check=partial(declared, upload))
        else:
            declared(upload, content)
        return replace(upload, source=None, content=content)

    def _current(self, connection: sa.Connection, ids: dict[str, int]) -> dict[str, ObjectVersion]:
        found: dict[str, ObjectVersion] = {}
        for some in chunks(list(ids.values())):
            newest = (
                sa.select(sa.func.max(VERSION.c.id))
                .where(VERSION.c.name_id.in_(some), ~VERSION.c.deleted)
                .group_by(VERSION.c.name_id)
            )
            for row in connection.execute(SELECT.where(VERSION.c.id.in_(newest))):
                version = from_row(row)
                found[version.name] = version
        return found

    def _find(self, connection: sa.Connection, name: ObjectName) -> ObjectVersion:
        here = sa.select(NAME.c.id).where(NAME.c.path == name.path, ~NAME.c.deleted)
        statement = SELECT.where(self._of_name(connection, here), ~VERSION.c.deleted)
        if name.version is not None:
            statement = statement.where(VERSION.c.version == name.version)
        row = connection.execute(statement.order_by(VERSION.c.id.desc()).limit(1)).first()
        if row is None:
            if name.version is None and self._kind(connection, name.path) == "object":
                raise Conflict(
                    f"The object {name.path!r} currently has no content.",
                    hint="Its versions were deleted. Put a new one.",
                    name=name.path,
                )
            raise _unknown(name)
        return from_row(row)

    def _of_name(
        self, connection: sa.Connection, here: sa.Select[tuple[int]]
    ) -> sa.ColumnElement[bool]:
        """Whether a version is or was of a name; an old catalog opened for reading has no past."""
        if self._knows_former is None:
            self._knows_former = knows_former(connection)
        name_id = here.scalar_subquery()
        return of_name(name_id) if self._knows_former else VERSION.c.name_id == name_id

    def _kind(self, connection: sa.Connection, path: str) -> Literal["object", "namespace"]:
        statement = sa.select(NAME.c.is_namespace).where(NAME.c.path == path, ~NAME.c.deleted)
        found = connection.execute(statement).scalar()
        if found is None:
            raise _unknown(parse_name(path))
        return "namespace" if found else "object"


def _unknown(name: ObjectName) -> NotFound:
    return NotFound(
        f"There is no object {name.url!r}.",
        hint="It may have been deleted, or belong to another catalog.",
        name=name.url,
    )

"""Named, versioned files of a catalog over content that is stored once.

Bytes go to the content store first; the rows that name them come last, in one transaction of
the catalog's database. So a version is visible only when it is complete, and an object put
inside ``catalog.transaction()`` commits or rolls back with the rows that refer to it.

Source: Hatrac, sections 1 to 6 and 11, without access control and upload jobs.
"""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeVar

import sqlalchemy as sa

from .. import snaptime
from ..errors import BadRequest, CatalogError, Conflict, NotFound
from .content import Content, ContentStore, Progress, Source
from .names import PREFIX, ObjectName, parse_name
from .naming import claim_names
from .tables import NAME, VERSION

WORKERS = 4
T = TypeVar("T")


class Connected(Protocol):
    """Something with a database connection."""

    @property
    def connection(self) -> sa.Connection:
        """The connection."""
        ...


class Database(Protocol):
    """What an object store needs of the catalog's database."""

    def reading(self) -> AbstractContextManager[Connected]:
        """Read at one moment."""
        ...

    def writing(self) -> AbstractContextManager[Connected]:
        """Write in one transaction, or in the one that is open."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One immutable version of an object.

    `length` is in bytes, the digests are lower-case hexadecimal, `created` is in microseconds
    since 1970.
    """

    name: str
    version: str
    length: int
    md5: str
    sha256: str
    content_type: str | None = None
    filename: str | None = None
    created: int = 0

    @property
    def url(self) -> str:
        """``/hatrac/a/b:VERSION``: what rows keep."""
        return f"{self.name}:{self.version}"

    @property
    def content(self) -> Content:
        """Length and digests."""
        return Content(self.length, self.md5, self.sha256)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be put under `name`; `content` when its bytes are in the store already."""

    name: str
    source: Source | None = None
    content: Content | None = None
    content_type: str | None = None
    filename: str | None = None
    md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectFinding:
    """Something wrong with a stored object."""

    name: str
    problem: str


class ObjectStore:
    """The objects of one catalog.

    Args:
        database: Where names and versions are kept.
        content: Where bytes are kept.
    """

    def __init__(self, database: Database, content: ContentStore) -> None:
        self._database = database
        self.content = content

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
        parse_name(name, version_allowed=False)
        upload = Upload(name, source, None, content_type, filename, md5, sha256)
        stored = self._stored(upload, progress)
        if stored.content is not None:
            self.content.flush([stored.content.sha256])
        return self.register([stored], parents=parents)[0]

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
        """Store the bytes of uploads without naming them; returns them with their `content`.

        Bytes that are never named do no harm: `unreferenced` finds them.
        """
        waiting = list(uploads)
        for upload in waiting:
            parse_name(upload.name, version_allowed=False)
        with ThreadPoolExecutor(workers, thread_name_prefix="objects") as pool:
            stored = list(pool.map(lambda upload: self._stored(upload, progress), waiting))
        self.content.flush([u.content.sha256 for u in stored if u.content is not None])
        return stored

    def register(
        self, uploads: Sequence[Upload], *, parents: bool = True, reuse: bool = False
    ) -> list[ObjectVersion]:
        """Make versions of uploads whose bytes are stored, in one transaction.

        Raises:
            BadRequest: An upload has no `content`.
        """
        for upload in uploads:
            if upload.content is None:
                raise BadRequest(f"The bytes of {upload.name!r} are not stored yet.")
        names = {u.name: parse_name(u.name, version_allowed=False) for u in uploads}
        now = snaptime.now()
        with self._database.writing() as writing:
            ids = claim_names(writing.connection, names.values(), now=now, parents=parents)
            current = self._current(writing.connection, ids) if reuse else {}
            made: list[ObjectVersion] = []
            rows: list[dict[str, object]] = []
            for upload in uploads:
                path = names[upload.name].path
                version = _version_of(upload, path, now)
                known = current.get(path)
                if known is not None and known.sha256 == version.sha256:
                    version = known
                else:
                    rows.append(_row(version, ids[path]))
                    current[path] = version
                made.append(version)
            if rows:
                writing.connection.execute(sa.insert(VERSION), rows)
        return made

    def create_namespace(self, name: str, *, parents: bool = True) -> None:
        """Make a namespace; nothing happens when it exists.

        Raises:
            Conflict: The name is an object, or was deleted.
        """
        parsed = parse_name(name, version_allowed=False)
        with self._database.writing() as writing:
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
        more stay where they are; `unreferenced` lists them.

        Raises:
            NotFound: There is no such thing.
        """
        name = parse_name(url)
        gone = NAME.c.path == name.path
        with self._database.writing() as writing:
            if name.version is not None:
                found = self._find(writing.connection, name)
                which = VERSION.c.version == found.version
            else:
                self._kind(writing.connection, name.path)
                below = f"{name.path}/"  # compared as it is: LIKE may ignore case
                gone |= sa.func.substr(NAME.c.path, 1, len(below)) == below
                which = VERSION.c.name_id.in_(sa.select(NAME.c.id).where(gone))
                writing.connection.execute(sa.update(NAME).where(gone).values(deleted=True))
            writing.connection.execute(sa.update(VERSION).where(which).values(deleted=True))

    # --- reading ---------------------------------------------------------------------

    def stat(self, url: str) -> ObjectVersion:
        """Return the version that `url` names, or the current one of the object.

        Raises:
            NotFound: There is no such object or version.
            Conflict: The object has no version any more.
        """
        with self._database.reading() as reading:
            return self._find(reading.connection, parse_name(url))

    def stat_many(self, urls: Iterable[str]) -> dict[str, ObjectVersion]:
        """Return what is known of many URLs with versions; unknown ones are left out."""
        names = {url: parse_name(url) for url in urls}
        versions = {name.version: url for url, name in names.items()}
        versions.pop(None, None)
        found: dict[str, ObjectVersion] = {}
        with self._database.reading() as reading:
            for some in _chunks([v for v in versions if v is not None]):
                statement = _SELECT.where(VERSION.c.version.in_(some), ~VERSION.c.deleted)
                for row in reading.connection.execute(statement):
                    version = _from_row(row)
                    url = versions[version.version]
                    if url == version.url or names[url].path == version.name:
                        found[url] = version
        return found

    def versions(self, name: str) -> list[ObjectVersion]:
        """Return all versions of an object, newest first; there may be none left.

        Raises:
            NotFound: There is no such object.
        """
        parsed = parse_name(name, version_allowed=False)
        with self._database.reading() as reading:
            if self._kind(reading.connection, parsed.path) != "object":
                raise _unknown(parsed)
            statement = _SELECT.where(NAME.c.path == parsed.path, ~VERSION.c.deleted)
            rows = reading.connection.execute(statement.order_by(VERSION.c.id.desc()))
            return [_from_row(row) for row in rows]

    def names(self, namespace: str = PREFIX) -> list[str]:
        """Return the names directly below a namespace, sorted.

        Raises:
            NotFound: There is no such namespace.
        """
        path = PREFIX if namespace.rstrip("/") == PREFIX else parse_name(namespace).path
        with self._database.reading() as reading:
            known = sa.select(NAME.c.id).where(
                NAME.c.path == path, NAME.c.is_namespace, ~NAME.c.deleted
            )
            if path != PREFIX and reading.connection.execute(known).first() is None:
                raise NotFound(f"There is no namespace {path!r}.", name=path)
            below = sa.select(NAME.c.path).where(NAME.c.parent == path, ~NAME.c.deleted)
            return list(reading.connection.execute(below.order_by(NAME.c.path)).scalars())

    def open(self, url: str) -> BinaryIO:
        """Open the bytes of an object for reading, as a stream.

        Raises:
            NotFound: There is no such object, or its bytes are missing.
        """
        found = self.stat(url)
        stored = self.content.path(found.sha256)
        if stored is not None and stored.is_file():
            return stored.open("rb")
        return io.BufferedReader(_Pieces(self.content.read(found.sha256)))

    def read(self, url: str) -> bytes:
        """Return the bytes of an object."""
        with self.open(url) as file:
            return file.read()

    def get(
        self,
        url: str,
        destination: Path,
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
        return self.content.get(content, destination, link=link, verify=verify, progress=progress)

    # --- keeping house ---------------------------------------------------------------

    def verify(self, progress: Progress | None = None) -> list[ObjectFinding]:
        """Hash everything that a version refers to; returns what is missing or damaged."""
        with self._database.reading() as reading:
            statement = _SELECT.where(~VERSION.c.deleted).order_by(VERSION.c.id)
            versions = [_from_row(row) for row in reading.connection.execute(statement)]
        checked: dict[str, str | None] = {}
        for version in versions:
            if version.sha256 not in checked:
                checked[version.sha256] = self._problem(version.sha256)
                if progress is not None:
                    progress(version.length)
        return [
            ObjectFinding(version.url, problem)
            for version in versions
            if (problem := checked[version.sha256]) is not None
        ]

    def _problem(self, sha256: str) -> str | None:
        try:
            self.content.check(sha256)
        except CatalogError as error:
            return error.message
        return None

    def unreferenced(self) -> list[str]:
        """Return the SHA-256 of stored bytes that no version refers to."""
        with self._database.reading() as reading:
            statement = sa.select(VERSION.c.sha256).where(~VERSION.c.deleted).distinct()
            used = set(reading.connection.execute(statement).scalars())
        return sorted(sha256 for sha256, _ in self.content.digests() if sha256 not in used)

    # --- inside ----------------------------------------------------------------------

    def _stored(self, upload: Upload, progress: Progress | None) -> Upload:
        content = upload.content
        if content is None:
            if upload.source is None:
                raise BadRequest(f"The upload of {upload.name!r} has neither source nor content.")
            content = self.content.add(upload.source, progress)
        for kind, expected, found in (
            ("MD5", upload.md5, content.md5),
            ("SHA-256", upload.sha256, content.sha256),
        ):
            if expected is not None and expected.lower() != found:
                raise BadRequest(
                    f"The bytes received for {upload.name!r} have the {kind} {found}, "
                    f"not {expected}.",
                    hint="Send them again.",
                )
        return Upload(upload.name, None, content, upload.content_type, upload.filename)

    def _current(self, connection: sa.Connection, ids: dict[str, int]) -> dict[str, ObjectVersion]:
        found: dict[str, ObjectVersion] = {}
        for some in _chunks(list(ids.values())):
            newest = (
                sa.select(sa.func.max(VERSION.c.id))
                .where(VERSION.c.name_id.in_(some), ~VERSION.c.deleted)
                .group_by(VERSION.c.name_id)
            )
            for row in connection.execute(_SELECT.where(VERSION.c.id.in_(newest))):
                version = _from_row(row)
                found[version.name] = version
        return found

    def _find(self, connection: sa.Connection, name: ObjectName) -> ObjectVersion:
        statement = _SELECT.where(NAME.c.path == name.path, ~VERSION.c.deleted, ~NAME.c.deleted)
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
        return _from_row(row)

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


class _Pieces(io.RawIOBase):
    """A raw stream over an iterator of bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


_SELECT = sa.select(
    NAME.c.path,
    VERSION.c.version,
    VERSION.c.length,
    VERSION.c.md5,
    VERSION.c.sha256,
    VERSION.c.content_type,
    VERSION.c.filename,
    VERSION.c.created,
).join_from(VERSION, NAME, VERSION.c.name_id == NAME.c.id)


def _from_row(row: Sequence[Any]) -> ObjectVersion:
    return ObjectVersion(*row)


def _version_of(upload: Upload, path: str, now: int) -> ObjectVersion:
    content = upload.content
    assert content is not None
    return ObjectVersion(
        path,
        # 26 characters of base 32: as long as the protocol's version identifiers.
        base64.b32encode(secrets.token_bytes(16)).decode().rstrip("="),
        content.length,
        content.md5,
        content.sha256,
        upload.content_type,
        upload.filename,
        now,
    )


def _row(version: ObjectVersion, name_id: int) -> dict[str, object]:
    return {
        "name_id": name_id,
        "version": version.version,
        "length": version.length,
        "md5": version.md5,
        "sha256": version.sha256,
        "content_type": version.content_type,
        "filename": version.filename,
        "deleted": False,
        "created": version.created,
    }


def _chunks(values: Sequence[T], size: int = 5000) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]

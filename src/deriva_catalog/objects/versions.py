"""Versions of objects as values, and how they are read from the tables."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from ..errors import BadRequest
from .content import Content, Source
from .headers import checked_content_type
from .tables import FORMER, NAME, VERSION

T = TypeVar("T")


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
    """A file to be put under `name`; `content` when its bytes are in the store already.

    `md5` and `sha256` are what the sender declares the digests to be, in hexadecimal. `version`
    is what another store calls this version; it is called so here too, unless that is taken.
    """

    name: str
    source: Source | None = None
    content: Content | None = None
    content_type: str | None = None
    filename: str | None = None
    md5: str | None = None
    sha256: str | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.source, str):
            raise BadRequest(
                f"The bytes of {self.name!r} are given as the text {self.source[:80]!r}.",
                hint="Give a Path for a file, or bytes (text.encode()).",
            )
        if self.content_type is not None:
            checked_content_type(self.content_type)


@dataclass(frozen=True, slots=True)
class ObjectFinding:
    """Something wrong with a stored object."""

    name: str
    problem: str


COLUMNS = (
    NAME.c.path,
    VERSION.c.version,
    VERSION.c.length,
    VERSION.c.md5,
    VERSION.c.sha256,
    VERSION.c.content_type,
    VERSION.c.filename,
    VERSION.c.created,
)
SELECT = sa.select(*COLUMNS).join_from(VERSION, NAME, VERSION.c.name_id == NAME.c.id)
"""Versions under the names that they have now."""


def from_row(row: Sequence[Any]) -> ObjectVersion:
    """The version that a row of `SELECT` describes."""
    return ObjectVersion(*row)


def of_name(name_id: int | sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether a version belongs to a name, or did before it was renamed."""
    moved = sa.select(FORMER.c.version_id).where(FORMER.c.name_id == name_id)
    return (VERSION.c.name_id == name_id) | VERSION.c.id.in_(moved)


def declared(upload: Upload, content: Content) -> None:
    """Refuse bytes that are not what their sender declared.

    Raises:
        BadRequest: A digest differs.
    """
    for kind, expected, found in (
        ("MD5", upload.md5, content.md5),
        ("SHA-256", upload.sha256, content.sha256),
    ):
        if expected is not None and expected.lower() != found:
            raise BadRequest(
                f"The bytes received for {upload.name!r} have the {kind} {found}, not {expected}.",
                hint="Send them again.",
            )


def fresh_version() -> str:
    """An identifier that nobody has: 26 characters of base 32, as long as the protocol's."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=")


def version_of(upload: Upload, path: str, now: int) -> ObjectVersion:
    """A new version of the object at `path`, for an upload whose bytes are stored."""
    content = upload.content
    assert content is not None
    return ObjectVersion(
        path,
        upload.version or fresh_version(),
        content.length,
        content.md5,
        content.sha256,
        upload.content_type,
        upload.filename,
        now,
    )


def row_of(
    version: ObjectVersion, name_id: int, upload: Upload, acls: str | None
) -> dict[str, object]:
    """The row of a new version."""
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
        "acls": acls,
        "md5_declared": upload.md5 is not None,
        "sha256_declared": upload.sha256 is not None,
    }


def chunks(values: Sequence[T], size: int = 5000) -> Iterator[Sequence[T]]:
    """Cut a sequence into parts that one statement can take."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def without_taken_versions(
    connection: sa.Connection, uploads: Sequence[Upload]
) -> Sequence[Upload]:
    """The uploads, without wishes for the identifier of a version that exists or existed."""
    wanted = [u.version for u in uploads if u.version is not None]
    if not wanted:
        return uploads
    taken: set[str] = set()
    for some in chunks(wanted):
        found = sa.select(VERSION.c.version).where(VERSION.c.version.in_(some))
        taken.update(connection.execute(found).scalars())
    free: list[Upload] = []
    for upload in uploads:
        free.append(replace(upload, version=None) if upload.version in taken else upload)
        if upload.version is not None:
            taken.add(upload.version)
    return free

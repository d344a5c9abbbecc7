"""Who asks for an object, and what stands in its way: names, the lists above them, denials.

Functions that take an `Asker` check its rights; `ObjectStore` alone checks none.

Source: Hatrac, "Access control".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ..access import ANONYMOUS, Client
from ..errors import CatalogError, Conflict, Forbidden, NotAuthenticated, NotFound
from .acls import Acls, Right, holds, load, merged
from .names import PREFIX, ObjectName
from .tables import NAME, VERSION
from .versions import COLUMNS, ObjectVersion, from_row, of_name

ROOT = ObjectName(())


@dataclass(frozen=True, slots=True)
class Place:
    """A name in the tables; `id` is None for a root that nobody has given lists."""

    id: int | None
    path: str
    is_namespace: bool
    deleted: bool
    acls: Acls


@dataclass(frozen=True, slots=True)
class Line:
    """A name, with what exists of it and above it: `above` from the root down.

    `here` is None for a name that was never used.
    """

    name: ObjectName
    here: Place | None
    above: tuple[Place, ...]

    @property
    def lists_above(self) -> tuple[Acls, ...]:
        """The lists above the name."""
        return tuple(place.acls for place in self.above)

    @property
    def place(self) -> Place:
        """What is there. Raises `NotFound`."""
        if self.here is None or self.here.deleted:
            raise not_found(self.name)
        return self.here

    @property
    def object(self) -> Place:
        """The object that is there. Raises `NotFound`, also for a namespace."""
        place = self.place
        if place.is_namespace:
            raise NotFound(
                f"Resource {self.name.path} is a namespace, not an object.", name=self.name.path
            )
        return place

    @property
    def namespace(self) -> Place:
        """The namespace that is there. Raises `NotFound`, `Conflict` for an object."""
        place = self.place
        if not place.is_namespace:
            raise Conflict(f"{self.name.path} is an object, not a namespace.")
        return place


@dataclass(frozen=True, slots=True)
class Kept:
    """A version with what the tables know beside its description."""

    id: int
    version: ObjectVersion
    acls: Acls
    md5_declared: bool
    sha256_declared: bool
    line: Line
    """The object that the version belongs to now."""

    @property
    def lists_above(self) -> tuple[Acls, ...]:
        """The lists above the version, with those of its object."""
        return (*self.line.lists_above, self.line.place.acls)


@dataclass(frozen=True, slots=True)
class Asker:
    """A client, and lists that the root has beside its own (such as those of a catalog)."""

    client: Client = ANONYMOUS
    root: Acls = field(default_factory=dict)

    def may(self, right: Right, own: Acls, above: Sequence[Acls]) -> bool:
        """Whether the client has a right on what has these lists."""
        return holds(right, own, above, self.client.roles)

    def require(self, right: Right, own: Acls, above: Sequence[Acls], url: str) -> None:
        """Refuse a client without a right.

        Raises:
            NotAuthenticated: It is anonymous.
            Forbidden: It is known.
        """
        if not self.may(right, own, above):
            raise self.denied(url)

    def require_login(self, url: str) -> None:
        """Refuse the anonymous: nobody would own what they make."""
        if self.client.is_anonymous:
            raise self.denied(url)

    def denied(self, url: str) -> CatalogError:
        """The error for what the client may not do."""
        if self.client.is_anonymous:
            return NotAuthenticated(f"Authentication required for access to {url}.", name=url)
        return Forbidden(f"Access to {url} forbidden.", name=url)

    # --- finding ---------------------------------------------------------------------

    def root_lists(self, kept: str | None) -> Acls:
        """The lists of the root: those that the database keeps, and those it has besides."""
        return merged(load(kept), self.root)

    def line(self, connection: sa.Connection, name: ObjectName) -> Line:
        """What exists of a name and above it, in one statement."""
        plain = ObjectName(name.parts)
        names = [ROOT, *name.parents, plain] if name.parts else [ROOT]
        statement = sa.select(
            NAME.c.path, NAME.c.id, NAME.c.is_namespace, NAME.c.deleted, NAME.c.acls
        ).where(NAME.c.path.in_([PREFIX if n is ROOT else n.path for n in names]))
        found = {row[0]: row for row in connection.execute(statement)}
        places = [self._root(found.get(PREFIX))]
        for each in names[1:]:
            row = found.get(each.path)
            if row is not None:
                places.append(Place(row[1], row[0], row[2], row[3], load(row[4])))
        if not name.parts:
            return Line(ROOT, places[0], ())
        here = places.pop() if plain.path in found else None
        return Line(plain, here, tuple(places))

    def _root(self, row: Sequence[Any] | None) -> Place:
        if row is None:
            return Place(None, PREFIX, True, False, self.root_lists(None))
        return Place(row[1], PREFIX, True, False, self.root_lists(row[4]))

    def kept(self, connection: sa.Connection, name: ObjectName) -> Kept:
        """The version that a name says, or the current one of the object; no right is checked.

        Raises:
            NotFound: There is no such object or version.
            Conflict: The object has no content.
        """
        line = self.line(connection, name)
        place = line.object
        statement = (
            sa.select(
                *COLUMNS,
                VERSION.c.id,
                VERSION.c.acls,
                VERSION.c.md5_declared,
                VERSION.c.sha256_declared,
            )
            .join_from(VERSION, NAME, VERSION.c.name_id == NAME.c.id)
            .where(of_name(place.id or 0), ~VERSION.c.deleted)
        )
        if name.version is not None:
            statement = statement.where(VERSION.c.version == name.version)
        row = connection.execute(statement.order_by(VERSION.c.id.desc()).limit(1)).first()
        if row is None:
            if name.version is not None:
                raise not_found(name)
            raise Conflict(
                f"Object {name.path} currently has no content.",
                hint="Its upload was not finished, or its versions were deleted.",
                name=name.path,
            )
        version = from_row(row[:8])
        if version.name != name.path:
            line = self.line(connection, parse_path(version.name))
        return Kept(row[8], version, load(row[9]), bool(row[10]), bool(row[11]), line)

    def readable(self, connection: sa.Connection, name: ObjectName) -> Kept:
        """The same, for a client that may read its bytes.

        Raises:
            NotAuthenticated: The client is anonymous and may not.
            Forbidden: It may not.
        """
        kept = self.kept(connection, name)
        self.require("read", kept.acls, kept.lists_above, name.url)
        return kept

    def owned(self, connection: sa.Connection, name: ObjectName) -> Kept:
        """The same, for a client that owns the version."""
        kept = self.kept(connection, name)
        self.require("owner", kept.acls, kept.lists_above, name.url)
        return kept


def parse_path(path: str) -> ObjectName:
    """The name that a path of the tables spells, also the root's."""
    from .names import parse_name

    return ROOT if path == PREFIX else parse_name(path, version_allowed=False)


def not_found(name: ObjectName) -> NotFound:
    """The error for what is not there, or was deleted."""
    return NotFound(f"Resource {name.url} not found.", name=name.url)

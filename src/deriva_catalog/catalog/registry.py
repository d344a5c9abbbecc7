"""The catalogs of this machine, or of a database: their identifiers, aliases, owners and places.

Those of this machine live below one directory, the *home*: ``DERIVA_ML_HOME`` if it is set, else
the platform's directory for a user's data. It holds ``registry.db`` and ``catalogs/<id>/``. In a
PostgreSQL database the registry is the schema ``deriva_registry``, and each catalog is a schema.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..errors import Conflict, Corrupted, NotFound
from ..model.lookup import near_misses
from ..objects.placing import kept_place
from .ledger import HOME_VARIABLE, Ledger
from .local import LocalCatalog
from .opening import default_client, open_local
from .places import Directories, Places
from .registered import (
    ALIAS,
    CATALOG,
    UNCHANGED,
    Alias,
    Registered,
    Unchanged,
    alias_of,
    alias_row,
    aliases_of,
    altered,
    check_name,
    next_serial,
    read_roles,
    refuse_taken,
    roles_text,
)

__all__ = ["HOME_VARIABLE", "UNCHANGED", "Alias", "Registered", "Registry", "default_home"]

_LIVE = CATALOG.c.deleted.is_(None)


def default_home() -> Path:
    """The directory that holds this user's catalogs."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_data_dir

    return Path(user_data_dir("deriva-ml", appauthor=False))


class Registry:
    """The catalogs below one home directory, or of one database. Usable from many processes."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = default_home() if home is None else home.absolute()
        self.places: Places = Directories(self.home / "catalogs", repr(str(self.home)))
        self._ledger = Ledger(self.home)
        self.objects: str | None = None
        """The URL of the store for the objects of catalogs that are made here; None for
        directories beside them."""

    @classmethod
    def of_database(cls, url: str, files: Path | None = None) -> Registry:
        """The registry of a PostgreSQL database.

        Args:
            url: ``postgresql://user@host:port/database``.
            files: The directory for the objects (files) of its catalogs; default: one for the
                database below the home.

        Raises:
            BadRequest: it is no URL of a PostgreSQL database.
            Unavailable: the driver is not installed.
        """
        from .schemas import Schemas

        made = cls()
        made.places = schemas = Schemas(url, files, made.home)
        made._ledger = Ledger(made.home, schemas)
        return made

    def close(self) -> None:
        """Release connections; the registry may be used again."""
        self._ledger.close()

    # --- finding ---------------------------------------------------------------------

    def catalogs(self) -> list[Registered]:
        """All catalogs, in the order of their creation."""
        with self._ledger.reading() as connection:
            if connection is None:
                return []
            aliases = aliases_of(connection)
            order = sa.select(CATALOG).where(_LIVE).order_by(CATALOG.c.created, CATALOG.c.id)
            return [self._registered(row, aliases) for row in connection.execute(order)]

    def lookup(self, name: str) -> Registered | Alias | None:
        """What an identifier or alias names; None when it names nothing."""
        with self._ledger.reading() as connection:
            if connection is None:
                return None
            return self._lookup(connection, name)

    def _lookup(self, connection: sa.Connection, name: str) -> Registered | Alias | None:
        row = connection.execute(sa.select(CATALOG).where(CATALOG.c.id == name, _LIVE)).first()
        if row is not None:
            mine = sa.select(ALIAS).where(ALIAS.c.target == name).order_by(ALIAS.c.id)
            names = tuple(alias.id for alias in connection.execute(mine))
            return self._registered(row, {name: names})
        found = connection.execute(sa.select(ALIAS).where(ALIAS.c.id == name)).first()
        return None if found is None else alias_of(found)

    def find(self, name: str) -> Registered:
        """The catalog with an identifier or an alias.

        Raises:
            NotFound: there is none.
            Conflict: the alias is not bound to a catalog.
        """
        with self._ledger.reading() as connection:
            found = None if connection is None else self._lookup(connection, name)
            if isinstance(found, Alias):
                if found.target is None:
                    raise Conflict(f"Alias {name!r} is currently not bound to a catalog.")
                assert connection is not None, "something was found"
                found = self._lookup(connection, found.target)
        if isinstance(found, Registered):
            return found
        raise self._unknown(name)

    def _unknown(self, name: str) -> NotFound:
        names = [n for c in self.catalogs() for n in (c.id, *c.aliases)]
        return NotFound(
            f"There is no catalog {name!r} in {self.places.shown}.",
            hint=near_misses(name, names)
            or ("Its catalogs are " + ", ".join(names[:10]) + "." if names else "It has none yet."),
            catalog=name,
        )

    def _registered(self, row: sa.Row[Any], aliases: Mapping[str, Sequence[str]]) -> Registered:
        return Registered(
            id=row.id,
            aliases=tuple(aliases.get(row.id, ())),
            name=row.name,
            description=row.description,
            created=row.created,
            directory=self.places.directory(row.id),
            owner=read_roles(row.owner),
            is_persistent=row.is_persistent,
            clone_source=row.clone_source,
        )

    def open(self, name: str, *, client: str | None = None) -> LocalCatalog:
        """Open the catalog with an identifier or an alias.

        Raises:
            NotFound: there is none.
            Conflict: the alias is not bound to a catalog.
        """
        return self.places.open(self.find(name).id, client=client)

    # --- creating --------------------------------------------------------------------

    def create(
        self,
        *,
        catalog_id: str | None = None,
        alias: str | None = None,
        name: str | None = None,
        description: str | None = None,
        client: str | None = None,
        annotations: Mapping[str, Any] | None = None,
        prepare: Callable[[LocalCatalog], object] | None = None,
        owner: Sequence[str] = (),
        is_persistent: bool = True,
        clone_source: str | None = None,
        objects: str | None = None,
    ) -> LocalCatalog:
        """Create a catalog and make it known.

        Args:
            catalog_id: Its identifier; default: the next serial number.
            alias: A second name for it.
            name: A title for people.
            description: What it is for.
            client: Who is recorded for what is written; default: the login name.
            annotations: Annotations of the catalog.
            prepare: Called with the catalog before anyone else can see it; when it raises,
                nothing is left behind.
            owner: The roles that own it; default: the client.
            is_persistent: Whether it is meant to stay; recorded only.
            clone_source: The identifier of the catalog that it is made from; recorded only.
            objects: The URL of a store below which the bytes of its objects lie; default: that of
                the registry.

        Raises:
            BadRequest: an identifier has characters that cannot stand in a URL; `objects` names
                no store.
            Unavailable: that store cannot be used.
            Conflict: the identifier or the alias is taken; nothing is left behind.
        """

        def build(building: str) -> None:
            fresh = self.places.create(
                building,
                client=client,
                annotations=annotations,
                owner=owner or None,
                objects=objects or self.objects,
            )
            try:
                if prepare is not None:
                    prepare(fresh)
            finally:
                fresh.close()

        owners = tuple(owner) or (default_client() if client is None else client,)
        facts = {
            "name": name,
            "description": description,
            "owner": roles_text(owners),
            "is_persistent": is_persistent,
            "clone_source": clone_source,
        }
        chosen = self.introduce(build, catalog_id, alias, facts)
        return self.places.open(chosen, client=client)

    def restore(
        self,
        source: str | os.PathLike[str],
        *,
        catalog_id: str | None = None,
        alias: str | None = None,
        client: str | None = None,
    ) -> LocalCatalog:
        """Make a catalog of a backup and make it known.

        Args:
            source: The backup, or any other catalog's directory.
            catalog_id: Its identifier; default: the next serial number.
            alias: A second name for it.
            client: Who is recorded for what is written; default: the login name.

        Raises:
            NotFound: there is no backup in `source`.
            Corrupted: it is damaged.
            BadRequest: an identifier has characters that cannot stand in a URL.
            Conflict: the identifier or the alias is taken; nothing is left behind.
        """
        from .backup import restore

        def build(building: str) -> None:
            place = self.places.directory(building)
            if place is not None and self.objects is None:
                restore(source, place, client=client).close()
                return
            with closing(open_local(source, client=client)) as original:
                self._build_copy(building, original)

        owner = default_client() if client is None else client
        chosen = self.introduce(build, catalog_id, alias, {"owner": roles_text((owner,))})
        return self.places.open(chosen, client=client)

    def copy(
        self,
        source: LocalCatalog,
        *,
        catalog_id: str | None = None,
        alias: str | None = None,
        name: str | None = None,
        description: str | None = None,
        client: str | None = None,
        progress: Callable[[int], object] | None = None,
        objects: str | None = None,
    ) -> LocalCatalog:
        """Make a catalog that is a copy of another, with its history and objects; open it.

        Args:
            source: The catalog, of this or any other registry or in a directory; others may go
                on using it.
            catalog_id: The identifier of the copy; default: the next serial number.
            alias: A second name for it.
            name: A title for people.
            description: What it is for.
            client: Who is recorded for what is written later; default: the login name.
            progress: Called with the number of rows after each batch.
            objects: The URL of a store below which the bytes of its objects lie; default: that of
                the registry.

        Raises:
            ReadOnly: `source` is a snapshot.
            BadRequest: an identifier has characters that cannot stand in a URL.
            Conflict: the identifier or the alias is taken; nothing is left behind.
        """
        facts = {
            "name": name,
            "description": description,
            "owner": roles_text(source.model.acls.get("owner", ())),
            "clone_source": source.id,
        }

        def build(building: str) -> None:
            self._build_copy(building, source, progress, objects)

        chosen = self.introduce(build, catalog_id, alias, facts)
        return self.places.open(chosen, client=client)

    def _build_copy(
        self,
        building: str,
        source: LocalCatalog,
        progress: Callable[[int], object] | None = None,
        objects: str | None = None,
    ) -> None:
        from .copying import copy_into

        storage, directory = self.places.vacant(building)
        with closing(storage):
            copy_into(source, storage, directory, progress, objects=objects or self.objects)

    def introduce(
        self,
        build: Callable[[str], None],
        catalog_id: str | None,
        alias: str | None,
        facts: Mapping[str, Any],
    ) -> str:
        """Build a catalog out of sight and register it; returns its identifier.

        Args:
            build: Called with the name of a building, in which it makes a catalog.
            catalog_id: The identifier; default: the next serial number.
            alias: A second name for it.
            facts: Values of further columns of the registry's table of catalogs.

        Raises:
            BadRequest: an identifier has characters that cannot stand in a URL.
            Conflict: the identifier or the alias is taken; nothing is left behind.
        """
        wanted = [n for n in (catalog_id, alias) if n is not None]
        for given in wanted:
            check_name(given)
        if len(set(wanted)) < len(wanted):
            raise Conflict(f"A catalog cannot have its own identifier {alias!r} as an alias.")
        with self._ledger.writing() as connection:
            refuse_taken(connection, wanted)  # early, before anything is built
        self.places.tidy()
        building = self.places.new_building()
        try:
            build(building)
            return self._register(building, catalog_id, alias, facts)
        except BaseException:
            self.places.tear_down(building)
            raise

    def _register(
        self, building: str, catalog_id: str | None, alias: str | None, facts: Mapping[str, Any]
    ) -> str:
        chosen = None
        try:
            with self._ledger.writing() as connection:
                refuse_taken(connection, [n for n in (catalog_id, alias) if n is not None])
                chosen = catalog_id or next_serial(connection)
                self.places.show(connection, building, chosen)
                row = {**facts, "id": chosen, "created": time.time()}
                connection.execute(sa.insert(CATALOG).values(row))
                if alias is not None:
                    owner = facts.get("owner", roles_text(()))
                    given = {"id": alias, "target": chosen, "owner": owner}
                    connection.execute(sa.insert(ALIAS).values(given))
        except BaseException:
            if chosen is not None:
                self.places.not_shown(building, chosen)
            raise
        return chosen

    # --- aliases ---------------------------------------------------------------------

    def alias(self, alias_id: str) -> Alias:
        """What is known of an alias. Raises `NotFound`."""
        found = self.lookup(alias_id)
        if not isinstance(found, Alias):
            raise NotFound(f"There is no alias {alias_id!r} in {self.places.shown}.")
        return found

    def create_alias(
        self,
        alias_id: str | None = None,
        target: str | None = None,
        owner: Sequence[str] = (),
        name: str | None = None,
        description: str | None = None,
    ) -> Alias:
        """Create an alias; without a target it reserves the name.

        Raises:
            BadRequest: the name has characters that cannot stand in a URL.
            Conflict: it is taken, or the target is no catalog.
        """
        if alias_id is not None:
            check_name(alias_id)
        with self._ledger.writing() as connection:
            if alias_id is not None:
                refuse_taken(connection, [alias_id])
            self._check_target(connection, target)
            chosen = alias_id if alias_id is not None else next_serial(connection)
            made = Alias(chosen, target, tuple(owner), name, description)
            connection.execute(sa.insert(ALIAS).values(alias_row(made)))
        return made

    def alter_alias(
        self,
        alias_id: str,
        *,
        target: str | Unchanged | None = UNCHANGED,
        owner: Sequence[str] | Unchanged = UNCHANGED,
        name: str | Unchanged | None = UNCHANGED,
        description: str | Unchanged | None = UNCHANGED,
    ) -> Alias:
        """Change what is given of an alias; a target of None unbinds it.

        Raises:
            NotFound: there is no such alias.
            Conflict: the target is no catalog.
        """
        with self._ledger.writing() as connection:
            before = self._lookup(connection, alias_id)
            if not isinstance(before, Alias):
                raise NotFound(f"There is no alias {alias_id!r} in {self.places.shown}.")
            if not isinstance(target, Unchanged):
                self._check_target(connection, target)
            made = altered(before, target, owner, name, description)
            here = ALIAS.c.id == alias_id
            connection.execute(sa.update(ALIAS).where(here).values(alias_row(made)))
        return made

    def set_alias(self, alias: str, catalog_id: str) -> None:
        """Give a catalog an alias, or move the alias to it.

        Raises:
            Conflict: the alias is the identifier of a catalog.
            NotFound: there is no such catalog.
        """
        check_name(alias)
        target = self.find(catalog_id).id
        with self._ledger.writing() as connection:
            taken = sa.select(CATALOG.c.id).where(CATALOG.c.id == alias)
            if connection.execute(taken).first() is not None:
                raise Conflict(f"{alias!r} is the identifier of a catalog.", alias=alias)
            here = ALIAS.c.id == alias
            moved = connection.execute(sa.update(ALIAS).where(here).values(target=target))
            if moved.rowcount == 0:
                connection.execute(sa.insert(ALIAS).values(id=alias, target=target))

    def delete_alias(self, alias_id: str) -> None:
        """Forget an alias; the catalog stays. Raises `NotFound`."""
        with self._ledger.writing() as connection:
            gone = connection.execute(sa.delete(ALIAS).where(ALIAS.c.id == alias_id))
            if gone.rowcount == 0:
                raise NotFound(f"There is no alias {alias_id!r} in {self.places.shown}.")

    def _check_target(self, connection: sa.Connection, target: str | None) -> None:
        if target is None:
            return
        if not isinstance(self._lookup(connection, target), Registered):
            raise Conflict(
                f"An alias cannot be bound to {target!r}: it is not the identifier of a catalog.",
                catalog=target,
            )

    # --- deleting --------------------------------------------------------------------

    def delete(self, name: str) -> None:
        """Forget a catalog and its aliases; what it holds stays until `purge`.

        Its identifier is never given again.

        Raises:
            NotFound: there is none.
        """
        found = self.find(name)
        with self._ledger.writing() as connection:
            connection.execute(sa.delete(ALIAS).where(ALIAS.c.target == found.id))
            here = CATALOG.c.id == found.id
            connection.execute(sa.update(CATALOG).where(here).values(deleted=time.time()))

    def purge(self, catalog_id: str) -> None:
        """Remove everything that a deleted catalog holds, for good.

        Raises:
            NotFound: no catalog ever had the identifier.
            Conflict: the catalog was not deleted.
            Unavailable: the store of its objects failed. Then the same may be tried again.
        """
        with self._ledger.writing() as connection:
            here = CATALOG.c.id == catalog_id
            row = connection.execute(sa.select(CATALOG).where(here)).first()
            if row is None:
                raise NotFound(f"There is no catalog {catalog_id!r} in {self.places.shown}.")
            if row.deleted is None:
                raise Conflict(
                    f"Catalog {catalog_id!r} is in use.", hint="Delete it before it is purged."
                )
        # The store first, as long as the catalog tells where it is; whatever fails, the catalog
        # stays among those that are to be purged.
        self._empty_store(catalog_id)
        self.places.remove(catalog_id)
        with self._ledger.writing() as connection:
            connection.execute(sa.update(CATALOG).where(here).values(purged=time.time()))

    def _empty_store(self, catalog_id: str) -> None:
        """Delete the bytes of a catalog's objects that are not beside it."""
        try:
            catalog = self.places.open(catalog_id, client=None)
        except (NotFound, Corrupted):
            return  # there is nothing, or nothing that tells where they are
        with closing(catalog):
            with catalog.store.storage.reading() as connection:
                place = kept_place(connection)
            if place is not None:
                catalog.object_store.content.destroy()

    def deleted(self) -> list[str]:
        """The identifiers of the catalogs that were deleted and not purged."""
        with self._ledger.reading() as connection:
            if connection is None:
                return []
            left = sa.select(CATALOG.c.id).where(~_LIVE, CATALOG.c.purged.is_(None))
            return list(connection.execute(left.order_by(CATALOG.c.deleted)).scalars())

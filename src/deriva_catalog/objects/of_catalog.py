"""The objects of one catalog: rows in its database, bytes in a directory or bucket of its own."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ..access import Client
from ..engine.moments import Reading
from ..engine.store import Store
from ..engine.transaction import Writing
from .asking import Asker
from .content import ContentStore
from .placing import content_at, kept_place
from .store import ObjectStore
from .tables import is_current, upgrade_tables

OBJECTS = "objects"
"""The directory of the bytes, in that of the catalog."""


@dataclass(frozen=True, slots=True)
class _Acting:
    """A store whose transactions are those of an actor."""

    store: Store
    actor: Client | None

    def reading(self) -> AbstractContextManager[Reading]:
        """The live catalog at one moment."""
        return self.store.reading()

    def writing(self) -> AbstractContextManager[Writing]:
        """A writing transaction, or a part of the one that this thread has open."""
        return self.store.writing(self.actor)


class Bytes:
    """The bytes of one catalog; where they lie is looked up when they are first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._content: ContentStore | None = None

    def of(self, store: Store, directory: Path) -> ContentStore:
        """The bytes of the catalog in `directory`."""
        with self._lock:
            if self._content is None:
                with store.storage.reading() as connection:
                    place = kept_place(connection)
                self._content = content_at(place, directory / OBJECTS)
            return self._content


def objects_of(store: Store, content: ContentStore, actor: Client | None = None) -> ObjectStore:
    """The objects of a catalog; `actor` is who writes, if not the store's own."""
    return ObjectStore(_Acting(store, actor), content)


def asker_of(store: Store, client: Client) -> Asker:
    """A client, with the lists of a catalog as those of its root: who reads rows reads files."""
    with store.reading() as reading:
        acls = reading.model.acls
    owner, write = acls.get("owner") or (), acls.get("write") or ()
    insert = (*owner, *write, *(acls.get("insert") or ()))
    change = (*(acls.get("update") or ()), *(acls.get("delete") or ()))
    read = (*owner, *write, *change, *(acls.get("select") or ()))
    lists = {
        "owner": owner,
        "create": insert,
        "read": read,
        "subtree-owner": owner,
        "subtree-create": insert,
        "subtree-update": insert,
        "subtree-read": read,
    }
    return Asker(client, {name: tuple(dict.fromkeys(roles)) for name, roles in lists.items()})


def upgrade_objects(store: Store) -> None:
    """Bring the tables that an older release made to the present layout, unless read-only."""
    if store.storage.readonly:
        return
    with store.storage.reading() as connection:
        if is_current(connection):
            return
    with store.storage.writing() as connection:
        upgrade_tables(connection)

"""A catalog in this process: a directory with a database and the objects beside it.

``catalog.db`` holds the model, the rows and their history; ``objects/`` the files. Several
threads and processes may use one catalog at the same time.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal

from .. import snaptime
from ..access import Client
from ..engine import writes
from ..engine.checks import Finding, check
from ..engine.compile import compile_rows
from ..engine.ddl import apply_change
from ..engine.identities import keep_identity
from ..engine.leases import looked_up
from ..engine.migration import upgrade
from ..engine.reader import Reader
from ..engine.rids import rids_one_by_one
from ..engine.sqlite.storage import SqliteStorage
from ..engine.store import Store
from ..engine.transaction import Writing
from ..engine.truncation import history_range, truncate_history
from ..errors import Conflict, NotFound, ReadOnly, Unavailable
from ..interface import Address, MediaType, Row, RowLocation, Transaction
from ..model import alteration, creation, definitions, removal
from ..model.changes import ModelChange
from ..model.documents import (
    describe_column,
    describe_foreign_key,
    describe_key,
    describe_model,
    describe_schema,
    describe_table,
)
from ..model.elements import Column, ForeignKey, Key, Model, Schema, Table
from ..model.lookup import find_element, find_table, table_at
from ..objects import ContentStore, ObjectStore
from ..objects import create_tables as create_object_tables
from ..path.ast import Path, Query, TableName

if TYPE_CHECKING:
    from ..path.builder import PathBuilder

DATABASE = "catalog.db"
OBJECTS = "objects"
FEATURES: Mapping[str, bool] = {
    "implicit_fkey_index": True,
    "lease_memory": True,
    "query_post": True,
    "quantified_rid_lists": True,
    "quantified_value_lists": True,
    "rid_batches": True,
    "rid_lease": True,
    "transactions": True,
}
_INDEXING = "tag:isrd.isi.edu,2018:indexing-preferences"


class LocalCatalog:
    """A catalog in this process, or one fixed snapshot of it.

    Make one with `create_local`, `open_local` or `connect`.
    """

    def __init__(
        self,
        store: Store,
        directory: FilePath,
        catalog_id: str,
        at: int | None = None,
        actor: Client | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._id = catalog_id
        self._at = at
        self._actor = actor
        opening = store.reading if at is None else partial(store.reading_at, at)
        self._reader = Reader(opening)
        self._objects: ObjectStore | None = None

    def __repr__(self) -> str:
        moment = "" if self._at is None else f"@{self.snaptime}"
        return f"<catalog {self._id}{moment} in {str(self._directory)!r}>"

    # --- what it is ------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The identifier of the catalog, without a snapshot."""
        return self._id

    @property
    def url(self) -> str:
        """The ``file:`` URL of the catalog's directory."""
        return self._directory.as_uri()

    @property
    def directory(self) -> FilePath:
        """The directory that the catalog lives in."""
        return self._directory

    @property
    def store(self) -> Store:
        """The database, for what the catalog's interface does not offer."""
        return self._store

    @property
    def client(self) -> str | None:
        """Who is recorded as the creator and modifier of rows."""
        return self._store.client if self._actor is None else self._actor.id

    @property
    def snaptime(self) -> str | None:
        """The fixed snapshot; None for the live catalog."""
        return None if self._at is None else snaptime.encode(self._at)

    @property
    def model(self) -> Model:
        """The current model, or that of the snapshot; one tiny query when nothing changed."""
        return self._reader.model

    @property
    def path(self) -> PathBuilder:
        """The start of a data path: ``catalog.path.schema.Table``."""
        from ..path.builder import PathBuilder

        return PathBuilder(self)

    @property
    def objects(self) -> ObjectStore:
        """The objects (files) of the catalog; they are not part of snapshots."""
        if self._objects is None:
            content = ContentStore.local(self._directory / OBJECTS)
            self._objects = ObjectStore(self._store, content)
        return self._objects

    def at(self, when: str | datetime | None) -> LocalCatalog:
        """The catalog as it was; the live one when `when` is None.

        Raises:
            SnapshotUnavailable: `when` is before the first snapshot that is kept.
            BadRequest: `when` is no time.
        """
        if when is None:
            served = None
        else:
            requested = snaptime.parse(when)
            shown = when if isinstance(when, str) else when.isoformat()
            served = self._store.resolve(requested, shown)
        return LocalCatalog(self._store, self._directory, self._id, served, self._actor)

    def for_client(self, client: Client) -> LocalCatalog:
        """The same catalog (or snapshot) for a client: what is written is recorded as theirs."""
        return LocalCatalog(self._store, self._directory, self._id, self._at, client)

    def latest_snapshot(self) -> str:
        """The snapshot of the latest change of anything; of a snapshot, itself."""
        return snaptime.encode(self._store.latest() if self._at is None else self._at)

    # --- reading ---------------------------------------------------------------------

    def fetch(self, query: Query | str) -> list[Row]:
        """All rows of a query, or of a URL tail such as ``entity/S:T?limit=3``."""
        return self._reader.fetch(query)

    def stream(
        self, query: Query | str, media_type: MediaType, *, arrays_json: bool = False
    ) -> Iterator[bytes]:
        """The serialised result in pieces, made by the database; see `Catalog.stream`."""
        return self._reader.stream(query, media_type, arrays_json=arrays_json)

    def count(self, path: Path | TableName) -> int:
        """How many rows of the context table the path reaches."""
        return self._reader.count(path)

    def resolve_rid(self, rid: str) -> RowLocation:
        """Where a RID lives. Raises `NotFound`."""
        return self._reader.resolve_rid(rid)

    def resolve_rids(self, rids: Iterable[str]) -> dict[str, RowLocation]:
        """Where each of many RIDs lives; unknown ones are left out."""
        return self._reader.resolve_rids(rids)

    def document(self) -> dict[str, Any]:
        """The whole model as the protocol's ``/schema`` document."""
        return describe_model(self.model, features=FEATURES)

    # --- writing rows ----------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[Writing]:
        if self._at is not None:
            raise ReadOnly(
                f"Catalog {self._id!r} cannot be modified at the previous revision "
                f"{self.snaptime!r}.",
                hint="Write to the live catalog instead.",
            )
        with self._store.writing(self._actor) as writing:
            yield writing

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Group writes of this thread: one snapshot, all or nothing.

        A nested use joins the outer one. An error that leaves it undoes what it did.
        """
        with self._writing() as writing:
            yield writing

    def insert(
        self,
        table: TableName,
        rows: Sequence[Mapping[str, Any]],
        *,
        defaults: Iterable[str] = (),
        nondefaults: Iterable[str] = (),
        on_conflict: Literal["skip"] | None = None,
        returning: bool = True,
    ) -> list[Row]:
        """Insert rows; see `Catalog.insert`."""
        options = writes.Options(frozenset(defaults), frozenset(nondefaults), on_conflict)
        with self._writing() as writing:
            found = find_table(writing.model, table)
            return writes.insert(writing, found, rows, options, returning=returning)

    def upsert(self, table: TableName, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Insert rows, or replace those that match on all non-system key columns."""
        with self._writing() as writing:
            return writes.upsert(writing, find_table(writing.model, table), rows)

    def update(
        self,
        table: TableName,
        rows: Sequence[Mapping[str, Any]],
        *,
        keys: Sequence[str] = ("RID",),
        targets: Sequence[str] | None = None,
    ) -> list[Row]:
        """Set `targets` of the rows that match on `keys`; see `Catalog.update`."""
        with self._writing() as writing:
            found = find_table(writing.model, table)
            chosen = writes.targets_of(found, rows, keys) if targets is None else targets
            if not rows and targets is None:
                return []
            pairs = writes.as_pairs(keys), writes.as_pairs(chosen)
            return writes.update(writing, found, rows, *pairs)

    def delete(self, path: Path) -> int:
        """Delete the rows of the path's context table; returns how many."""
        with self._writing() as writing:
            table, chosen = compile_rows(
                path, writing.model, writing.tables.live, writing.storage.expressions
            )
            return writes.delete(writing, table, chosen)

    def clear(self, path: Path, columns: Sequence[str]) -> int:
        """Set columns of the path's context rows to NULL; returns how many rows."""
        with self._writing() as writing:
            table, chosen = compile_rows(
                path, writing.model, writing.tables.live, writing.storage.expressions
            )
            return writes.clear(writing, table, chosen, columns)

    def lease_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """A RID for each token; a repeated token gives the RID that it already has."""
        with self._writing() as writing:
            return writes.lease_rids(writing, tokens)

    def leased_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """The RIDs that tokens have; those without one are left out. Of a snapshot: as of now."""
        with self._store.reading() as moment:
            return looked_up(moment, self._store.tables, tokens, self.client)

    # --- changing the model ----------------------------------------------------------

    def _change(self, make: Callable[[Writing], ModelChange]) -> tuple[Model, tuple[Address, ...]]:
        with self._writing() as writing:
            change = make(writing)
            apply_change(writing, change)
            return writing.model, change.elements

    def _created(
        self, make: Callable[..., ModelChange], *arguments: object
    ) -> list[dict[str, Any]]:
        def create(writing: Writing) -> ModelChange:
            with rids_one_by_one(writing.connection) as next_rid:
                return make(writing.model, *arguments, next_rid=next_rid, version=writing.time)

        model, elements = self._change(create)
        return [describe(model, address) for address in elements]

    def create_schema(self, document: str | Mapping[str, Any]) -> dict[str, Any]:
        """Create a schema by name or document, with the tables that it nests."""
        return self._created(creation.create_schema, document)[0]

    def create(self, documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Create schemas, tables and foreign keys in one transaction; keys after tables."""
        return self._created(creation.create, documents)

    def create_table(self, schema: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create a table."""
        return self._created(creation.create_table, schema, document)[0]

    def create_column(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a column."""
        return self._created(creation.create_column, *self._home(table), document)[0]

    def create_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a key."""
        return self._created(creation.create_key, *self._home(table), document)[0]

    def create_foreign_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a foreign key."""
        return self._created(creation.create_foreign_key, *self._home(table), document)[0]

    def _home(self, table: TableName) -> tuple[str, str]:
        found = find_table(self.model, table)
        return found.schema, found.name

    def alter(self, address: Address, document: Mapping[str, Any]) -> dict[str, Any]:
        """Change the members given (rename, type, comment, annotations, ...)."""
        model, elements = self._change(
            lambda w: alteration.alter(w.model, address, document, version=w.time)
        )
        return describe(model, elements[0])

    def drop(self, address: Address) -> None:
        """Remove an element; its history stays readable at older snapshots."""
        self._change(lambda w: removal.drop(w.model, address, version=w.time))

    def set_annotation(self, address: Address, key: str, value: Any) -> None:
        """Set one annotation; None removes it."""
        self._change(
            lambda w: alteration.set_annotation(w.model, address, key, value, version=w.time)
        )

    # --- history and integrity -------------------------------------------------------

    def history_range(self) -> tuple[str, str]:
        """The first snapshot that can be read, and the latest."""
        first, last = history_range(self._store)
        return snaptime.encode(first), snaptime.encode(last)

    def truncate_history(self, until: str | datetime) -> str:
        """Forget everything before a time; returns the first snapshot that can be read then.

        Snapshots that something else refers to, such as dataset versions, are the caller's
        business: they are forgotten like others.

        Raises:
            NotFound: there is nothing to forget.
        """
        if self._at is not None:
            raise ReadOnly("The history of a catalog is truncated from its live state.")
        return snaptime.encode(truncate_history(self._store, snaptime.parse(until)))

    def check(self) -> list[Finding]:
        """Everything that is wrong with the database; an empty list if nothing is."""
        return check(self._store)

    # --- life ------------------------------------------------------------------------

    def close(self) -> None:
        """Release connections. The catalog may be used again; it opens new ones."""
        self._store.close()


def describe(model: Model, address: Address) -> dict[str, Any]:
    """The canonical document of one element of a model."""
    element = find_element(model, address)
    if isinstance(element, Model):
        return describe_model(element, features=FEATURES)
    if isinstance(element, Schema):
        return describe_schema(element)
    if isinstance(element, Table):
        return describe_table(element)
    table = table_at(model, str(address.schema), str(address.table))
    if isinstance(element, Column):
        return describe_column(element)
    if isinstance(element, Key):
        return describe_key(table, element)
    if isinstance(element, ForeignKey):
        return describe_foreign_key(table, element)
    raise AssertionError(element)


# --- creating and opening ----------------------------------------------------------------


def create_local(
    directory: str | os.PathLike[str],
    *,
    client: str | None = None,
    catalog_id: str | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> LocalCatalog:
    """Create a catalog in a directory that does not exist yet, or is empty.

    Args:
        directory: Where the catalog shall live.
        client: Who is recorded for the rows that are written; default: the login name.
        catalog_id: Its identifier; default: the name of the directory.
        annotations: Annotations of the catalog, beside the default indexing preferences.

    Raises:
        Conflict: the directory holds something.
        Unavailable: it cannot be written.
    """
    place = FilePath(directory).absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise Conflict(
            f"A catalog cannot be created in {str(place)!r}: it is not an empty directory.",
            hint="Choose another directory, or open the catalog that is there.",
        )
    try:
        (place / OBJECTS).mkdir(parents=True)
    except OSError as error:
        raise Unavailable(
            f"The directory {str(place)!r} for a catalog cannot be made: {error}.",
            hint="Check the rights on the directory above it and the space on the device.",
        ) from error
    who = client if client is not None else default_client()
    storage = SqliteStorage(place / DATABASE, create=True)
    store = Store(storage, who)
    store.initialise()
    with store.writing() as writing:
        create_object_tables(writing.connection)
        _begin_model(writing, annotations or {})
        keep_identity(writing)
    store.at_begin(keep_identity)
    return LocalCatalog(store, place, catalog_id or place.name)


def open_local(
    directory: str | os.PathLike[str],
    *,
    client: str | None = None,
    catalog_id: str | None = None,
    readonly: bool = False,
) -> LocalCatalog:
    """Open the catalog in a directory.

    Raises:
        NotFound: there is none.
        Corrupted: it is damaged, or written by a newer version.
    """
    place = FilePath(directory).absolute()
    if not (place / DATABASE).is_file():
        raise NotFound(
            f"There is no catalog in {str(place)!r}: it has no file {DATABASE!r}.",
            hint="Check the path, or create a catalog there.",
        )
    who = client if client is not None else default_client()
    store = Store(SqliteStorage(place / DATABASE, readonly=readonly), who)
    upgrade(store)
    store.at_begin(keep_identity)
    return LocalCatalog(store, place, catalog_id or place.name)


def default_client() -> str:
    """Who uses this process: the login name, or the number of the user if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _begin_model(writing: Writing, annotations: Mapping[str, Any]) -> None:
    preferences = {_INDEXING: {"trgm": True, "btree": True, "gin_array": True}}
    owner = () if writing.client is None else (writing.client,)
    writing.adopt(
        replace(writing.model, annotations={**preferences, **annotations}, acls={"owner": owner})
    )
    documents = [
        {"schema_name": "public", "comment": "standard public schema"},
        *definitions.builtin_tables(),
    ]
    with rids_one_by_one(writing.connection) as next_rid:
        change = creation.create(writing.model, documents, next_rid=next_rid, version=writing.time)
    apply_change(writing, change)

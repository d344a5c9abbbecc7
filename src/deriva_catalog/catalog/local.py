"""A catalog in this process: a directory with a database and the objects beside it.

``catalog.db`` holds the model, the rows and their history; ``objects/`` the files. Several
threads and processes may use one catalog at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal

from .. import snaptime
from ..access import Client, Decisions, decisions_for
from ..access.ownership import owned_element
from ..access.rights import client_document
from ..engine import writes
from ..engine.checks import Finding, check
from ..engine.compile import CompileCache
from ..engine.leases import looked_up
from ..engine.policy import Policies, told_to
from ..engine.prepared import PreparedCache
from ..engine.reader import Reader
from ..engine.store import Store
from ..engine.transaction import Writing
from ..errors import CatalogError, ReadOnly
from ..interface import Address, MediaType, Named, Row, RowLocation, Transaction
from ..model import alteration, creation, policy
from ..model.changes import ModelChange
from ..model.elements import Model
from ..model.lookup import find_table
from ..objects import ObjectStore
from ..objects.contract import Objects
from ..objects.for_client import ClientObjects
from ..objects.of_catalog import Bytes, asker_of, objects_of
from ..path.ast import Path, Query, TableName
from .history import HistoryControl
from .modelling import Modelling

if TYPE_CHECKING:
    from ..path.builder import PathBuilder

DATABASE = "catalog.db"
FEATURES: Mapping[str, bool] = {
    "catalog_alias": True,
    "catalog_objects": True,
    "catalog_post_input": True,
    "csv_array_json": True,
    "history_control": True,
    "implicit_fkey_index": True,
    "lease_memory": True,
    "query_post": True,
    "quantified_rid_lists": True,
    "quantified_value_lists": True,
    "recorded_columns": True,
    "rid_batches": True,
    "rid_lease": True,
    "row_counts": True,
    "tcrs": True,
    "transactions": True,
    "trs": True,
}


@dataclass(frozen=True, slots=True)
class Shared:
    """What the catalogs of all clients on one store keep together."""

    policies: Policies = field(default_factory=Policies)
    compiled: CompileCache = field(default_factory=partial(CompileCache, 1024))
    prepared: PreparedCache = field(default_factory=PreparedCache)
    bytes: Bytes = field(default_factory=Bytes)


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
        shared: Shared | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._id = catalog_id
        self._at = at
        self._actor = actor
        self._opening = store.reading if at is None else partial(store.reading_at, at)
        self._shared = shared or Shared()
        policy = partial(self._shared.policies.reading, client=actor)
        compiled, prepared = self._shared.compiled, self._shared.prepared
        live = store if at is None else None
        self._reader = Reader(self._opening, policy, compiled, prepared, live)
        self._objects: ObjectStore | None = None

    def __repr__(self) -> str:
        moment = "" if self._at is None else f"@{self.snaptime}"
        place = self._store.storage.url or str(self._directory)
        return f"<catalog {self._id}{moment} in {place!r}>"

    # --- what it is ------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The identifier of the catalog, without a snapshot."""
        return self._id

    @property
    def url(self) -> str:
        """Where the catalog is, as `connect` takes it.

        The ``file:`` URL of its directory, or the URL of its database (without a password) with
        the identifier after ``#``.
        """
        return self._store.storage.url or self._directory.as_uri()

    @property
    def directory(self) -> FilePath:
        """The directory that the catalog lives in; where its objects lie, if in a database."""
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
        """The current model, or that of the snapshot; one tiny query when nothing changed.

        For a client it is the part that the client may enumerate.
        """
        return self.decisions.visible()

    @property
    def path(self) -> PathBuilder:
        """The start of a data path: ``catalog.path.schema.Table``."""
        from ..path.builder import PathBuilder

        return PathBuilder(self)

    @property
    def objects(self) -> Objects:
        """The objects (files) of the catalog; they are not part of snapshots.

        For a client they are what the client may read and change.
        """
        store, actor = self.object_store, self._actor
        if actor is None:
            return store
        asking = partial(asker_of, self._store, actor)
        return ClientObjects(store, asking, readonly=self._at is not None)

    @property
    def object_store(self) -> ObjectStore:
        """The objects without regard to rights; for keeping house."""
        if self._objects is None:
            content = self._shared.bytes.of(self._store, self._directory)
            self._objects = objects_of(self._store, content, self._actor)
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
        return self._alike(served, self._actor)

    def for_client(self, client: Client) -> LocalCatalog:
        """The same catalog (or snapshot) as a client may see and change it.

        What it writes is recorded as the client's.
        """
        return self._alike(self._at, client)

    def _alike(self, at: int | None, actor: Client | None) -> LocalCatalog:
        return LocalCatalog(self._store, self._directory, self._id, at, actor, self._shared)

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

    def dated_stream(
        self, query: Query, media_type: MediaType, *, arrays_json: bool = False
    ) -> tuple[str, Iterator[bytes]]:
        """The latest snapshot, and the serialised result of the same moment, not begun yet."""
        latest, pieces = self._reader.dated_stream(query, media_type, arrays_json=arrays_json)
        if self._at is not None:
            latest = self._at
        return self.latest_snapshot() if latest is None else snaptime.encode(latest), pieces

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
        return self.describe(Address())

    def describe(
        self, address: Address, *, tables: bool = True, inside: bool = False
    ) -> dict[str, Any]:
        """The document of one element; see `Catalog.describe`.

        Args:
            address: Which element.
            tables: Whether the document of a schema has its tables in it.
            inside: Whether something inside the element is wanted, such as its comment: then a
                schema or table that is missing is a conflict.
        """
        return client_document(
            self.decisions, address, features=FEATURES, tables=tables, inside=inside
        )

    # --- writing rows ----------------------------------------------------------------

    def require_live(self) -> None:
        """Raises `ReadOnly` if this is a snapshot, which cannot be written."""
        if self._at is not None:
            raise ReadOnly(
                f"modification to catalog at previous revision: catalog {self._id!r} cannot be "
                f"modified at {self.snaptime!r}.",
                hint="Write to the live catalog instead.",
            )

    @contextmanager
    def _writing(self, *, alone: bool = False) -> Iterator[Writing]:
        self.require_live()
        writing: Writing | None = None
        try:
            with self._store.writing(self._actor, alone=alone) as writing:
                yield writing
        except CatalogError as error:
            told = error if writing is None else told_to(error, writing.model, self._actor)
            if told is error:
                raise
            raise told from error

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[Transaction]:
        """Group writes of this thread: one snapshot, all or nothing.

        A nested use joins the outer one. An error that leaves it undoes what it did. `alone` says
        that an error of any write will leave this transaction, which makes it a little faster.
        """
        with self._writing(alone=alone) as writing:
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
        recorded: bool = False,
    ) -> list[Row]:
        """Insert rows; see `Catalog.insert`."""
        options = writes.Options(frozenset(defaults), frozenset(nondefaults), on_conflict, recorded)
        with self._writing() as writing:
            found, guard = self._shared.policies.target(writing, self._actor, table)
            return writes.insert(writing, found, rows, options, returning=returning, guard=guard)

    def upsert(self, table: TableName, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Insert rows, or replace those that match on all non-system key columns."""
        with self._writing() as writing:
            found, guard = self._shared.policies.target(writing, self._actor, table)
            return writes.upsert(writing, found, rows, guard=guard)

    def update(
        self,
        table: TableName,
        rows: Sequence[Mapping[str, Any]],
        *,
        keys: Sequence[Named] = ("RID",),
        targets: Sequence[Named] | None = None,
    ) -> list[Row]:
        """Set `targets` of the rows that match on `keys`; see `Catalog.update`."""
        with self._writing() as writing:
            found, guard = self._shared.policies.target(writing, self._actor, table)
            known = found if guard is None else guard.visible(found)
            chosen = writes.targets_of(known, rows, keys) if targets is None else targets
            if not rows and targets is None:
                return []
            pairs = writes.as_pairs(keys), writes.as_pairs(chosen)
            return writes.update(writing, found, rows, *pairs, guard=guard)

    def delete(self, path: Path) -> int:
        """Delete the rows of the path's context table; returns how many."""
        with self._writing() as writing:
            table, chosen, guard = self._shared.policies.chosen(writing, self._actor, path)
            return writes.delete(writing, table, chosen, guard=guard)

    def clear(self, path: Path, columns: Sequence[str]) -> int:
        """Set columns of the path's context rows to NULL; returns how many rows."""
        with self._writing() as writing:
            table, chosen, guard = self._shared.policies.chosen(writing, self._actor, path)
            return writes.clear(writing, table, chosen, columns, guard=guard)

    def lease_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """A RID for each token; a repeated token gives the RID that it already has."""
        with self._writing() as writing:
            guard = self._shared.policies.writing(writing, self._actor)
            return writes.lease_rids(writing, tokens, guard)

    def leased_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """The RIDs that tokens have; those without one are left out. Of a snapshot: as of now."""
        with self._store.reading() as moment:
            policy = self._shared.policies.reading(moment, self._actor)
            return looked_up(
                moment, self._store.tables, tokens, self.client, only_own=policy is not None
            )

    # --- changing the model ----------------------------------------------------------

    @property
    def _modelling(self) -> Modelling:
        self.require_live()
        return Modelling(self._writing, self._whole_model, self._actor, FEATURES)

    def create_schema(self, document: str | Mapping[str, Any]) -> dict[str, Any]:
        """Create a schema by name or document, with the tables that it nests."""
        return self._modelling.create([creation.placed_schema(document)])[0]

    def create(self, documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Create schemas, tables and foreign keys in one transaction; keys after tables."""
        return self._modelling.create(documents)

    def create_table(self, schema: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create a table."""
        return self._modelling.create([creation.placed_table(schema, document)])[0]

    def create_column(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a column."""
        return self._create_part(creation.create_column, table, document)

    def create_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a key."""
        return self._create_part(creation.create_key, table, document)

    def create_foreign_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a foreign key."""
        return self._create_part(creation.create_foreign_key, table, document)

    def _create_part(
        self, create: Callable[..., ModelChange], table: TableName, document: Mapping[str, Any]
    ) -> dict[str, Any]:
        found = find_table(self.model, table)
        return self._modelling.create_part(create, Address(found.schema, found.name), document)

    def alter(self, address: Address, document: Mapping[str, Any]) -> dict[str, Any]:
        """Change the members given (rename, type, comment, annotations, ...)."""
        return self._modelling.alter(address, document)

    def drop(self, address: Address) -> None:
        """Remove an element; its history stays readable at older snapshots."""
        self._modelling.drop(address)

    def set_annotation(self, address: Address, key: str, value: Any) -> None:
        """Set one annotation; None removes it."""
        self._modelling.attach(alteration.set_annotation, address, key, value)

    def set_annotations(self, address: Address, annotations: Mapping[str, Any]) -> None:
        """Replace all annotations of an element."""
        self._modelling.attach(policy.set_annotations, address, annotations)

    def set_comment(self, address: Address, comment: str | None) -> None:
        """Set the comment of an element; None removes it."""
        self._modelling.attach(policy.set_comment, address, comment)

    # --- access control --------------------------------------------------------------

    @property
    def decisions(self) -> Decisions:
        """What the client may do; without a client, everything.

        Raises:
            NotAuthenticated, Forbidden: the client may not know of the catalog.
        """
        found = decisions_for(self._whole_model(), self._actor, historic=self._at is not None)
        found.require_catalog("enumerate")
        return found

    def _whole_model(self) -> Model:
        with self._opening() as moment:
            return moment.model

    def acls(self, address: Address) -> dict[str, list[str]]:
        """The ACLs that are set on an element; see `Catalog.acls`."""
        return policy.acls_of(owned_element(self.decisions, address, inside=True))

    def set_acls(self, address: Address, acls: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Replace all ACLs of an element; see `Catalog.set_acls`."""
        return policy.acls_of(self._modelling.attach(policy.set_acls, address, acls))

    def set_acl(self, address: Address, name: str, roles: Sequence[str] | None) -> list[str] | None:
        """Set one ACL of an element, or unset it; see `Catalog.set_acl`."""
        changed = self._modelling.attach(policy.set_acl, address, name, roles)
        return policy.acls_of(changed).get(name)

    def acl_bindings(self, address: Address) -> dict[str, Any]:
        """The ACL bindings of an element; see `Catalog.acl_bindings`."""
        return policy.acl_bindings_of(owned_element(self.decisions, address, inside=True))

    def set_acl_bindings(self, address: Address, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Replace all ACL bindings of an element; see `Catalog.set_acl_bindings`."""
        changed = self._modelling.attach(policy.set_acl_bindings, address, bindings)
        return policy.acl_bindings_of(changed)

    def set_acl_binding(self, address: Address, name: str, binding: Any) -> Any:
        """Set one ACL binding of an element, or remove it; see `Catalog.set_acl_binding`."""
        changed = self._modelling.attach(policy.set_acl_binding, address, name, binding)
        return policy.acl_bindings_of(changed).get(name)

    # --- history and integrity -------------------------------------------------------

    @property
    def history(self) -> HistoryControl:
        """The history as a whole: its extent, truncation, redaction and amendment.

        Raises:
            NotAuthenticated, Forbidden: the client does not own the catalog.
            ReadOnly: this is a snapshot.
        """
        owned_element(self.decisions, Address())
        if self._at is not None:
            raise ReadOnly("The history of a catalog is controlled from its live state.")
        return HistoryControl(self._store, self._actor)

    @property
    def amended(self) -> str | None:
        """The amendment version of the snapshot; None as long as it is as it was recorded."""
        if self._at is None:
            return None
        with self._store.reading_at(self._at) as moment:
            return None if moment.amended is None else snaptime.encode(moment.amended)

    def history_range(self) -> tuple[str, str]:
        """The first snapshot that can be read, and the latest."""
        known = HistoryControl(self._store, self._actor).extent()
        return known.first, known.last

    def truncate_history(self, until: str | datetime) -> str:
        """Forget everything before a time; returns the first snapshot that can be read then.

        Snapshots that something else refers to, such as dataset versions, are the caller's
        business: they are forgotten like others.

        Raises:
            NotFound: there is nothing to forget.
            NotAuthenticated, Forbidden: the client does not own the catalog.
        """
        return self.history.truncate(until)

    def check(self) -> list[Finding]:
        """Everything that is wrong with the database; an empty list if nothing is."""
        owned_element(self.decisions, Address())
        return check(self._store)

    # --- life ------------------------------------------------------------------------

    def close(self) -> None:
        """Release connections. The catalog may be used again; it opens new ones."""
        self._store.close()

"""The interface of a catalog: the same methods in process and over HTTP, the same results.

Values cross this interface in the JSON form of the protocol: a row is a ``dict`` of column
names to JSON values (timestamps as ISO 8601 text in UTC, arrays as lists). Everything that
reads takes a path query; everything that writes is one transaction and one snapshot, unless
it happens inside `Catalog.transaction`, which makes one of several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .model.address import Address as Address
from .model.elements import Model
from .path.ast import Path, Query, TableName

if TYPE_CHECKING:
    from .objects.contract import Objects
    from .path.builder import PathBuilder

Row = dict[str, Any]
Named = str | tuple[str, str]
MediaType = Literal["application/json", "application/x-json-stream", "text/csv"]


@dataclass(frozen=True, slots=True)
class RowLocation:
    """Where a RID lives.

    When the row is gone at the time asked about, `deleted_at` says since when, and the last two
    say when it was there last, as far as that is known: as a time and as a snapshot.
    """

    rid: str
    schema: str
    table: str
    deleted_at: str | None = None
    last_visible_at: str | None = None
    last_visible_snaptime: str | None = None


class Transaction(Protocol):
    """One writing transaction: all of its changes become visible together, at `snaptime`."""

    @property
    def snaptime(self) -> str:
        """The snapshot that this transaction will be, if it commits."""
        ...


class Catalog(Protocol):
    """A catalog, or (when `snaptime` is not None) one fixed snapshot of it, read-only."""

    @property
    def id(self) -> str:
        """The identifier of the catalog, without a snapshot."""
        ...

    @property
    def url(self) -> str:
        """Where the catalog is: a ``file:`` URL of its directory, or its HTTP address."""
        ...

    @property
    def snaptime(self) -> str | None:
        """The fixed snapshot, in canonical text form; None for the live catalog."""
        ...

    @property
    def model(self) -> Model:
        """The current model; cheap when nothing changed."""
        ...

    @property
    def path(self) -> PathBuilder:
        """The start of a data path: ``catalog.path.schema.Table``."""
        ...

    @property
    def objects(self) -> Objects:
        """The objects (files) that belong to this catalog."""
        ...

    def at(self, when: str | datetime | None) -> Catalog:
        """The catalog as it was: a snapshot's text form, an ISO 8601 time, or a datetime."""
        ...

    def latest_snapshot(self) -> str:
        """The snapshot of the latest change of anything."""
        ...

    # --- reading ---------------------------------------------------------------------

    def fetch(self, query: Query | str) -> list[Row]:
        """All rows of a query; a string is a URL tail such as ``entity/S:T?limit=3``."""
        ...

    def stream(
        self, query: Query | str, media_type: MediaType, *, arrays_json: bool = False
    ) -> Iterator[bytes]:
        """The serialised result in pieces, made by the database.

        In CSV, arrays are written ``{a,b}``, or as JSON text when `arrays_json` is True.
        """
        ...

    def count(self, path: Path | TableName) -> int:
        """How many rows of the context table the path reaches."""
        ...

    def resolve_rid(self, rid: str) -> RowLocation:
        """Where a RID lives. Raises `NotFound`."""
        ...

    def resolve_rids(self, rids: Iterable[str]) -> dict[str, RowLocation]:
        """Where each of many RIDs lives, in a few statements; unknown ones are left out."""
        ...

    # --- writing rows ----------------------------------------------------------------

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Group writes: one snapshot, all or nothing; nested uses join the outer one."""
        ...

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
        """Insert rows; a missing member is NULL unless its column is in `defaults`.

        `nondefaults` names system columns to take from the input: `RID`, and for owners `RCT`
        and `RCB`; also `RMT` and `RMB` with `recorded`, which says that the rows are brought in
        as another catalog recorded them. Returns the inserted rows in input order with all
        columns (an empty list when `returning` is False).
        """
        ...

    def upsert(self, table: TableName, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Insert rows, or replace those that match on all non-system key columns."""
        ...

    def update(
        self,
        table: TableName,
        rows: Sequence[Mapping[str, Any]],
        *,
        keys: Sequence[Named] = ("RID",),
        targets: Sequence[Named] | None = None,
    ) -> list[Row]:
        """Set `targets` of the rows that match on `keys`; rows that match nothing are ignored.

        A column may be given with the member of the rows that holds its value, so that it can
        be a key and a target: ``keys=[("name", "old")], targets=[("name", "new")]``.
        Returns key and target members of the rows that were applied.
        """
        ...

    def delete(self, path: Path) -> int:
        """Delete the rows of the path's context table; returns how many."""
        ...

    def clear(self, path: Path, columns: Sequence[str]) -> int:
        """Set columns of the path's context rows to NULL; returns how many rows."""
        ...

    def lease_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """A RID for each token; a repeated token gives the RID that it already has.

        A token keeps its RID for good, also after a row with the RID was inserted, in whichever
        transaction, and after that row was deleted.
        """
        ...

    def leased_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """The RIDs that `lease_rids` has given to tokens, whoever asked; nothing is written.

        Tokens that have none are left out: what was to happen in the transaction that was to
        lease them did not.
        """
        ...

    # --- changing the model ----------------------------------------------------------
    # Documents are those of the protocol; each method returns the canonical document.

    def create_schema(self, document: str | Mapping[str, Any]) -> dict[str, Any]:
        """Create a schema by name or document, with the tables that it nests."""
        ...

    def create(self, documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Create schemas, tables and foreign keys in one transaction; keys after tables."""
        ...

    def create_table(self, schema: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create a table."""
        ...

    def create_column(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a column."""
        ...

    def create_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a key."""
        ...

    def create_foreign_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a foreign key."""
        ...

    def alter(self, address: Address, document: Mapping[str, Any]) -> dict[str, Any]:
        """Change the members given (rename, type, comment, annotations, ...)."""
        ...

    def drop(self, address: Address) -> None:
        """Remove an element; its history stays readable at older snapshots."""
        ...

    def set_annotation(self, address: Address, key: str, value: Any) -> None:
        """Set one annotation; None removes it."""
        ...

    def set_annotations(self, address: Address, annotations: Mapping[str, Any]) -> None:
        """Replace all annotations of an element."""
        ...

    def set_comment(self, address: Address, comment: str | None) -> None:
        """Set the comment of an element; None removes it. A catalog has none."""
        ...

    def document(self) -> dict[str, Any]:
        """The whole model as the protocol's ``/schema`` document."""
        ...

    def describe(self, address: Address) -> dict[str, Any]:
        """The document of one element, with the rights that the client has on it.

        Raises `NotFound` if the address ends with something that does not exist, `UnknownName`
        if something on the way to it does not.
        """
        ...

    # --- access control --------------------------------------------------------------
    # Only owners of an element read and change its policy; others are refused.

    def acls(self, address: Address) -> dict[str, list[str]]:
        """The ACLs that are set on an element, by name; others are inherited.

        A catalog inherits nothing: there all names have a list.
        """
        ...

    def set_acls(self, address: Address, acls: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Replace all ACLs of an element; returns them. Names that are not given are unset."""
        ...

    def set_acl(self, address: Address, name: str, roles: Sequence[str] | None) -> list[str] | None:
        """Set one ACL of an element to a list of roles; None unsets it.

        Returns what is set then: None if it is inherited, an empty list at a catalog.
        """
        ...

    def acl_bindings(self, address: Address) -> dict[str, Any]:
        """The ACL bindings of a table, column or foreign key, by name."""
        ...

    def set_acl_bindings(self, address: Address, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Replace all ACL bindings of an element; returns them with all defaults filled in."""
        ...

    def set_acl_binding(self, address: Address, name: str, binding: Any) -> Any:
        """Set one ACL binding of an element, or remove it (None, also when there is none).

        On a column, False suppresses the table's binding of that name. Returns what is set then.
        """
        ...

    def close(self) -> None:
        """Release connections."""
        ...

"""A bag as a catalog that cannot be written: the same questions, the same answers, offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from .. import snaptime
from ..access import decisions_for
from ..access.rights import client_document
from ..engine.moments import Reading
from ..engine.reader import Reader
from ..engine.relation import Tables
from ..engine.sqlite.storage import SqliteStorage
from ..errors import NotFound, ReadOnly, SnapshotUnavailable, Unavailable
from ..interface import Address, MediaType, Named, Row, RowLocation, Transaction
from ..model import policy
from ..model.elements import Model
from ..model.lookup import find_element
from ..path.ast import Path, Query, TableName
from .index import bag_digest, build_index, is_current, load_model
from .tags import Digests, read_info

if TYPE_CHECKING:
    import sqlalchemy as sa

    from ..objects.contract import Objects
    from ..path.builder import PathBuilder

SNAPSHOT_LABEL = "Catalog-Snapshot"
CATALOG_LABEL = "Catalog-Identifier"


class BagCatalog:
    """The tables of a bag; everything that reads works, everything that writes is `ReadOnly`.

    Make one with `open_bag`.
    """

    def __init__(self, directory: FilePath, index: FilePath) -> None:
        self._directory = directory
        self._index = index
        self._model = load_model(index)
        info = read_info(directory)
        self._id = info.get(CATALOG_LABEL, directory.name)
        self._snapshot = info.get(SNAPSHOT_LABEL) or snaptime.encode(self._model.version)
        self._storage = SqliteStorage(index, readonly=True)
        self._tables = Tables(self._storage.storage_type)
        self._reader = Reader(self._opening)

    def __repr__(self) -> str:
        return f"<catalog {self._id}@{self._snapshot} in the bag {str(self._directory)!r}>"

    @contextmanager
    def _opening(self) -> Iterator[Reading]:
        with self._storage.reading() as connection:
            live, storage = self._tables.live, self._storage
            texts, expressions = storage.text_values, storage.expressions
            yield Reading(self._model, live, texts, expressions, connection=connection)

    # --- what it is ------------------------------------------------------------------

    @property
    def directory(self) -> FilePath:
        """The bag."""
        return self._directory

    @property
    def id(self) -> str:
        """The identifier of the catalog that the bag was exported from, if the bag tells."""
        return self._id

    @property
    def url(self) -> str:
        """The ``file:`` URL of the bag."""
        return self._directory.as_uri()

    @property
    def snaptime(self) -> str:
        """The snapshot that the bag was exported from."""
        return self._snapshot

    @property
    def model(self) -> Model:
        """The model that was exported."""
        return self._model

    @property
    def path(self) -> PathBuilder:
        """The start of a data path: ``catalog.path.schema.Table``."""
        from ..path.builder import PathBuilder

        return PathBuilder(self)

    def sql_engine(self) -> sa.Engine:
        """The tables as an SQL database that cannot be changed (see `named_engine`)."""
        from ..engine.sqlite.named import named_engine

        return named_engine(self._index, self._model)

    @property
    def objects(self) -> Objects:
        """Raises `NotFound`: the files of a bag are below its directory, not in a store."""
        raise NotFound(
            f"The bag {str(self._directory)!r} has no object store.",
            hint="Its files are below its directory 'data/asset'.",
        )

    def at(self, when: str | datetime | None) -> BagCatalog:
        """The bag itself, for None or its own snapshot.

        Raises:
            SnapshotUnavailable: another snapshot is asked for.
        """
        if when is None or snaptime.parse(when) == snaptime.decode(self._snapshot):
            return self
        raise SnapshotUnavailable(
            f"The bag {str(self._directory)!r} holds the snapshot {self._snapshot!r} only.",
            hint="Ask the catalog that it was exported from.",
        )

    def latest_snapshot(self) -> str:
        """The snapshot that the bag was exported from."""
        return self._snapshot

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
        return self.describe(Address())

    def describe(self, address: Address) -> dict[str, Any]:
        """The document of one element; all can be read and nothing changed, as at a snapshot."""
        decisions = decisions_for(self._model, None, historic=True)
        return client_document(decisions, address, features={})

    # --- writing: never --------------------------------------------------------------

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise ReadOnly(
            f"The bag {str(self._directory)!r} cannot be changed: it is a copy of the snapshot "
            f"{self._snapshot!r}.",
            hint="Write to the catalog that it was exported from.",
        )

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Raises `ReadOnly`."""
        self._refuse()

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
        """Raises `ReadOnly`."""
        self._refuse()

    def upsert(self, table: TableName, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Raises `ReadOnly`."""
        self._refuse()

    def update(
        self,
        table: TableName,
        rows: Sequence[Mapping[str, Any]],
        *,
        keys: Sequence[Named] = ("RID",),
        targets: Sequence[Named] | None = None,
    ) -> list[Row]:
        """Raises `ReadOnly`."""
        self._refuse()

    def delete(self, path: Path) -> int:
        """Raises `ReadOnly`."""
        self._refuse()

    def clear(self, path: Path, columns: Sequence[str]) -> int:
        """Raises `ReadOnly`."""
        self._refuse()

    def lease_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """Raises `ReadOnly`."""
        self._refuse()

    def leased_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """No token has a RID here: a bag holds no leases."""
        return {}

    def create_schema(self, document: str | Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ReadOnly`."""
        self._refuse()

    def create(self, documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Raises `ReadOnly`."""
        self._refuse()

    def create_table(self, schema: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ReadOnly`."""
        self._refuse()

    def create_column(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ReadOnly`."""
        self._refuse()

    def create_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ReadOnly`."""
        self._refuse()

    def create_foreign_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ReadOnly`."""
        self._refuse()

    def alter(self, address: Address, document: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ReadOnly`."""
        self._refuse()

    def drop(self, address: Address) -> None:
        """Raises `ReadOnly`."""
        self._refuse()

    def set_annotation(self, address: Address, key: str, value: Any) -> None:
        """Raises `ReadOnly`."""
        self._refuse()

    def set_annotations(self, address: Address, annotations: Mapping[str, Any]) -> None:
        """Raises `ReadOnly`."""
        self._refuse()

    def set_comment(self, address: Address, comment: str | None) -> None:
        """Raises `ReadOnly`."""
        self._refuse()

    # --- access control: whoever has the bag may read all of it ------------------------

    def acls(self, address: Address) -> dict[str, list[str]]:
        """The ACLs that are set on an element of the bag's model."""
        return policy.acls_of(find_element(self.model, address))

    def set_acls(self, address: Address, acls: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Raises `ReadOnly`."""
        self._refuse()

    def set_acl(self, address: Address, name: str, roles: Sequence[str] | None) -> list[str] | None:
        """Raises `ReadOnly`."""
        self._refuse()

    def acl_bindings(self, address: Address) -> dict[str, Any]:
        """The ACL bindings of a table, column or foreign key of the bag's model."""
        return policy.acl_bindings_of(find_element(self.model, address))

    def set_acl_bindings(self, address: Address, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ReadOnly`."""
        self._refuse()

    def set_acl_binding(self, address: Address, name: str, binding: Any) -> Any:
        """Raises `ReadOnly`."""
        self._refuse()

    # --- life ------------------------------------------------------------------------

    def close(self) -> None:
        """Release connections. The bag may be used again; it opens new ones."""
        self._storage.close()


def open_bag(directory: FilePath | str, index: FilePath | str | None = None) -> BagCatalog:
    """Open a bag as a catalog; its index is built when there is none that fits.

    Args:
        directory: The bag.
        index: Where the index is kept; default: beside the bag, ``<name>.catalog.db``.

    Raises:
        NotFound: There is no bag.
        Corrupted: The bag is damaged or was not exported from a catalog.
        Unavailable: The index cannot be written.
    """
    place = FilePath(directory)
    try:
        kept = index_bag(place, None if index is None else FilePath(index))
    except Unavailable as error:
        raise Unavailable(
            error.message,
            hint="Name a place that can be written for the index: open_bag(directory, index).",
        ) from error
    return BagCatalog(place.absolute(), kept)


def index_bag(
    directory: FilePath,
    index: FilePath | None = None,
    *,
    payload: Mapping[str, Digests] | None = None,
) -> FilePath:
    """Build the index of a bag when there is none that fits; returns where it is.

    Args:
        directory: The bag.
        index: As in `open_bag`.
        payload: What the bag's manifests say, if that is known: it was written just now.

    Raises:
        NotFound: There is no bag.
        Corrupted: The bag is damaged or was not exported from a catalog.
        Unavailable: The index cannot be written.
    """
    place = directory.absolute()
    kept = (index or place.with_name(f"{place.name}.catalog.db")).absolute()
    digest = bag_digest(place)
    if not is_current(kept, digest):
        build_index(place, kept, digest, payload)
    return kept

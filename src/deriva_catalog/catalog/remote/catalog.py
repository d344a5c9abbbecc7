"""A catalog of another machine, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ... import snaptime
from ...errors import BadRequest, NotAuthenticated, NotFound, ReadOnly
from ...interface import Address, MediaType, Named, Row, RowLocation, Transaction
from ...model.address import require_address
from ...model.elements import Model
from ...model.lookup import find_element, find_table, require_table
from ...path.ast import Path, Query, Root, TableName
from ...path.check import require_path
from ...path.printer import print_path
from . import leases
from .connection import Content, Received, Repeat, Timeouts
from .frames import FEATURE
from .history import RemoteHistory, amended_at
from .link import Link
from .objects import RemoteObjectStore
from .reading import LONGEST_ADDRESS, Questions
from .resources import element_target, encoded, named, table_target
from .rowtext import document_text, rows_content

if TYPE_CHECKING:
    from ...path.builder import PathBuilder

_JSON_BODY = {"Content-Type": "application/json"}
_TEXT_BODY = {"Content-Type": "text/plain; charset=utf-8"}
_AT_ONCE = 8
_ROWS_HEADER = "deriva-rows"
"""In what way our own server tells how many rows were deleted or cleared."""


class RemoteCatalog:
    """A catalog of a server, or one fixed snapshot of it.

    Make one with `connect`. Threads may share it.
    """

    def __init__(
        self, link: Link, at: str | None = None, objects: RemoteObjectStore | None = None
    ) -> None:
        self._link = link
        self._objects = objects or RemoteObjectStore(link)
        self._at = at
        self._past: Model | None = None
        self._questions = Questions(link, at)

    def __repr__(self) -> str:
        moment = "" if self._at is None else f"@{self._at}"
        return f"<catalog {self._link.id}{moment} at {self._link.connection.host.origin}>"

    # --- what it is ------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The identifier of the catalog, without a snapshot; not the alias it was asked for by."""
        return self._link.id

    @property
    def url(self) -> str:
        """The address of the catalog."""
        return self._link.url

    @property
    def features(self) -> Mapping[str, Any]:
        """What the server says that it can do, as it was when the catalog was opened."""
        return self._link.features

    @property
    def client(self) -> str | None:
        """Who is recorded as the creator and modifier of rows; None for nobody in particular."""
        try:
            session = self._link.connection.send("GET", "/authn/session", repeat=Repeat.SAFE)
        except (NotFound, NotAuthenticated):
            return None
        return str(session.json()["client"]["id"])

    def check_login(self) -> None:
        """Check that the server knows the login that is used, if one is.

        Raises:
            NotAuthenticated: it does not: the login has ended, or is for another server.
        """
        connection = self._link.connection
        if connection.authentication() and self.client is None:
            host = connection.host.netloc
            raise NotAuthenticated(
                f"{connection.host.origin} does not know your login; it may have ended.",
                hint=f"Log in again: deriva-catalog login {host}",
                hostname=host,
            )

    @property
    def snaptime(self) -> str | None:
        """The fixed snapshot; None for the live catalog."""
        return self._at

    @property
    def model(self) -> Model:
        """The current model, or that of the snapshot; a small request when nothing changed."""
        if self._at is None:
            return self._link.model()
        if self._past is None:
            self._past = self._link.model_at(self._at)
        return self._past

    @property
    def path(self) -> PathBuilder:
        """The start of a data path: ``catalog.path.schema.Table``."""
        from ...path.builder import PathBuilder

        return PathBuilder(self)

    @property
    def objects(self) -> RemoteObjectStore:
        """The objects (files) of the catalog; they are not part of snapshots."""
        return self._objects

    def at(self, when: str | datetime | None) -> RemoteCatalog:
        """The catalog as it was; the live one when `when` is None.

        Raises:
            SnapshotUnavailable: `when` is before the first snapshot that is kept.
            BadRequest: `when` is no time.
        """
        if when is None:
            return RemoteCatalog(self._link, objects=self._objects)
        requested = snaptime.encode(snaptime.parse(when))
        served = self._link.get(at=requested).json()["snaptime"]
        return RemoteCatalog(self._link, str(served), self._objects)

    def waiting(self, connect_s: float, read_s: float) -> RemoteCatalog:
        """The same over connections of its own, which wait so many seconds; close it after use.

        Args:
            connect_s: How long to wait for a connection.
            read_s: How long to wait for the next bytes of an answer.
        """
        connection = self._link.connection.waiting(Timeouts(connect_s, read_s))
        return RemoteCatalog(Link(connection, self._link.id), self._at)

    def latest_snapshot(self) -> str:
        """The snapshot of the latest change of anything; of a snapshot, itself."""
        return self._at or str(self._link.get().json()["snaptime"])

    # --- reading ---------------------------------------------------------------------

    def fetch(self, query: Query | str) -> list[Row]:
        """All rows of a query, or of a URL tail such as ``entity/S:T?limit=3``."""
        return self._questions.fetch(query)

    def stream(
        self, query: Query | str, media_type: MediaType, *, arrays_json: bool = False
    ) -> Iterator[bytes]:
        """The serialised result in pieces, made by the database; see `Catalog.stream`."""
        return self._questions.stream(query, media_type, arrays_json=arrays_json)

    def count(self, path: Path | TableName) -> int:
        """How many rows of the context table the path reaches."""
        return self._questions.count(_whole(path))

    def resolve_rid(self, rid: str) -> RowLocation:
        """Where a RID lives. Raises `NotFound`."""
        try:
            found = self._link.get(f"entity_rid/{encoded(rid)}", at=self._at).json()
        except (NotFound, BadRequest) as error:
            raise NotFound(
                f"No row of catalog {self.id!r} has the RID {rid!r}.", rid=rid
            ) from error
        return _location(found)

    def resolve_rids(self, rids: Iterable[str]) -> dict[str, RowLocation]:
        """Where each of many RIDs lives; unknown ones are left out.

        Cost: one request, or one for each RID, some at a time, where a server has no better way.
        """
        wanted = list(dict.fromkeys(rids))
        if not wanted:
            return {}
        if self._link.has(leases.RIDS_FEATURE):
            found = self._post("rids", wanted, Repeat.SAFE).json()
            return {rid: _location(place) for rid, place in found.items()}
        if self._link.transactions.current is not None:
            places = [self._location_or_none(rid) for rid in wanted]
        else:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                places = list(pool.map(self._location_or_none, wanted))
        return {rid: p for rid, p in zip(wanted, places, strict=True) if p is not None}

    def _location_or_none(self, rid: str) -> RowLocation | None:
        try:
            return self.resolve_rid(rid)
        except NotFound:
            return None

    def document(self) -> dict[str, Any]:
        """The whole model as the protocol's ``/schema`` document."""
        return _object(self._link.get("schema", at=self._at))

    # --- writing rows ----------------------------------------------------------------

    def _refuse_snapshot(self) -> None:
        if self._at is not None:
            raise ReadOnly(
                f"Catalog {self.id!r} cannot be modified at the previous revision {self._at!r}.",
                hint="Write to the live catalog instead.",
            )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Group writes of this thread: one snapshot, all or nothing.

        A nested use joins the outer one. An error that leaves it undoes what it did. A process
        that ends, or whose connection is lost, leaves nothing of it.

        Raises:
            BadRequest: the server has no transactions.
        """
        self._refuse_snapshot()
        self._link.require_transactions()
        with self._link.transactions.opened() as opened:
            yield opened

    def _send(
        self,
        method: str,
        tail: str,
        *,
        content: Content = b"",
        headers: Mapping[str, str] | None = None,
        repeat: Repeat = Repeat.NEVER,
    ) -> Received:
        """Send a change, however long its address is."""
        self._refuse_snapshot()
        more = (_JSON_BODY if content else {}) | dict(headers or {})
        is_long = len(tail) > LONGEST_ADDRESS and self._link.transactions.current is None
        if not is_long:
            return self._link.send(method, tail, headers=more, content=content, repeat=repeat)
        if not self._link.has(FEATURE):
            raise BadRequest(
                f"A change with an address of {len(tail)} characters is too long for the server "
                f"{self._link.connection.host.origin}.",
                hint="Name fewer values at a time.",
            )
        with self.transaction():  # whose messages have no longest address
            return self._link.send(method, tail, headers=more, content=content)

    def _post(self, tail: str, document: Any, repeat: Repeat = Repeat.NEVER) -> Received:
        return self._link.send(
            "POST",
            tail,
            at=self._at,
            headers=_JSON_BODY,
            content=document_text(document),
            repeat=repeat,
        )

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
        """Insert rows; see `Catalog.insert`. Any number of them is one request."""
        options = []
        for option, columns in (("defaults", defaults), ("nondefaults", nondefaults)):
            if names := ",".join(map(encoded, columns)):
                options.append(f"{option}={names}")
        if on_conflict is not None:
            options.append(f"onconflict={quote(on_conflict)}")
        if recorded:
            options.append("recorded=true")
        query = f"?{'&'.join(options)}" if options else ""
        return self._put_rows("POST", f"entity/{named(table)}{query}", rows, returning=returning)

    def upsert(self, table: TableName, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Insert rows, or replace those that match on all non-system key columns."""
        return self._put_rows("PUT", f"entity/{named(table)}", rows)

    def update(
        self,
        table: TableName,
        rows: Sequence[Mapping[str, Any]],
        *,
        keys: Sequence[Named] = ("RID",),
        targets: Sequence[Named] | None = None,
    ) -> list[Row]:
        """Set `targets` of the rows that match on `keys`; see `Catalog.update`."""
        if not rows and targets is None:
            self._refuse_snapshot()
            return []
        chosen = self._targets(table, rows, keys) if targets is None else targets
        columns = ";".join(",".join(map(_item, part)) for part in (keys, chosen))
        return self._put_rows("PUT", f"attributegroup/{named(table)}/{columns}", rows)

    def _targets(
        self, table: TableName, rows: Sequence[Mapping[str, Any]], keys: Sequence[Named]
    ) -> list[str]:
        from ...engine.updating import targets_of

        return targets_of(find_table(self.model, table), rows, keys)

    def _put_rows(
        self,
        method: str,
        tail: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        returning: bool = True,
    ) -> list[Row]:
        headers = {} if returning else {"Prefer": "return=minimal"}
        received = self._send(method, tail, content=rows_content(rows), headers=headers)
        if not returning or not received.body:
            return []
        written: list[Row] = json.loads(received.body)
        return written

    def delete(self, path: Path) -> int:
        """Delete the rows of the path's context table; returns how many.

        A server that does not tell how many is asked to count them before.
        """
        require_path(path)
        return self._remove(f"entity/{print_path(path)}", path)

    def clear(self, path: Path, columns: Sequence[str]) -> int:
        """Set columns of the path's context rows to NULL; returns how many rows."""
        require_path(path)
        names = ",".join(map(encoded, columns))
        return self._remove(f"attribute/{print_path(path)}/{names}", path)

    def _remove(self, tail: str, path: Path) -> int:
        self._refuse_snapshot()
        counted: int | None = None
        if not self._link.has("row_counts"):
            counted = self.count(path)
            if not counted:
                return 0
        try:
            received = self._send("DELETE", tail)
        except NotFound as error:
            if "catalog" in error.facts:
                raise
            return 0
        return int(received.headers.get(_ROWS_HEADER, counted or 0))

    def lease_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """A RID for each token; a repeated token gives the RID that it already has.

        On a server that does not remember leases, a token whose RID was used gets another one.
        """
        self._refuse_snapshot()
        return leases.lease(self._link, tokens)

    def leased_rids(self, tokens: Sequence[str]) -> dict[str, str]:
        """The RIDs that tokens have; those without one are left out. Of a snapshot: as of now."""
        return leases.look_up(self._link, tokens)

    # --- changing the model ----------------------------------------------------------

    def _change(
        self,
        method: str,
        tail: str,
        document: Any = None,
        *,
        headers: Mapping[str, str] = _JSON_BODY,
        repeat: Repeat = Repeat.NEVER,
    ) -> Received:
        """Send a change of the model; a text is sent as it is if `headers` say that it is one."""
        content = b""
        if headers is _TEXT_BODY:
            content = str(document).encode()
        elif method != "DELETE":
            content = document_text(document)
        try:
            return self._send(method, tail, content=content, headers=headers, repeat=repeat)
        finally:
            self._link.changed_model()

    def create_schema(self, document: str | Mapping[str, Any]) -> dict[str, Any]:
        """Create a schema by name or document, with the tables that it nests."""
        whole = {"schema_name": document} if isinstance(document, str) else document
        return _first(self._change("POST", "schema", [whole]))

    def create(self, documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Create schemas, tables and foreign keys in one transaction; keys after tables."""
        made: list[dict[str, Any]] = self._change("POST", "schema", list(documents)).json()
        return made

    def create_table(self, schema: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create a table."""
        return _first(self._change("POST", f"schema/{encoded(schema)}/table", document))

    def create_column(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a column."""
        return _first(self._change("POST", f"{self._home(table)}/column", document))

    def create_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a key."""
        return _first(self._change("POST", f"{self._home(table)}/key", document))

    def create_foreign_key(self, table: TableName, document: Mapping[str, Any]) -> dict[str, Any]:
        """Add a foreign key."""
        return _first(self._change("POST", f"{self._home(table)}/foreignkey", document))

    def _home(self, table: TableName) -> str:
        require_table(table)
        if table.schema is not None:
            return table_target(table.schema, table.name)
        found = find_table(self.model, table)
        return table_target(found.schema, found.name)

    def _element(self, address: Address) -> str:
        require_address(address)
        return element_target(address, self.model if address.foreign_key else _NO_MODEL)

    def _part(self, address: Address, *parts: str) -> str:
        """The target of something of an element, such as its annotations."""
        return "/".join(part for part in (self._element(address), *parts) if part)

    def alter(self, address: Address, document: Mapping[str, Any]) -> dict[str, Any]:
        """Change the members given (rename, type, comment, annotations, ...)."""
        require_address(address)
        if address.schema is None:
            return self._alter_catalog(document)
        # The protocol would create what is not there and is described completely.
        find_element(self.model, address)
        return _first(self._change("PUT", self._element(address), document))

    def _alter_catalog(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The catalog has no address that takes its document; its members have."""
        given = [(n, name) for n, name in _CATALOG_MEMBERS if n in document]
        if len(given) > 1 and self._link.transactions.current is None:
            with self.transaction():
                return self._alter_catalog(document)
        for member, name in given:
            self._change("PUT", name, document[member])
        return self.document()

    def drop(self, address: Address) -> None:
        """Remove an element; its history stays readable at older snapshots."""
        self._change("DELETE", self._element(address))

    def describe(self, address: Address) -> dict[str, Any]:
        """The document of one element."""
        return _first(self._link.get(self._element(address) or "schema", at=self._at))

    def set_annotation(self, address: Address, key: str, value: Any) -> None:
        """Set one annotation; None removes it."""
        target = self._part(address, "annotation", encoded(key))
        if value is None:
            self._change("DELETE", target)
        else:
            self._change("PUT", target, value, repeat=Repeat.SAFE)

    def set_annotations(self, address: Address, annotations: Mapping[str, Any]) -> None:
        """Replace all annotations of an element."""
        target = self._part(address, "annotation")
        self._change("PUT", target, annotations, repeat=Repeat.SAFE)

    def set_comment(self, address: Address, comment: str | None) -> None:
        """Set the comment of an element; None removes it. A catalog has none."""
        target = self._part(address, "comment")
        if comment is None:
            self._change("DELETE", target, repeat=Repeat.SAFE)
        else:
            self._change("PUT", target, comment, headers=_TEXT_BODY, repeat=Repeat.SAFE)

    # --- access ----------------------------------------------------------------------

    def acls(self, address: Address) -> dict[str, list[str]]:
        """The access control lists of an element that are set. For its owners."""
        return _object(self._link.get(self._part(address, "acl"), at=self._at))

    def set_acls(self, address: Address, acls: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Replace the access control lists of an element; returns them."""
        return _object(self._change("PUT", self._part(address, "acl"), acls, repeat=Repeat.SAFE))

    def set_acl(self, address: Address, name: str, roles: Sequence[str] | None) -> list[str] | None:
        """Set one access control list of an element; None unsets it. Returns what is set then."""
        target = self._part(address, "acl", encoded(name))
        if roles is None:
            self._change("DELETE", target, repeat=Repeat.SAFE)
            return [] if address.schema is None else None
        stored: list[str] = self._change("PUT", target, roles, repeat=Repeat.SAFE).json()
        return stored

    def acl_bindings(self, address: Address) -> dict[str, Any]:
        """The dynamic bindings of an element. For its owners."""
        return _object(self._link.get(self._part(address, "acl_binding"), at=self._at))

    def set_acl_bindings(self, address: Address, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the dynamic bindings of an element; returns them as they are kept."""
        target = self._part(address, "acl_binding")
        return _object(self._change("PUT", target, bindings, repeat=Repeat.SAFE))

    def set_acl_binding(self, address: Address, name: str, document: Any) -> Any:
        """Set one dynamic binding of an element; None removes it. Returns what is set then."""
        target = self._part(address, "acl_binding", encoded(name))
        if document is None:
            self._change("DELETE", target, repeat=Repeat.SAFE)
            return None
        return self._change("PUT", target, document, repeat=Repeat.SAFE).json()

    # --- history ---------------------------------------------------------------------

    def history_range(self) -> tuple[str, str]:
        """The first snapshot that can be read, and the latest."""
        known = self.history.extent()
        return known.first, known.last

    def truncate_history(self, until: str | datetime) -> str:
        """Forget everything before a time; returns the first snapshot that can be read then.

        Raises:
            NotFound: there is nothing to forget.
        """
        return self.history.truncate(until)

    @property
    def history(self) -> RemoteHistory:
        """The history as a whole: its extent, truncation, redaction and amendment.

        Raises:
            ReadOnly: this is a snapshot.
        """
        if self._at is not None:
            raise ReadOnly("The history of a catalog is controlled from its live state.")
        return RemoteHistory(self._link, self._send)

    @property
    def amended(self) -> str | None:
        """The amendment version of the snapshot; None as long as it is as it was recorded."""
        return None if self._at is None else amended_at(self._link, self._at)

    # --- life ------------------------------------------------------------------------

    def close(self) -> None:
        """Release connections. The catalog may be used again; it makes new ones."""
        self._link.close()


_NO_MODEL = Model(version=0)
_CATALOG_MEMBERS = (("annotations", "annotation"), ("acls", "acl"))


def _whole(path: Path | TableName) -> Path:
    whole = Path(Root(path)) if isinstance(path, TableName) else path
    require_path(whole)
    return whole


def _item(column: Named) -> str:
    """A column of an update, with the member that holds its value if that is another one."""
    if isinstance(column, str):
        return encoded(column)
    name, member = map(encoded, column)
    return name if name == member else f"{member}:={name}"


def _location(found: Mapping[str, Any]) -> RowLocation:
    return RowLocation(
        rid=str(found["RID"]),
        schema=str(found["schema_name"]),
        table=str(found["table_name"]),
        deleted_at=_moment(found.get("deleted_at")),
        last_visible_at=_moment(found.get("last_visible_at")),
        last_visible_snaptime=found.get("last_visible_snaptime"),
    )


def _moment(text: str | None) -> str | None:
    return None if text is None else snaptime.to_iso(snaptime.from_iso(text))


def _object(received: Received) -> dict[str, Any]:
    document: dict[str, Any] = received.json()
    return document


def _first(received: Received) -> dict[str, Any]:
    """The document in an answer; keys and foreign keys come as lists of one."""
    found = received.json()
    document: dict[str, Any] = found[0] if isinstance(found, list) else found
    return document

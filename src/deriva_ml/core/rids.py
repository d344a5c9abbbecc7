"""Rows by their RID: where they are, what they hold, how to cite and link them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deriva_catalog.errors import NotFound
from deriva_catalog.interface import Row, RowLocation
from deriva_catalog.model.elements import Table

if TYPE_CHECKING:
    from deriva_catalog.path.builder import TablePath
from .constants import all_plain_rids
from .definitions import DRY_RUN_RID, is_rid
from .exceptions import (
    DerivaMLRidsNotFound,
    DerivaMLValidationError,
    translated,
)
from .host import web_address
from .query import entities, equals
from .session import Session

__all__ = ["BatchRidResult", "ResolveRidResult", "Rids", "check_rid", "check_rids", "rid_of"]

_RIDS = ("rid", "RID", "dataset_rid", "asset_rid", "execution_rid", "workflow_rid")


def check_rid(rid: object) -> str:
    """`rid`, which must have the form of a RID without a snapshot.

    Raises:
        DerivaMLValidationError: It has not.
    """
    if not is_rid(rid) or "@" in str(rid):
        raise DerivaMLValidationError(
            f"{rid!r} is not a RID: groups of letters A-Z and digits such as '1-A2B3'."
        )
    return str(rid)


def check_rids(rids: Iterable[object]) -> list[str]:
    """The RIDs in their order, each once.

    Raises:
        DerivaMLValidationError: `rids` is a single text, or one of its items is not a RID.
    """
    if isinstance(rids, str) or not isinstance(rids, Iterable):
        raise DerivaMLValidationError(f"A list of RIDs is needed, not {rids!r}.")
    given: list[Any] = list(rids)
    if not all_plain_rids(given):  # some object to convert, or to complain about
        given = [check_rid(r) for r in given]
    return list(dict.fromkeys(given))


def rid_of(entity: object) -> tuple[str, str | None]:
    """The RID of something, and the version when it names one of a dataset.

    Args:
        entity: A RID; ``"RID@1.2.0"`` or a `DatasetSpec`; a row with a RID; or an object that
            stands for a row: a dataset, an asset, an execution, a workflow, a term.

    Raises:
        DerivaMLValidationError: There is no RID in it.
    """
    from deriva_ml.dataset.spec import DatasetSpec

    if isinstance(entity, DatasetSpec):
        return entity.rid, str(entity.version)
    if isinstance(entity, str):
        rid, _, version = entity.partition("@")
        return (rid, version) if "." in version else (entity, None)
    if isinstance(entity, Mapping):
        found = entity.get("RID")
    else:
        found = next((r for r in (getattr(entity, n, None) for n in _RIDS) if r is not None), None)
    if not isinstance(found, str):
        raise DerivaMLValidationError(
            f"There is no RID in {entity!r}: give a RID, a row, or an object that the catalog has."
        )
    return found, None


@dataclass(frozen=True, slots=True)
class ResolveRidResult:
    """Where a row is.

    Attributes:
        rid: Its RID.
        table: Its table.
        datapath: A data path that reaches exactly this row.
    """

    rid: str
    table: Table
    datapath: TablePath


@dataclass(frozen=True, slots=True)
class BatchRidResult:
    """Where one of many rows is."""

    rid: str
    table: Table
    table_name: str
    schema_name: str


class Rids:
    """Finds rows of any table by their RID."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @translated()
    def resolve(self, rid: str) -> ResolveRidResult:
        """Where the row is.

        Raises:
            DerivaMLValidationError: The text is not a RID.
            DerivaMLRidsNotFound: No row has it.
        """
        location = self._locate(check_rid(rid))
        table = self._session.model.schemas[location.schema].tables[location.table]
        path = self._session.catalog.path[location.schema][location.table]
        return ResolveRidResult(rid, table, path.filter(path["RID"] == rid))

    def _locate(self, rid: str) -> RowLocation:
        try:
            location = self._session.catalog.resolve_rid(rid)
        except NotFound as error:
            raise self._missing([rid]) from error
        if location.deleted_at is not None:
            raise DerivaMLRidsNotFound(
                [rid],
                f"The row {rid!r} of table {location.table!r} was deleted at "
                f"{location.deleted_at}; it can be read at an earlier snapshot.",
            )
        return location

    def _missing(self, rids: list[str]) -> DerivaMLRidsNotFound:
        shown = ", ".join(map(repr, rids[:10])) + (" ..." if len(rids) > 10 else "")
        return DerivaMLRidsNotFound(
            rids,
            f"No row of catalog {self._session.catalog.id!r} has the RID {shown}. RIDs belong to "
            "one catalog: check that you are connected to the one they come from.",
        )

    @translated()
    def resolve_many(
        self, rids: Iterable[str], candidate_tables: Iterable[str | Table] | None = None
    ) -> dict[str, BatchRidResult]:
        """Where each of many rows is.

        Args:
            rids: The RIDs; repeated ones count once.
            candidate_tables: Tables that the rows must be in; None means any.

        Raises:
            DerivaMLRidsNotFound: Some are in no table, or in none of the candidates.

        Cost: a few queries, however many RIDs there are.
        """
        wanted = check_rids(rids)
        if not wanted:
            return {}
        allowed = None
        if candidate_tables is not None:
            allowed = {self._session.table(t).qualified for t in candidate_tables}
        found = {}
        for rid, place in self._session.catalog.resolve_rids(wanted).items():
            table = self._session.model.schemas[place.schema].tables[place.table]
            if place.deleted_at is None and (allowed is None or table.qualified in allowed):
                found[rid] = BatchRidResult(rid, table, table.name, table.schema)
        if missing := [r for r in wanted if r not in found]:
            raise self._missing(missing)
        return {r: found[r] for r in wanted}

    @translated()
    def retrieve(self, rid: str) -> Row:
        """The row as a dictionary of its columns.

        Raises:
            DerivaMLRidsNotFound: No row has the RID.
        """
        location = self._locate(check_rid(rid))
        table = self._session.model.schemas[location.schema].tables[location.table]
        return self._session.fetch(entities(table, equals("RID", rid)))[0]

    @translated()
    def cite(self, entity: object, current: bool = False) -> str:
        """A permanent link to a row.

        A service of the catalog leads to the row from it. Links of a catalog that is open in this
        process begin with ``https://localhost``: what others shall follow is cited from the
        catalog as it is served.

        Args:
            entity: A RID; a row with one; an object that stands for a row, such as a dataset, an
                asset or an execution; or a link that this method made (returned unchanged). A
                dataset at a version (``"RID@1.2.0"``, `DatasetSpec`) is linked as it was then.
            current: Leave out the snapshot, so that the link shows the row as it is then.

        Raises:
            DerivaMLValidationError: There is no RID in `entity`, or the version has no snapshot
                because it is still under development.
            DerivaMLRidsNotFound: No row has the RID.
        """
        catalog = self._session.catalog
        base = f"{web_address(self._session.hostname, catalog.url)}/id/{catalog.id}/"
        if isinstance(entity, str) and entity.startswith(base):
            return entity
        rid, version = rid_of(entity)
        if rid == DRY_RUN_RID:
            return f"dry-run (rid={DRY_RUN_RID})"
        self._locate(check_rid(rid))
        if current:
            return f"{base}{rid}"
        if version is not None:
            from deriva_ml.dataset.history import Versions

            return f"{base}{rid}@{Versions(self._session).snapshot(rid, version)}"
        return f"{base}{rid}@{catalog.snaptime or catalog.latest_snapshot()}"

    @translated()
    def chaise_url(self, table: str | Table) -> str:
        """The address of the web page of a table, or of a row when a RID is given.

        Raises:
            DerivaMLTableNotFound: There is neither such a table nor such a row.
        """
        catalog = self._session.catalog
        number = f"{catalog.id}@{catalog.snaptime}" if catalog.snaptime else catalog.id
        base = f"{web_address(self._session.hostname, catalog.url)}/chaise"
        if isinstance(table, str) and is_rid(table) and catalog.resolve_rids([table]):
            place = self._locate(table)
            name = f"{quote(place.schema, safe='')}:{quote(place.table, safe='')}"
            return f"{base}/record/#{number}/{name}/RID={table}"
        found = self._session.table(table)
        name = f"{quote(found.schema, safe='')}:{quote(found.name, safe='')}"
        return f"{base}/recordset/#{number}/{name}"

"""The assets of a catalog: files that its asset tables describe, and the executions around them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.definitions import MLVocab
from deriva_ml.core.exceptions import (
    DerivaMLRidsNotFound,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.core.query import any_of, attributes, entities, equals, link, name_of, path_of
from deriva_ml.core.rids import check_rid, check_rids
from deriva_ml.core.session import Session
from deriva_ml.core.vocabulary import Vocabularies

from .download import fetch_asset

if TYPE_CHECKING:
    from .asset import Asset

__all__ = ["ROLES", "Assets"]

ROLES = ("Input", "Output")


class Assets:
    """The assets of a catalog, or of one snapshot of it."""

    def __init__(self, session: Session, vocabularies: Vocabularies) -> None:
        self.session = session
        self._vocabularies = vocabularies

    @property
    def assets(self) -> Assets:
        """These assets, so that they can stand where a connection is expected."""
        return self

    # --- finding ---------------------------------------------------------------------

    @translated()
    def of_table(self, asset_table: str | Table) -> list[Asset]:
        """The assets of one table, in the order of their RIDs; three queries.

        Raises:
            DerivaMLTableTypeError: It is not an asset table.
        """
        table = self.session.model.asset(asset_table)
        return self._made(table, self.session.fetch(entities(table, sort=("RID",))))

    @translated()
    def find(
        self, asset_table: str | Table | None = None, asset_type: str | None = None
    ) -> list[Asset]:
        """The assets of one table or of all, perhaps only those of one type.

        Raises:
            DerivaMLTableTypeError: It is not an asset table.
            DerivaMLInvalidTerm: The type is not a term of ``Asset_Type``.
        """
        model = self.session.model
        tables = model.find_assets() if asset_table is None else [model.asset(asset_table)]
        if asset_type is None:
            return [asset for table in tables for asset in self.of_table(table)]
        term = self._vocabularies.lookup_term(MLVocab.asset_type, asset_type).name
        found: list[Asset] = []
        for table in tables:
            types = model.asset_type_table(table)
            if types is not None:
                steps = (equals("Asset_Type", term), link(table.name, table))
                rows = self.session.fetch(entities(types, *steps, sort=("RID",)))
                found += self._made(table, rows)
        return found

    @translated()
    def lookup(self, rid: str) -> Asset:
        """The asset of that RID.

        Raises:
            DerivaMLRidsNotFound: No row has it.
            DerivaMLTableTypeError: The row is of another kind.
        """
        table, row = self.rows([rid])[check_rid(rid)]
        return self._made(table, [row])[0]

    @translated()
    def rows(self, rids: Iterable[str]) -> dict[str, tuple[Table, Row]]:
        """Table and row of each asset, in the order given; one query for each table.

        Raises:
            DerivaMLRidsNotFound: Some do not exist.
            DerivaMLTableTypeError: A row is not an asset.
        """
        wanted = check_rids(rids)
        places = self.session.catalog.resolve_rids(wanted) if wanted else {}
        by_table: dict[tuple[str, str], list[str]] = {}
        for rid, place in places.items():
            if place.deleted_at is None:
                by_table.setdefault((place.schema, place.table), []).append(rid)
        found: dict[str, tuple[Table, Row]] = {}
        for (schema, name), some in by_table.items():
            table = self._asset_table(schema, name, some[0])
            for row in self.session.fetch(entities(table, any_of("RID", some))):
                found[row["RID"]] = (table, row)
        if missing := [r for r in wanted if r not in found]:
            raise DerivaMLRidsNotFound(missing)
        return {rid: found[rid] for rid in wanted}

    def _asset_table(self, schema: str, name: str, rid: str) -> Table:
        table = self.session.model.schemas[schema].tables[name]
        if not self.session.model.is_asset(table):
            raise DerivaMLTableTypeError(
                "asset table", name, f"{rid!r} is a row of table {name!r}, not an asset."
            )
        return table

    def _made(self, table: Table, rows: list[Row]) -> list[Asset]:
        from .asset import Asset

        few = [r["RID"] for r in rows] if len(rows) <= 50 else None
        types = self._grouped(self.session.model.asset_type_table(table), table, "Asset_Type", few)
        links = self.session.model.asset_execution_table(table)
        makers = self._grouped(links, table, "Execution", few, equals("Asset_Role", "Output"))
        return [
            Asset(
                self,
                row["RID"],
                table.name,
                row["Filename"] or "",
                row["URL"],
                row["Length"],
                row["MD5"],
                row["Description"] or "",
                types.get(row["RID"], []),
                next(iter(makers.get(row["RID"], [])), None),
                schema=table.schema,
            )
            for row in rows
        ]

    def _grouped(
        self, links: Table | None, asset: Table, column: str, rids: list[str] | None, *steps: Any
    ) -> dict[str, list[str]]:
        """The values of `column` for each asset, from a table that links assets."""
        if links is None or rids == []:
            return {}
        if rids is not None:
            steps = (any_of(asset.name, rids), *steps)
        grouped: dict[str, list[str]] = {}
        for row in self.session.fetch(entities(links, *steps, sort=("RID",))):
            grouped.setdefault(row[asset.name], []).append(row[column])
        return grouped

    # --- executions ------------------------------------------------------------------

    @translated()
    def executions(self, rid: str, asset_role: str | None = None) -> list[str]:
        """RIDs of the executions that read (``Input``) or made (``Output``) an asset.

        Raises:
            DerivaMLValidationError: There is no such role.
            DerivaMLRidsNotFound, DerivaMLTableTypeError: See `lookup`.
        """
        role = _role(asset_role)
        table, _ = self.rows([rid])[check_rid(rid)]
        links = self.session.model.asset_execution_table(table)
        if links is None:
            return []
        query = attributes(
            links, ("Execution",), equals(table.name, rid), *role, sort=("Execution",)
        )
        return [row["Execution"] for row in self.session.fetch(query)]

    @translated()
    def of_execution(self, execution_rid: str, asset_role: str | None = None) -> list[Asset]:
        """The assets that an execution read (``Input``) or made (``Output``).

        Raises:
            DerivaMLValidationError: There is no such role, or `execution_rid` is not a RID.
        """
        steps = (equals("Execution", check_rid(execution_rid)), *_role(asset_role))
        found: list[Asset] = []
        for table in self.session.model.find_assets():
            links = self.session.model.asset_execution_table(table)
            if links is not None:
                query = entities(links, *steps, link(table.name, table), sort=("RID",))
                found += self._made(table, self.session.fetch(query))
        return found

    @translated()
    def attach(self, execution_rid: str, assets: Iterable[tuple[Table, str]], role: str) -> None:
        """Record that an execution read or made assets, and give them the type that says so.

        What is recorded already stays. The caller has opened a transaction.
        """
        by_table: dict[str, tuple[Table, list[str]]] = {}
        for table, rid in assets:
            by_table.setdefault(table.qualified, (table, []))[1].append(rid)
        for table, rids in by_table.values():
            links = self.session.model.asset_execution_table(table)
            if links is None:
                raise DerivaMLTableTypeError(
                    "asset table",
                    table.name,
                    f"Table {table.name!r} has no table {table.name}_Execution, so executions "
                    "cannot refer to its files; create_asset() makes both.",
                )
            rows = [
                {table.name: rid, "Execution": execution_rid, "Asset_Role": role}
                for rid in dict.fromkeys(rids)
            ]
            self.session.catalog.insert(name_of(links), rows, on_conflict="skip", returning=False)
            self.insert_types(table, [(rid, f"{role}_File") for rid in rids])

    # --- changing --------------------------------------------------------------------

    def insert_types(self, table: Table, types: Iterable[tuple[str, str]]) -> None:
        """Give assets types, which must be terms; inside a transaction of the caller."""
        links = self.session.model.asset_type_table(table)
        rows = [{table.name: rid, "Asset_Type": t} for rid, t in dict.fromkeys(types)]
        if links is not None and rows:
            self.session.catalog.insert(name_of(links), rows, on_conflict="skip", returning=False)

    @translated()
    def describe(self, rid: str, description: str) -> None:
        """Change the description of an asset."""
        with self.session.transaction():
            table, _ = self.rows([rid])[rid]
            row = {"RID": rid, "Description": description}
            self.session.catalog.update(name_of(table), [row], targets=("Description",))

    @translated()
    def add_type(self, rid: str, asset_type: str) -> str:
        """Give an asset one more type and return the term; one that it has is ignored.

        Raises:
            DerivaMLInvalidTerm: It is not a term of ``Asset_Type``.
        """
        with self.session.transaction():
            term = self._vocabularies.lookup_term(MLVocab.asset_type, asset_type).name
            table, _ = self.rows([rid])[rid]
            self.insert_types(table, [(rid, term)])
        return term

    @translated()
    def remove_type(self, rid: str, asset_type: str) -> str:
        """Take a type from an asset and return the term; one that it does not have is ignored."""
        with self.session.transaction():
            term = self._vocabularies.lookup_term(MLVocab.asset_type, asset_type).name
            table, _ = self.rows([rid])[rid]
            links = self.session.model.asset_type_table(table)
            if links is not None:
                mine = (equals(table.name, rid), equals("Asset_Type", term))
                self.session.catalog.delete(path_of(links, *mine))
        return term

    # --- files -----------------------------------------------------------------------

    @translated()
    def download(self, rid: str, directory: Path) -> Path:
        """Put the file of an asset into a directory; nothing is recorded (see `fetch_asset`)."""
        _, row = self.rows([rid])[check_rid(rid)]
        return fetch_asset(self.session, row, Path(directory))


def _role(asset_role: str | None) -> tuple[Any, ...]:
    if asset_role is None:
        return ()
    if asset_role not in ROLES:
        raise DerivaMLValidationError(
            f"An asset is {' or '.join(map(repr, ROLES))} of an execution, not {asset_role!r}."
        )
    return (equals("Asset_Role", str(asset_role)),)

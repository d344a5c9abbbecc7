"""Members of datasets: which rows belong to a dataset, in sets rather than one by one.

Adding 10,000 members is one insert; the keys of the association tables do the checking, and
only when they refuse are the offending rows looked for, to be named in the error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from deriva_catalog.errors import ForeignKeyViolation, UniqueViolation
from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import Comparison
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLDatasetNotFound,
    DerivaMLException,
    DerivaMLRidsNotFound,
    DerivaMLValidationError,
    some_of,
)
from deriva_ml.core.query import any_of, attributes, entities, equals, link, name_of, path_of
from deriva_ml.core.rids import Rids, check_rids
from deriva_ml.core.session import Session

from .elements import Element, element_of, element_types, not_an_element
from .nesting import descendants, refuse_cycle

__all__ = ["MemberRids", "Members"]

MemberRids = Sequence[str] | Mapping[str, Sequence[str]]


class Members:
    """Reads and changes the members of datasets; changing happens inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rids = Rids(session)

    # --- reading ---------------------------------------------------------------------

    def rows_by_table(
        self, dataset: str, recurse: bool = False, limit: int | None = None
    ) -> dict[str, list[Row]]:
        """Full rows of the members by table name, with an entry for every element type.

        Args:
            dataset: RID of the dataset.
            recurse: Also the members of the datasets inside it; each row once.
            limit: The most rows of each table; None means all.

        Cost: one query for each element type, and one for each level of nesting.
        """
        datasets = [dataset, *(descendants(self._session, dataset) if recurse else ())]
        return {
            name: self._rows(element, datasets, limit)
            for name, element in element_types(self._session.model).items()
        }

    def _rows(self, element: Element, datasets: Iterable[str], limit: int | None) -> list[Row]:
        query = entities(
            element.association,
            any_of(element.dataset_column, datasets),
            link(element.member_column, element.table),
            sort=("RID",),
            limit=limit,
        )
        return self._session.fetch(query)

    def counts(self, dataset: str) -> dict[str, int]:
        """How many members there are, by table name; nothing of them is read."""
        return {
            name: self._session.catalog.count(
                path_of(element.association, equals(element.dataset_column, dataset))
            )
            for name, element in element_types(self._session.model).items()
        }

    def rids(self, dataset: str, table: str | Table) -> list[str]:
        """RIDs of the members that are rows of `table`.

        Raises:
            DerivaMLTableTypeError: The table is not an element type.
        """
        element = element_of(self._session.model, table)
        return self._member_rids(element, equals(element.dataset_column, dataset))

    def _member_rids(self, element: Element, *filters: Comparison) -> list[str]:
        column = element.member_column
        query = attributes(element.association, (column,), *filters, sort=(column,))
        return [row[column] for row in self._session.fetch(query)]

    # --- sorting out what the caller gave --------------------------------------------

    def by_element(self, members: MemberRids) -> list[tuple[Element, list[str]]]:
        """The RIDs by element type, each RID once; tables without RIDs are left out.

        Args:
            members: RIDs of any tables, which are looked up, or RIDs by table name.

        Raises:
            DerivaMLValidationError: Something is not a RID.
            DerivaMLRidsNotFound: The list form holds RIDs of no row.
            DerivaMLTableNotFound: The other form names a table that does not exist.
            DerivaMLTableTypeError: A table is not an element type.
        """
        if isinstance(members, Mapping):
            tables = [(self._session.table(t), check_rids(r)) for t, r in members.items()]
        else:
            tables = self._resolved(check_rids(members))
        known = element_types(self._session.model)
        found = []
        for table, rids in tables:
            element = known.get(table.name)
            if element is None or element.table.qualified != table.qualified:
                raise not_an_element(self._session.model, table)
            if rids:
                found.append((element, rids))
        return found

    def _resolved(self, rids: list[str]) -> list[tuple[Table, list[str]]]:
        """The RIDs by table: those of element types first, since they are nearly always all."""
        groups: list[tuple[Table, list[str]]] = []
        rest = rids
        for element in element_types(self._session.model).values():
            found = self._existing(element.table, rest)
            if found:
                groups.append((element.table, [r for r in rest if r in found]))
                rest = [r for r in rest if r not in found]
        for rid, place in self._rids.resolve_many(rest).items():
            groups.append((place.table, [rid]))
        return groups

    def _existing(self, table: Table, rids: list[str]) -> set[str]:
        """Those of the RIDs that are rows of the table."""
        if not rids:
            return set()
        query = attributes(table, ("RID",), any_of("RID", rids))
        return {row["RID"] for row in self._session.fetch(query)}

    # --- writing ---------------------------------------------------------------------

    def add(self, dataset: str, members: list[tuple[Element, list[str]]], *, strict: bool) -> int:
        """Make rows members of a dataset; returns how many became members.

        Args:
            dataset: RID of the dataset.
            members: What `by_element` returned.
            strict: Refuse rows that are members already; otherwise they stay what they are.

        Raises:
            DerivaMLCycleError: A dataset would contain itself.
            DerivaMLDatasetNotFound: A nested dataset does not exist or is deleted.
            DerivaMLValidationError: Some rows are members already, and `strict` is set.
        """
        added = 0
        for element, rids in members:
            if element.table.name == "Dataset":
                self._check_nested(dataset, rids)
            wanted = rids if strict else self._absent(dataset, element, rids)
            self._insert(dataset, element, wanted)
            added += len(wanted)
        return added

    def _insert(self, dataset: str, element: Element, rids: list[str]) -> None:
        if not rids:
            return
        here, there = element.dataset_column, element.member_column
        # In the order of their index, which then grows page by page.
        rows = [{here: dataset, there: rid} for rid in sorted(rids)]
        try:
            self._session.catalog.insert(name_of(element.association), rows, returning=False)
        except UniqueViolation as error:
            raise self._already(dataset, element, rids) from error

    @contextmanager
    def naming_unknown(self, members: list[tuple[Element, list[str]]]) -> Iterator[None]:
        """Around a transaction that adds members: names those that are rows of no table.

        The catalog checks references when the transaction ends, and only then is there a reason
        to look for the rows that are missing.

        Raises:
            DerivaMLRidsNotFound: In place of the catalog's own error.
        """
        try:
            yield
        except DerivaMLDataError as error:
            if isinstance(error.__cause__, ForeignKeyViolation):
                for element, rids in members:
                    self._refuse_unknown(element, rids)
            raise

    def _absent(self, dataset: str, element: Element, rids: list[str]) -> list[str]:
        present = set(self._present(dataset, element, rids))
        return [r for r in rids if r not in present]

    def _present(self, dataset: str, element: Element, rids: list[str]) -> list[str]:
        mine = equals(element.dataset_column, dataset)
        return self._member_rids(element, mine, any_of(element.member_column, rids))

    def _already(self, dataset: str, element: Element, rids: list[str]) -> DerivaMLException:
        present = self._present(dataset, element, rids)
        return DerivaMLValidationError(
            f"{len(present)} rows of {element.name!r} are members of dataset {dataset!r} already: "
            f"{some_of(present)}. Leave them out, or pass validate=False to add only the others."
        )

    def _refuse_unknown(self, element: Element, rids: list[str]) -> None:
        found = self._existing(element.table, rids)
        if missing := [r for r in rids if r not in found]:
            raise DerivaMLRidsNotFound(
                missing,
                f"Table {element.name!r} has no rows with the RIDs {some_of(missing)}; nothing "
                "was added.",
            )

    def _check_nested(self, dataset: str, nested: list[str]) -> None:
        refuse_cycle(self._session, dataset, nested)
        query = attributes(self._session.ml("Dataset"), ("RID", "Deleted"), any_of("RID", nested))
        alive = {row["RID"] for row in self._session.fetch(query) if not row["Deleted"]}
        for rid in nested:
            if rid not in alive:
                raise DerivaMLDatasetNotFound(
                    rid, f"Dataset {rid!r} does not exist or is deleted, so it cannot be nested."
                )

    def remove(self, dataset: str, members: list[tuple[Element, list[str]]]) -> int:
        """End the membership of rows; those that are not members are ignored.

        Returns:
            How many rows were members.
        """
        removed = 0
        for element, rids in members:
            path = path_of(
                element.association,
                equals(element.dataset_column, dataset),
                any_of(element.member_column, rids),
            )
            removed += self._session.catalog.delete(path)
        return removed

"""The datasets of a catalog: finding, creating, changing and deleting them.

Every method that writes is one transaction of the catalog: it happens as a whole, with the
versions that it leads to, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.definitions import AssociationTableDef, MLVocab, VersionPart
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLDatasetNotFound,
    DerivaMLValidationError,
    some_of,
    translated,
)
from deriva_ml.core.provenance import producer
from deriva_ml.core.query import any_of, attributes, entities, equals, name_of, path_of
from deriva_ml.core.rids import check_rid
from deriva_ml.core.session import Session
from deriva_ml.core.sort import SortSpec, resolve_sort
from deriva_ml.core.vocabulary import Vocabularies

from .elements import element_types
from .history import FIRST_VERSION, DatasetHistory, Versions
from .members import MemberRids, Members
from .nesting import ancestors, children, descendants, parents
from .reach import reach
from .spec import DatasetSpec
from .versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_ml.feature.collection import Features
    from deriva_ml.feature.record import FeatureRecord, Selector

    from .bag import DatasetBag
    from .dataset import Dataset

__all__ = ["Datasets"]


class Datasets:
    """The datasets of a catalog, or of one snapshot of it."""

    def __init__(self, session: Session, vocabularies: Vocabularies) -> None:
        self.session = session
        self._vocabularies = vocabularies
        self._members = Members(session)
        self._versions = Versions(session)

    @property
    def datasets(self) -> Datasets:
        """These datasets, so that they can stand where a connection is expected."""
        return self

    def at_version(self, rid: str, version: DatasetVersion | str | None) -> Datasets:
        """The datasets as they were at a version of one of them; None means as they are."""
        if version is None:
            return self
        session = self.session.at(self._versions.snapshot(rid, version))
        return Datasets(session, Vocabularies(session))

    # --- finding ---------------------------------------------------------------------

    @translated()
    def find(self, deleted: bool = False, sort: SortSpec = None) -> list[Dataset]:
        """Every dataset, also the deleted ones when asked for.

        Args:
            deleted: Also datasets that are marked as deleted.
            sort: True for the newest first, or a function from the table's data path to keys.

        Raises:
            TypeError: `sort` is something else.
        """
        from .dataset import Dataset

        table = self.session.ml("Dataset")
        path = self.session.catalog.path[table.schema][table.name]
        keys = resolve_sort(sort, lambda p: [p["RCT"].desc, p["RID"].desc], path)
        if not deleted:
            path = path.filter(path["Deleted"] == False)  # noqa: E712 - builds a filter
        rows = path.entities().sort(*(keys or ["RID"])).fetch()
        return [Dataset(self, row["RID"], row["Description"] or "") for row in rows]

    @translated()
    def lookup(self, dataset: str | DatasetSpec | Dataset, deleted: bool = False) -> Dataset:
        """The dataset of that RID.

        Raises:
            DerivaMLDatasetNotFound: There is none, the RID is that of another kind of row, or
                the dataset is deleted and `deleted` is false.
        """
        from .dataset import Dataset

        rid = dataset if isinstance(dataset, str) else getattr(dataset, "rid", None)
        row = self.require(rid or getattr(dataset, "dataset_rid", dataset), deleted=deleted)
        return Dataset(self, row["RID"], row["Description"] or "")

    def require(self, rid: Any, deleted: bool = False) -> Row:
        """The row of a dataset.

        Raises:
            DerivaMLValidationError: The value is not a RID.
            DerivaMLDatasetNotFound: See `lookup`.
        """
        wanted = check_rid(rid)
        rows = self.session.fetch(entities(self.session.ml("Dataset"), equals("RID", wanted)))
        if not rows:
            raise self._no_dataset(wanted)
        if rows[0]["Deleted"] and not deleted:
            raise DerivaMLDatasetNotFound(
                wanted, f"Dataset {wanted!r} is deleted; pass deleted=True to see it anyway."
            )
        return rows[0]

    def _no_dataset(self, rid: str) -> DerivaMLDatasetNotFound:
        place = self.session.catalog.resolve_rids([rid]).get(rid)
        if place is not None and place.table != "Dataset":
            return DerivaMLDatasetNotFound(
                rid, f"{rid!r} is a row of table {place.table!r}, not a dataset."
            )
        return DerivaMLDatasetNotFound(
            rid,
            f"There is no dataset {rid!r} in catalog {self.session.catalog.id!r}; "
            "find_datasets() lists those that exist.",
        )

    # --- creating and deleting -------------------------------------------------------

    @translated()
    def create(
        self,
        dataset_types: str | Iterable[str] | None = None,
        description: str = "",
        execution_rid: str | None = None,
        version: DatasetVersion | str | None = None,
        members: MemberRids = (),
    ) -> Dataset:
        """Create a dataset at version 0.1.0, or the one given, with its types and members.

        Raises:
            DerivaMLInvalidTerm: A type is not a term of `Dataset_Type`.
            DerivaMLNotFoundError: There is no such execution, or a member does not exist.
        """
        from .dataset import Dataset

        label = FIRST_VERSION if version is None else DatasetVersion.of(version)
        names = self._type_names(dataset_types)
        elements = self._members.by_element(members)
        with self._members.naming_unknown(elements), self.session.transaction() as transaction:
            execution = producer(self.session, execution_rid)
            row = {"Description": description, "Deleted": False}
            rid = self.session.catalog.insert(name_of(self.session.ml("Dataset")), [row])[0]["RID"]
            self._insert_types(rid, names)
            self._members.add(rid, elements, strict=True)
            self._versions.begin([rid], label, execution, transaction.snaptime)
        return Dataset(self, rid, description, execution)

    @translated()
    def delete(self, rid: str, recurse: bool = False) -> None:
        """Mark a dataset, and with `recurse` those inside it, as deleted; rows stay readable.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
            DerivaMLDataError: Another dataset contains it.
        """
        with self.session.transaction():
            self.require(rid)
            doomed = [rid, *(descendants(self.session, rid) if recurse else ())]
            if outside := self._outside_parents(doomed):
                raise DerivaMLDataError(
                    f"Dataset {rid!r} cannot be deleted: it is nested in {some_of(outside)}. "
                    "Remove it from there first with delete_dataset_members()."
                )
            rows = [{"RID": r, "Deleted": True} for r in doomed]
            table = name_of(self.session.ml("Dataset"))
            self.session.catalog.update(table, rows, targets=("Deleted",))

    def _outside_parents(self, doomed: list[str]) -> list[str]:
        """Datasets that contain one of `doomed` and are to stay."""
        above = [p for p in parents(self.session, doomed) if p not in doomed]
        if not above:
            return []
        alive = (any_of("RID", above), equals("Deleted", "false"))
        query = attributes(self.session.ml("Dataset"), ("RID",), *alive, sort=("RID",))
        return [row["RID"] for row in self.session.fetch(query)]

    @translated()
    def describe(self, rid: str, description: str) -> None:
        """Change the description of a dataset; its version stays."""
        with self.session.transaction():
            self.require(rid)
            row = {"RID": rid, "Description": description}
            table = name_of(self.session.ml("Dataset"))
            self.session.catalog.update(table, [row], targets=("Description",))

    # --- types -----------------------------------------------------------------------

    @translated()
    def types(self, rid: str) -> list[str]:
        """The types of a dataset in alphabetical order."""
        table = self.session.ml("Dataset_Dataset_Type")
        query = attributes(table, ("Dataset_Type",), equals("Dataset", rid), sort=("Dataset_Type",))
        return [row["Dataset_Type"] for row in self.session.fetch(query)]

    @translated()
    def add_types(
        self, rid: str, types: str | Iterable[str], execution_rid: str | None = None
    ) -> None:
        """Give a dataset more types; those that it has already are ignored.

        Raises:
            DerivaMLInvalidTerm: One is not a term of `Dataset_Type`.
        """
        names = self._type_names(types)
        with self.session.transaction() as transaction:
            self.require(rid)
            present = set(self.types(rid))
            new = [n for n in names if n not in present]
            if new:
                self._insert_types(rid, new)
                text = f"Added the dataset types {', '.join(new)}."
                execution = producer(self.session, execution_rid)
                self._versions.changed(rid, text, execution, transaction.snaptime)

    @translated()
    def remove_type(self, rid: str, name: str, execution_rid: str | None = None) -> None:
        """Take a type from a dataset; one that it does not have is ignored.

        Raises:
            DerivaMLInvalidTerm: The word is not a term of `Dataset_Type`.
        """
        (term,) = self._type_names([name])
        with self.session.transaction() as transaction:
            self.require(rid)
            path = path_of(
                self.session.ml("Dataset_Dataset_Type"),
                equals("Dataset", rid),
                equals("Dataset_Type", term),
            )
            if self.session.catalog.delete(path):
                execution = producer(self.session, execution_rid)
                text = f"Removed the dataset type {term}."
                self._versions.changed(rid, text, execution, transaction.snaptime)

    def _type_names(self, types: str | Iterable[str] | None) -> list[str]:
        words = [types] if isinstance(types, str) else list(types or ())
        terms = self._vocabularies.lookup_terms(MLVocab.dataset_type, words)
        return list(dict.fromkeys(t.name for t in terms))

    def _insert_types(self, rid: str, names: list[str]) -> None:
        if names:
            rows = [{"Dataset": rid, "Dataset_Type": name} for name in names]
            table = name_of(self.session.ml("Dataset_Dataset_Type"))
            self.session.catalog.insert(table, rows, returning=False)

    # --- element types ---------------------------------------------------------------

    @translated()
    def element_types(self) -> list[Table]:
        """The tables whose rows may be members of datasets."""
        return [e.table for e in element_types(self.session.model).values()]

    @translated()
    def add_element_type(self, element: str | Table) -> Table:
        """Let the rows of a table be members of datasets; returns the table that links them.

        Nothing happens when they may be already.

        Raises:
            DerivaMLTableNotFound: There is no such table.
            DerivaMLValidationError: The table is one of the ML schema or of the system.
        """
        table = self.session.table(element)
        known = element_types(self.session.model).get(table.name)
        if known is not None and known.table.qualified == table.qualified:
            return known.association
        if known is not None or not self.session.model.is_domain_schema(table.schema):
            raise DerivaMLValidationError(
                f"Table {table.qualified!r} cannot become an element type: only tables of the "
                f"domain schemas {sorted(self.session.model.domain_schemas)} can, and each name "
                "only once."
            )
        from deriva_ml.schema.definition import with_user_links

        dataset = self.session.ml("Dataset")
        document = AssociationTableDef([dataset, table]).to_dict()
        with self.session.transaction():
            self.session.catalog.create_table(table.schema, with_user_links(document))
        return self.session.table(f"{table.schema}:{document['table_name']}")

    # --- members ---------------------------------------------------------------------

    @translated()
    def add_members(
        self,
        rid: str,
        members: MemberRids,
        validate: bool = True,
        description: str = "",
        execution_rid: str | None = None,
    ) -> None:
        """Make rows members of a dataset, which ends in one new version.

        Args:
            rid: The dataset.
            members: RIDs of rows of any element types, or RIDs by table name, which saves
                looking them up. Repeated ones count once; none at all changes nothing.
            validate: Refuse rows that are members already; otherwise they are left as they are.
            description: Of the new version.
            execution_rid: The execution that the change is attributed to.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
            DerivaMLValidationError: Something is not a RID, or is a member already.
            DerivaMLRidsNotFound: Some rows do not exist.
            DerivaMLTableTypeError: A table is not an element type.
            DerivaMLCycleError: A dataset would contain itself.

        Cost: one insert for each table, whatever the number of members.
        """
        elements = self._members.by_element(members)
        with self._members.naming_unknown(elements), self.session.transaction() as transaction:
            self.require(rid)
            added = self._members.add(rid, elements, strict=validate)
            if added:
                execution = producer(self.session, execution_rid)
                text = description or f"Added {added} members."
                self._versions.changed(rid, text, execution, transaction.snaptime)

    @translated()
    def delete_members(
        self,
        rid: str,
        members: MemberRids,
        description: str = "",
        execution_rid: str | None = None,
    ) -> None:
        """End the membership of rows, which ends in one new version; the rows stay.

        Rows that are not members are ignored; when none is, nothing changes.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
            DerivaMLRidsNotFound: Some rows do not exist.
            DerivaMLTableTypeError: A table is not an element type.
        """
        elements = self._members.by_element(members)
        with self.session.transaction() as transaction:
            self.require(rid)
            removed = self._members.remove(rid, elements)
            if removed:
                execution = producer(self.session, execution_rid)
                text = description or f"Removed {removed} members."
                self._versions.changed(rid, text, execution, transaction.snaptime)

    @translated()
    def list_members(
        self, rid: str, recurse: bool = False, limit: int | None = None
    ) -> dict[str, list[Row]]:
        """Full rows of the members by table name (see `Members.rows_by_table`)."""
        return self._members.rows_by_table(rid, recurse, limit)

    @translated()
    def member_rids(self, rid: str, table: str | Table) -> list[str]:
        """RIDs of the members that are rows of one table."""
        return self._members.rids(rid, table)

    # --- nesting ---------------------------------------------------------------------

    @translated()
    def children(self, rid: str, recurse: bool = False) -> list[str]:
        """RIDs of the datasets nested in one: the direct ones, then theirs, each once."""
        return descendants(self.session, rid) if recurse else children(self.session, [rid])

    @translated()
    def parents(self, rid: str, recurse: bool = False) -> list[str]:
        """RIDs of the datasets that contain one: the nearest first, each once."""
        return ancestors(self.session, rid) if recurse else parents(self.session, [rid])

    # --- versions --------------------------------------------------------------------

    @translated()
    def current_version(self, rid: str) -> DatasetVersion:
        """The current version of a dataset."""
        return self._versions.current(rid)

    @translated()
    def history(self, rid: str) -> list[DatasetHistory]:
        """Every version of a dataset, the oldest first."""
        self.require(rid, deleted=True)
        return self._versions.history(rid)

    @translated()
    def version(self, rid: str, version: DatasetVersion | str) -> DatasetHistory:
        """One version of a dataset.

        Raises:
            DerivaMLNotFoundError: It has no such version; the message names those it has.
        """
        return self._versions.find(rid, version)

    @translated()
    def snapshot(self, rid: str, version: DatasetVersion | str) -> str:
        """The snapshot of a released version."""
        return self._versions.snapshot(rid, version)

    @translated()
    def release(
        self,
        rid: str,
        bump: VersionPart | str,
        description: str = "",
        execution_rid: str | None = None,
    ) -> DatasetVersion:
        """Release the next version of a dataset (see `Versions.release`)."""
        with self.session.transaction() as transaction:
            self.require(rid)
            execution = producer(self.session, execution_rid)
            return self._versions.release(rid, bump, description, execution, transaction.snaptime)

    @translated()
    def increment_version(
        self,
        rid: str,
        component: VersionPart | str,
        description: str = "",
        execution_rid: str | None = None,
    ) -> DatasetVersion:
        """Release the next version of a dataset and of every dataset that contains it."""
        with self.session.transaction() as transaction:
            self.require(rid)
            execution = producer(self.session, execution_rid)
            return self._versions.raise_all(
                rid, component, description, execution, transaction.snaptime
            )

    @translated()
    def mark_dev(
        self, rid: str, description: str = "", execution_rid: str | None = None
    ) -> DatasetVersion:
        """Open a development version by hand, or count up the one that is open."""
        with self.session.transaction():
            self.require(rid)
            execution = producer(self.session, execution_rid)
            return self._versions.mark_dev(rid, description, execution)

    # --- bags ------------------------------------------------------------------------

    @translated()
    def download(self, dataset: DatasetSpec | str) -> DatasetBag:
        """A version of a dataset on this machine; a text is ``RID@version``.

        Raises:
            DerivaMLNotFoundError: The dataset has no such version.
            DerivaMLValidationError: The text is no spec, or the version is under development.
        """
        from .download import TIMEOUT_S, download_bag

        spec = DatasetSpec.from_shorthand(dataset) if isinstance(dataset, str) else dataset
        return download_bag(
            self.session,
            spec.rid,
            spec.version,
            with_files=spec.materialize,
            exclude_tables=spec.exclude_tables,
            concurrency=spec.fetch_concurrency,
            timeout_s=TIMEOUT_S if spec.timeout is None else spec.timeout[1],
        )

    @translated()
    def download_bag(
        self,
        rid: str,
        version: DatasetVersion | str | None = None,
        materialize: bool = True,
        exclude_tables: Iterable[str] | None = None,
    ) -> DatasetBag:
        """A version of a dataset on this machine; None means the current one."""
        from .download import download_bag

        label = self._versions.current(rid) if version is None else version
        return download_bag(
            self.session, rid, label, with_files=materialize, exclude_tables=exclude_tables
        )

    # --- features --------------------------------------------------------------------

    @property
    def features(self) -> Features:
        """The features of the same catalog."""
        from deriva_ml.feature.collection import Features

        return Features(self.session, self._vocabularies)

    @translated()
    def feature_values(
        self,
        rid: str,
        table: str | Table,
        feature_name: str,
        selector: Selector | None = None,
        materialize_limit: int | None = None,
        execution_rids: Sequence[str] | None = None,
    ) -> list[FeatureRecord]:
        """Values of a feature that belong to a dataset (see `Features.values`)."""
        feature = self.features.lookup(table, feature_name)
        values = feature.feature_table
        among = reach(self.session, rid).rids.get((values.schema, values.name), [])
        return self.features.values(
            table, feature_name, selector, materialize_limit, execution_rids, among=among
        )

    # --- executions ------------------------------------------------------------------

    @translated()
    def record_inputs(
        self, execution_rid: str, inputs: Iterable[tuple[str, DatasetVersion | str | None]]
    ) -> None:
        """Record that an execution reads datasets, at versions (None means the current ones).

        A dataset that is recorded already stays at the version that it has.
        """
        with self.session.transaction():
            rows = [
                {
                    "Dataset": rid,
                    "Execution": execution_rid,
                    "Dataset_Version": self._version_rid(rid, version),
                }
                for rid, version in inputs
            ]
            if rows:
                table = name_of(self.session.ml("Dataset_Execution"))
                self.session.catalog.insert(table, rows, on_conflict="skip", returning=False)

    def _version_rid(self, rid: str, version: DatasetVersion | str | None) -> str:
        label = self._versions.current(rid) if version is None else version
        return self._versions.find(rid, label).version_rid

    @translated()
    def list_executions(self, rid: str) -> list[str]:
        """RIDs of the executions that read the dataset."""
        table = self.session.ml("Dataset_Execution")
        query = attributes(table, ("Execution",), equals("Dataset", rid), sort=("Execution",))
        return [row["Execution"] for row in self.session.fetch(query)]

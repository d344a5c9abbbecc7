"""The datasets of a catalog: finding, creating, changing and deleting them.

Every method that writes is one transaction of the catalog: it happens as a whole, with the
versions that it leads to, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.arguments import check_count, check_text, words
from deriva_ml.core.calls import Once, fingerprint_of_rids, untracked
from deriva_ml.core.definitions import MLVocab, VersionPart
from deriva_ml.core.exceptions import (
    DerivaMLDataError,
    DerivaMLDatasetNotFound,
    some_of,
    translated,
)
from deriva_ml.core.provenance import producer
from deriva_ml.core.query import entities, equals, name_of
from deriva_ml.core.rids import check_rid
from deriva_ml.core.session import Session
from deriva_ml.core.sort import SortSpec, resolve_sort
from deriva_ml.core.vocabulary import Vocabularies

from . import adding_files as _adding_files
from . import drift as _drift
from . import values as _values
from .elements import Element, element_types, register_element_type
from .history import FIRST_VERSION, DatasetHistory, VersionList, Versions
from .members import MemberRids, Members
from .nesting import ancestors, children, descendants, outside_parents, parents
from .spec import DatasetSpec
from .types import insert_types, remove_type, types_of
from .usage import executions_reading, record_inputs
from .versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_ml.feature.collection import Features

    from .bag import DatasetBag
    from .dataset import Dataset

__all__ = ["Datasets"]


class Datasets:
    """The datasets of a catalog, or of one snapshot of it.

    Args:
        session: The catalog.
        vocabularies: Its vocabularies.
        once: Tells which calls of an execution took place before it was interrupted; those are
            not carried out again, and return what they returned.
    """

    def __init__(
        self, session: Session, vocabularies: Vocabularies, once: Once = untracked
    ) -> None:
        self.session = session
        self._vocabularies = vocabularies
        self._once = once
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
        about = {
            "dataset_types": sorted(names),
            "description": check_text(description, "description"),
            "version": str(label),
            "members": _told(elements),
        }
        call = self._once(execution_rid, "create_dataset", about)
        if call.rid is not None:
            self.require(call.rid)
            return Dataset(self, call.rid, description, execution_rid)
        with self._members.naming_unknown(elements), self.session.transaction() as transaction:
            execution = producer(self.session, execution_rid)
            rid = self._insert(description, call.take(self.session))
            insert_types(self.session, rid, names)
            self._members.add(rid, elements, strict=True)
            self._versions.begin([rid], label, execution, transaction.snaptime)
        return Dataset(self, rid, description, execution)

    def _insert(self, description: str, rid: str | None) -> str:
        """Insert the row of a dataset, with a RID that was leased for it, if one was."""
        row = {"RID": rid, "Description": description, "Deleted": False}
        given = () if rid is None else ("RID",)
        table = name_of(self.session.ml("Dataset"))
        return str(self.session.catalog.insert(table, [row], nondefaults=given)[0]["RID"])

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
            if outside := outside_parents(self.session, doomed):
                raise DerivaMLDataError(
                    f"Dataset {rid!r} cannot be deleted: it is nested in {some_of(outside)}. "
                    "Remove it from there first with delete_dataset_members()."
                )
            rows = [{"RID": r, "Deleted": True} for r in doomed]
            table = name_of(self.session.ml("Dataset"))
            self.session.catalog.update(table, rows, targets=("Deleted",))

    @translated()
    def describe(self, rid: str, description: str) -> None:
        """Change the description of a dataset; its version stays."""
        with self.session.transaction():
            self.require(rid)
            text = check_text(description, "description")
            row = {"RID": rid, "Description": text}
            table = name_of(self.session.ml("Dataset"))
            self.session.catalog.update(table, [row], targets=("Description",))

    def _change(
        self,
        name: str,
        rid: str,
        about: Mapping[str, Any],
        execution_rid: str | None,
        change: Callable[[], str],
    ) -> None:
        """A change of a dataset, which ends in one new version.

        Args:
            name: The method that was called.
            rid: The dataset.
            about: Its other arguments, as JSON values.
            execution_rid: The execution that the change is attributed to.
            change: Makes the change and says what it was; an empty text: there was none.
        """
        call = self._once(execution_rid, name, {"dataset": rid, **about})
        if call.done:
            return
        with self.session.transaction() as transaction:
            self.require(rid)
            text = change()
            if text:
                call.take(self.session)
                execution = producer(self.session, execution_rid)
                self._versions.changed(rid, text, execution, transaction.snaptime)

    # --- files that stay where they are (see `adding_files`) --------------------------

    add_files = _adding_files.add_files
    files = _adding_files.files

    # --- types -----------------------------------------------------------------------

    @translated()
    def types(self, rid: str) -> list[str]:
        """The types of a dataset in alphabetical order."""
        return types_of(self.session, rid)

    @translated()
    def add_types(
        self, rid: str, types: str | Iterable[str], execution_rid: str | None = None
    ) -> None:
        """Give a dataset more types; those that it has already are ignored.

        Raises:
            DerivaMLInvalidTerm: One is not a term of `Dataset_Type`.
        """
        names = self._type_names(types)

        def add() -> str:
            present = set(types_of(self.session, rid))
            new = [n for n in names if n not in present]
            insert_types(self.session, rid, new)
            return f"Added the dataset types {', '.join(new)}." if new else ""

        about = {"dataset_types": sorted(names)}
        self._change("add_dataset_types", rid, about, execution_rid, add)

    @translated()
    def remove_type(self, rid: str, name: str, execution_rid: str | None = None) -> None:
        """Take a type from a dataset; one that it does not have is ignored.

        Raises:
            DerivaMLInvalidTerm: The word is not a term of `Dataset_Type`.
        """
        (term,) = self._type_names([name])

        def remove() -> str:
            removed = remove_type(self.session, rid, term)
            return f"Removed the dataset type {term}." if removed else ""

        self._change("remove_dataset_type", rid, {"dataset_type": term}, execution_rid, remove)

    def _type_names(self, types: str | Iterable[str] | None) -> list[str]:
        given = words(types, "dataset_types")
        terms = self._vocabularies.lookup_terms(MLVocab.dataset_type, given)
        return list(dict.fromkeys(t.name for t in terms))

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
        return register_element_type(self.session, element)

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

        def add() -> str:
            added = self._members.add(rid, elements, strict=validate)
            return (description or f"Added {added} members.") if added else ""

        text = check_text(description, "description")
        about = {"members": _told(elements), "description": text}
        with self._members.naming_unknown(elements):
            self._change("add_dataset_members", rid, about, execution_rid, add)

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

        def remove() -> str:
            removed = self._members.remove(rid, elements)
            return (description or f"Removed {removed} members.") if removed else ""

        text = check_text(description, "description")
        about = {"members": _told(elements), "description": text}
        self._change("delete_dataset_members", rid, about, execution_rid, remove)

    @translated()
    def list_members(
        self, rid: str, recurse: bool = False, limit: int | None = None
    ) -> dict[str, list[Row]]:
        """Full rows of the members by table name (see `Members.rows_by_table`).

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
            DerivaMLValidationError: `limit` is no number of rows.
        """
        check_count(limit, "limit")
        self.require(rid, deleted=True)
        return self._members.rows_by_table(rid, recurse, limit)

    @translated()
    def count_members(self, rid: str) -> dict[str, int]:
        """How many members a dataset has, by table name."""
        return self._members.counts(rid)

    @translated()
    def member_rids(self, rid: str, table: str | Table) -> list[str]:
        """RIDs of the members that are rows of one table."""
        return self._members.rids(rid, table)

    # --- nesting ---------------------------------------------------------------------

    @translated()
    def children(self, rid: str, recurse: bool = False) -> list[str]:
        """RIDs of the datasets nested in one: the direct ones, then theirs, each once.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
        """
        self.require(rid, deleted=True)
        return descendants(self.session, rid) if recurse else children(self.session, [rid])

    @translated()
    def parents(self, rid: str, recurse: bool = False) -> list[str]:
        """RIDs of the datasets that contain one: the nearest first, each once.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset.
        """
        self.require(rid, deleted=True)
        return ancestors(self.session, rid) if recurse else parents(self.session, [rid])

    # --- versions --------------------------------------------------------------------

    @translated()
    def current_version(self, rid: str) -> DatasetVersion:
        """The current version of a dataset."""
        return self._versions.current(rid)

    @translated()
    def history(self, rid: str) -> VersionList:
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
        return self._versioned(
            ("release", str(bump)),
            (rid, description, execution_rid),
            lambda who, when: self._versions.release(rid, bump, description, who, when),
        )

    @translated()
    def increment_version(
        self,
        rid: str,
        component: VersionPart | str,
        description: str = "",
        execution_rid: str | None = None,
    ) -> DatasetVersion:
        """Release the next version of a dataset and of every dataset that contains it."""
        return self._versioned(
            ("increment_dataset_version", str(component)),
            (rid, description, execution_rid),
            lambda who, when: self._versions.raise_all(rid, component, description, who, when),
        )

    @translated()
    def mark_dev(
        self, rid: str, description: str = "", execution_rid: str | None = None
    ) -> DatasetVersion:
        """Open a development version by hand, or count up the one that is open."""
        return self._versioned(
            ("mark_dev", ""),
            (rid, description, execution_rid),
            lambda who, when: self._versions.mark_dev(rid, description, who),
        )

    def _versioned(
        self,
        method: tuple[str, str],
        given: tuple[str, str, str | None],
        make: Callable[[str, str], DatasetVersion],
    ) -> DatasetVersion:
        """A new version of a dataset: what `make` does, given an execution and a snapshot.

        Args:
            method: The method that was called, and the part of the version that it raises.
            given: The dataset, the description of the version, and the execution.
            make: Makes the version.
        """
        rid, description, execution_rid = given
        about = {"dataset": rid, "part": method[1]}
        about["description"] = check_text(description, "description")
        call = self._once(execution_rid, method[0], about)
        if call.done:
            return DatasetVersion.parse(call.result)
        with self.session.transaction() as transaction:
            self.require(rid)
            label = make(producer(self.session, execution_rid), transaction.snaptime)
            call.take(self.session)
            call.keep(str(label))
        return label

    drift = _drift.drift

    # --- bags ------------------------------------------------------------------------

    @translated()
    def download(self, dataset: DatasetSpec | str) -> DatasetBag:
        """A version of a dataset on this machine; a text is ``RID@version``.

        Raises:
            DerivaMLNotFoundError: The dataset has no such version.
            DerivaMLValidationError: The text is no spec, or the version is under development.
        """
        from .download import download_spec

        return download_spec(self.session, dataset)

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

    feature_values = _values.feature_values
    values_of = _values.values_of

    # --- executions ------------------------------------------------------------------

    @translated()
    def record_inputs(
        self, execution_rid: str, inputs: Iterable[tuple[str, DatasetVersion | str | None]]
    ) -> None:
        """Record that an execution reads datasets, at versions (None means the current ones).

        A dataset that is recorded already stays at the version that it has.
        """
        with self.session.transaction():
            record_inputs(self.session, self._versions, execution_rid, inputs)

    @translated()
    def list_executions(self, rid: str) -> list[str]:
        """RIDs of the executions that read the dataset."""
        return executions_reading(self.session, rid)


def _told(elements: Iterable[tuple[Element, list[str]]]) -> dict[str, str]:
    """Members as a journal keeps them: by table, in a few characters each."""
    return {element.table.qualified: fingerprint_of_rids(rids) for element, rids in elements}

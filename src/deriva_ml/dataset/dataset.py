"""A dataset as an object: its description, types, members, nesting and versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.definitions import VersionPart
from deriva_ml.interchange import of_datasets as _interchange

from . import bag_methods as _bags
from . import denormalized as _denormalized
from . import showing as _showing
from .directories import is_source_root, source_directory
from .members import MemberRids
from .values import get_feature_values_as_dataframe
from .versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_ml.feature.definition import Feature
    from deriva_ml.feature.record import FeatureRecord, Selector

    from .collection import Datasets
    from .drift import Drift
    from .history import VersionList

__all__ = ["Dataset"]


class HasDatasets(Protocol):
    """A connection: something whose datasets can be asked for."""

    @property
    def datasets(self) -> Datasets:
        """Its datasets."""
        ...


class Dataset:
    """One dataset of a catalog. Two objects are equal when their RIDs are.

    Nothing is kept: each question is answered by the catalog as it is then. The list methods
    take ``version=``, which answers from the snapshot of that version.

    Args:
        catalog: A connection to the catalog (`DerivaML`).
        dataset_rid: RID of the dataset.
        description: What it is, when that is known already; otherwise it is read when needed.
        execution_rid: The execution that changes made through this object are attributed to.
    """

    def __init__(
        self,
        catalog: HasDatasets,
        dataset_rid: str,
        description: str | None = None,
        execution_rid: str | None = None,
    ) -> None:
        self._datasets = catalog.datasets
        self.dataset_rid = dataset_rid
        self.execution_rid = execution_rid
        self._description = description

    @staticmethod
    def create_dataset(
        ml_instance: HasDatasets,
        execution_rid: str | None,
        dataset_types: str | Iterable[str] | None = None,
        description: str = "",
        version: DatasetVersion | str | None = None,
    ) -> Dataset:
        """Create a dataset (see `Datasets.create`)."""
        return ml_instance.datasets.create(dataset_types, description, execution_rid, version)

    # --- what it is ------------------------------------------------------------------

    @property
    def rid(self) -> str:
        """RID of the dataset."""
        return self.dataset_rid

    @property
    def description(self) -> str:
        """What the dataset is; assigning writes it to the catalog."""
        if self._description is None:
            row = self._datasets.require(self.dataset_rid, deleted=True)
            self._description = row["Description"] or ""
        return self._description

    @description.setter
    def description(self, value: str) -> None:
        self._datasets.describe(self.dataset_rid, value)
        self._description = value

    @property
    def dataset_types(self) -> list[str]:
        """The terms of `Dataset_Type` that apply, in alphabetical order."""
        return self._datasets.types(self.dataset_rid)

    @property
    def current_version(self) -> DatasetVersion:
        """The current version; a development label counts as higher than its release."""
        return self._datasets.current_version(self.dataset_rid)

    @property
    def datasets(self) -> Datasets:
        """The datasets of the same catalog."""
        return self._datasets

    @property
    def source_directory(self) -> str | None:
        """The directory that the dataset of files was made from; None for other datasets.

        For the top directory it is a name; for those inside it the path from there.
        """
        return source_directory(self._datasets.session, self.dataset_rid)

    @property
    def is_directory(self) -> bool:
        """Whether the dataset stands for a directory of files."""
        return self.source_directory is not None

    @property
    def is_source_root(self) -> bool:
        """Whether the dataset is the top directory of those that were added in one call."""
        return is_source_root(self._datasets.session, self.dataset_rid)

    def add_dataset_type(self, dataset_type: str) -> None:
        """Give the dataset one more type."""
        self.add_dataset_types([dataset_type])

    def add_dataset_types(self, dataset_types: Iterable[str]) -> None:
        """Give the dataset more types; those that it has already are ignored."""
        self._datasets.add_types(self.dataset_rid, dataset_types, self.execution_rid)

    def remove_dataset_type(self, dataset_type: str) -> None:
        """Take a type from the dataset; one that it does not have is ignored."""
        self._datasets.remove_type(self.dataset_rid, dataset_type, self.execution_rid)

    # --- members and nesting ---------------------------------------------------------

    def add_dataset_members(
        self,
        members: MemberRids,
        validate: bool = True,
        description: str = "",
        execution_rid: str | None = None,
    ) -> None:
        """Make rows members of the dataset (see `Datasets.add_members`)."""
        producer = execution_rid or self.execution_rid
        self._datasets.add_members(self.dataset_rid, members, validate, description, producer)

    def delete_dataset_members(
        self, members: MemberRids, description: str = "", execution_rid: str | None = None
    ) -> None:
        """End the membership of rows (see `Datasets.delete_members`)."""
        producer = execution_rid or self.execution_rid
        self._datasets.delete_members(self.dataset_rid, members, description, producer)

    def list_dataset_members(
        self,
        recurse: bool = False,
        limit: int | None = None,
        *,
        version: DatasetVersion | str | None = None,
    ) -> dict[str, list[Row]]:
        """Full rows of the members by table name, with an entry for every element type."""
        return self._at(version).list_members(self.dataset_rid, recurse, limit)

    def list_members(self, table: str | Table) -> list[str]:
        """RIDs of the members that are rows of one table."""
        return self._datasets.member_rids(self.dataset_rid, table)

    def list_dataset_element_types(self) -> list[Table]:
        """The tables whose rows may be members."""
        return self._datasets.element_types()

    def list_dataset_children_rids(
        self, recurse: bool = False, *, version: DatasetVersion | str | None = None
    ) -> list[str]:
        """RIDs of the datasets inside: the direct ones, then theirs, each once."""
        return self._at(version).children(self.dataset_rid, recurse)

    def list_dataset_children(
        self, recurse: bool = False, *, version: DatasetVersion | str | None = None
    ) -> list[Dataset]:
        """The datasets inside: the direct ones, then theirs, each once."""
        datasets = self._at(version)
        return [self._other(datasets, r) for r in datasets.children(self.dataset_rid, recurse)]

    def list_dataset_parents(
        self, recurse: bool = False, *, version: DatasetVersion | str | None = None
    ) -> list[Dataset]:
        """The datasets that contain this one: the nearest first, each once."""
        datasets = self._at(version)
        return [self._other(datasets, r) for r in datasets.parents(self.dataset_rid, recurse)]

    def _at(self, version: DatasetVersion | str | None) -> Datasets:
        return self._datasets.at_version(self.dataset_rid, version)

    def _other(self, datasets: Datasets, rid: str) -> Dataset:
        return Dataset(datasets, rid, execution_rid=self.execution_rid)

    # --- versions --------------------------------------------------------------------

    def dataset_history(self) -> VersionList:
        """Every version, the oldest first."""
        return self._datasets.history(self.dataset_rid)

    def release(
        self, bump: VersionPart | str, description: str = "", execution: Any = None
    ) -> DatasetVersion:
        """Release the next version of this dataset alone.

        Args:
            bump: Which part of the version number to raise.
            description: Of the new version.
            execution: The execution (or its RID) that it is attributed to.

        Raises:
            DerivaMLValidationError: The connection collects changes under development versions
                and there are none since the last release.
        """
        return self._datasets.release(self.dataset_rid, bump, description, self._rid_of(execution))

    def increment_dataset_version(
        self, component: VersionPart | str, description: str = "", execution_rid: str | None = None
    ) -> DatasetVersion:
        """Release the next version of this dataset and of every dataset that contains it."""
        return self._datasets.increment_version(
            self.dataset_rid, component, description, execution_rid or self.execution_rid
        )

    def mark_dev(self, description: str = "", execution: Any = None) -> DatasetVersion:
        """Open a development version by hand, or count up the one that is open."""
        return self._datasets.mark_dev(self.dataset_rid, description, self._rid_of(execution))

    def is_dirty(self) -> bool:
        """Whether what belongs to the dataset differs from its last release."""
        return bool(self.get_drift())

    def release_diff(self) -> dict[str, int]:
        """How many rows differ from the last release, by table name.

        Rows added, changed and deleted count; see `drift` for what does not.
        """
        return self.get_drift().counts()

    def compare_versions(self, a: DatasetVersion | str, b: DatasetVersion | str) -> dict[str, int]:
        """How many rows differ between two released versions, by table name.

        Raises:
            DerivaMLNotFoundError: The dataset has no such version.
            DerivaMLValidationError: A version is under development.
        """
        return self.get_drift(a, b).counts()

    def get_drift(
        self,
        since: DatasetVersion | str | None = None,
        until: DatasetVersion | str | None = None,
    ) -> Drift:
        """Which rows differ between two versions: added, changed and deleted ones.

        Args:
            since: A released version; None means the last one.
            until: Another one; None means the dataset as it is now.

        Raises:
            DerivaMLNotFoundError: The dataset has no such version.
            DerivaMLValidationError: A version is under development, or only `until` is given.

        Cost: two walks over what belongs to the dataset, and one query for each table.
        """
        return self._datasets.drift(self.dataset_rid, since, until)

    def _rid_of(self, execution: Any) -> str | None:
        return getattr(execution, "execution_rid", execution) or self.execution_rid

    # --- executions and features -----------------------------------------------------

    def list_executions(self) -> list[str]:
        """RIDs of the executions that read the dataset."""
        return self._datasets.list_executions(self.dataset_rid)

    def find_features(self, table: str | Table | None = None) -> list[Feature]:
        """The features of one table, or of every element type."""
        return self._datasets.features.find(table)

    def lookup_feature(self, table: str | Table, feature_name: str) -> Feature:
        """One feature."""
        return self._datasets.features.lookup(table, feature_name)

    def feature_values(
        self,
        table: str | Table,
        feature_name: str,
        selector: Selector | None = None,
        materialize_limit: int | None = None,
        execution_rids: Sequence[str] | None = None,
    ) -> list[FeatureRecord]:
        """Values of a feature of the rows that can be reached from the dataset."""
        return self._datasets.feature_values(
            self.dataset_rid, table, feature_name, selector, materialize_limit, execution_rids
        )

    get_feature_values_as_dataframe = get_feature_values_as_dataframe

    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow, by its RID or type."""
        return self._datasets.features.list_workflow_executions(workflow)

    # --- bags ------------------------------------------------------------------------

    download_dataset_bag = _bags.download_dataset_bag
    estimate_bag_size = _bags.estimate_bag_size
    bag_info = _bags.bag_info
    cache = _bags.cache

    # --- other people's formats --------------------------------------------------------

    to_ro_crate = _interchange.dataset_to_ro_crate
    to_croissant = _interchange.dataset_to_croissant

    # --- wide tables (see `denormalized`) --------------------------------------------

    denormalization_source = _denormalized.live_source
    get_denormalized_as_dataframe = _denormalized.get_denormalized_as_dataframe
    get_denormalized_as_dict = _denormalized.get_denormalized_as_dict
    get_denormalized_as_arrow = _denormalized.get_denormalized_as_arrow
    get_denormalized_as_polars = _denormalized.get_denormalized_as_polars
    denormalize_as_dataframe = get_denormalized_as_dataframe
    denormalize_as_dict = get_denormalized_as_dict
    list_denormalized_columns = _denormalized.list_denormalized_columns
    describe_denormalized = _denormalized.describe_denormalized
    list_schema_paths = _denormalized.list_schema_paths
    cache_denormalized = _denormalized.cache_denormalized

    # --- showing ---------------------------------------------------------------------

    def get_chaise_url(self) -> str:
        """The address of the dataset's web page."""
        from deriva_ml.core.rids import Rids

        return Rids(self._datasets.session).chaise_url(self.dataset_rid)

    to_markdown = _showing.to_markdown
    display_markdown = _showing.display_markdown
    _repr_html_ = _showing.dataset_html

    def __repr__(self) -> str:
        return f"Dataset({self.dataset_rid!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dataset):
            return NotImplemented
        return self.dataset_rid == other.dataset_rid

    def __hash__(self) -> int:
        return hash(self.dataset_rid)

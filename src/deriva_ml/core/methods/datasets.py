"""Datasets: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..rids import check_rid

if TYPE_CHECKING:
    from deriva_catalog.interface import Row
    from deriva_catalog.model.elements import Table
    from deriva_ml.dataset.bag import DatasetBag
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.dataset.history import DatasetHistory
    from deriva_ml.dataset.members import MemberRids
    from deriva_ml.dataset.spec import DatasetSpec
    from deriva_ml.dataset.versions import DatasetVersion

    from ..base import DerivaML
    from ..definitions import VersionPart
    from ..sort import SortSpec


def find_datasets(self: DerivaML, deleted: bool = False, sort: SortSpec = None) -> list[Dataset]:
    """Every dataset (see `Datasets.find`)."""
    return self.datasets.find(deleted, sort)


def lookup_dataset(self: DerivaML, dataset: str | DatasetSpec, deleted: bool = False) -> Dataset:
    """A dataset by RID (see `Datasets.lookup`)."""
    return self.datasets.lookup(dataset, deleted)


def delete_dataset(self: DerivaML, dataset: Dataset | str, recurse: bool = False) -> None:
    """Mark a dataset as deleted (see `Datasets.delete`)."""
    self.datasets.delete(_rid_of(dataset), recurse)


def list_dataset_element_types(self: DerivaML) -> list[Table]:
    """The tables whose rows may be members of datasets."""
    return self.datasets.element_types()


def add_dataset_element_type(self: DerivaML, element: str | Table) -> Table:
    """Let rows of a table be members (see `Datasets.add_element_type`)."""
    return self.datasets.add_element_type(element)


def download_dataset_bag(self: DerivaML, dataset: DatasetSpec | str) -> DatasetBag:
    """A version of a dataset on this machine (see `Datasets.download`)."""
    return self.datasets.download(dataset)


def create_dataset(
    self: DerivaML,
    dataset_types: str | Iterable[str] | None = None,
    description: str = "",
    execution_rid: str | None = None,
    version: DatasetVersion | str | None = None,
) -> str:
    """Create a dataset and return its RID (see `Datasets.create`)."""
    made = self.datasets.create(dataset_types, description, execution_rid, version)
    return made.dataset_rid


def add_dataset_members(
    self: DerivaML,
    dataset_rid: str,
    members: MemberRids,
    validate: bool = True,
    description: str = "",
    execution_rid: str | None = None,
) -> None:
    """Make rows members of a dataset (see `Datasets.add_members`)."""
    self.datasets.add_members(dataset_rid, members, validate, description, execution_rid)


def delete_dataset_members(
    self: DerivaML,
    dataset_rid: str,
    members: MemberRids,
    description: str = "",
    execution_rid: str | None = None,
) -> None:
    """End the membership of rows (see `Datasets.delete_members`)."""
    self.datasets.delete_members(dataset_rid, members, description, execution_rid)


def list_dataset_members(
    self: DerivaML, dataset_rid: str, recurse: bool = False, limit: int | None = None
) -> dict[str, list[Row]]:
    """Full rows of the members of a dataset by table name."""
    return self.datasets.list_members(dataset_rid, recurse, limit)


def list_dataset_children(self: DerivaML, dataset_rid: str, recurse: bool = False) -> list[str]:
    """RIDs of the datasets nested in one."""
    return self.datasets.children(dataset_rid, recurse)


def list_dataset_parents(self: DerivaML, dataset_rid: str) -> list[str]:
    """RIDs of the datasets that contain one."""
    return self.datasets.parents(dataset_rid)


def dataset_version(self: DerivaML, dataset_rid: str) -> DatasetVersion:
    """The current version of a dataset."""
    return self.datasets.current_version(dataset_rid)


def dataset_history(self: DerivaML, dataset_rid: str) -> list[DatasetHistory]:
    """Every version of a dataset, the oldest first."""
    return self.datasets.history(dataset_rid)


def increment_dataset_version(
    self: DerivaML,
    dataset_rid: str,
    component: VersionPart | str,
    description: str = "",
    execution_rid: str | None = None,
) -> DatasetVersion:
    """Release the next version of a dataset and of those that contain it."""
    return self.datasets.increment_version(dataset_rid, component, description, execution_rid)


def _rid_of(dataset: Dataset | str) -> str:
    rid: Any = getattr(dataset, "dataset_rid", dataset)
    return check_rid(rid)

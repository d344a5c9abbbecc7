"""A bag seen as a catalog with datasets in it, for code that reads bags by their path."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_catalog.bag import BagCatalog, open_bag
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLReadOnlyError,
    translated,
)
from deriva_ml.core.rids import rid_of
from deriva_ml.core.session import Session
from deriva_ml.dataset.versions import DatasetVersion

from .catalog import DerivaModel

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.dataset.bag import DatasetBag

__all__ = ["DatabaseModel", "DerivaMLBagView"]

_READ = frozenset(
    {
        "cite",
        "feature_record_class",
        "feature_values",
        "find_assets",
        "find_executions",
        "find_features",
        "find_workflows",
        "get_table_as_dataframe",
        "get_table_as_dict",
        "list_asset_tables",
        "list_assets",
        "list_dataset_element_types",
        "list_feature_values",
        "list_vocabulary_terms",
        "lookup_asset",
        "lookup_execution",
        "lookup_feature",
        "lookup_lineage",
        "lookup_term",
        "lookup_workflow",
        "pathBuilder",
        "resolve_rid",
        "resolve_rids",
        "retrieve_rid",
    }
)


class DatabaseModel:
    """The rows of a bag in a database, and what its tables mean.

    What it does not have itself it takes from the model (see `DerivaModel`).

    Args:
        minid: The identifier of the bag, if it has one.
        bag_path: The bag's directory.
        dbase_path: Where the database of its rows is kept; None means beside the bag.

    Raises:
        DerivaMLNotFoundError: There is no bag.
        DerivaMLDataError: The bag is damaged, or was not made from a catalog.
    """

    @translated()
    def __init__(
        self, minid: Any, bag_path: Path | str, dbase_path: Path | str | None = None
    ) -> None:
        self.minid = minid
        self.bag_path = Path(bag_path).absolute()
        index = None if dbase_path is None else Path(dbase_path)
        self.catalog: BagCatalog = open_bag(self.bag_path, index)
        self.model = DerivaModel(self.catalog)

    @cached_property
    def session(self) -> Session:
        """A session on the bag."""
        place = self.bag_path.parent
        name = self.model.default_schema or self.model.ml_schema
        return Session("localhost", self.catalog, self.model, name, place, place / "cache")

    def __getattr__(self, name: str) -> Any:
        if name == "model":  # while it is being made
            raise AttributeError(name)
        return getattr(self.model, name)


class DerivaMLBagView:
    """The reading half of `DerivaML`, on a bag: the same names, the same answers.

    Args:
        database_model: The bag.
    """

    def __init__(self, database_model: DatabaseModel) -> None:
        from deriva_ml.core.base import DerivaML

        self.database_model = database_model
        self.model = database_model.model
        self._ml: DerivaML = DerivaML.over(database_model.session)

    def lookup_dataset(self, dataset: Any, deleted: bool = False) -> DatasetBag:
        """A dataset of the bag, by RID or by something that has one.

        Raises:
            DerivaMLDatasetNotFound: The bag has no such dataset, or another version of it.
        """
        rid, version = rid_of(dataset)
        found = {bag.dataset_rid: bag for bag in self.find_datasets(deleted)}
        if rid not in found:
            raise DerivaMLDatasetNotFound(
                rid,
                f"The bag {str(self.database_model.bag_path)!r} has no dataset {rid!r}; it has "
                f"{sorted(found)}.",
            )
        bag = found[rid]
        if version is not None and bag.current_version != DatasetVersion.of(version):
            raise DerivaMLDatasetNotFound(
                rid,
                f"The bag {str(self.database_model.bag_path)!r} has version {bag.current_version} "
                f"of dataset {rid!r}, not {version}; download that one.",
            )
        return bag

    def find_datasets(self, deleted: bool = False) -> list[DatasetBag]:
        """Every dataset of the bag, in the order of their RIDs."""
        from deriva_ml.dataset.bag import DatasetBag

        session, path = self.database_model.session, self.database_model.bag_path
        found = self._ml.find_datasets(deleted)
        return [DatasetBag(session, path, d.dataset_rid) for d in found]

    def __getattr__(self, name: str) -> Any:
        if name in _READ:
            return getattr(self._ml, name)
        if not name.startswith("_") and hasattr(type(self._ml), name):
            raise DerivaMLReadOnlyError(f"A bag can only be read: it has no {name!r}.")
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_READ})

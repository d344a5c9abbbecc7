"""What code that reads or writes datasets, assets and catalogs may count on, as protocols.

A function that takes a `DatasetLike` works on a dataset of a catalog and on one of a bag: the
same methods with the same arguments and the same results. A function that needs to write says
so with `WritableDataset`.

::

    def count_labels(dataset: DatasetLike) -> Counter[str]:
        return Counter(v.Image_Class for v in dataset.feature_values("Image", "Label"))

    count_labels(ml.lookup_dataset("1-ABC"))
    count_labels(ml.download_dataset_bag("1-ABC@1.2.0"))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    import polars

    from deriva_catalog.interface import Row
    from deriva_catalog.model.elements import Table

    from .asset.asset import Asset
    from .core.base import DerivaML
    from .core.definitions import ColumnDefinition, TableDefinition, VersionPart
    from .core.sort import SortSpec
    from .core.vocabulary import VocabularyTerm
    from .dataset.bag import DatasetBag
    from .dataset.dataset import Dataset
    from .dataset.denormalized import Tables
    from .dataset.history import DatasetHistory
    from .dataset.members import MemberRids
    from .dataset.versions import DatasetVersion
    from .execution.execution import Execution
    from .execution.record import ExecutionRecord
    from .execution.workflow import Workflow
    from .feature.definition import Feature
    from .feature.record import FeatureRecord, Selector
    from .model.catalog import DerivaModel

__all__ = [
    "AssetLike",
    "DatasetLike",
    "DerivaMLCatalog",
    "DerivaMLCatalogReader",
    "WritableAsset",
    "WritableDataset",
]


class DatasetLike(Protocol):
    """A dataset that can be read: `Dataset` and `DatasetBag`."""

    @property
    def dataset_rid(self) -> str:
        """RID of the dataset."""
        ...

    @property
    def description(self) -> str:
        """What it is."""
        ...

    @property
    def dataset_types(self) -> list[str]:
        """Its types in alphabetical order."""
        ...

    @property
    def execution_rid(self) -> str | None:
        """The execution that it is attributed to."""
        ...

    @property
    def current_version(self) -> DatasetVersion:
        """Its version."""
        ...

    @property
    def source_directory(self) -> str | None:
        """The directory that it was made from, if it is one of files."""
        ...

    @property
    def is_directory(self) -> bool:
        """Whether it stands for a directory of files."""
        ...

    @property
    def is_source_root(self) -> bool:
        """Whether it is the top directory of those added together."""
        ...

    def list_dataset_members(
        self,
        recurse: bool = False,
        limit: int | None = None,
        *,
        version: DatasetVersion | str | None = None,
    ) -> dict[str, list[Row]]:
        """Full rows of the members by table name."""
        ...

    def list_members(self, table: str | Table) -> list[str]:
        """RIDs of the members of one table."""
        ...

    def list_dataset_children(
        self, recurse: bool = False, *, version: DatasetVersion | str | None = None
    ) -> Sequence[DatasetLike]:
        """The datasets inside."""
        ...

    def list_dataset_parents(
        self, recurse: bool = False, *, version: DatasetVersion | str | None = None
    ) -> Sequence[DatasetLike]:
        """The datasets that contain it."""
        ...

    def list_dataset_element_types(self) -> list[Table]:
        """The tables whose rows may be members."""
        ...

    def list_executions(self) -> list[str]:
        """RIDs of the executions that read it."""
        ...

    def dataset_history(self) -> Sequence[DatasetHistory]:
        """Its versions, the oldest first."""
        ...

    def find_features(self, table: str | Table | None = None) -> list[Feature]:
        """Features of one table or of all."""
        ...

    def lookup_feature(self, table: str | Table, feature_name: str) -> Feature:
        """One feature."""
        ...

    def feature_values(
        self,
        table: str | Table,
        feature_name: str,
        selector: Selector | None = None,
        materialize_limit: int | None = None,
        execution_rids: Sequence[str] | None = None,
    ) -> list[FeatureRecord]:
        """Values of a feature of rows that can be reached from it."""
        ...

    def get_feature_values_as_dataframe(
        self,
        table: str | Table,
        feature_name: str,
        selector: Selector | None = None,
        materialize_limit: int | None = None,
        execution_rids: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The same as a frame."""
        ...

    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow."""
        ...

    def get_denormalized_as_dataframe(
        self,
        include_tables: Tables,
        *,
        row_per: str | Table | None = None,
        via: Tables | None = None,
        ignore_unrelated_anchors: bool = False,
        selector: Selector | None = None,
        system_columns: Iterable[str] | None = None,
        version: DatasetVersion | str | None = None,
    ) -> pd.DataFrame:
        """Several linked tables as one frame."""
        ...

    def get_denormalized_as_dict(
        self,
        include_tables: Tables,
        *,
        row_per: str | Table | None = None,
        via: Tables | None = None,
        ignore_unrelated_anchors: bool = False,
        selector: Selector | None = None,
        system_columns: Iterable[str] | None = None,
        version: DatasetVersion | str | None = None,
    ) -> Iterator[Row]:
        """The same as rows, read while they are taken."""
        ...

    def get_denormalized_as_arrow(
        self,
        include_tables: Tables,
        *,
        row_per: str | Table | None = None,
        via: Tables | None = None,
        ignore_unrelated_anchors: bool = False,
        selector: Selector | None = None,
        system_columns: Iterable[str] | None = None,
        version: DatasetVersion | str | None = None,
    ) -> Any:
        """The same as a ``pyarrow.Table``."""
        ...

    def get_denormalized_as_polars(
        self,
        include_tables: Tables,
        *,
        row_per: str | Table | None = None,
        via: Tables | None = None,
        ignore_unrelated_anchors: bool = False,
        selector: Selector | None = None,
        system_columns: Iterable[str] | None = None,
        version: DatasetVersion | str | None = None,
    ) -> polars.DataFrame:
        """The same as a Polars frame."""
        ...

    def list_denormalized_columns(
        self,
        include_tables: Tables,
        *,
        row_per: str | Table | None = None,
        via: Tables | None = None,
        version: DatasetVersion | str | None = None,
    ) -> list[tuple[str, str]]:
        """Names and types of the columns of such a frame."""
        ...

    def describe_denormalized(
        self,
        include_tables: Tables,
        *,
        row_per: str | Table | None = None,
        via: Tables | None = None,
        ignore_unrelated_anchors: bool = False,
        version: DatasetVersion | str | None = None,
    ) -> dict[str, Any]:
        """How such a frame comes about, and how large it is."""
        ...

    def list_schema_paths(
        self, tables: Tables | None = None, *, version: DatasetVersion | str | None = None
    ) -> dict[str, Any]:
        """How tables are linked, as far as the dataset reaches."""
        ...

    def to_markdown(self, show_children: bool = False, indent: int = 0) -> str:
        """It as an item of a Markdown list."""
        ...

    def display_markdown(self, show_children: bool = False, indent: int = 0) -> None:
        """Show that in a notebook."""
        ...


class WritableDataset(DatasetLike, Protocol):
    """A dataset that can be changed: `Dataset` of a live catalog."""

    def add_dataset_type(self, dataset_type: str) -> None:
        """Give it one more type."""
        ...

    def add_dataset_types(self, dataset_types: Iterable[str]) -> None:
        """Give it more types."""
        ...

    def remove_dataset_type(self, dataset_type: str) -> None:
        """Take a type from it."""
        ...

    def add_dataset_members(
        self,
        members: MemberRids,
        validate: bool = True,
        description: str = "",
        execution_rid: str | None = None,
    ) -> None:
        """Make rows its members."""
        ...

    def delete_dataset_members(
        self, members: MemberRids, description: str = "", execution_rid: str | None = None
    ) -> None:
        """End the membership of rows."""
        ...

    def release(
        self, bump: VersionPart | str, description: str = "", execution: Any = None
    ) -> DatasetVersion:
        """Release its next version."""
        ...

    def mark_dev(self, description: str = "", execution: Any = None) -> DatasetVersion:
        """Open a development version."""
        ...

    def is_dirty(self) -> bool:
        """Whether it differs from its last release."""
        ...

    def release_diff(self) -> dict[str, int]:
        """How many rows differ from the last release, by table."""
        ...

    def compare_versions(self, a: DatasetVersion | str, b: DatasetVersion | str) -> dict[str, int]:
        """How many rows differ between two versions, by table."""
        ...


class AssetLike(Protocol):
    """A file that a catalog describes: `Asset`."""

    @property
    def asset_rid(self) -> str:
        """RID of its row."""
        ...

    @property
    def asset_table(self) -> str:
        """Its table."""
        ...

    @property
    def filename(self) -> str:
        """The file's name."""
        ...

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    @property
    def length(self) -> int:
        """Its length in bytes."""
        ...

    @property
    def md5(self) -> str:
        """Its MD5 in hexadecimal."""
        ...

    @property
    def description(self) -> str:
        """What it is."""
        ...

    @property
    def asset_types(self) -> list[str]:
        """Its types."""
        ...

    @property
    def execution_rid(self) -> str | None:
        """The execution that made it."""
        ...

    def list_executions(self, asset_role: str | None = None) -> list[str]:
        """RIDs of the executions that read or made it."""
        ...

    def find_features(self) -> list[Feature]:
        """The features of its table."""
        ...

    def get_metadata(self) -> Mapping[str, Any]:
        """Its other columns."""
        ...

    def download(self, dest_dir: Path | str) -> Path:
        """Bring the file here."""
        ...


class WritableAsset(AssetLike, Protocol):
    """An asset of a live catalog: `Asset`."""

    def add_asset_type(self, name: str) -> None:
        """Give it one more type."""
        ...

    def remove_asset_type(self, name: str) -> None:
        """Take a type from it."""
        ...


class DerivaMLCatalogReader(Protocol):
    """A catalog that can be read: `DerivaML`, also at a snapshot."""

    @property
    def model(self) -> DerivaModel:
        """What its tables mean."""
        ...

    @property
    def ml_schema(self) -> str:
        """Name of the ML schema."""
        ...

    @property
    def domain_schemas(self) -> frozenset[str]:
        """Names of the schemas of the user's tables."""
        ...

    @property
    def default_schema(self) -> str | None:
        """Where new tables go."""
        ...

    def find_datasets(self, deleted: bool = False, sort: SortSpec = None) -> Sequence[DatasetLike]:
        """Every dataset."""
        ...

    def lookup_dataset(self, dataset: Any, deleted: bool = False) -> DatasetLike:
        """One dataset."""
        ...

    def list_dataset_element_types(self) -> list[Table]:
        """The tables whose rows may be members."""
        ...

    def lookup_term(self, table: str | Table, term_name: str) -> VocabularyTerm:
        """A term by name or synonym."""
        ...

    def list_vocabulary_terms(self, table: str | Table) -> Sequence[VocabularyTerm]:
        """Every term."""
        ...

    def get_table_as_dict(self, table: str | Table) -> Iterable[Row]:
        """All rows of a table."""
        ...

    def get_table_as_dataframe(self, table: str | Table) -> pd.DataFrame:
        """All rows of a table as a frame."""
        ...

    def find_features(self, table: str | Table | None = None) -> list[Feature]:
        """Features of one table or of all."""
        ...

    def lookup_feature(self, table: str | Table, feature_name: str) -> Feature:
        """One feature."""
        ...

    def feature_values(
        self,
        table: str | Table,
        feature_name: str,
        selector: Selector | None = None,
        materialize_limit: int | None = None,
        execution_rids: Sequence[str] | None = None,
    ) -> list[FeatureRecord]:
        """Values of a feature."""
        ...

    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow."""
        ...


class DerivaMLCatalog(DerivaMLCatalogReader, Protocol):
    """A live catalog: `DerivaML`."""

    def create_table(self, table: TableDefinition, schema: str | None = None) -> Table:
        """Make a table."""
        ...

    def create_vocabulary(
        self, vocab_name: str, comment: str = "", schema: str | None = None
    ) -> Table:
        """Make a vocabulary."""
        ...

    def add_term(
        self,
        table: str | Table,
        term_name: str,
        description: str,
        synonyms: Iterable[str] | None = None,
        exists_ok: bool = True,
    ) -> VocabularyTerm:
        """Add a term."""
        ...

    def create_feature(
        self,
        target_table: str | Table,
        feature_name: str,
        terms: Iterable[str | Table] | None = None,
        assets: Iterable[str | Table] | None = None,
        metadata: Iterable[ColumnDefinition | Mapping[str, Any] | str | Table] | None = None,
        optional: Iterable[str] | None = None,
        comment: str = "",
    ) -> type[FeatureRecord]:
        """Make a feature."""
        ...

    def delete_feature(self, table: str | Table, feature_name: str) -> bool:
        """Drop a feature with its values."""
        ...

    def add_dataset_element_type(self, element: str | Table) -> Table:
        """Let rows of a table be members."""
        ...

    def delete_dataset(self, dataset: Any, recurse: bool = False) -> None:
        """Mark a dataset as deleted."""
        ...

    def create_workflow(
        self, name: str, workflow_type: str | list[str], description: str = ""
    ) -> Workflow:
        """Describe the code that runs."""
        ...

    def create_execution(
        self,
        configuration: Any = None,
        *,
        datasets: Any = None,
        assets: Any = None,
        workflow: Any = None,
        description: str | None = None,
        dry_run: bool = False,
    ) -> Execution:
        """Begin a run."""
        ...

    def lookup_execution(self, rid: str) -> ExecutionRecord:
        """An execution as the catalog knows it."""
        ...


if TYPE_CHECKING:

    def _kept_in_step(
        ml: DerivaML, dataset: Dataset, bag: DatasetBag, asset: Asset
    ) -> tuple[DerivaMLCatalog, WritableDataset, DatasetLike, WritableAsset]:
        """The type checker refuses this when a class no longer fits its protocol."""
        return ml, dataset, bag, asset

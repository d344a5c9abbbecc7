"""A version of a dataset on this machine: the read half of DerivaML, without the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deriva_catalog.bag import BagCatalog, portable_name
from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
    translated,
)
from deriva_ml.core.query import entities
from deriva_ml.core.session import Session
from deriva_ml.core.vocabulary import Vocabularies, VocabularyTerm
from deriva_ml.interchange import of_datasets as _interchange

from . import adapters as _adapters
from . import denormalized as _denormalized
from . import showing as _showing
from .collection import Datasets
from .directories import is_source_root, source_directory
from .values import get_feature_values_as_dataframe
from .versions import DatasetVersion

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy as sa

    from deriva_catalog.path.builder import PathBuilder
    from deriva_ml.feature.definition import Feature
    from deriva_ml.feature.record import FeatureRecord, Selector
    from deriva_ml.model.catalog import DerivaModel

    from .history import VersionList
    from .restructure import Missing, Target

__all__ = ["DatasetBag"]

FetchFiles = Callable[[int], None]
"""Brings the missing files of a bag, so many at the same time."""


class DatasetBag:
    """One dataset in a bag; get one by downloading, not by calling this class.

    The bag is opened as a catalog that cannot be written, and every question is the one that the
    live dataset would ask. Datasets inside the dataset are in the same bag.

    Args:
        session: On the bag's catalog.
        path: The bag's directory.
        dataset_rid: The dataset; None where the bag has only one that is not inside another.
        fetch: Brings the bag's missing files.
    """

    def __init__(
        self, session: Session, path: Path, dataset_rid: str, fetch: FetchFiles | None = None
    ) -> None:
        self._session = session
        self._path = path
        self._fetch = fetch
        self._datasets = Datasets(session, Vocabularies(session))
        self.dataset_rid = dataset_rid
        self._row = self._datasets.require(dataset_rid, deleted=True)

    # --- what it is ------------------------------------------------------------------

    @property
    def datasets(self) -> Datasets:
        """The datasets in the bag, for reading."""
        return self._datasets

    @property
    def rid(self) -> str:
        """RID of the dataset."""
        return self.dataset_rid

    @property
    def path(self) -> Path:
        """The bag's directory; files are at ``data/asset/<RID>/<table>/<file name>`` in it."""
        return self._path

    @property
    def model(self) -> DerivaModel:
        """What the bag's tables mean."""
        return self._session.model

    @property
    def paths(self) -> PathBuilder:
        """The start of data paths over the bag's tables."""
        return self._session.catalog.path

    @property
    def description(self) -> str:
        """What the dataset is."""
        return self._row["Description"] or ""

    @property
    def dataset_types(self) -> list[str]:
        """The terms of `Dataset_Type` that apply, in alphabetical order."""
        return self._datasets.types(self.dataset_rid)

    @property
    def current_version(self) -> DatasetVersion:
        """The dataset's version in this bag: the highest that it tells.

        Published releases take a snapshot before the dataset refers to its new version.
        """
        history = self.dataset_history()
        if not history:
            return self._datasets.current_version(self.dataset_rid)
        return history[-1].dataset_version

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

    @property
    def execution_rid(self) -> str | None:
        """The execution that made this version."""
        return self.dataset_history()[-1].execution_rid

    # --- tables ----------------------------------------------------------------------

    def list_tables(self) -> list[str]:
        """Names of the tables of the domain and ML schemas, in alphabetical order."""
        return sorted(t.name for t in self._session.model.tables())

    @translated()
    def get_table_as_dict(self, table: str | Table) -> list[Row]:
        """All rows of a table that are in the bag, not only members."""
        return self._session.fetch(entities(self._session.table(table), sort=("RID",)))

    def get_table(self, table: str | Table) -> Iterator[tuple[Any, ...]]:
        """All rows of a table that are in the bag, as tuples in the order of its columns."""
        found = self._session.table(table)
        names = [column.name for column in found.columns]
        return (tuple(row[name] for name in names) for row in self.get_table_as_dict(found))

    @property
    def engine(self) -> sa.Engine:
        """The bag's tables as an SQL database for reading, under ``Table`` and ``schema.Table``.

        As in ``pd.read_sql("SELECT * FROM Image", bag.engine)``.
        """
        catalog = self._session.catalog
        assert isinstance(catalog, BagCatalog), "a bag is opened as the catalog of a bag"
        return catalog.sql_engine()

    @translated()
    def get_table_as_dataframe(self, table: str | Table) -> pd.DataFrame:
        """All rows of a table that are in the bag as a frame, typed by the model."""
        found = self._session.table(table)
        return self.paths[found.schema][found.name].entities().sort("RID").dataframe()

    # --- members and nesting ---------------------------------------------------------

    def list_dataset_members(
        self,
        recurse: bool = False,
        limit: int | None = None,
        *,
        version: DatasetVersion | str | None = None,
    ) -> dict[str, list[Row]]:
        """Full rows of the members by table name, with an entry for every element type.

        Raises:
            DerivaMLNotFoundError: `version` is not the one that the bag has.
        """
        self._check_version(version)
        return self._datasets.list_members(self.dataset_rid, recurse, limit)

    def list_members(self, table: str | Table) -> list[str]:
        """RIDs of the members that are rows of one table."""
        return self._datasets.member_rids(self.dataset_rid, table)

    def list_dataset_element_types(self) -> list[Table]:
        """The tables whose rows may be members."""
        return self._datasets.element_types()

    def list_dataset_children(
        self, recurse: bool = False, *, version: DatasetVersion | str | None = None
    ) -> list[DatasetBag]:
        """The datasets inside: the direct ones, then theirs, each once."""
        self._check_version(version)
        return [self._other(r) for r in self._datasets.children(self.dataset_rid, recurse)]

    def list_dataset_parents(
        self, recurse: bool = False, *, version: DatasetVersion | str | None = None
    ) -> list[DatasetBag]:
        """The datasets of the bag that contain this one: the nearest first, each once."""
        self._check_version(version)
        return [self._other(r) for r in self._datasets.parents(self.dataset_rid, recurse)]

    def lookup_dataset(self, dataset_rid: str) -> DatasetBag:
        """Another dataset of the bag.

        Raises:
            DerivaMLDatasetNotFound: The bag has none of that RID.
        """
        inside = [self.dataset_rid, *self._datasets.children(self.dataset_rid, True)]
        if dataset_rid not in inside:
            raise DerivaMLDatasetNotFound(
                dataset_rid,
                f"The bag of dataset {self.dataset_rid!r} has no dataset {dataset_rid!r}; it has "
                f"{inside}.",
            )
        return self._other(dataset_rid)

    def _other(self, rid: str) -> DatasetBag:
        return DatasetBag(self._session, self._path, rid, self._fetch)

    def _check_version(self, version: DatasetVersion | str | None) -> None:
        if version is not None and DatasetVersion.of(version) != self.current_version:
            raise DerivaMLNotFoundError(
                f"The bag holds version {str(self.current_version)!r} of dataset "
                f"{self.dataset_rid!r}, not {str(version)!r}; download that version."
            )

    # --- versions, executions and features -------------------------------------------

    def dataset_history(self) -> VersionList:
        """The versions up to this one, the oldest first."""
        return self._datasets.history(self.dataset_rid)

    def list_executions(self) -> list[str]:
        """RIDs of the executions that had read the dataset by then."""
        return self._datasets.list_executions(self.dataset_rid)

    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow in the bag, by its RID or type."""
        return self._datasets.features.list_workflow_executions(workflow)

    def find_features(self, table: str | Table | None = None) -> list[Feature]:
        """The features of one table, or of every table."""
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

    list_feature_values = feature_values
    get_feature_values_as_dataframe = get_feature_values_as_dataframe

    def lookup_term(self, table: str | Table, term_name: str) -> VocabularyTerm:
        """A term by name or synonym."""
        return Vocabularies(self._session).lookup_term(table, term_name)

    # --- wide tables (see `denormalized`) --------------------------------------------

    denormalization_source = _denormalized.bag_source
    get_denormalized_as_dataframe = _denormalized.get_denormalized_as_dataframe
    get_denormalized_as_dict = _denormalized.get_denormalized_as_dict
    get_denormalized_as_arrow = _denormalized.get_denormalized_as_arrow
    get_denormalized_as_polars = _denormalized.get_denormalized_as_polars
    denormalize_as_dataframe = get_denormalized_as_dataframe
    denormalize_as_dict = get_denormalized_as_dict
    list_denormalized_columns = _denormalized.list_denormalized_columns
    describe_denormalized = _denormalized.describe_denormalized
    list_schema_paths = _denormalized.list_schema_paths
    get_table_as_arrow = _denormalized.get_table_as_arrow
    get_table_as_polars = _denormalized.get_table_as_polars

    # --- samples to train with (see `adapters`) --------------------------------------

    as_torch_dataset = _adapters.as_torch_dataset
    as_tf_dataset = _adapters.as_tf_dataset

    # --- files -----------------------------------------------------------------------

    @translated()
    def materialize(self, *, fetch_concurrency: int = 8) -> Self:
        """Bring the files that the bag only refers to; those that are there already stay.

        Args:
            fetch_concurrency: How many files are fetched at the same time.

        Raises:
            DerivaMLValidationError: That is no number of files.
            DerivaMLUnavailableError: A file cannot be reached; those that came stay.
        """
        if isinstance(fetch_concurrency, bool) or fetch_concurrency < 1:
            raise DerivaMLValidationError(
                f"fetch_concurrency is a number of files, 1 or more, not {fetch_concurrency!r}."
            )
        if self._fetch is not None:
            self._fetch(fetch_concurrency)
        return self

    def asset_path(self, table: str, row: Mapping[str, Any]) -> Path:
        """Where the file of an asset's row is, or will be once it is fetched."""
        name = portable_name(str(row["Filename"] or row["URL"].rsplit("/", 1)[-1]))
        return self._path / "data" / "asset" / str(row["RID"]) / table / name

    def restructure_assets(
        self,
        output_dir: str | Path,
        *,
        asset_table: str | None = None,
        targets: Sequence[str] | Mapping[str, Selector] | None = None,
        target_transform: Callable[[Any], str] | None = None,
        missing: Missing = "unknown",
        use_symlinks: bool = True,
        type_selector: Callable[[list[str]], str] | None = None,
        type_to_dir_map: Mapping[str, str] | None = None,
        enforce_vocabulary: bool = True,
        file_transformer: Callable[[Path, Path], Path] | None = None,
    ) -> dict[Path, Path]:
        """Lay the dataset's files out in directories (see `restructure.restructure_assets`)."""
        from .restructure import Layout, restructure_assets

        layout = Layout(
            asset_table=asset_table,
            targets=_named(targets),
            target_transform=target_transform,
            missing=missing,
            use_symlinks=use_symlinks,
            type_selector=type_selector,
            type_to_dir_map=type_to_dir_map,
            enforce_vocabulary=enforce_vocabulary,
            file_transformer=file_transformer,
        )
        return restructure_assets(self, Path(output_dir), layout)

    # --- showing ---------------------------------------------------------------------

    to_markdown = _showing.to_markdown
    display_markdown = _showing.display_markdown
    _repr_html_ = _showing.dataset_html
    # --- other people's formats --------------------------------------------------------

    to_ro_crate = _interchange.bag_to_ro_crate
    to_croissant = _interchange.bag_to_croissant

    def __repr__(self) -> str:
        return f"DatasetBag({self.dataset_rid!r}, path={str(self._path)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatasetBag):
            return NotImplemented
        return (self.dataset_rid, self._path) == (other.dataset_rid, other._path)

    def __hash__(self) -> int:
        return hash((self.dataset_rid, self._path))


def _named(targets: Iterable[str] | Mapping[str, Selector] | None) -> dict[str, Target]:
    if targets is None:
        return {}
    if isinstance(targets, Mapping):
        return dict(targets)
    return dict.fromkeys([targets] if isinstance(targets, str) else targets)

"""`DerivaML`: a connection to a catalog, with every operation under its flat name.

The class is a facade: each method hands on to the collaborator that does the work and that can
be used, read and tested alone (`datasets`, `features`, `vocabularies`, `tables`, `rids`). It is
long because the names are many, and thin because each is one line. The names for workflows,
executions, assets and local files are in `run_methods`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deriva_catalog.interface import Catalog, Row
from deriva_catalog.model.elements import Table
from deriva_ml.dataset.collection import Datasets
from deriva_ml.dataset.members import MemberRids
from deriva_ml.execution.calls import once_in
from deriva_ml.feature.collection import Features
from deriva_ml.model.catalog import DerivaModel

from .connect import open_session
from .definitions import (
    ML_SCHEMA,
    RID,
    ColumnDefinition,
    ConnectionMode,
    ForeignKeyDefinition,
    TableDefinition,
    VersionPart,
)
from .exceptions import DerivaMLConfigurationError, translated
from .logging_config import configure_logging
from .provenance import unknown_provenance_execution, unknown_provenance_file
from .rids import BatchRidResult, ResolveRidResult, Rids
from .run_methods import RunMethods
from .session import DatasetVersioning, Options, Session
from .sort import SortSpec
from .tables import Tables
from .vocabulary import Vocabularies, VocabularyTermHandle

if TYPE_CHECKING:
    import pandas as pd

    from deriva_catalog.path.builder import PathBuilder, SchemaPath
    from deriva_ml.dataset.bag import DatasetBag
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.dataset.history import DatasetHistory
    from deriva_ml.dataset.spec import DatasetSpec
    from deriva_ml.dataset.versions import DatasetVersion
    from deriva_ml.feature.definition import Feature
    from deriva_ml.feature.record import FeatureRecord, Selector

    from .config import DerivaMLConfig

__all__ = ["DerivaML"]


class DerivaML(RunMethods):
    """A connection to a catalog of datasets, executions, features and assets.

    Args:
        hostname: Where the catalog is: ``localhost`` for this machine's own store, in process,
            or the directory of one catalog.
        catalog_id: Its number, or its alias.
        domain_schemas: Schemas of the user's tables; None means all that are not the system's.
        default_schema: Where new tables go; None means the only domain schema.
        project_name: Prefix of the identifiers of new terms; None means the default schema.
        cache_dir: Where downloads are kept; None means ``cache`` in the working directory.
        working_dir: Base of the directory that executions work in.
        hydra_runtime_output_dir: Where Hydra wrote its files for this run.
        ml_schema: Name of the ML schema.
        logging_level: Level of the ``deriva_ml`` logger.
        deriva_logging_level: Level of the loggers below it.
        credential: Who to be; must be None, since catalogs of this machine have no logins.
        s3_bucket: Where archives with persistent identifiers go; not available.
        use_minid: Whether to use persistent identifiers; without a bucket they are off.
        clean_execution_dir: Whether an execution's directory is removed after its upload.
        mode: Must be online: what is cached opens without a connection.
        domain_schema: The only domain schema; sets both `domain_schemas` and `default_schema`.
        check_auth: Verify the login; this machine's own store has none.
        dataset_versioning: See `Options`.

    Raises:
        DerivaMLNotFoundError: There is no such catalog.
        DerivaMLConfigurationError: The settings do not fit the catalog or each other.
    """

    def __init__(
        self,
        hostname: str,
        catalog_id: str | int = 1,
        domain_schemas: str | Iterable[str] | None = None,
        default_schema: str | None = None,
        project_name: str | None = None,
        cache_dir: str | Path | None = None,
        working_dir: str | Path | None = None,
        hydra_runtime_output_dir: str | Path | None = None,
        ml_schema: str = ML_SCHEMA,
        logging_level: int = logging.WARNING,
        deriva_logging_level: int = logging.WARNING,
        credential: Mapping[str, Any] | None = None,
        s3_bucket: str | None = None,
        use_minid: bool | None = None,
        clean_execution_dir: bool = True,
        mode: ConnectionMode | str = ConnectionMode.online,
        *,
        domain_schema: str | None = None,
        check_auth: bool = True,
        dataset_versioning: DatasetVersioning = "auto",
    ) -> None:
        _refuse_unavailable(s3_bucket, mode, credential)
        configure_logging(logging_level, deriva_logging_level)
        schemas = {domain_schemas} if isinstance(domain_schemas, str) else domain_schemas
        if domain_schema is not None:
            schemas, default_schema = {domain_schema}, default_schema or domain_schema
        self.session: Session = open_session(
            hostname,
            catalog_id,
            domain_schemas=schemas,
            default_schema=default_schema,
            project_name=project_name,
            working_dir=working_dir,
            cache_dir=cache_dir,
            ml_schema=ml_schema,
            options=Options(dataset_versioning, clean_execution_dir),
        )
        self.hydra_runtime_output_dir = (
            None if hydra_runtime_output_dir is None else Path(hydra_runtime_output_dir)
        )
        self._snapshots: dict[str, DerivaML] = {}

    @classmethod
    def instantiate(cls, config: DerivaMLConfig) -> Self:
        """Connect as a configuration says."""
        settings = dict(config)
        settings.pop("domain_schema", None)  # the configuration has mapped it to the next two
        return cls(**settings)

    # --- collaborators ---------------------------------------------------------------

    @cached_property
    def vocabularies(self) -> Vocabularies:
        """Vocabularies and their terms."""
        return Vocabularies(self.session)

    @cached_property
    def tables(self) -> Tables:
        """Defining and reading tables."""
        return Tables(self.session, self.vocabularies)

    @cached_property
    def rids(self) -> Rids:
        """Finding, citing and linking rows."""
        return Rids(self.session)

    @cached_property
    def features(self) -> Features:
        """Features and their values."""
        return Features(self.session, self.vocabularies)

    @cached_property
    def datasets(self) -> Datasets:
        """Datasets, their members and versions."""
        return Datasets(self.session, self.vocabularies, once_in(self.session.identity))

    # --- the connection --------------------------------------------------------------

    @property
    def host_name(self) -> str:
        """Where the catalog is."""
        return self.session.hostname

    @property
    def catalog(self) -> Catalog:
        """The catalog itself."""
        return self.session.catalog

    @property
    def catalog_id(self) -> str:
        """The catalog's number; at a snapshot followed by ``@`` and the snapshot."""
        catalog = self.session.catalog
        return f"{catalog.id}@{catalog.snaptime}" if catalog.snaptime else catalog.id

    @property
    def model(self) -> DerivaModel:
        """What the catalog's tables mean."""
        return self.session.model

    @property
    def ml_schema(self) -> str:
        """Name of the ML schema."""
        return self.session.ml_schema

    @property
    def domain_schemas(self) -> frozenset[str]:
        """Names of the schemas of the user's tables."""
        return self.model.domain_schemas

    @property
    def default_schema(self) -> str | None:
        """Where new tables go."""
        return self.model.default_schema

    domain_schema = default_schema

    @property
    def project_name(self) -> str:
        """Prefix of the identifiers of new terms."""
        return self.session.project_name

    @property
    def working_dir(self) -> Path:
        """Where executions keep their files."""
        return self.session.working_dir

    @property
    def cache_dir(self) -> Path:
        """Where downloads are kept."""
        return self.session.cache_dir

    @property
    def clean_execution_dir(self) -> bool:
        """Whether an execution's directory is removed after its upload."""
        return self.session.options.clean_execution_dir

    @property
    def mode(self) -> ConnectionMode:
        """How this is connected: always online."""
        return ConnectionMode.online

    def download_dir(self, cached: bool = False) -> Path:
        """The cache directory, or the working directory."""
        return self.cache_dir if cached else self.working_dir

    def is_snapshot(self) -> bool:
        """Whether this is the catalog as it was at one moment."""
        return self.session.is_snapshot

    @translated()
    def catalog_snapshot(self, version_snapshot: str) -> DerivaML:
        """The same connection on the catalog as it was; kept, so asking again costs nothing."""
        if version_snapshot not in self._snapshots:
            past = object.__new__(type(self))
            past.session = self.session.at(version_snapshot)
            past.hydra_runtime_output_dir = self.hydra_runtime_output_dir
            past._snapshots = {}
            self._snapshots[version_snapshot] = past
        return self._snapshots[version_snapshot]

    @property
    def pathBuilder(self) -> _CallablePaths:
        """The start of data paths; may also be called."""
        return _CallablePaths(self.catalog.path)

    @property
    def domain_path(self) -> SchemaPath:
        """The start of data paths in the default schema."""
        return self.catalog.path[self.model.schema_for(None)]

    def user_list(self) -> list[dict[str, str]]:
        """The users that the catalog has seen, with `ID` and `Full_Name`."""
        return self.tables.users()

    # --- rows by RID -----------------------------------------------------------------

    def resolve_rid(self, rid: RID) -> ResolveRidResult:
        """Where a row is (see `Rids.resolve`)."""
        return self.rids.resolve(rid)

    def resolve_rids(
        self, rids: Iterable[RID], candidate_tables: Iterable[str | Table] | None = None
    ) -> dict[RID, BatchRidResult]:
        """Where each of many rows is (see `Rids.resolve_many`)."""
        return self.rids.resolve_many(rids, candidate_tables)

    def retrieve_rid(self, rid: RID) -> Row:
        """A row as a dictionary (see `Rids.retrieve`)."""
        return self.rids.retrieve(rid)

    def cite(self, entity: str | Mapping[str, Any], current: bool = False) -> str:
        """A permanent link to a row (see `Rids.cite`)."""
        return self.rids.cite(entity, current)

    def chaise_url(self, table: str | Table) -> str:
        """The address of the web page of a table or row (see `Rids.chaise_url`)."""
        return self.rids.chaise_url(table)

    # --- tables ----------------------------------------------------------------------

    def create_table(
        self, table: TableDefinition | Mapping[str, Any], schema: str | None = None
    ) -> Table:
        """Create a table (see `Tables.create`)."""
        return self.tables.create(table, schema)

    def create_vocabulary(
        self, vocab_name: str, comment: str = "", schema: str | None = None
    ) -> Table:
        """Create a vocabulary (see `Tables.create_vocabulary`)."""
        return self.tables.create_vocabulary(vocab_name, comment, schema)

    def create_asset(
        self,
        asset_name: str,
        column_defs: Iterable[ColumnDefinition] | None = None,
        fkey_defs: Iterable[ForeignKeyDefinition] | None = None,
        referenced_tables: Iterable[str | Table] | None = None,
        comment: str = "",
        schema: str | None = None,
    ) -> Table:
        """Create an asset table (see `Tables.create_asset`)."""
        return self.tables.create_asset(
            asset_name, column_defs, fkey_defs, referenced_tables, comment, schema
        )

    def define_association(
        self,
        associates: Sequence[Any],
        metadata: Iterable[ColumnDefinition] | None = None,
        table_name: str | None = None,
        comment: str | None = None,
    ) -> dict[str, Any]:
        """The document of a table that links others (see `Tables.define_association`)."""
        return self.tables.define_association(associates, metadata, table_name, comment)

    def get_table_as_dataframe(self, table: str | Table) -> pd.DataFrame:
        """All rows of a table as a frame."""
        return self.tables.frame(table)

    def get_table_as_dict(self, table: str | Table) -> list[Row]:
        """All rows of a table as dictionaries."""
        return self.tables.rows(table)

    def list_asset_tables(self) -> list[Table]:
        """The tables whose rows describe files."""
        return self.model.find_assets()

    # --- vocabularies ----------------------------------------------------------------

    def add_term(
        self,
        table: str | Table,
        term_name: str,
        description: str = "",
        synonyms: Iterable[str] | None = None,
        exists_ok: bool = True,
    ) -> VocabularyTermHandle:
        """Add a term (see `Vocabularies.add_term`)."""
        return self.vocabularies.add_term(table, term_name, description, synonyms, exists_ok)

    def lookup_term(self, table: str | Table, term_name: str) -> VocabularyTermHandle:
        """A term by name or synonym (see `Vocabularies.lookup_term`)."""
        return self.vocabularies.lookup_term(table, term_name)

    def list_vocabulary_terms(self, table: str | Table) -> list[VocabularyTermHandle]:
        """Every term of a vocabulary."""
        return self.vocabularies.list_terms(table)

    def delete_term(self, table: str | Table, term_name: str) -> None:
        """Remove a term that nothing refers to (see `Vocabularies.delete_term`)."""
        self.vocabularies.delete_term(table, term_name)

    # --- datasets --------------------------------------------------------------------

    def find_datasets(self, deleted: bool = False, sort: SortSpec = None) -> list[Dataset]:
        """Every dataset (see `Datasets.find`)."""
        return self.datasets.find(deleted, sort)

    def lookup_dataset(self, dataset: str | DatasetSpec, deleted: bool = False) -> Dataset:
        """A dataset by RID (see `Datasets.lookup`)."""
        return self.datasets.lookup(dataset, deleted)

    def delete_dataset(self, dataset: Dataset | str, recurse: bool = False) -> None:
        """Mark a dataset as deleted (see `Datasets.delete`)."""
        self.datasets.delete(_rid_of(dataset), recurse)

    def list_dataset_element_types(self) -> list[Table]:
        """The tables whose rows may be members of datasets."""
        return self.datasets.element_types()

    def add_dataset_element_type(self, element: str | Table) -> Table:
        """Let rows of a table be members (see `Datasets.add_element_type`)."""
        return self.datasets.add_element_type(element)

    def download_dataset_bag(self, dataset: DatasetSpec | str) -> DatasetBag:
        """A version of a dataset on this machine (see `Datasets.download`)."""
        return self.datasets.download(dataset)

    def create_dataset(
        self,
        dataset_types: str | Iterable[str] | None = None,
        description: str = "",
        execution_rid: str | None = None,
        version: DatasetVersion | str | None = None,
    ) -> str:
        """Create a dataset and return its RID (see `Datasets.create`)."""
        made = self.datasets.create(dataset_types, description, execution_rid, version)
        return made.dataset_rid

    def add_dataset_members(
        self,
        dataset_rid: str,
        members: MemberRids,
        validate: bool = True,
        description: str = "",
        execution_rid: str | None = None,
    ) -> None:
        """Make rows members of a dataset (see `Datasets.add_members`)."""
        self.datasets.add_members(dataset_rid, members, validate, description, execution_rid)

    def delete_dataset_members(
        self,
        dataset_rid: str,
        members: MemberRids,
        description: str = "",
        execution_rid: str | None = None,
    ) -> None:
        """End the membership of rows (see `Datasets.delete_members`)."""
        self.datasets.delete_members(dataset_rid, members, description, execution_rid)

    def list_dataset_members(
        self, dataset_rid: str, recurse: bool = False, limit: int | None = None
    ) -> dict[str, list[Row]]:
        """Full rows of the members of a dataset by table name."""
        return self.datasets.list_members(dataset_rid, recurse, limit)

    def list_dataset_children(self, dataset_rid: str, recurse: bool = False) -> list[str]:
        """RIDs of the datasets nested in one."""
        return self.datasets.children(dataset_rid, recurse)

    def list_dataset_parents(self, dataset_rid: str) -> list[str]:
        """RIDs of the datasets that contain one."""
        return self.datasets.parents(dataset_rid)

    def dataset_version(self, dataset_rid: str) -> DatasetVersion:
        """The current version of a dataset."""
        return self.datasets.current_version(dataset_rid)

    def dataset_history(self, dataset_rid: str) -> list[DatasetHistory]:
        """Every version of a dataset, the oldest first."""
        return self.datasets.history(dataset_rid)

    def increment_dataset_version(
        self,
        dataset_rid: str,
        component: VersionPart | str,
        description: str = "",
        execution_rid: str | None = None,
    ) -> DatasetVersion:
        """Release the next version of a dataset and of those that contain it."""
        return self.datasets.increment_version(dataset_rid, component, description, execution_rid)

    # --- features --------------------------------------------------------------------

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
        """Create a feature and return the class of its records (see `Features.create`)."""
        return self.features.create(
            target_table, feature_name, terms, assets, metadata, optional, comment
        )

    def feature_record_class(self, table: str | Table, feature_name: str) -> type[FeatureRecord]:
        """The class of a feature's records."""
        return self.features.record_class(table, feature_name)

    def lookup_feature(self, table: str | Table, feature_name: str) -> Feature:
        """One feature (see `Features.lookup`)."""
        return self.features.lookup(table, feature_name)

    def find_features(self, table: str | Table | None = None) -> list[Feature]:
        """The features of one table, or of every table."""
        return self.features.find(table)

    def delete_feature(self, table: str | Table, feature_name: str) -> bool:
        """Drop a feature with its values (see `Features.delete`)."""
        return self.features.delete(table, feature_name)

    def feature_values(
        self,
        table: str | Table,
        feature_name: str,
        selector: Selector | None = None,
        materialize_limit: int | None = None,
        execution_rids: Sequence[str] | None = None,
    ) -> list[FeatureRecord]:
        """Values of a feature as records (see `Features.values`)."""
        return self.features.values(
            table, feature_name, selector, materialize_limit, execution_rids
        )

    def list_feature_values(
        self, table: str | Table, feature_name: str, selector: Selector | None = None
    ) -> list[FeatureRecord]:
        """Values of a feature as records: the older name of `feature_values`."""
        return self.features.values(table, feature_name, selector)

    def list_workflow_executions(self, workflow: str) -> list[str]:
        """RIDs of the executions of a workflow, by its RID or type."""
        return self.features.list_workflow_executions(workflow)

    # --- provenance ------------------------------------------------------------------

    @translated()
    def unknown_provenance_execution_rid(self) -> str:
        """RID of the execution that artifacts of unknown origin point at."""
        return unknown_provenance_execution(self.session)

    @translated()
    def unknown_provenance_file_rid(self) -> str:
        """RID of the file that executions without inputs point at."""
        return unknown_provenance_file(self.session)

    def __repr__(self) -> str:
        return f"DerivaML({self.host_name!r}, {self.catalog_id!r})"


class _CallablePaths:
    """The path builder under both of its uses: ``ml.pathBuilder`` and ``ml.pathBuilder()``."""

    def __init__(self, paths: PathBuilder) -> None:
        self._paths = paths

    def __call__(self) -> PathBuilder:
        return self._paths

    def __getitem__(self, schema: str) -> SchemaPath:
        return self._paths[schema]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._paths, name)


def _rid_of(dataset: Dataset | str) -> str:
    return dataset if isinstance(dataset, str) else dataset.dataset_rid


def _refuse_unavailable(
    s3_bucket: str | None, mode: ConnectionMode | str, credential: Mapping[str, Any] | None
) -> None:
    if credential is not None:
        raise DerivaMLConfigurationError(
            "Catalogs of this machine have no logins; leave credential out."
        )
    if s3_bucket is not None:
        raise DerivaMLConfigurationError(
            f"Archives with persistent identifiers in a bucket ({s3_bucket!r}) are not available; "
            "leave s3_bucket out."
        )
    if ConnectionMode(mode) is not ConnectionMode.online:
        raise DerivaMLConfigurationError(
            "A connection is always online. Datasets that were downloaded open without one."
        )

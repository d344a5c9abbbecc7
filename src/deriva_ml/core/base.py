"""`DerivaML`: a connection to a catalog, with every operation under its flat name.

The class is a facade: each method hands on to the collaborator that does the work and that can
be used, read and tested alone (`datasets`, `features`, `vocabularies`, `tables`, `rids`,
`workflows`, `executions`, `assets`, `storage`). The methods are functions, written down in
`methods` a module for each group, and taken into the class here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from deriva_catalog.interface import Catalog
from deriva_ml.model.catalog import DerivaModel

from . import collaborators as _collaborators
from .arguments import check_text, mode_named
from .connect import open_offline, open_session
from .context import read_context, write_context
from .definitions import ML_SCHEMA, ConnectionMode
from .exceptions import DerivaMLConfigurationError, translated
from .host import catalog_argument, directory_of, is_directory
from .html_tables import settings_html
from .logging_config import configure_logging
from .methods import annotations as _annotations
from .methods import assets as _assets
from .methods import bags as _bags
from .methods import catalogs as _catalogs
from .methods import checks as _checks
from .methods import configurations as _configurations
from .methods import connection as _connection
from .methods import datasets as _datasets
from .methods import denormalized as _denormalized
from .methods import executions as _executions
from .methods import experiments as _experiments
from .methods import external_files as _external_files
from .methods import features as _features
from .methods import files as _files
from .methods import importing as _importing
from .methods import interchange as _interchange
from .methods import lineage as _lineage
from .methods import rows as _rows
from .schema_cache import SchemaCache
from .session import DatasetVersioning, Options, Session

if TYPE_CHECKING:
    from deriva_catalog.path.builder import PathBuilder, SchemaPath

    from .config import DerivaMLConfig

__all__ = ["DerivaML"]


class DerivaML:
    """A connection to a catalog of datasets, executions, features and assets.

    Args:
        hostname: Where the catalog is: ``localhost`` for this machine's own store, in process,
            the directory of one catalog, or a server: ``host``, ``host:port`` or a URL.
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
        credential: What proves to a server who you are, as ``{"bearer-token": ...}`` or
            ``{"cookie": ...}``; None means what ``deriva-catalog login`` kept.
        s3_bucket: Where archives with persistent identifiers go: a bucket of S3, or a URL such as
            ``s3://bucket/folder`` or ``file:///directory``.
        use_minid: Whether downloads use archives with persistent identifiers, and make those that
            are missing. Without a bucket they do not; None means if there is a bucket.
        clean_execution_dir: Whether an execution's directory is removed after its upload.
        mode: ``online``, or ``offline`` to work without a connection: on the schema that the first
            connection kept, or `refresh_schema` since, with datasets that were downloaded and
            executions that were begun.
        reuse_schema_json: With ``offline``, the schema to work on in the place of the one that is
            kept: a document, or the file of one.
        domain_schema: The only domain schema; sets both `domain_schemas` and `default_schema`.
        check_auth: Refuse a login that the server no longer knows; without one you are anonymous.
        dataset_versioning: See `Options`.
        registry: What gives the persistent identifiers: the URL of a folder, or the name of an
            installed service (see `deriva_ml.dataset.registries`); None means what
            ``DERIVA_ML_REGISTRY`` says, else a folder of the bucket.

    Raises:
        DerivaMLNotFoundError: There is no such catalog.
        DerivaMLAuthenticationError: A login is needed, or has ended.
        DerivaMLUnavailableError: The server cannot be reached.
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
        reuse_schema_json: Mapping[str, Any] | str | Path | None = None,
        domain_schema: str | None = None,
        check_auth: bool = True,
        dataset_versioning: DatasetVersioning = "auto",
        registry: str | None = None,
    ) -> None:
        configure_logging(logging_level, deriva_logging_level)
        schemas = {domain_schemas} if isinstance(domain_schemas, str) else domain_schemas
        if domain_schema is not None:
            schemas, default_schema = {domain_schema}, default_schema or domain_schema
        settings: dict[str, Any] = {
            "domain_schemas": schemas,
            "default_schema": default_schema,
            "project_name": project_name,
            "working_dir": working_dir,
            "cache_dir": cache_dir,
            "ml_schema": ml_schema,
            "options": Options(
                dataset_versioning,
                clean_execution_dir,
                s3_bucket,
                bool(s3_bucket) and use_minid is not False,
                registry,
            ),
        }
        self.session: Session = (
            open_offline(hostname, catalog_id, schema=reuse_schema_json, **settings)
            if mode_named(mode) is ConnectionMode.offline
            else open_session(
                hostname, catalog_id, credential=credential, check_auth=check_auth, **settings
            )
        )
        if reuse_schema_json is not None and not self.session.is_offline:
            raise DerivaMLConfigurationError(
                "A connection reads the schema of its catalog; reuse_schema_json is for "
                "mode='offline'."
            )
        self._credential = credential
        # In full, as they are now: the program may go to another directory.
        work = None if working_dir is None else Path(working_dir).expanduser().absolute()
        self._given_working_dir = work
        self._given_host = str(directory_of(hostname)) if is_directory(hostname) else None
        self._configuration: DerivaMLConfig | None = None
        self.hydra_runtime_output_dir = (
            None if hydra_runtime_output_dir is None else Path(hydra_runtime_output_dir)
        )
        self._snapshots: dict[str, DerivaML] = {}

    @classmethod
    def instantiate(cls, config: DerivaMLConfig) -> Self:
        """Connect as a configuration says."""
        settings = dict(config)
        settings.pop("domain_schema", None)  # the configuration has mapped it to the next two
        made = cls(**settings)
        made._configuration = config
        return made

    @classmethod
    def from_context(cls, path: str | Path | None = None) -> Self:
        """Connect as the nearest file ``.deriva-context.json`` says (see `read_context`)."""
        return cls(**read_context(path))

    def write_context(self, directory: str | Path | None = None) -> Path:
        """Write which catalog this is into a project's ``.deriva-context.json``.

        `from_context` and the commands read it. Logins are never written.

        Args:
            directory: The project's directory; None means the current one.

        Raises:
            DerivaMLNotFoundError: There is no such directory.
            DerivaMLConfigurationError: The file cannot be written there.
        """
        return write_context(
            directory,
            self._given_host or self.host_name,
            catalog_argument(self.host_name, self.catalog_id),
            default_schema=self.default_schema,
            working_dir=self._given_working_dir,
        )

    @classmethod
    def globus_login(cls, host: str) -> NoReturn:
        """Not offered: logins are kept by the command ``deriva-catalog login``.

        Raises:
            DerivaMLConfigurationError: Always; the message has the command.
        """
        raise DerivaMLConfigurationError(
            f"There is no login of Globus. Log in to {host} with: deriva-catalog login {host}"
        )

    @classmethod
    def over(cls, session: Session, hydra_runtime_output_dir: Path | None = None) -> Self:
        """The methods of a connection on a session that there is: a snapshot, a bag.

        Args:
            session: The session.
            hydra_runtime_output_dir: Where Hydra wrote its files for this run.
        """
        made = object.__new__(cls)
        made.session = session
        made._credential = None
        made._given_working_dir = made._given_host = None
        made._configuration = None
        made.hydra_runtime_output_dir = hydra_runtime_output_dir
        made._snapshots = {}
        return made

    # --- collaborators: each is made when it is first asked for ----------------------

    vocabularies = cached_property(_collaborators.vocabularies)
    tables = cached_property(_collaborators.tables)
    rids = cached_property(_collaborators.rids)
    features = cached_property(_collaborators.features)
    datasets = cached_property(_collaborators.datasets)
    workflows = cached_property(_collaborators.workflows)
    assets = cached_property(_collaborators.assets)
    executions = cached_property(_collaborators.executions)
    annotations = cached_property(_collaborators.table_annotations)
    storage = cached_property(_collaborators.storage)

    @property
    def schema_cache(self) -> SchemaCache:
        """The schema of the catalog as this machine keeps it."""
        return SchemaCache(self.working_dir)

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
    def credential(self) -> Mapping[str, Any] | None:
        """What was given to prove to a server who we are; None if that was looked up."""
        return self._credential

    @property
    def configuration(self) -> DerivaMLConfig | None:
        """The configuration that this was connected by (`instantiate`)."""
        return self._configuration

    @property
    def s3_bucket(self) -> str | None:
        """Where archives of dataset versions go."""
        return self.session.options.s3_bucket

    @property
    def use_minid(self) -> bool:
        """Whether downloads use archives with persistent identifiers."""
        return self.session.options.use_minid

    @property
    def mode(self) -> ConnectionMode:
        """Whether there is a connection to the catalog."""
        return ConnectionMode.offline if self.session.is_offline else ConnectionMode.online

    def download_dir(self, cached: bool = False) -> Path:
        """The cache directory, or the working directory."""
        return self.cache_dir if cached else self.working_dir

    def is_snapshot(self) -> bool:
        """Whether this is the catalog as it was at one moment."""
        return self.session.is_snapshot

    @translated()
    def catalog_snapshot(self, version_snapshot: str) -> DerivaML:
        """The same connection on the catalog as it was; kept, so asking again costs nothing."""
        if check_text(version_snapshot, "version_snapshot") not in self._snapshots:
            session = self.session.at(version_snapshot)
            past = type(self).over(session, self.hydra_runtime_output_dir)
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

    def _domain_path(self, schema: str | None = None) -> SchemaPath:
        return self.catalog.path[self.model.schema_for(schema)]

    # --- rows, tables and vocabularies ---------------------------------------------

    resolve_rid = _rows.resolve_rid
    resolve_rids = _rows.resolve_rids
    retrieve_rid = _retrieve_rid = _rows.retrieve_rid
    cite = _rows.cite
    chaise_url = _rows.chaise_url
    create_table = _rows.create_table
    create_vocabulary = _rows.create_vocabulary
    create_asset = _rows.create_asset
    define_association = _rows.define_association
    get_table_as_dataframe = _rows.get_table_as_dataframe
    get_table_as_dict = _rows.get_table_as_dict
    list_asset_tables = _rows.list_asset_tables
    add_term = _rows.add_term
    lookup_term = _rows.lookup_term
    list_vocabulary_terms = _rows.list_vocabulary_terms
    delete_term = _rows.delete_term
    user_list = _rows.user_list
    unknown_provenance_execution_rid = _rows.unknown_provenance_execution_rid
    unknown_provenance_file_rid = _rows.unknown_provenance_file_rid

    # --- datasets ------------------------------------------------------------------

    find_datasets = _datasets.find_datasets
    lookup_dataset = _datasets.lookup_dataset
    delete_dataset = _datasets.delete_dataset
    list_dataset_element_types = _datasets.list_dataset_element_types
    add_dataset_element_type = _datasets.add_dataset_element_type
    download_dataset_bag = _datasets.download_dataset_bag
    create_dataset = _datasets.create_dataset
    add_dataset_members = _datasets.add_dataset_members
    delete_dataset_members = _datasets.delete_dataset_members
    list_dataset_members = _datasets.list_dataset_members
    list_dataset_children = _datasets.list_dataset_children
    list_dataset_parents = _datasets.list_dataset_parents
    dataset_version = _datasets.dataset_version
    dataset_history = _datasets.dataset_history
    increment_dataset_version = _datasets.increment_dataset_version

    # --- features ------------------------------------------------------------------

    create_feature = _features.create_feature
    feature_record_class = _features.feature_record_class
    lookup_feature = _features.lookup_feature
    find_features = _features.find_features
    delete_feature = _features.delete_feature
    feature_values = _features.feature_values
    list_feature_values = _features.list_feature_values
    get_feature_values_as_dataframe = _features.get_feature_values_as_dataframe
    add_features = _features.add_features
    list_workflow_executions = _features.list_workflow_executions

    # --- workflows and executions --------------------------------------------------

    create_workflow = _executions.create_workflow
    add_workflow = _add_workflow = _executions.add_workflow
    find_workflows = _executions.find_workflows
    list_workflows = _executions.list_workflows
    lookup_workflow = _executions.lookup_workflow
    lookup_workflow_by_url = _executions.lookup_workflow_by_url
    create_execution = _executions.create_execution
    resume_execution = _executions.resume_execution
    restore_execution = _executions.restore_execution
    file_run = _executions.file_run
    lookup_execution = _executions.lookup_execution
    find_executions = _executions.find_executions
    find_executions_consuming = _executions.find_executions_consuming
    multirun_status_summary = _executions.multirun_status_summary
    list_executions = _executions.list_executions
    find_incomplete_executions = _executions.find_incomplete_executions
    pending_summary = _executions.pending_summary
    commit_pending_executions = _executions.commit_pending_executions
    gc_executions = _executions.gc_executions

    # --- assets, and files of this machine -----------------------------------------

    list_assets = _files.list_assets
    find_assets = _files.find_assets
    lookup_asset = _files.lookup_asset
    list_asset_executions = _files.list_asset_executions
    list_execution_assets = _files.list_execution_assets
    list_execution_dirs = _files.list_execution_dirs
    clean_execution_dirs = _files.clean_execution_dirs
    list_cached_assets = _files.list_cached_assets
    delete_cached_asset = _files.delete_cached_asset
    clear_cache = _files.clear_cache
    get_cache_size = _files.get_cache_size
    get_storage_summary = _files.get_storage_summary

    # --- checks before a run, references, files that stay where they are -----------

    add_files = _external_files.add_files
    list_files = _external_files.list_files

    validate_dataset_specs = _checks.validate_dataset_specs
    validate_execution_configuration = _checks.validate_execution_configuration
    find_datasets_referencing = _checks.find_datasets_referencing
    find_features_referencing = _checks.find_features_referencing
    # --- lineage and experiments ---------------------------------------------------

    lookup_lineage = _lineage.lookup_lineage
    audit_provenance = _lineage.audit_provenance
    lookup_experiment = _experiments.lookup_experiment
    find_experiments = _experiments.find_experiments
    compare_experiments = _experiments.compare_experiments
    # --- interchange ---------------------------------------------------------------

    export_ro_crate = _interchange.export_ro_crate
    export_openlineage = _interchange.export_openlineage
    export_to_mlflow = _interchange.export_to_mlflow
    import_croissant = _interchange.import_croissant
    import_ro_crate = _interchange.import_ro_crate
    import_mlflow_run = _interchange.import_mlflow_run
    import_mlflow_experiment = _interchange.import_mlflow_experiment
    # --- wide tables ---------------------------------------------------------------

    estimate_denormalized_size = _denormalized.estimate_denormalized_size
    cache_table = _denormalized.cache_table
    workspace = property(_denormalized.workspace)
    get_table_as_arrow = _denormalized.get_table_as_arrow
    get_table_as_polars = _denormalized.get_table_as_polars

    # --- bags ----------------------------------------------------------------------

    estimate_bag_size = _bags.estimate_bag_size
    bag_info = _bags.bag_info
    cache_dataset = _bags.cache_dataset
    list_cached_bags = _bags.list_cached_bags
    delete_cached_bag = _bags.delete_cached_bag

    # --- the connection, and the schema that is kept here ----------------------------

    whoami = _connection.whoami
    is_authenticated = _connection.is_authenticated
    refresh_schema = _connection.refresh_schema
    pin_schema = _connection.pin_schema
    unpin_schema = _connection.unpin_schema
    pin_status = _connection.pin_status
    diff_schema = _connection.diff_schema
    clear_vocabulary_cache = _connection.clear_vocabulary_cache

    # --- annotations -----------------------------------------------------------------

    get_table_annotations = _annotations.get_table_annotations
    get_column_annotations = _annotations.get_column_annotations
    set_display_annotation = _annotations.set_display_annotation
    set_visible_columns = _annotations.set_visible_columns
    set_visible_foreign_keys = _annotations.set_visible_foreign_keys
    set_table_display = _annotations.set_table_display
    set_column_display = _annotations.set_column_display
    set_strict_preallocated_rid = _annotations.set_strict_preallocated_rid
    is_strict_preallocated_rid = _annotations.is_strict_preallocated_rid
    apply_annotations = _annotations.apply_annotations
    add_visible_column = _annotations.add_visible_column
    remove_visible_column = _annotations.remove_visible_column
    reorder_visible_columns = _annotations.reorder_visible_columns
    add_visible_foreign_key = _annotations.add_visible_foreign_key
    remove_visible_foreign_key = _annotations.remove_visible_foreign_key
    reorder_visible_foreign_keys = _annotations.reorder_visible_foreign_keys
    get_handlebars_template_variables = _annotations.get_handlebars_template_variables
    apply_catalog_annotations = _annotations.apply_catalog_annotations

    # --- records of assets -----------------------------------------------------------

    asset_record_class = _assets.asset_record_class
    asset_manifest = _assets.asset_manifest
    create_asset_table = _assets.create_asset_table
    add_page = _assets.add_page

    # --- configuration files -------------------------------------------------------

    validate_config_file = _configurations.validate_config_file
    validate_config_directory = _configurations.validate_config_directory
    bootstrap_config = _configurations.bootstrap_config
    # --- the catalog -----------------------------------------------------------------

    catalog_provenance = property(_catalogs.catalog_provenance)

    # --- importing -------------------------------------------------------------------

    import_directory = _importing.import_directory
    import_table = _importing.import_table
    import_image_folder = _importing.import_image_folder
    import_dvc = _importing.import_dvc

    def __repr__(self) -> str:
        return f"DerivaML({self.host_name!r}, {self.catalog_id!r})"

    def _repr_html_(self) -> str:
        return settings_html(
            "DerivaML",
            {
                "host": self.host_name,
                "catalog": self.catalog_id,
                "domain schemas": self.domain_schemas,
                "working directory": self.working_dir,
                "connection": "offline" if self.session.is_offline else None,
            },
        )


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

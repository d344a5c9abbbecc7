"""What a connection to a catalog consists of; every collaborator of `DerivaML` gets one.

A `Session` never changes: the same collaborators over ``session.at(snapshot)`` answer the same
questions about the past, and over a bag's catalog they answer them offline.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from deriva_catalog.interface import Catalog, Row, Transaction
from deriva_catalog.model.elements import Table
from deriva_catalog.path.ast import Query
from deriva_ml.model.catalog import DerivaModel

from .catalog_stub import CatalogStub, NotConnected
from .exceptions import DerivaMLConfigurationError, DerivaMLReadOnlyError, translated

DatasetVersioning = Literal["auto", "dev"]


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of a connection that change what its methods do.

    Attributes:
        dataset_versioning: ``auto``: each change of a dataset's content ends in a released minor
            version of it and of the datasets that contain it. ``dev``: changes collect under a
            development label until ``release`` is called.
        clean_execution_dir: Whether an execution's directory is removed after its upload.
        s3_bucket: Where archives of dataset versions go; None means there are none.
        use_minid: Whether downloads use archives with persistent identifiers, and make them.
        registry: What gives the identifiers (see `registries`); None means a folder of the bucket.

    Raises:
        DerivaMLConfigurationError: There is no such way to make versions.
    """

    dataset_versioning: DatasetVersioning = "auto"
    clean_execution_dir: bool = True
    s3_bucket: str | None = None
    use_minid: bool = False
    registry: str | None = None

    def __post_init__(self) -> None:
        if self.dataset_versioning not in get_args(DatasetVersioning):
            raise DerivaMLConfigurationError(
                f"dataset_versioning is {self.dataset_versioning!r}; it is 'auto' or 'dev'."
            )


@dataclass(frozen=True)
class Session:
    """A catalog, what its tables mean, and where this machine keeps files for it.

    Attributes:
        hostname: The host the catalog was asked for under; ``localhost`` is this machine.
        catalog: The live catalog, a snapshot of it, or a bag.
        model: What the catalog's tables mean.
        project_name: Prefix of the identifiers of new vocabulary terms.
        working_dir: Where executions keep their files.
        cache_dir: Where downloaded bags and assets are kept.
        identity: Tells this catalog from all others, also from one that was in its place before.
        options: Settings.
    """

    hostname: str
    catalog: Catalog
    model: DerivaModel
    project_name: str
    working_dir: Path
    cache_dir: Path
    identity: str = ""
    options: Options = field(default_factory=Options)

    @property
    def ml_schema(self) -> str:
        """Name of the ML schema."""
        return self.model.ml_schema

    @property
    def is_snapshot(self) -> bool:
        """Whether this is the catalog as it was at one moment."""
        return self.catalog.snaptime is not None

    @property
    def is_offline(self) -> bool:
        """Whether there is no connection to the catalog."""
        return isinstance(self.catalog, CatalogStub)

    def at(self, snapshot: str) -> Session:
        """The same session on the catalog as it was at `snapshot`."""
        catalog = self.catalog.at(snapshot)
        model = DerivaModel(catalog, self.ml_schema)
        return replace(self, catalog=catalog, model=model)

    # --- reading ---------------------------------------------------------------------

    def table(self, table: str | Table) -> Table:
        """The table of that name (see `DerivaModel.name_to_table`)."""
        return self.model.name_to_table(table)

    def ml(self, table: str) -> Table:
        """A table of the ML schema."""
        return self.model.ml_table(table)

    def fetch(self, query: Query | str) -> list[Row]:
        """All rows of a query."""
        return self.catalog.fetch(query)

    # --- writing ---------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Make the writes inside one change of the catalog; all of them happen, or none.

        Raises:
            DerivaMLReadOnlyError: The session is on a snapshot.
        """
        self.require_writable()
        with translated(), self.catalog.transaction() as transaction:
            yield transaction

    def require_writable(self) -> None:
        """Refuse to go on when the session is on a snapshot, or without a connection.

        Raises:
            DerivaMLReadOnlyError: It is.
            DerivaMLOfflineError: There is no connection.
        """
        if self.is_offline:
            raise NotConnected(
                f"This session is offline: catalog {self.catalog.id!r} cannot be changed. "
                "Connect with mode='online'."
            )
        if self.is_snapshot:
            raise DerivaMLReadOnlyError(
                f"Catalog {self.catalog.id!r} is open at the snapshot {self.catalog.snaptime!r}, "
                "which cannot change. Connect without a snapshot to write."
            )

"""What a connection consists of: the collaborators that do the work of `DerivaML`.

Each is made, and its module imported, when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deriva_ml.asset.collection import Assets
    from deriva_ml.dataset.collection import Datasets
    from deriva_ml.execution.collection import Executions
    from deriva_ml.execution.workflows import Workflows
    from deriva_ml.feature.collection import Features

    from .annotations import Annotations
    from .base import DerivaML
    from .rids import Rids
    from .storage import Storage
    from .tables import Tables
    from .vocabulary import Vocabularies

__all__ = [
    "assets",
    "datasets",
    "executions",
    "features",
    "rids",
    "storage",
    "table_annotations",
    "tables",
    "vocabularies",
    "workflows",
]


def vocabularies(self: DerivaML) -> Vocabularies:
    """Vocabularies and their terms."""
    from .vocabulary import Vocabularies

    return Vocabularies(self.session)


def tables(self: DerivaML) -> Tables:
    """Defining and reading tables."""
    from .tables import Tables

    return Tables(self.session, self.vocabularies)


def rids(self: DerivaML) -> Rids:
    """Finding, citing and linking rows."""
    from .rids import Rids

    return Rids(self.session)


def features(self: DerivaML) -> Features:
    """Features and their values."""
    from deriva_ml.feature.collection import Features

    return Features(self.session, self.vocabularies)


def datasets(self: DerivaML) -> Datasets:
    """Datasets, their members and versions."""
    from deriva_ml.dataset.collection import Datasets
    from deriva_ml.execution.calls import once_in

    return Datasets(self.session, self.vocabularies, once_in(self.session.identity))


def workflows(self: DerivaML) -> Workflows:
    """Code that executions run."""
    from deriva_ml.execution.workflows import Workflows

    return Workflows(self.session, self.vocabularies)


def assets(self: DerivaML) -> Assets:
    """Files that the catalog describes."""
    from deriva_ml.asset.collection import Assets

    return Assets(self.session, self.vocabularies)


def executions(self: DerivaML) -> Executions:
    """Runs, in the catalog and on this machine."""
    from deriva_ml.execution.collection import Executions
    from deriva_ml.execution.run import Surroundings

    return Executions(
        Surroundings(
            self.session,
            self.vocabularies,
            self.datasets,
            self.features,
            self.assets,
            self.workflows,
            self.hydra_runtime_output_dir,
        )
    )


def table_annotations(self: DerivaML) -> Annotations:
    """How web pages show tables, with changes that are not written yet."""
    from .annotations import Annotations

    return Annotations(self.session)


def storage(self: DerivaML) -> Storage:
    """Files of this machine."""
    from .storage import Storage

    return Storage(self.session)

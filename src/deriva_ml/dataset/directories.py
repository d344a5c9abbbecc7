"""Datasets that stand for directories of files: which directory, and which is the top one.

The functions are properties of `Dataset` and of `DatasetBag`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from deriva_ml.core.exceptions import translated
from deriva_ml.core.query import any_of, attributes, equals

from .nesting import parents

if TYPE_CHECKING:
    from .collection import Datasets

__all__ = ["is_directory", "is_source_root", "source_directory"]


class OfCatalog(Protocol):
    """A dataset of a catalog or of a bag."""

    @property
    def dataset_rid(self) -> str:
        """Its RID."""
        ...

    @property
    def datasets(self) -> Datasets:
        """The datasets of the same catalog."""
        ...


@translated()
def source_directory(self: OfCatalog) -> str | None:
    """The directory that the dataset of files was made from; None for other datasets.

    For the top directory it is a name; for those inside it the path from there.
    """
    session = self.datasets.session
    table = session.ml("Directory_Dataset")
    rows = session.fetch(attributes(table, ("Path",), equals("Dataset", self.dataset_rid)))
    return str(rows[0]["Path"]) if rows else None


def is_directory(self: OfCatalog) -> bool:
    """Whether the dataset stands for a directory of files."""
    return source_directory(self) is not None


@translated()
def is_source_root(self: OfCatalog) -> bool:
    """Whether the dataset is the top directory of those that were added in one call.

    It is a directory, and no dataset that contains it is one. A bag knows only the datasets
    that are inside the one that was downloaded.
    """
    session = self.datasets.session
    if source_directory(self) is None:
        return False
    above = parents(session, [self.dataset_rid])
    if not above:
        return True
    query = attributes(session.ml("Directory_Dataset"), ("RID",), any_of("Dataset", above))
    return not session.fetch(query)

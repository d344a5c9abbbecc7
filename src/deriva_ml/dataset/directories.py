"""Datasets that stand for directories of files: which directory, and which is the top one."""

from __future__ import annotations

from deriva_ml.core.exceptions import translated
from deriva_ml.core.query import any_of, attributes, equals
from deriva_ml.core.session import Session

from .nesting import parents

__all__ = ["is_source_root", "source_directory"]


@translated()
def source_directory(session: Session, dataset: str) -> str | None:
    """The directory that a dataset of files was made from; None for other datasets."""
    table = session.ml("Directory_Dataset")
    rows = session.fetch(attributes(table, ("Path",), equals("Dataset", dataset)))
    return str(rows[0]["Path"]) if rows else None


@translated()
def is_source_root(session: Session, dataset: str) -> bool:
    """Whether a dataset is the top directory of those that were added in one call.

    It is a directory, and no dataset that contains it is one. A bag knows only the datasets
    that are inside the one that was downloaded.
    """
    if source_directory(session, dataset) is None:
        return False
    above = parents(session, [dataset])
    if not above:
        return True
    query = attributes(session.ml("Directory_Dataset"), ("RID",), any_of("Dataset", above))
    return not session.fetch(query)

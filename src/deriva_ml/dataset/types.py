"""Types of datasets: the terms of ``Dataset_Type`` that apply to each."""

from __future__ import annotations

from deriva_ml.core.query import attributes, equals, name_of, path_of
from deriva_ml.core.session import Session

__all__ = ["insert_types", "remove_type", "types_of"]


def types_of(session: Session, dataset: str) -> list[str]:
    """The types of a dataset in alphabetical order."""
    table = session.ml("Dataset_Dataset_Type")
    query = attributes(table, ("Dataset_Type",), equals("Dataset", dataset), sort=("Dataset_Type",))
    return [row["Dataset_Type"] for row in session.fetch(query)]


def insert_types(session: Session, dataset: str, names: list[str]) -> None:
    """Give a dataset types that it does not have; inside a transaction of the caller."""
    if names:
        rows = [{"Dataset": dataset, "Dataset_Type": name} for name in names]
        table = name_of(session.ml("Dataset_Dataset_Type"))
        session.catalog.insert(table, rows, returning=False)


def remove_type(session: Session, dataset: str, name: str) -> bool:
    """Take a type from a dataset, inside a transaction; returns whether it had the type."""
    table = session.ml("Dataset_Dataset_Type")
    mine = path_of(table, equals("Dataset", dataset), equals("Dataset_Type", name))
    return bool(session.catalog.delete(mine))

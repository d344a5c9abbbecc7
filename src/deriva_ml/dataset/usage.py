"""Which executions read which versions of datasets."""

from __future__ import annotations

from collections.abc import Iterable

from deriva_ml.core.query import attributes, equals, name_of
from deriva_ml.core.session import Session

from .history import Versions
from .versions import DatasetVersion

__all__ = ["executions_reading", "record_inputs"]


def record_inputs(
    session: Session,
    versions: Versions,
    execution: str,
    inputs: Iterable[tuple[str, DatasetVersion | str | None]],
) -> None:
    """Record that an execution reads datasets, inside a transaction of the caller.

    A version of None is the current one. What is recorded already stays as it is.
    """
    rows = [
        {
            "Dataset": rid,
            "Execution": execution,
            "Dataset_Version": versions.find(
                rid, versions.current(rid) if version is None else version
            ).version_rid,
        }
        for rid, version in inputs
    ]
    if rows:
        table = name_of(session.ml("Dataset_Execution"))
        session.catalog.insert(table, rows, on_conflict="skip", returning=False)


def executions_reading(session: Session, dataset: str) -> list[str]:
    """RIDs of the executions that read a dataset."""
    table = session.ml("Dataset_Execution")
    query = attributes(table, ("Execution",), equals("Dataset", dataset), sort=("Execution",))
    return [row["Execution"] for row in session.fetch(query)]

"""Versions of datasets: a label, a snapshot of the catalog, and who made it.

A version row is written in the same transaction as the change that it stands for, and its
snapshot is that transaction's own time: reading the catalog there shows the change, and the
version under its label.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from deriva_catalog.interface import Row
from deriva_ml.core.definitions import VersionPart
from deriva_ml.core.exceptions import (
    DerivaMLDatasetNotFound,
    DerivaMLNotFoundError,
    DerivaMLValidationError,
    some_of,
)
from deriva_ml.core.query import any_of, entities, equals, link, name_of
from deriva_ml.core.session import Session

from .nesting import ancestors
from .showing import history_html
from .versions import DatasetVersion

__all__ = ["FIRST_VERSION", "DatasetHistory", "VersionList", "Versions"]

FIRST_VERSION = DatasetVersion(0, 1, 0)


@dataclass(frozen=True)
class DatasetHistory:
    """One version of a dataset.

    Attributes:
        dataset_version: The version's label.
        dataset_rid: RID of the dataset.
        version_rid: RID of the version's own row.
        execution_rid: The execution that made the version.
        description: What changed.
        minid: Persistent identifier of the version's archive, if it has one.
        spec_hash: What that archive holds, as a hash.
        snapshot: The catalog as it was at this version; None while it is under development.
    """

    dataset_version: DatasetVersion
    dataset_rid: str
    version_rid: str
    execution_rid: str | None = None
    description: str = ""
    minid: str | None = None
    spec_hash: str | None = None
    snapshot: str | None = None

    def _repr_html_(self) -> str:
        return history_html([self])


class VersionList(list[DatasetHistory]):
    """Versions of a dataset, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return history_html(self)


class Versions:
    """Reads and writes the versions of datasets; writing happens inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # --- reading ---------------------------------------------------------------------

    def history(self, dataset: str) -> VersionList:
        """Every version of a dataset, the oldest first."""
        table = self._session.ml("Dataset_Version")
        rows = self._session.fetch(entities(table, equals("Dataset", dataset)))
        return VersionList(sorted(map(_history, rows), key=lambda h: h.dataset_version))

    def current(self, dataset: str) -> DatasetVersion:
        """The dataset's current version.

        Raises:
            DerivaMLDatasetNotFound: There is no such dataset, or it has no version.
        """
        return DatasetVersion.parse(self._current([dataset])[dataset]["Version"])

    def find(self, dataset: str, version: DatasetVersion | str) -> DatasetHistory:
        """One version of a dataset.

        Raises:
            DerivaMLNotFoundError: It has no such version; the message names those it has.
        """
        wanted = DatasetVersion.of(version)
        table = self._session.ml("Dataset_Version")
        steps = (equals("Dataset", dataset), equals("Version", str(wanted)))
        rows = self._session.fetch(entities(table, *steps))
        if not rows:
            known = [str(h.dataset_version) for h in self.history(dataset)]
            has = f"it has {some_of(known)}" if known else "no dataset has that RID"
            raise DerivaMLNotFoundError(
                f"Dataset {dataset!r} has no version {str(wanted)!r}; {has}."
            )
        return _history(rows[0])

    def snapshot(self, dataset: str, version: DatasetVersion | str) -> str:
        """The snapshot of a released version.

        Raises:
            DerivaMLNotFoundError: The dataset has no such version.
            DerivaMLValidationError: It is a development version, which has no snapshot.
        """
        found = self.find(dataset, version)
        if found.snapshot is None and not found.dataset_version.is_devrelease:
            raise DerivaMLValidationError(
                f"Version {str(found.dataset_version)!r} of dataset {dataset!r} was made in the "
                "catalog that this one was cloned from, and only that one can show it. Use the "
                f"current version, {str(self.current(dataset))!r}, here."
            )
        if found.snapshot is None:
            raise DerivaMLValidationError(
                f"Version {str(found.dataset_version)!r} of dataset {dataset!r} is still under "
                "development and has no snapshot. Call release() first."
            )
        return found.snapshot

    def _current(self, datasets: Iterable[str]) -> dict[str, Row]:
        """The current version row of each dataset."""
        wanted = list(datasets)
        table = self._session.ml("Dataset_Version")
        query = entities(self._session.ml("Dataset"), any_of("RID", wanted), link("Version", table))
        rows = {row["Dataset"]: row for row in self._session.fetch(query)}
        for rid in wanted:
            if rid not in rows:
                raise DerivaMLDatasetNotFound(rid, f"Dataset {rid!r} has no current version.")
        return rows

    # --- writing: each inside the transaction whose snapshot is `snaptime` -----------

    def begin(
        self,
        datasets: Iterable[str],
        version: DatasetVersion,
        execution: str | None,
        snaptime: str,
    ) -> None:
        """Give new datasets their first version."""
        rows = [
            {
                "Dataset": rid,
                "Version": str(version),
                "Description": "Initial dataset creation.",
                "Execution": execution,
                "Snapshot": snaptime,
            }
            for rid in datasets
        ]
        self._insert(rows)

    def changed(
        self, dataset: str, description: str, execution: str | None, snaptime: str
    ) -> DatasetVersion:
        """Record that the content of a dataset changed, as the connection's options say.

        ``auto``: a released minor version of the dataset and of each dataset that contains it.
        ``dev``: the dataset's development version, opened if need be.
        """
        if self._session.options.dataset_versioning == "dev":
            return self.mark_dev(dataset, description, execution)
        return self.raise_all(dataset, VersionPart.minor, description, execution, snaptime)

    def raise_all(
        self,
        dataset: str,
        part: VersionPart | str,
        description: str,
        execution: str | None,
        snaptime: str,
    ) -> DatasetVersion:
        """Release the next version of a dataset and of each dataset that contains it."""
        affected = [dataset, *ancestors(self._session, dataset)]
        return self._release(affected, part, description, execution, snaptime)[dataset]

    def release(
        self,
        dataset: str,
        part: VersionPart | str,
        description: str,
        execution: str | None,
        snaptime: str,
    ) -> DatasetVersion:
        """Release the next version of one dataset: its development version becomes it.

        Raises:
            DerivaMLValidationError: Changes collect under development versions, and there are
                none since the last release.
        """
        label = self.current(dataset)
        if self._session.options.dataset_versioning == "dev" and not label.is_devrelease:
            raise DerivaMLValidationError(
                f"Dataset {dataset!r} is unchanged since its release {str(label)!r}. Change it, "
                "or call mark_dev() to open a development version by hand."
            )
        return self._release([dataset], part, description, execution, snaptime)[dataset]

    def mark_dev(self, dataset: str, description: str, execution: str | None) -> DatasetVersion:
        """Open a development version, or count up the one that is open."""
        row = self._current([dataset])[dataset]
        label = DatasetVersion.parse(row["Version"])
        new = label.next_dev()
        values = {"Version": str(new), "Description": description, "Execution": execution}
        if label.is_devrelease:
            self._update([{"RID": row["RID"], **values}])
        else:
            self._insert([{"Dataset": dataset, "Snapshot": None, **values}])
        return new

    def _release(
        self,
        datasets: list[str],
        part: VersionPart | str,
        description: str,
        execution: str | None,
        snaptime: str,
    ) -> dict[str, DatasetVersion]:
        labels: dict[str, DatasetVersion] = {}
        fresh: list[dict[str, Any]] = []
        renamed: list[dict[str, Any]] = []
        for rid, row in self._current(datasets).items():
            label = DatasetVersion.parse(row["Version"])
            labels[rid] = label.next_release(part)
            values = {
                "Version": str(labels[rid]),
                "Description": description,
                "Execution": execution,
                "Snapshot": snaptime,
            }
            if label.is_devrelease:
                renamed.append({"RID": row["RID"], **values})
            else:
                fresh.append({"Dataset": rid, **values})
        if renamed:
            self._update(renamed)
        if fresh:
            self._insert(fresh)
        return labels

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        """Insert version rows and make each the current one of its dataset."""
        catalog = self._session.catalog
        added = catalog.insert(name_of(self._session.ml("Dataset_Version")), rows)
        current = [{"RID": row["Dataset"], "Version": row["RID"]} for row in added]
        catalog.update(name_of(self._session.ml("Dataset")), current, targets=("Version",))

    def _update(self, rows: list[dict[str, Any]]) -> None:
        targets = [c for c in rows[0] if c != "RID"]
        table = name_of(self._session.ml("Dataset_Version"))
        self._session.catalog.update(table, rows, targets=targets)


def _history(row: Row) -> DatasetHistory:
    return DatasetHistory(
        dataset_version=DatasetVersion.parse(row["Version"]),
        dataset_rid=row["Dataset"],
        version_rid=row["RID"],
        execution_rid=row["Execution"],
        description=row["Description"] or "",
        minid=row["Minid"],
        spec_hash=row.get("Minid_Spec_Hash"),  # catalogs of older releases have none
        snapshot=row["Snapshot"],
    )

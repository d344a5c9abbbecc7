"""Datasets in other people's formats: methods of `Dataset` and `DatasetBag`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml.core.exceptions import translated

if TYPE_CHECKING:
    from deriva_ml.dataset.bag import DatasetBag
    from deriva_ml.dataset.dataset import Dataset
    from deriva_ml.dataset.versions import DatasetVersion

    from .croissant_tables import TableFormat
    from .facts import DatasetFact


def dataset_to_ro_crate(
    self: Dataset,
    destination: str | Path,
    version: DatasetVersion | str | None = None,
    *,
    license: str | None = None,
    materialize: bool = True,
) -> Path:
    """Write a version of the dataset as an RO-Crate: its bag, whose ``data/`` describes itself.

    Args:
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        version: Which version; None means the current one.
        license: SPDX identifier or URL of the license of the data.
        materialize: Bring the files too; else the bag lists where they are.

    Raises:
        DerivaMLValidationError: The version is under development, or `destination` exists.
        DerivaMLUnavailableError: `destination` cannot be written.
    """
    from .ro_crate import write_ro_crate

    bag = self.download_dataset_bag(version, materialize)
    sources = _sources(self, bag)
    return write_ro_crate(
        bag, destination, license=license, sources=sources, with_files=materialize
    )


def bag_to_ro_crate(
    self: DatasetBag, destination: str | Path, *, license: str | None = None
) -> Path:
    """Write a copy of the bag whose ``data/`` is an RO-Crate, and return where it is.

    Args:
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        license: SPDX identifier or URL of the license of the data.

    Raises:
        DerivaMLValidationError: `destination` exists.
        DerivaMLUnavailableError: `destination` cannot be written.
    """
    from .ro_crate import write_ro_crate

    return write_ro_crate(self, destination, license=license)


def dataset_to_croissant(
    self: Dataset,
    destination: str | Path,
    version: DatasetVersion | str | None = None,
    *,
    license: str | None = None,
    tables: TableFormat = "parquet",
    materialize: bool = True,
) -> Path:
    """Write a version of the dataset as its bag with a Croissant description at the top.

    Args:
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        version: Which version; None means the current one.
        license: SPDX identifier or URL of the license of the data.
        tables: What loaders read the rows from: ``parquet`` files, which are added (this needs
            pyarrow), or the ``csv`` files of the bag, whose types they guess.
        materialize: Bring the files too; else the bag lists where they are.

    Raises:
        DerivaMLValidationError: The version is under development, `destination` exists, or
            `tables` is none of the choices.
        DerivaMLUnavailableError: `destination` cannot be written.
        ImportError: pyarrow is needed and not installed.
    """
    from .croissant import write_croissant

    bag = self.download_dataset_bag(version, materialize)
    sources = _sources(self, bag)
    return write_croissant(
        bag,
        destination,
        license=license,
        tables=tables,
        sources=sources,
        with_files=materialize,
    )


def bag_to_croissant(
    self: DatasetBag,
    destination: str | Path,
    *,
    license: str | None = None,
    tables: TableFormat = "parquet",
) -> Path:
    """Write a copy of the bag with a Croissant description at the top, and return where it is.

    Args:
        destination: The directory to be, or the zip file if it ends in ``.zip``.
        license: SPDX identifier or URL of the license of the data.
        tables: What loaders read the rows from: ``parquet`` files, which are added (this needs
            pyarrow), or the ``csv`` files of the bag, whose types they guess.

    Raises:
        DerivaMLValidationError: `destination` exists, or `tables` is none of the choices.
        DerivaMLUnavailableError: `destination` cannot be written.
        ImportError: pyarrow is needed and not installed.
    """
    from .croissant import write_croissant

    return write_croissant(self, destination, license=license, tables=tables)


@translated()
def _sources(dataset: Dataset, bag: DatasetBag) -> list[DatasetFact]:
    """What the execution that made the version in the bag had read, as of that version."""
    from .facts import datasets_read

    latest = bag.dataset_history()[-1]
    if latest.execution_rid is None or latest.snapshot is None:
        return []
    past = dataset._datasets.session.at(latest.snapshot)
    return [d for d in datasets_read(past, latest.execution_rid) if d.rid != bag.dataset_rid]

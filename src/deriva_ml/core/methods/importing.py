"""Bringing data in from elsewhere: flat methods of `DerivaML`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_ml.importing.result import ImportResult

    from ..base import DerivaML


def import_directory(
    self: DerivaML, directory: Path | str, asset_table: str, **options: Any
) -> ImportResult:
    """The files of a directory as a dataset (see `deriva_ml.importing.import_directory`)."""
    from deriva_ml.importing import import_directory as run

    return run(self, directory, asset_table, **options)


def import_table(
    self: DerivaML, path: Path | str, table: str | None = None, **options: Any
) -> ImportResult:
    """The rows of a file as a dataset (see `deriva_ml.importing.import_table`)."""
    from deriva_ml.importing import import_table as run

    return run(self, path, table, **options)


def import_image_folder(
    self: DerivaML, directory: Path | str, asset_table: str, **options: Any
) -> ImportResult:
    """A folder of images as a dataset (see `deriva_ml.importing.import_image_folder`)."""
    from deriva_ml.importing import import_image_folder as run

    return run(self, directory, asset_table, **options)


def import_dvc(self: DerivaML, path: Path | str, asset_table: str, **options: Any) -> ImportResult:
    """What DVC tracks as a dataset (see `deriva_ml.importing.import_dvc`)."""
    from deriva_ml.importing import import_dvc as run

    return run(self, path, asset_table, **options)

"""A plain directory as a dataset of files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml.core.arguments import check_text, words

from .bringing import bring
from .files import existing_directory, scan
from .plan import FilePlan, directory_tree
from .result import ImportResult

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.execution.execution import Execution

__all__ = ["import_directory"]


def import_directory(
    ml: DerivaML,
    directory: Path | str,
    asset_table: str,
    *,
    description: str = "",
    dataset_types: str | Iterable[str] | None = None,
    asset_types: str | Iterable[str] | None = None,
    nested: bool = True,
    hidden: bool = False,
    execution: Execution | None = None,
) -> ImportResult:
    """Bring the files of a directory into the catalog, as a dataset.

    The bytes are stored. Files that the table has already, by content and name, are not stored
    again; a directory that was imported before changes nothing.

    Args:
        ml: The connection.
        directory: The directory.
        asset_table: The asset table that the files go to; it is made when there is none.
        description: Of the dataset; empty means one that names the directory.
        dataset_types: Terms of ``Dataset_Type`` for the datasets, besides ``Directory``.
        asset_types: Terms of ``Asset_Type``; None means the one named after the table.
        nested: Whether each directory inside is a dataset inside.
        hidden: Also files whose names begin with a dot.
        execution: The execution that imports; None means one of its own.

    Returns:
        The dataset, and the RIDs of the files by their paths in the directory.

    Raises:
        DerivaMLNotFoundError: There is no such directory.
        DerivaMLValidationError: It is empty, or has a link that leads out of it, something that
            is no file, or a name that not every system can keep.
        DerivaMLTableTypeError: The table does not hold assets.
        DerivaMLInvalidTerm: A type is not a term.
    """
    place = existing_directory(directory)
    name = place.resolve().name or "files"
    text = check_text(description, "description") or f"Files of the directory {name}."
    types = ("Directory", *words(dataset_types, "dataset_types"))
    files = scan(place, hidden=hidden)
    plan = FilePlan(
        asset_table=check_text(asset_table, "asset_table"),
        files=files,
        root=directory_tree(files, text, types, name, nested=nested),
        source=f"the directory {name}",
        asset_types=tuple(words(asset_types, "asset_types")),
    )
    return bring(ml, plan, execution)

"""A folder of images as a dataset: splits and classes by the names of directories, or a table.

Source: Hugging Face Datasets, "ImageFolder": ``train/cat/1.png``; or images beside a file
``metadata.csv``, ``metadata.jsonl`` or ``metadata.parquet`` with a column ``file_name``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from deriva_ml.core.arguments import check_text, words
from deriva_ml.core.exceptions import DerivaMLDataError, DerivaMLValidationError

from .bringing import bring
from .files import SourceFile, existing_directory, relative_name, scan
from .frames import read_columns
from .plan import ClassFeature, FilePlan, Node, check_existing
from .result import ImportResult
from .targets import existing_table, text_columns

if TYPE_CHECKING:
    from deriva_ml.core.base import DerivaML
    from deriva_ml.execution.execution import Execution

__all__ = ["import_image_folder"]

_IMAGES = frozenset(
    (
        *(".apng", ".avif", ".bmp", ".dcm", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg"),
        *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
    )
)
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE_NAME, _LABEL = "file_name", "label"
_SPLITS: Mapping[str, str] = {
    "train": "Training",
    "training": "Training",
    "test": "Testing",
    "testing": "Testing",
    "eval": "Testing",
    "evaluation": "Testing",
    "validation": "Validation",
    "valid": "Validation",
    "val": "Validation",
    "dev": "Validation",
}


def import_image_folder(
    ml: DerivaML,
    directory: Path | str,
    asset_table: str,
    *,
    feature_name: str = "Class",
    vocabulary: str | None = None,
    description: str = "",
    dataset_types: str | Iterable[str] | None = None,
    asset_types: str | Iterable[str] | None = None,
    drop_labels: bool = False,
    existing: Literal["refuse", "replace"] = "refuse",
    execution: Execution | None = None,
) -> ImportResult:
    """Bring a folder of images into the catalog: a dataset, nested ones for splits, classes.

    The directories ``train``, ``test`` and ``validation`` (and the usual other names of these)
    are splits, each of which becomes a nested dataset. Classes are directories inside, or the
    column ``label`` of a metadata file; they become terms of a vocabulary, and values of a feature
    of the images. Other columns of metadata files are kept in columns of the asset table.

    Args:
        ml: The connection.
        directory: The folder.
        asset_table: The asset table that the images go to; it is made when there is none.
        feature_name: Name of the feature.
        vocabulary: Name of its vocabulary; None means ``<asset table>_Class``.
        description: Of the dataset; empty means one that names the folder.
        dataset_types: Terms of ``Dataset_Type`` for the outermost dataset.
        asset_types: Terms of ``Asset_Type``; None means the one named after the table.
        drop_labels: Whether classes are left out.
        existing: An image that the table has with other metadata: ``refuse`` the folder, or
            ``replace`` the values.
        execution: The execution that imports; None means one of its own.

    Returns:
        The dataset, the RIDs of images by path, and the paths of files that are no images.

    Raises:
        DerivaMLNotFoundError: There is no such folder.
        DerivaMLValidationError: It has no images, a metadata file names one that is not there or
            a path that leads elsewhere, or something in it has an impossible name.
        DerivaMLDataError: An image has two classes, or equal images of one name have different
            metadata, or the catalog has other metadata of one.
    """
    check_existing(existing)
    place = existing_directory(directory)
    name = place.resolve().name or "images"
    found = scan(place)
    images = {p: f for p, f in found.items() if PurePosixPath(p).suffix.lower() in _IMAGES}
    tables = {p: f for p, f in found.items() if PurePosixPath(p).name in _METADATA}
    if not images:
        raise DerivaMLValidationError(f"There are no images in {str(directory)!r}.")
    table = check_text(asset_table, "asset_table")
    metadata = _metadata(ml, table, tables, images)
    classes = {} if drop_labels else _classes(images, metadata, bool(tables))
    own = {path: {k: v for k, v in row.items() if k != _LABEL} for path, row in metadata.items()}
    text = check_text(description, "description") or f"Images of the folder {name}."
    words_given = vocabulary or f"{table.rpartition(':')[2]}_Class"
    plan = FilePlan(
        asset_table=table,
        files=images,
        root=_tree(images, classes, text, tuple(words(dataset_types, "dataset_types")), name),
        source=f"the folder {name}",
        metadata={path: row for path, row in own.items() if row},
        feature=ClassFeature(feature_name, words_given, classes) if classes else None,
        asset_types=tuple(words(asset_types, "asset_types")),
        skipped=tuple(p for p in found if p not in images and p not in tables),
        replace=existing == "replace",
    )
    return bring(ml, plan, execution)


def _split_of(path: str) -> str | None:
    """The directory of a split that a path is in, if it is in one."""
    first, _, rest = path.partition("/")
    return first if rest and first.lower() in _SPLITS else None


def _tree(
    images: Mapping[str, Any],
    classes: Mapping[str, str],
    text: str,
    types: tuple[str, ...],
    name: str,
) -> Node:
    splits: dict[str, list[str]] = {}
    rest: list[str] = []
    for path in images:
        split = _split_of(path)
        (rest if split is None else splits.setdefault(split, [])).append(path)
    labeled = ("Labeled",) if classes else ()
    nested = tuple(
        Node(
            f"Split {split} of the folder {name}.",
            (_SPLITS[split.lower()], *labeled),
            tuple(paths),
            path=split,
        )
        for split, paths in sorted(splits.items())
    )
    own = ("Split",) if nested else labeled
    return Node(text, (*types, *(t for t in own if t not in types)), tuple(rest), nested, path=name)


# --- metadata and classes ----------------------------------------------------------------


def _metadata(
    ml: DerivaML,
    table: str,
    tables: Mapping[str, SourceFile],
    images: Mapping[str, SourceFile],
) -> dict[str, dict[str, Any]]:
    """The columns that metadata files give for images, by path."""
    found: dict[str, dict[str, Any]] = {}
    texts = {_FILE_NAME, _LABEL} | text_columns(existing_table(ml, table))
    for place, file in tables.items():
        columns = read_columns(file.path, texts)
        names = columns.pop(_FILE_NAME, None)
        if names is None:
            raise DerivaMLValidationError(
                f"{place!r} has no column {_FILE_NAME!r}; it has {sorted(columns)}."
            )
        folder = place.rpartition("/")[0]
        for number, given in enumerate(names):
            inner = relative_name(given, f"Record {number + 1} of {place!r}")
            path = f"{folder}/{inner}" if folder else inner
            if path not in images:
                raise DerivaMLValidationError(
                    f"{place!r} names {given!r}, which is no image there."
                )
            if path in found:
                raise DerivaMLDataError(
                    f"{place!r} describes {path!r}, which was described before."
                )
            found[path] = {c: values[number] for c, values in columns.items()}
    return found


def _classes(
    images: Mapping[str, Any], metadata: Mapping[str, Mapping[str, Any]], described: bool
) -> dict[str, str]:
    """The class of each image that has one: its label, or else the directory that it is in."""
    found = {
        path: str(row[_LABEL]) for path, row in metadata.items() if row.get(_LABEL) is not None
    }
    if described:
        return found  # with metadata, directories mean nothing
    for path in images:
        split = _split_of(path)
        inner = path if split is None else path[len(split) + 1 :]
        if "/" in inner:
            found[path] = inner.rpartition("/")[0].rpartition("/")[2]
    return found

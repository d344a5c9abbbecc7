"""Files of a dataset as a tree of directories, as image-folder loaders expect them."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deriva_catalog.interface import Row
from deriva_ml.core.exceptions import (
    DerivaMLUnavailableError,
    DerivaMLValidationError,
    some_of,
)
from deriva_ml.denormalize import grain_rids
from deriva_ml.feature.record import FeatureRecord, Selector

if TYPE_CHECKING:
    from .bag import DatasetBag

__all__ = ["Layout", "restructure_assets"]

Missing = Literal["error", "skip", "unknown"]
Target = Selector | None
Label = str | None

UNKNOWN = "Unknown"
TYPE_DIRECTORIES: Mapping[str, str] = {
    "Training": "training",
    "Testing": "testing",
    "Validation": "validation",
    UNKNOWN: "unknown",
}


@dataclass(frozen=True)
class Layout:
    """What the tree looks like.

    Attributes:
        asset_table: Whose files; None where the dataset has files of one table only.
        targets: Names of features or of columns of the asset table, each with the selector that
            chooses between several values of a feature, or None.
        target_transform: From a feature's record (or a column's value; a dictionary of them when
            there are several targets) to the name of a directory.
        missing: Files without a value: refuse them, leave them out, or put them in ``Unknown``.
        use_symlinks: Link to the bag's files; otherwise copy them.
        type_selector: Chooses between several types of one dataset; None means the first that
            has a directory.
        type_to_dir_map: Directory of each dataset type; types that are not in it give none.
        enforce_vocabulary: Features that are targets must have a term column.
        file_transformer: Called with the source and the place; returns the file that it wrote.
    """

    asset_table: str | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)
    target_transform: Callable[[Any], str] | None = None
    missing: Missing = "unknown"
    use_symlinks: bool = True
    type_selector: Callable[[list[str]], str] | None = None
    type_to_dir_map: Mapping[str, str] | None = None
    enforce_vocabulary: bool = True
    file_transformer: Callable[[Path, Path], Path] | None = None


def restructure_assets(bag: DatasetBag, output_dir: Path, layout: Layout) -> dict[Path, Path]:
    """Place every file of a dataset; returns where each source file went.

    The place is ``<type>/<nested type>.../<target>/<file name>``: a level for each dataset on
    the way to the one that holds the file, where its type has a directory, and one for the
    target. Where no file is a member of any of the datasets, a dataset holds the files that are
    linked with its members, unless one inside it does.

    All places are worked out before the first file is touched: two files in one place are told
    apart by the RID of the asset, and a file that is there already is never replaced by another.

    Raises:
        DerivaMLValidationError: It is not clear which files or targets are meant, a value is
            missing where that is an error, or a file is not in the bag or in the way.
        DerivaMLUnavailableError: The output directory cannot be written.
    """
    _check(layout)
    table = _asset_table(bag, layout)
    labels = _labels(bag, table, layout)
    placed: list[tuple[Path, Path, str]] = []
    for directory, row in _files(bag, table, layout):
        label = labels(row)
        if label is not None:
            target = output_dir / directory / label / _file_name(row)
            placed.append((bag.asset_path(table, row), target, row["RID"]))
    return _place(_apart(placed, layout), layout)


def _check(layout: Layout) -> None:
    if layout.missing not in ("error", "skip", "unknown"):
        raise DerivaMLValidationError(
            f"missing is {layout.missing!r}; it is one of 'error', 'skip' and 'unknown'."
        )
    if dotted := [t for t in layout.targets if "." in t]:
        raise DerivaMLValidationError(
            f"Targets are names of features or columns, without a table: {dotted[0]!r} has a dot. "
            f"Write {dotted[0].rpartition('.')[2]!r}, or use target_transform to choose a field."
        )
    if len(layout.targets) > 1 and layout.target_transform is None:
        raise DerivaMLValidationError(
            f"With several targets ({sorted(layout.targets)}) say with target_transform which "
            "directory a file goes to."
        )
    for name in (layout.type_to_dir_map or {}).values():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DerivaMLValidationError(
                f"type_to_dir_map names the directory {name!r}, which is not below the output "
                "directory; give relative names without '..'."
            )


def _asset_table(bag: DatasetBag, layout: Layout) -> str:
    if layout.asset_table is not None:
        return bag.model.asset(layout.asset_table).name
    members = bag.list_dataset_members(recurse=True)
    assets = sorted(t for t, rows in members.items() if rows and bag.model.is_asset(t))
    if not assets:
        source = bag.denormalization_source()
        tables = [t for t in bag.model.find_assets() if bag.model.is_domain_schema(t.schema)]
        assets = sorted(t.name for t in tables if grain_rids(source, t))
    if len(assets) != 1:
        raise DerivaMLValidationError(
            f"Dataset {bag.dataset_rid!r} has files of {some_of(assets) or 'no table'}; say which "
            "are meant with asset_table=..."
        )
    return assets[0]


# --- directories of dataset types --------------------------------------------------------


def _files(bag: DatasetBag, table: str, layout: Layout) -> list[tuple[Path, Row]]:
    """Each file once for each place that its datasets give it, with the directory."""
    found: dict[tuple[Path, str], Row] = {}
    held = _held(bag, table)

    def walk(dataset: DatasetBag, above: Path, typed: bool) -> None:
        types = dataset.dataset_types
        name = _directory(types, layout)
        here = above / name if name else above
        own = here if types or typed else here / _untyped(layout)
        for row in held(dataset):
            found[own, row["RID"]] = row
        for child in dataset.list_dataset_children():
            walk(child, here, typed or bool(name))

    walk(bag, Path(), typed=False)
    return [(directory, row) for (directory, _), row in found.items()]


def _held(bag: DatasetBag, table: str) -> Callable[[DatasetBag], list[Row]]:
    """The files that a dataset holds itself: its members, or those linked with its members."""
    if bag.list_dataset_members(recurse=True).get(table):
        return lambda dataset: dataset.list_dataset_members().get(table, [])
    rows = {row["RID"]: row for row in bag.get_table_as_dict(table)}

    def linked(dataset: DatasetBag) -> set[str]:
        found = grain_rids(dataset.denormalization_source(), dataset.model.name_to_table(table))
        return set(found)

    def held(dataset: DatasetBag) -> list[Row]:
        inside = [linked(child) for child in dataset.list_dataset_children()]
        return [rows[rid] for rid in sorted(linked(dataset).difference(*inside)) if rid in rows]

    return held


def _directories(layout: Layout) -> Mapping[str, str]:
    given = layout.type_to_dir_map
    return TYPE_DIRECTORIES if given is None else given


def _directory(types: list[str], layout: Layout) -> str | None:
    directories = _directories(layout)
    if layout.type_selector is not None and types:
        return directories.get(layout.type_selector(types))
    return next((directories[t] for t in types if t in directories), None)


def _untyped(layout: Layout) -> str:
    """Where the files of a dataset without any type go: with those to test with."""
    return _directories(layout).get("Testing", "testing")


# --- directories of targets --------------------------------------------------------------


def _labels(bag: DatasetBag, table: str, layout: Layout) -> Callable[[Row], Label]:
    """From a file's row to the directory of its target; None leaves the file out."""
    if not layout.targets:
        return lambda row: ""
    values = {t: _values(bag, table, t, s, layout) for t, s in layout.targets.items()}
    texts: dict[str, str] = {}

    def label(row: Row) -> Label:
        found = {t: v(row) for t, v in values.items()}
        if any(v is None for v in found.values()):
            return _missing(row, found, layout)
        whole = found if len(found) > 1 else next(iter(found.values()))
        text = layout.target_transform(whole) if layout.target_transform else _text(whole)
        if not isinstance(text, str):
            raise DerivaMLValidationError(
                f"target_transform returned {text!r} for asset {row['RID']!r}; it returns the "
                "name of a directory."
            )
        name = _directory_name(text)
        if texts.setdefault(name, text) != text:
            raise DerivaMLValidationError(
                f"Files of {texts[name]!r} and of {text!r} would be in one directory, {name!r}. "
                "Give each a name of its own with target_transform."
            )
        return name

    return label


def _values(
    bag: DatasetBag, table: str, target: str, selector: Target, layout: Layout
) -> Callable[[Row], Any]:
    features = {f.feature_name: f for f in bag.find_features(table)}
    if target not in features:
        if target in bag.model.name_to_table(table).by_name:
            return lambda row: row[target]
        raise DerivaMLValidationError(
            f"{target!r} is neither a feature nor a column of table {table!r}; features are "
            f"{some_of(sorted(features)) or 'none'}."
        )
    feature = features[target]
    if layout.enforce_vocabulary and not feature.term_columns:
        raise DerivaMLValidationError(
            f"The feature {str(feature)!r} has no terms, so its values may be anything. Pass "
            "enforce_vocabulary=False to make directories of them anyway."
        )
    records: defaultdict[str, list[FeatureRecord]] = defaultdict(list)
    for record in bag.feature_values(table, target, selector):
        records[getattr(record, feature.target_column)].append(record)
    return lambda row: _single(row, records.get(row["RID"], []), target)


def _single(row: Row, records: list[FeatureRecord], target: str) -> FeatureRecord | None:
    if len({tuple(_value_fields(r).values()) for r in records}) > 1:
        raise DerivaMLValidationError(
            f"Asset {row['RID']!r} has {len(records)} different values of {target!r}. Say which "
            f"one counts: targets={{{target!r}: FeatureRecord.select_newest}}."
        )
    return records[-1] if records else None


def _value_fields(record: FeatureRecord) -> dict[str, Any]:
    return {c.name: str(getattr(record, c.name)) for c in record.feature_columns()}


def _text(value: Any) -> str:
    if isinstance(value, FeatureRecord):
        first = (value.term_columns() or value.feature_columns())[0]
        return str(getattr(value, first.name))
    return str(value)


def _missing(row: Row, found: Mapping[str, Any], layout: Layout) -> Label:
    if layout.missing == "error":
        absent = [t for t, v in found.items() if v is None]
        raise DerivaMLValidationError(
            f"Asset {row['RID']!r} ({row['Filename']!r}) has no value of {some_of(absent)}. Pass "
            "missing='skip' to leave such files out, or 'unknown' to put them in 'Unknown'."
        )
    return None if layout.missing == "skip" else UNKNOWN


def _directory_name(text: str) -> str:
    """The text as the name of one directory."""
    name = text.replace("/", "_").replace("\\", "_").replace("\0", "").strip()
    return name if name not in ("", ".", "..") else UNKNOWN


def _file_name(row: Row) -> str:
    return Path(row["Filename"] or row["MD5"]).name


# --- placing -----------------------------------------------------------------------------


def _apart(placed: list[tuple[Path, Path, str]], layout: Layout) -> list[tuple[Path, Path]]:
    """The places with files that would share one told apart by the RID of their asset.

    A transformer may give a file another suffix, so there the names without it must differ.
    """

    def place(target: Path) -> Path:
        return target if layout.file_transformer is None else target.with_suffix("")

    sharing: defaultdict[Path, set[str]] = defaultdict(set)
    for _, target, rid in placed:
        sharing[place(target)].add(rid)
    return [
        (source, t.with_name(f"{t.stem}_{rid}{t.suffix}") if len(sharing[place(t)]) > 1 else t)
        for source, t, rid in placed
    ]


def _place(places: list[tuple[Path, Path]], layout: Layout) -> dict[Path, Path]:
    if absent := [str(s) for s, _ in places if not s.is_file()]:
        raise DerivaMLValidationError(
            f"{len(absent)} files are not in the bag: {some_of(absent)}. Call materialize() first."
        )
    if taken := [str(t) for s, t in places if os.path.lexists(t) and not _same(s, t)]:
        raise DerivaMLValidationError(
            f"Other files are in the way: {some_of(taken)}. Choose an empty directory."
        )
    result: dict[Path, Path] = {}
    written: dict[Path, Path] = {}
    for source, target in places:
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        result[source] = made = _put(source, target, layout)
        if written.setdefault(made, source) != source:
            raise DerivaMLValidationError(
                f"The file_transformer wrote {str(made)!r} for {str(written[made])!r} and for "
                f"{str(source)!r}; let it write to the place that it is given."
            )
    return result


def _same(source: Path, target: Path) -> bool:
    """Whether `target` is what an earlier call with the same source left there."""
    if target.is_symlink():
        return target.resolve() == source.resolve()
    return (
        target.is_file()
        and target.stat().st_size == source.stat().st_size
        and (target.read_bytes() == source.read_bytes())
    )


def _put(source: Path, target: Path, layout: Layout) -> Path:
    if layout.file_transformer is not None:
        return Path(layout.file_transformer(source, target))
    if os.path.lexists(target):
        return target
    with _writing(target):
        if layout.use_symlinks:
            target.symlink_to(source.resolve())
        else:
            shutil.copyfile(source, target)
    return target


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"{str(target)!r} cannot be written: {error}. Check the output directory; files that "
            "are placed already stay, and another call goes on."
        ) from error

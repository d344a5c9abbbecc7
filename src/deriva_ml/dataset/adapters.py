"""Rows of a bag as samples to train with: what the adapters to PyTorch and TensorFlow share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from deriva_catalog.interface import Row
from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import (
    DerivaMLException,
    DerivaMLTableTypeError,
    DerivaMLValidationError,
    some_of,
    translated,
)
from deriva_ml.core.query import entities
from deriva_ml.feature.definition import Feature
from deriva_ml.feature.record import FeatureRecord, Selector

if TYPE_CHECKING:
    from .bag import DatasetBag
    from .torch import TorchSamples

__all__ = [
    "Missing",
    "SampleLoader",
    "Samples",
    "Targets",
    "Wanted",
    "as_tf_dataset",
    "as_torch_dataset",
    "find_samples",
    "named_targets",
]

Missing = Literal["error", "skip", "unknown"]
SampleLoader = Callable[[Path | None, Row], Any]
Targets = str | Sequence[str] | Mapping[str, Selector | None] | None

_LISTED = 20
_LOADERS = (
    "sample_loader=lambda path, row: PIL.Image.open(path).convert('RGB'), or one with numpy.load, "
    "torchvision.io.decode_image, or pandas.read_csv"
)


@dataclass(frozen=True)
class Wanted:
    """What a sample consists of (see `DatasetBag.as_torch_dataset`)."""

    sample_loader: SampleLoader | None = None
    transform: Callable[[Any], Any] | None = None
    targets: Targets = None
    target_transform: Callable[[Any], Any] | None = None
    missing: Missing = "error"
    reachable: bool = True


@dataclass(frozen=True)
class Target:
    """The values of one feature that rows have, as plain values.

    The class of a feature's records is made when it is needed and cannot be sent to a worker, so
    records are made anew from their values there.
    """

    feature: Feature
    values: dict[str, dict[str, Any]]

    def of(self, rid: str) -> FeatureRecord | None:
        """The record about a row."""
        values = self.values.get(rid)
        if values is None:
            return None
        return self.feature.feature_record_class().model_construct(**values)

    def __getstate__(self) -> dict[str, Any]:
        return {"feature": replace(self.feature), "values": self.values}


@dataclass(frozen=True)
class Samples:
    """Rows with the places of their files and their targets; files are read when asked for.

    Attributes:
        rows: The rows, in the order of their RIDs.
        paths: Where the file of each row is; None for rows of tables without files.
        targets: By the name of the feature.
        wanted: How a sample is made of them.
    """

    rows: list[Row]
    paths: list[Path | None]
    targets: dict[str, Target]
    wanted: Wanted

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, place: int) -> tuple[Any, ...]:
        """``(sample, RID)``, or ``(sample, target, RID)`` where there are targets."""
        rid = self.rows[place]["RID"]
        sample = self.sample(place)
        if not self.targets:
            return sample, rid
        return sample, self.target(rid), rid

    def sample(self, place: int) -> Any:
        """The sample at a place, loaded and transformed."""
        row, path, wanted = self.rows[place], self.paths[place], self.wanted
        if path is not None and not path.is_file():
            raise DerivaMLException(
                f"The file of {row['RID']!r} is not there: {str(path)!r}. Call materialize() on "
                "the bag first."
            )
        sample = row if wanted.sample_loader is None else wanted.sample_loader(path, row)
        return sample if wanted.transform is None else wanted.transform(sample)

    def target(self, rid: str) -> Any:
        """The target of a row: a record, or several by name; None where it has none."""
        found = {name: target.of(rid) for name, target in self.targets.items()}
        single = len(found) == 1
        whole: Any = next(iter(found.values())) if single else found
        if self.wanted.target_transform is None or (single and whole is None):
            return whole
        return self.wanted.target_transform(whole)


def find_samples(bag: DatasetBag, element_type: str | Table, wanted: Wanted) -> Samples:
    """The rows of an element type that belong to a dataset, with what is wanted of them.

    Raises:
        DerivaMLTableNotFound: There is no such table.
        DerivaMLTableTypeError: Its rows cannot be members of a dataset.
        DerivaMLFeatureNotFound: It has no such feature.
        DerivaMLValidationError: A loader is needed, or a row has no target or several.
    """
    if wanted.missing not in get_args(Missing):
        raise DerivaMLValidationError(
            f"missing={wanted.missing!r} is none of {', '.join(map(repr, get_args(Missing)))}."
        )
    table = _element(bag, element_type)
    is_asset = bag.model.is_asset(table)
    if is_asset and wanted.sample_loader is None:
        raise DerivaMLValidationError(
            f"Rows of {table.name!r} are files: say how to read one with {_LOADERS}."
        )
    rows = _rows(bag, table, wanted.reachable)
    targets = {n: _target(bag, table, n, s) for n, s in named_targets(wanted.targets).items()}
    kept = _with_targets(table, rows, targets, wanted.missing)
    paths = [bag.asset_path(table.name, row) if is_asset else None for row in kept]
    return Samples(kept, paths, targets, wanted)


def named_targets(targets: Targets) -> dict[str, Selector | None]:
    """Targets by name, each with the selector between several values, or None.

    Raises:
        DerivaMLValidationError: They are neither names nor names with selectors.
    """
    if targets is None:
        return {}
    if isinstance(targets, Mapping):
        return dict(targets)
    names = [targets] if isinstance(targets, str) else targets
    if not isinstance(names, Iterable) or not all(isinstance(n, str) for n in names):
        raise DerivaMLValidationError(
            f"targets={targets!r} are no names of features; give a list of them, or "
            "{name: selector}."
        )
    return dict.fromkeys(names)


def _element(bag: DatasetBag, element_type: str | Table) -> Table:
    table = bag.model.name_to_table(element_type)
    known = {t.qualified for t in bag.list_dataset_element_types()}
    if table.qualified not in known:
        names = sorted(t.name for t in bag.list_dataset_element_types() if t.name != "Dataset")
        raise DerivaMLTableTypeError(
            "dataset element",
            table.name,
            f"Rows of {table.name!r} cannot be members of a dataset; element types are "
            f"{some_of(names)}.",
        )
    return table


def _rows(bag: DatasetBag, table: Table, reachable: bool) -> list[Row]:
    """The rows of a table that belong to the dataset, or only its members."""
    from deriva_ml.denormalize import grain_rids

    source = bag.denormalization_source()
    rids = set(grain_rids(source, table, reachable=reachable))
    rows = source.session.fetch(entities(table, sort=("RID",)))
    return [row for row in rows if row["RID"] in rids]


def _target(bag: DatasetBag, table: Table, name: str, selector: Selector | None) -> Target:
    feature = bag.lookup_feature(table, name)
    records: defaultdict[str, list[FeatureRecord]] = defaultdict(list)
    for record in bag.feature_values(table, name, selector):
        records[getattr(record, feature.target_column)].append(record)
    several = [rid for rid, found in records.items() if len(found) > 1]
    if several:
        raise DerivaMLValidationError(
            f"{len(several)} rows of {table.name!r} have several values of {name!r}: "
            f"{some_of(several)}. Say which one counts: "
            f"targets={{{name!r}: FeatureRecord.select_newest}}."
        )
    return Target(feature, {rid: dict(found[0]) for rid, found in records.items()})


def _with_targets(
    table: Table, rows: list[Row], targets: Mapping[str, Target], missing: Missing
) -> list[Row]:
    """The rows that stay, by what is to be done with those that lack a target."""
    lacking = {
        row["RID"] for row in rows for target in targets.values() if row["RID"] not in target.values
    }
    if lacking and missing == "error":
        rids = sorted(lacking)
        shown = ", ".join(rids[:_LISTED]) + (", ..." if len(rids) > _LISTED else "")
        raise DerivaMLValidationError(
            f"{len(rids)} rows of {table.name!r} lack a value of {some_of(list(targets))}: "
            f"{shown}. Pass missing='skip' to leave them out, or 'unknown' for a target of None."
        )
    return [r for r in rows if r["RID"] not in lacking] if missing == "skip" else rows


# --- methods of `DatasetBag` -------------------------------------------------------------


def as_torch_dataset(  # noqa: D417 - a method
    self: DatasetBag,
    element_type: str | Table,
    *,
    sample_loader: SampleLoader | None = None,
    transform: Callable[[Any], Any] | None = None,
    targets: Targets = None,
    target_transform: Callable[[Any], Any] | None = None,
    missing: Missing = "error",
    reachable: bool = True,
) -> TorchSamples:
    """The rows of an element type as a map-style dataset of PyTorch.

    Rows are read once; files when an item is asked for. Items are ``(sample, RID)``, or
    ``(sample, target, RID)`` where there are targets.

    Args:
        element_type: The table, such as ``Image``.
        sample_loader: Called with the path of the file and the row; must be given for tables of
            files. For others it is called with None and the row; without it the row is the sample.
        transform: Called with what was loaded.
        targets: Features of the table that give the target: names, or names with the selector
            that chooses between several values. One gives its record, several give a dictionary.
        target_transform: Called with the target; not with None.
        missing: Rows without a value: ``error``, ``skip`` (leave them out) or ``unknown`` (their
            target is None).
        reachable: Also rows that are linked with members; otherwise members alone.

    Raises:
        ImportError: torch is not installed.
        DerivaMLException: There is no such element type or feature, a loader is needed, or a row
            lacks a value or has several without a selector.
    """
    try:
        from .torch import TorchSamples
    except ImportError as error:
        raise _not_installed("torch", "PyTorch", error) from error
    wanted = Wanted(sample_loader, transform, targets, target_transform, missing, reachable)
    with translated():
        return TorchSamples(find_samples(self, element_type, wanted))


def as_tf_dataset(
    self: DatasetBag,
    element_type: str | Table,
    *,
    sample_loader: SampleLoader | None = None,
    transform: Callable[[Any], Any] | None = None,
    targets: Targets = None,
    target_transform: Callable[[Any], Any] | None = None,
    missing: Missing = "error",
    reachable: bool = True,
    output_signature: Any = None,
) -> Any:
    """The same as a ``tf.data.Dataset`` (see `as_torch_dataset`), for TensorFlow and Keras.

    Items end with the RID, which Keras would take for a weight: ``map`` it away. Records become
    dictionaries of their values. Without `output_signature` the first item gives shapes and types,
    so samples of different shapes need one.

    Raises:
        ImportError: tensorflow is not installed.
        DerivaMLException: As `as_torch_dataset`; an item has something that is no tensor.
    """
    try:
        from .tensorflow import tensorflow_dataset
    except ImportError as error:
        raise _not_installed("tensorflow", "TensorFlow", error) from error
    wanted = Wanted(sample_loader, transform, targets, target_transform, missing, reachable)
    with translated():
        samples = find_samples(self, element_type, wanted)
    return tensorflow_dataset(samples, output_signature)


def _not_installed(extra: str, name: str, error: ImportError) -> ImportError:
    if (error.name or "").partition(".")[0] != extra:
        return error
    return ImportError(
        f"This needs {name}, which is not installed. Install it: pip install 'derivaml[{extra}]'",
        name=extra,
    )

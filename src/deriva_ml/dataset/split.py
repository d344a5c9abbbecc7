"""Dividing a dataset into training, validation and testing parts, and drawing a smaller one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deriva_ml.core.definitions import DRY_RUN_RID, MLAsset, MLVocab
from deriva_ml.core.exceptions import DerivaMLValidationError

from .frames import element_frame, find_element, stratify_column
from .history import FIRST_VERSION
from .selection import (
    Missing,
    SelectionFunction,
    check_selection,
    in_order,
    part_sizes,
    random_split,
    stratified_split,
)

if TYPE_CHECKING:
    import pandas as pd

    from deriva_ml.core.base import DerivaML

    from .dataset import Dataset

__all__ = [
    "PartitionInfo",
    "SplitResult",
    "SubsampleResult",
    "random_split",
    "split_dataset",
    "stratified_split",
    "subsample",
]

_DRY = "(dry run)"


class RunsSplit(Protocol):
    """An execution, as far as dividing a dataset needs one."""

    @property
    def execution_rid(self) -> str:
        """RID of the execution."""
        ...

    def asset_file_path(
        self, asset_name: str, file_name: str, asset_types: Any = None, **kwargs: Any
    ) -> Path:
        """Register an output file; returns where to write it."""
        ...


@dataclass(frozen=True)
class PartitionInfo:
    """One dataset of a division: its RID, its version and how many elements it has."""

    rid: str
    version: str
    count: int


@dataclass(frozen=True)
class SplitResult:
    """What `split_dataset` made.

    Attributes:
        source: The dataset that was divided.
        split: The dataset that holds the parts.
        training: The part to train with.
        testing: The part to test with.
        validation: The part to choose with, if there is one.
        strategy: How elements were chosen: ``random``, ``in order``, ``stratified by ...`` or
            ``custom``.
        element_table: The table whose rows were divided.
        seed: Seed of the random numbers.
        dry_run: Whether nothing was written; RIDs and versions are ``(dry run)`` then.
    """

    source: PartitionInfo
    split: PartitionInfo
    training: PartitionInfo
    testing: PartitionInfo
    validation: PartitionInfo | None
    strategy: str
    element_table: str
    seed: int
    dry_run: bool = False


@dataclass(frozen=True)
class SubsampleResult:
    """What `subsample` made; see `SplitResult`."""

    source: PartitionInfo
    subsample: PartitionInfo
    strategy: str
    element_table: str
    seed: int
    dry_run: bool = False


@dataclass(frozen=True)
class _Strategy:
    """How elements are chosen; those without a value in `needs` are left out beforehand."""

    name: str
    select: SelectionFunction
    needs: str | None = None


@dataclass(frozen=True)
class _Chosen:
    """The elements of each part, before anything is written."""

    source: Dataset
    element_table: str
    total: int
    strategy: str
    seed: int
    parts: dict[str, list[str]]


def split_dataset(
    ml: DerivaML,
    source_dataset_rid: str,
    execution: RunsSplit | None = None,
    *,
    test_size: float | int = 0.2,
    train_size: float | int | None = None,
    val_size: float | int | None = None,
    shuffle: bool = True,
    seed: int = 42,
    stratify_by_column: str | None = None,
    stratify_missing: Missing = "error",
    split_description: str = "",
    training_types: Sequence[str] | None = None,
    testing_types: Sequence[str] | None = None,
    validation_types: Sequence[str] | None = None,
    element_table: str | None = None,
    include_tables: Sequence[str] | None = None,
    selection_fn: SelectionFunction | None = None,
    dry_run: bool = False,
) -> SplitResult:
    """Divide the elements of a dataset, and of those inside it, into new datasets.

    The result is a dataset of type `Split` with one dataset for each part, all of them released,
    in one change of the catalog. The source becomes an input of the execution, and a file
    ``split_config_<RID>.json`` one of its outputs.

    Args:
        ml: The connection.
        source_dataset_rid: The dataset to divide; it stays as it is.
        execution: The execution that the parts are attributed to.
        test_size: Share (a float between 0 and 1) or number of the elements to test with.
        train_size: The same to train with; None means the rest.
        val_size: The same to validate with; None means no such part.
        shuffle: Draw at random; otherwise take the elements in the order of their RIDs.
        seed: Seed of the random numbers.
        stratify_by_column: ``Table.Column`` with a class of which every part gets an equal
            share; the table is the element table or one of its features.
        stratify_missing: Elements without a class: ``error``, ``drop`` or ``include``.
        split_description: Description of the new datasets.
        training_types: Further dataset types of the training part; added if they are new.
        testing_types: The same of the testing part.
        validation_types: The same of the validation part.
        element_table: Which elements to divide, where there are several kinds.
        include_tables: Features of the element table whose columns `selection_fn` sees.
        selection_fn: Chooses the elements itself.
        dry_run: Only compute the sizes.

    Raises:
        DerivaMLValidationError: The sizes or the columns do not fit the dataset (also a
            `ValueError`).
        DerivaMLDatasetNotFound: There is no such dataset.
    """
    wanted = {"Training": train_size, "Validation": val_size, "Testing": test_size}
    if val_size is None:
        del wanted["Validation"]
    dry_run = dry_run or _is_dry(execution)
    chosen = _choose(
        ml,
        source_dataset_rid,
        wanted,
        _strategy(shuffle, stratify_by_column, stratify_missing, selection_fn),
        seed,
        element_table,
        _tables(stratify_by_column, include_tables),
    )
    types = {
        "Training": training_types,
        "Testing": testing_types,
        "Validation": validation_types,
    }
    if dry_run:
        made = {name: PartitionInfo(_DRY, _DRY, len(r)) for name, r in chosen.parts.items()}
        parent = PartitionInfo(_DRY, _DRY, sum(p.count for p in made.values()))
    else:
        parent, made = _write_split(ml, chosen, types, split_description, execution)
    result = SplitResult(
        source=_info(chosen.source, chosen.total),
        split=parent,
        training=made["Training"],
        testing=made["Testing"],
        validation=made.get("Validation"),
        strategy=chosen.strategy,
        element_table=chosen.element_table,
        seed=seed,
        dry_run=dry_run,
    )
    if execution is not None and not dry_run:
        _register(execution, f"split_config_{parent.rid}.json", result)
    return result


def subsample(
    ml: DerivaML,
    source_dataset_rid: str,
    execution: RunsSplit | None = None,
    *,
    size: float | int,
    seed: int = 42,
    stratify_by_column: str | None = None,
    stratify_missing: Missing = "error",
    element_table: str | None = None,
    dataset_types: Sequence[str] | None = None,
    description: str | None = None,
    dry_run: bool = False,
) -> SubsampleResult:
    """Draw some elements of a dataset into a new dataset of type `Subsample`.

    What it raises is what `split_dataset` raises.

    Args:
        ml: The connection.
        source_dataset_rid: The dataset to draw from; it stays as it is.
        execution: The execution that the new dataset is attributed to.
        size: Share or number of the elements.
        seed: Seed of the random numbers.
        stratify_by_column: As for `split_dataset`.
        stratify_missing: As for `split_dataset`.
        element_table: Which elements to draw, where there are several kinds.
        dataset_types: Further types of the new dataset; added if they are new.
        description: Of the new dataset.
        dry_run: Only compute the size.
    """
    dry_run = dry_run or _is_dry(execution)
    chosen = _choose(
        ml,
        source_dataset_rid,
        {"Subsample": size},
        _strategy(True, stratify_by_column, stratify_missing, None),
        seed,
        element_table,
        _tables(stratify_by_column, None),
    )
    rids = chosen.parts["Subsample"]
    info = PartitionInfo(_DRY, _DRY, len(rids))
    if not dry_run:
        with ml.session.transaction():
            _ensure_types(ml, dataset_types or ())
            made = ml.datasets.create(
                ["Subsample", *(dataset_types or ())],
                description or f"{len(rids)} elements of dataset {source_dataset_rid}.",
                _rid(execution),
                members={chosen.element_table: rids},
            )
            _record_input(ml, chosen.source, execution)
        info = _new(made, len(rids))
    result = SubsampleResult(
        _info(chosen.source, chosen.total),
        info,
        chosen.strategy,
        chosen.element_table,
        seed,
        dry_run,
    )
    if execution is not None and not dry_run:
        _register(execution, f"subsample_config_{info.rid}.json", result)
    return result


def _strategy(
    shuffle: bool,
    column: str | None,
    missing: Missing,
    selection_fn: SelectionFunction | None,
) -> _Strategy:
    if selection_fn is not None:
        if column is not None:
            raise DerivaMLValidationError(
                "Give either stratify_by_column or selection_fn, not both: the function chooses "
                "the elements itself."
            )
        return _Strategy("custom", selection_fn)
    if column is not None:
        select = stratified_split(stratify_column(column), missing)
        return _Strategy(f"stratified by {column}", select, column if missing == "drop" else None)
    return _Strategy("random", random_split) if shuffle else _Strategy("in order", in_order)


def _tables(column: str | None, include: Sequence[str] | None) -> list[str]:
    named = [] if column is None else [column.rpartition(".")[0]]
    return list(dict.fromkeys([*named, *(include or ())]))


def _choose(
    ml: DerivaML,
    rid: str,
    wanted: Mapping[str, float | int | None],
    strategy: _Strategy,
    seed: int,
    element_table: str | None,
    tables: list[str],
) -> _Chosen:
    source = ml.datasets.lookup(rid)
    element, rows = find_element(source.list_dataset_members(recurse=True), element_table)
    frame: pd.DataFrame = element_frame(ml, element, rows, tables)
    if strategy.needs is not None:
        frame = frame[frame[strategy.needs].notna()].reset_index(drop=True)
    sizes = part_sizes(len(frame), wanted)
    parts = check_selection(strategy.select(frame, sizes, seed), sizes, len(frame))
    rids = list(frame[f"{element}.RID"])
    return _Chosen(
        source,
        element,
        len(rows),
        strategy.name,
        seed,
        {name: [rids[p] for p in positions] for name, positions in parts.items()},
    )


def _write_split(
    ml: DerivaML,
    chosen: _Chosen,
    types: Mapping[str, Sequence[str] | None],
    description: str,
    execution: RunsSplit | None,
) -> tuple[PartitionInfo, dict[str, PartitionInfo]]:
    """Create the parts and the dataset that holds them, in one transaction."""
    producer = _rid(execution)
    text = description or f"Division of dataset {chosen.source.dataset_rid}, {chosen.strategy}."
    made: dict[str, Dataset] = {}
    with ml.session.transaction():
        _ensure_types(ml, [t for extra in types.values() for t in extra or ()])
        for name, rids in chosen.parts.items():
            kinds = [name, "Split_Partition", *(types[name] or ())]
            made[name] = ml.datasets.create(
                kinds, f"{name}: {text}", producer, members={chosen.element_table: rids}
            )
        nested = {"Dataset": [d.dataset_rid for d in made.values()]}
        parent = ml.datasets.create(["Split"], text, producer, members=nested)
        _record_input(ml, chosen.source, execution)
    counts = {name: len(rids) for name, rids in chosen.parts.items()}
    infos = {name: _new(dataset, counts[name]) for name, dataset in made.items()}
    return _new(parent, sum(counts.values())), infos


def _ensure_types(ml: DerivaML, types: Iterable[str]) -> None:
    seeded = [
        ("Training", "Data to train a model with."),
        ("Validation", "Data to choose between models with."),
        ("Testing", "Data to test a trained model with."),
        ("Split", "Holds the parts that a dataset was divided into."),
        ("Split_Partition", "One part of a dataset that was divided."),
        ("Subsample", "Some elements of a larger dataset."),
    ]
    named = [(name, f"Datasets of type {name}.") for name in types]
    ml.vocabularies.ensure_terms(MLVocab.dataset_type, [*named, *seeded])


def _record_input(ml: DerivaML, source: Dataset, execution: RunsSplit | None) -> None:
    if execution is not None:
        ml.datasets.record_inputs(execution.execution_rid, [(source.dataset_rid, None)])


def _info(dataset: Dataset, count: int) -> PartitionInfo:
    return PartitionInfo(dataset.dataset_rid, str(dataset.current_version), count)


def _new(dataset: Dataset, count: int) -> PartitionInfo:
    """A dataset that this call made: at its first version, whatever came after."""
    return PartitionInfo(dataset.dataset_rid, str(FIRST_VERSION), count)


def _rid(execution: RunsSplit | None) -> str | None:
    return None if execution is None else execution.execution_rid


def _is_dry(execution: RunsSplit | None) -> bool:
    return execution is not None and execution.execution_rid == DRY_RUN_RID


def _register(execution: RunsSplit, name: str, result: SplitResult | SubsampleResult) -> None:
    """Keep how the parts were chosen with the outputs of the execution."""
    from dataclasses import asdict

    path = execution.asset_file_path(
        MLAsset.execution_metadata,
        name,
        ["Execution_Config"],
        description="How the elements of the dataset were chosen.",
    )
    path.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")

"""Dividing a dataset into training, validation and testing parts, and drawing a smaller one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from deriva_ml.core.arguments import words
from deriva_ml.core.definitions import DRY_RUN_RID, MLAsset, MLVocab
from deriva_ml.core.exceptions import DerivaMLValidationError

from .history import FIRST_VERSION
from .selection import (
    Missing,
    SelectionFunction,
    check_seed,
    check_selection,
    in_order,
    part_sizes,
    random_split,
    stratified_split,
)
from .split_rows import (
    PartitionBy,
    Rows,
    RowsAsked,
    class_table,
    column_named,
    rows_to_choose,
)

if TYPE_CHECKING:
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
    """How elements are chosen.

    Attributes:
        name: In words.
        select: The function that chooses; None means shares of the classes of `column`.
        column: The column of classes, as the caller wrote it.
        missing: What to do with elements without a class.
    """

    name: str
    select: SelectionFunction | None = None
    column: str | None = None
    missing: Missing = "error"


@dataclass(frozen=True)
class _Chosen:
    """The elements of each part, before anything is written."""

    source: Dataset
    element_table: str
    total: int
    strategy: str
    seed: int
    parts: dict[str, list[str]]
    settings: dict[str, Any]


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
    training_types: str | Sequence[str] | None = None,
    testing_types: str | Sequence[str] | None = None,
    validation_types: str | Sequence[str] | None = None,
    element_table: str | None = None,
    include_tables: Sequence[str] | None = None,
    selection_fn: SelectionFunction | None = None,
    dry_run: bool = False,
    row_per: str | None = None,
    via: Sequence[str] | None = None,
    ignore_unrelated_anchors: bool = False,
    partition_by: PartitionBy | None = None,
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
            share; the table is that of the elements, one that is linked with it, or a feature by
            its name.
        stratify_missing: Elements without a class: ``error``, ``drop`` or ``include``.
        split_description: Description of the new datasets.
        training_types: One further dataset type of the training part, or several; added if new.
        testing_types: The same of the testing part.
        validation_types: The same of the validation part.
        element_table: Which elements to divide, where there are several kinds.
        include_tables: Tables and features whose columns `selection_fn` sees.
        selection_fn: Chooses the rows itself.
        dry_run: Only compute the sizes.
        row_per: What a row stands for that is chosen; None means an element.
        via: Tables that lead from one table to another (see `get_denormalized_as_dataframe`).
        ignore_unrelated_anchors: Leave out members that have nothing to do with the rows.
        partition_by: ``element``: all rows of an element go into one part, and sizes are numbers
            of elements. ``row``: sizes are numbers of rows, and an element with rows in several
            parts is a member of each; an element without rows is in none. Must be given where a
            row is not an element.

    Raises:
        DerivaMLValidationError: The sizes or the columns do not fit the dataset, or the rows of
            an element tell different classes (also a `ValueError`).
        DerivaMLDenormalizeError: The tables cannot be joined as asked.
        DerivaMLTableNotFound: A table or feature does not exist.
        DerivaMLDatasetNotFound: There is no such dataset.
    """
    types = {
        "Training": words(training_types, "training_types"),
        "Testing": words(testing_types, "testing_types"),
        "Validation": words(validation_types, "validation_types"),
    }
    wanted = {"Training": train_size, "Validation": val_size, "Testing": test_size}
    if val_size is None:
        del wanted["Validation"]
    dry_run, seed = dry_run or _is_dry(execution), check_seed(seed)
    strategy = _strategy(shuffle, stratify_by_column, stratify_missing, selection_fn)
    asked = RowsAsked(
        element_table,
        _tables(include_tables, "include_tables"),
        row_per,
        _tables(via, "via"),
        ignore_unrelated_anchors,
        partition_by,
        stratify_by_column,
        columns=selection_fn is not None or stratify_by_column is not None,
    )
    chosen = _choose(ml, source_dataset_rid, wanted, strategy, seed, asked)
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
        _register(execution, f"split_config_{parent.rid}.json", result, chosen.settings)
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
    include_tables: Sequence[str] | None = None,
    via: Sequence[str] | None = None,
    row_per: str | None = None,
    ignore_unrelated_anchors: bool = False,
    partition_by: PartitionBy | None = None,
    dataset_types: str | Sequence[str] | None = None,
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
        include_tables: As for `split_dataset`.
        via: As for `split_dataset`.
        row_per: As for `split_dataset`.
        ignore_unrelated_anchors: As for `split_dataset`.
        partition_by: As for `split_dataset`.
        dataset_types: One further type of the new dataset, or several; added if they are new.
        description: Of the new dataset.
        dry_run: Only compute the size.
    """
    if size is None:
        raise DerivaMLValidationError("Say with size how many elements the new dataset gets.")
    types = words(dataset_types, "dataset_types")
    dry_run, seed = dry_run or _is_dry(execution), check_seed(seed)
    strategy = _strategy(True, stratify_by_column, stratify_missing, None)
    asked = RowsAsked(
        element_table,
        _tables(include_tables, "include_tables"),
        row_per,
        _tables(via, "via"),
        ignore_unrelated_anchors,
        partition_by,
        stratify_by_column,
        columns=stratify_by_column is not None,
    )
    chosen = _choose(ml, source_dataset_rid, {"Subsample": size}, strategy, seed, asked)
    rids = chosen.parts["Subsample"]
    info = PartitionInfo(_DRY, _DRY, len(rids))
    if not dry_run:
        with ml.session.transaction():
            _ensure_types(ml, types)
            made = ml.datasets.create(
                ["Subsample", *types],
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
        _register(execution, f"subsample_config_{info.rid}.json", result, chosen.settings)
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
        class_table(column)
        stratified_split(column, missing)  # refuses what `missing` cannot be
        return _Strategy(f"stratified by {column}", None, column, missing)
    return _Strategy("random", random_split) if shuffle else _Strategy("in order", in_order)


def _tables(names: Sequence[str] | None, argument: str) -> list[str]:
    if names is None:
        return []
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise DerivaMLValidationError(f"{argument} is a list of tables, not {names!r}.")
    return list(names)


def _choose(
    ml: DerivaML,
    rid: str,
    wanted: Mapping[str, float | int | None],
    strategy: _Strategy,
    seed: int,
    asked: RowsAsked,
) -> _Chosen:
    source = ml.datasets.lookup(rid)
    rows = rows_to_choose(source, asked)
    select, rows = _selection(strategy, rows)
    sizes = part_sizes(len(rows.frame), wanted)
    parts = check_selection(select(rows.frame, sizes, seed), sizes, len(rows.frame))
    settings = {
        "sizes": {name: size for name, size in wanted.items()},
        "stratify_missing": strategy.missing,
        "include_tables": list(asked.include_tables),
        "row_per": asked.row_per,
        "via": list(asked.via),
        "ignore_unrelated_anchors": asked.ignore_unrelated_anchors,
        "partition_by": asked.partition_by,
    }
    return _Chosen(
        source,
        rows.element_table,
        rows.total,
        strategy.name,
        seed,
        # With rows that are not elements, one element may have several rows in a part.
        {
            name: list(dict.fromkeys(rows.rids[p] for p in positions))
            for name, positions in parts.items()
        },
        settings,
    )


def _selection(strategy: _Strategy, rows: Rows) -> tuple[SelectionFunction, Rows]:
    """The function that chooses, and the rows that it is to choose from."""
    if strategy.select is not None:
        return strategy.select, rows
    assert strategy.column is not None, "a strategy has a function or a column"
    column = column_named(rows.frame, strategy.column)
    if strategy.missing == "drop":
        told = rows.frame[column].notna().to_numpy()
        rids = [r for r, keep in zip(rows.rids, told, strict=True) if keep]
        frame = rows.frame[told].reset_index(drop=True)
        rows = Rows(rows.element_table, rows.total, frame, rids)
    return stratified_split(column, strategy.missing), rows


def _write_split(
    ml: DerivaML,
    chosen: _Chosen,
    types: Mapping[str, Sequence[str]],
    description: str,
    execution: RunsSplit | None,
) -> tuple[PartitionInfo, dict[str, PartitionInfo]]:
    """Create the parts and the dataset that holds them, in one transaction."""
    producer = _rid(execution)
    text = description or f"Division of dataset {chosen.source.dataset_rid}, {chosen.strategy}."
    made: dict[str, Dataset] = {}
    with ml.session.transaction():
        _ensure_types(ml, [t for extra in types.values() for t in extra])
        for name, rids in chosen.parts.items():
            kinds = [name, "Split_Partition", *types[name]]
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


def _register(
    execution: RunsSplit,
    name: str,
    result: SplitResult | SubsampleResult,
    settings: Mapping[str, Any],
) -> None:
    """Keep how the parts were chosen with the outputs of the execution."""
    path = execution.asset_file_path(
        MLAsset.execution_metadata,
        name,
        ["Execution_Config"],
        description="How the elements of the dataset were chosen.",
    )
    document = {**asdict(result), "settings": dict(settings)}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

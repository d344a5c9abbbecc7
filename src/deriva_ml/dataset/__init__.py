"""Datasets of DerivaML: versioned collections of rows, live in a catalog or in a bag on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core._lazy import lazy_names

if TYPE_CHECKING:
    from .bag import DatasetBag
    from .dataset import Dataset
    from .history import DatasetHistory
    from .opening import open_dataset_bag
    from .selection import SelectionFunction, random_split, stratified_split
    from .spec import DatasetSpec, DatasetSpecConfig
    from .split import PartitionInfo, SplitResult, SubsampleResult, split_dataset, subsample
    from .versions import DatasetVersion, VersionPart

__all__ = [
    "Dataset",
    "DatasetBag",
    "DatasetHistory",
    "DatasetSpec",
    "DatasetSpecConfig",
    "DatasetVersion",
    "PartitionInfo",
    "SelectionFunction",
    "SplitResult",
    "SubsampleResult",
    "VersionPart",
    "open_dataset_bag",
    "random_split",
    "split_dataset",
    "stratified_split",
    "subsample",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".bag": ("DatasetBag",),
        ".dataset": ("Dataset",),
        ".history": ("DatasetHistory",),
        ".opening": ("open_dataset_bag",),
        ".selection": ("SelectionFunction", "random_split", "stratified_split"),
        ".spec": ("DatasetSpec", "DatasetSpecConfig"),
        ".split": (
            "PartitionInfo",
            "SplitResult",
            "SubsampleResult",
            "split_dataset",
            "subsample",
        ),
        ".versions": ("DatasetVersion", "VersionPart"),
    },
)

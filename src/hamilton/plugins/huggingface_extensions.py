"""Hugging Face datasets: loading them, and saving them as Parquet."""

from __future__ import annotations

from os import PathLike
from typing import Any

import datasets

from hamilton.io.utils import DATAFRAME_METADATA, get_file_metadata
from hamilton.plugins._mirrored import MirroredReader, MirroredWriter, file_kind, mirrored
from hamilton.registry import register_adapter

__all__ = ["HuggingFaceDSLoader", "HuggingFaceDSParquetSaver"]

_TABLES = (datasets.Dataset, datasets.IterableDataset)
_ALL = (*_TABLES, datasets.DatasetDict, datasets.IterableDatasetDict)


def _facts(data: Any) -> dict[str, Any]:
    """Returns rows and columns of a dataset, or of each split."""
    if isinstance(data, dict):
        return {split: _facts(part) for split, part in data.items()}
    features = data.features or {}
    return {
        "rows": data.num_rows if isinstance(data, datasets.Dataset) else None,
        "columns": len(features),
        "column_names": list(features),
        "datatypes": [str(feature) for feature in features.values()],
    }


class _Loader(MirroredReader):
    def _metadata(self, data: Any, rows: Any) -> dict[str, Any]:
        """Returns where the dataset came from, and its rows and columns."""
        key = "splits" if isinstance(data, dict) else DATAFRAME_METADATA
        return {"hf_dataset": {"path": self._target()}, key: _facts(data)}


class _Saver(MirroredWriter):
    def _metadata(self, data: Any, rows: Any) -> dict[str, Any]:
        """Returns what is known of the file and of the dataset."""
        target = self._target()
        file = get_file_metadata(target) if isinstance(target, (str, PathLike)) else {}
        return {**file, DATAFRAME_METADATA: _facts(data)}


HuggingFaceDSLoader = mirrored(
    file_kind("hf_dataset", "HuggingFaceDSLoader", "load_dataset", "path", "path", *_ALL),
    _Loader,
    datasets.load_dataset,
    __name__,
)
HuggingFaceDSParquetSaver = mirrored(
    file_kind(
        "parquet", "HuggingFaceDSParquetSaver", "to_parquet", "path_or_buf", "path", *_TABLES
    ),
    _Saver,
    datasets.Dataset.to_parquet,
    __name__,
)
register_adapter(HuggingFaceDSLoader)
register_adapter(HuggingFaceDSParquetSaver)

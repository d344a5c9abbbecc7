"""Loading and saving numpy arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from os import PathLike
from typing import Any

import numpy as np

from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.io.files import atomic_path
from hamilton.io.utils import get_file_metadata
from hamilton.registry import register_adapter

__all__ = ["NumpyNpyReader", "NumpyNpyWriter"]


@dataclasses.dataclass
class NumpyNpyWriter(DataSaver):
    """Saves an array as a ``.npy`` file."""

    path: str | PathLike[str]
    allow_pickle: bool = False

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``numpy.ndarray``."""
        return [np.ndarray]

    @classmethod
    def name(cls) -> str:
        """Returns ``npy``."""
        return "npy"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the file under exactly the given name."""
        with atomic_path(self.path) as draft, draft.open("wb") as file:
            np.save(file, data, allow_pickle=self.allow_pickle)
        return get_file_metadata(self.path)


@dataclasses.dataclass
class NumpyNpyReader(DataLoader):
    """Loads an array from a ``.npy`` file."""

    path: str | PathLike[str]
    mmap_mode: Any = None
    allow_pickle: bool = False

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``numpy.ndarray``."""
        return [np.ndarray]

    @classmethod
    def name(cls) -> str:
        """Returns ``npy``."""
        return "npy"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the array."""
        array = np.load(self.path, mmap_mode=self.mmap_mode, allow_pickle=self.allow_pickle)
        return array, get_file_metadata(self.path)


register_adapter(NumpyNpyWriter)
register_adapter(NumpyNpyReader)

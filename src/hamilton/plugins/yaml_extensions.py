"""Loading and saving YAML."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.io.files import atomic_path
from hamilton.io.utils import get_file_metadata
from hamilton.registry import register_adapter

__all__ = ["YAMLDataLoader", "YAMLDataSaver"]

_TYPES = [str, int, float, bool, dict, list]


@dataclasses.dataclass
class YAMLDataLoader(DataLoader):
    """Loads plain data from a YAML file."""

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns the types of plain data."""
        return list(_TYPES)

    @classmethod
    def name(cls) -> str:
        """Returns ``yaml``."""
        return "yaml"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns what the file holds."""
        with Path(self.path).open(encoding="utf-8") as file:
            return yaml.safe_load(file), get_file_metadata(self.path)


@dataclasses.dataclass
class YAMLDataSaver(DataSaver):
    """Saves plain data as a YAML file."""

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns the types of plain data."""
        return list(_TYPES)

    @classmethod
    def name(cls) -> str:
        """Returns ``yaml``."""
        return "yaml"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the file."""
        with atomic_path(self.path) as draft, draft.open("w", encoding="utf-8") as file:
            yaml.safe_dump(data, file)
        return get_file_metadata(self.path)


register_adapter(YAMLDataLoader)
register_adapter(YAMLDataSaver)

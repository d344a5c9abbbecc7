"""LightGBM: saving and loading models."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import lightgbm

from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.io.files import atomic_path
from hamilton.io.utils import get_file_metadata
from hamilton.registry import register_adapter

__all__ = ["LightGBMFileReader", "LightGBMFileWriter"]


@dataclasses.dataclass
class LightGBMFileWriter(DataSaver):
    """Saves a booster, or the booster of a fitted estimator, as text.

    Attributes:
        path: The file.
        num_iteration: How many iterations to keep; None for the best, or all.
        start_iteration: The first iteration to keep.
        importance_type: The kind of feature importance to note.
    """

    path: str | PathLike[str]
    num_iteration: int | None = None
    start_iteration: int = 0
    importance_type: Literal["split", "gain"] = "split"

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns estimators and boosters."""
        return [lightgbm.LGBMModel, lightgbm.Booster]

    @classmethod
    def name(cls) -> str:
        """Returns ``file``."""
        return "file"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the file."""
        booster = data.booster_ if isinstance(data, lightgbm.LGBMModel) else data
        with atomic_path(self.path) as draft:
            booster.save_model(
                draft, self.num_iteration, self.start_iteration, self.importance_type
            )
        return get_file_metadata(self.path)


@dataclasses.dataclass
class LightGBMFileReader(DataLoader):
    """Loads a booster. The files hold no estimators, only the boosters of them."""

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns the booster type."""
        return [lightgbm.Booster]

    @classmethod
    def name(cls) -> str:
        """Returns ``file``."""
        return "file"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the booster.

        Raises:
            FileNotFoundError: There is no such file.
        """
        file = Path(self.path)
        booster = lightgbm.Booster(model_str=file.read_text(encoding="utf-8"))
        return booster, get_file_metadata(file)


register_adapter(LightGBMFileWriter)
register_adapter(LightGBMFileReader)

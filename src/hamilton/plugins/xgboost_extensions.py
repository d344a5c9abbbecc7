"""XGBoost: saving and loading models."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import Any

import xgboost

from hamilton.errors import MaterializationError
from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.io.files import atomic_path
from hamilton.io.utils import get_file_metadata
from hamilton.registry import register_adapter

__all__ = ["XGBoostJsonReader", "XGBoostJsonWriter"]

_MODELS = (xgboost.XGBModel, xgboost.Booster)
_SUFFIXES = (".json", ".ubj")  # by which the library tells its formats apart


def _is_model(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, _MODELS)


@dataclasses.dataclass
class XGBoostJsonWriter(DataSaver):
    """Saves a booster or an estimator in XGBoost's own format.

    Attributes:
        path: The file: ``.json``, or ``.ubj`` for the binary form of the same.
    """

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns estimators and boosters."""
        return list(_MODELS)

    @classmethod
    def name(cls) -> str:
        """Returns ``json``."""
        return "json"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the file.

        Raises:
            MaterializationError: The suffix names no format.
        """
        if Path(self.path).suffix not in _SUFFIXES:
            raise MaterializationError(
                f"A model is saved to a file ending in {' or '.join(_SUFFIXES)}, not to "
                f"{str(self.path)!r}."
            )
        with atomic_path(self.path) as draft:
            data.save_model(draft)
        return get_file_metadata(self.path)


@dataclasses.dataclass
class XGBoostJsonReader(DataLoader):
    """Loads a booster, or an estimator of the class that is wanted."""

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns estimators and boosters."""
        return list(_MODELS)

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns whether an estimator or booster is wanted."""
        return _is_model(type_)

    @classmethod
    def name(cls) -> str:
        """Returns ``json``."""
        return "json"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the model."""
        model = type_()
        model.load_model(self.path)
        return model, get_file_metadata(self.path)


register_adapter(XGBoostJsonWriter)
register_adapter(XGBoostJsonReader)

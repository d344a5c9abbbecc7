"""Kedro: loading from and saving to its data catalog."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.registry import register_adapter

__all__ = ["KedroLoader", "KedroSaver"]


@dataclasses.dataclass
class KedroSaver(DataSaver):
    """Saves a value as a dataset of a catalog.

    Attributes:
        dataset_name: The dataset.
        catalog: A ``kedro.io.DataCatalog``.
    """

    dataset_name: str
    catalog: Any

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``object`` and ``Any``: the dataset decides what it takes."""
        return [object, Any]

    @classmethod
    def name(cls) -> str:
        """Returns ``kedro``."""
        return "kedro"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Saves the value and returns the name of the dataset."""
        self.catalog.save(self.dataset_name, data)
        return _facts(self.dataset_name, self.catalog)


@dataclasses.dataclass
class KedroLoader(DataLoader):
    """Loads a dataset of a catalog.

    Attributes:
        dataset_name: The dataset.
        catalog: A ``kedro.io.DataCatalog``.
    """

    dataset_name: str
    catalog: Any

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``object`` and ``Any``: the dataset decides what it gives."""
        return [object, Any]

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns True: any type can come out of a catalog."""
        return True

    @classmethod
    def name(cls) -> str:
        """Returns ``kedro``."""
        return "kedro"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the value."""
        return self.catalog.load(self.dataset_name), _facts(self.dataset_name, self.catalog)


def _facts(name: str, catalog: Any) -> dict[str, Any]:
    return {"kedro_dataset": {"name": name, "catalog": type(catalog).__name__}}


register_adapter(KedroSaver)
register_adapter(KedroLoader)

"""The loaders and savers that need nothing but the standard library."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
from collections.abc import Collection
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

from hamilton.io.data_adapters import DataLoader, DataSaver
from hamilton.io.files import atomic_path
from hamilton.io.utils import get_file_metadata
from hamilton.registry import register_adapter

__all__ = ["DATA_ADAPTERS"]


@dataclasses.dataclass
class JSONDataLoader(DataLoader):
    """Loads a dictionary or list from a JSON file."""

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``dict`` and ``list``."""
        return [dict, list]

    @classmethod
    def name(cls) -> str:
        """Returns ``json``."""
        return "json"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns what the file holds."""
        with Path(self.path).open(encoding="utf-8") as file:
            return json.load(file), get_file_metadata(self.path)


@dataclasses.dataclass
class JSONDataSaver(DataSaver):
    """Saves a dictionary or list as a JSON file."""

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``dict`` and ``list``."""
        return [dict, list]

    @classmethod
    def name(cls) -> str:
        """Returns ``json``."""
        return "json"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the file."""
        with atomic_path(self.path) as draft:
            draft.write_text(json.dumps(data), encoding="utf-8")
        return get_file_metadata(self.path)


@dataclasses.dataclass
class RawFileDataLoader(DataLoader):
    """Loads text from a file."""

    path: str | PathLike[str]
    encoding: str = "utf-8"

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``str``."""
        return [str]

    @classmethod
    def name(cls) -> str:
        """Returns ``file``."""
        return "file"

    def load_data(self, type_: type[Any]) -> tuple[str, dict[str, Any]]:
        """Returns what the file holds."""
        text = Path(self.path).read_text(encoding=self.encoding)
        return text, get_file_metadata(self.path)


@dataclasses.dataclass
class RawFileDataSaver(DataSaver):
    """Saves text or bytes as a file."""

    path: str | PathLike[str]
    encoding: str = "utf-8"

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``str``, ``bytes`` and ``BytesIO``."""
        return [str, bytes, BytesIO]

    @classmethod
    def name(cls) -> str:
        """Returns ``file``."""
        return "file"

    def save_data(self, data: str | bytes | BytesIO) -> dict[str, Any]:
        """Writes the file."""
        if isinstance(data, str):
            data = data.encode(self.encoding)
        elif isinstance(data, BytesIO):
            data = data.getvalue()
        with atomic_path(self.path) as draft:
            draft.write_bytes(data)
        return get_file_metadata(self.path)


@dataclasses.dataclass
class PickleLoader(DataLoader):
    """Loads any object from a pickle file."""

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``object`` and ``Any``."""
        return [object, Any]

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns True: any type can have been pickled."""
        return True

    @classmethod
    def name(cls) -> str:
        """Returns ``pickle``."""
        return "pickle"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns what the file holds. Pickles run code: load only files you trust."""
        with Path(self.path).open("rb") as file:
            return pickle.load(file), get_file_metadata(self.path)


@dataclasses.dataclass
class PickleSaver(DataSaver):
    """Saves any object as a pickle file."""

    path: str | PathLike[str]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``object``."""
        return [object]

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns True: any type can be tried."""
        return True

    @classmethod
    def name(cls) -> str:
        """Returns ``pickle``."""
        return "pickle"

    def save_data(self, data: Any) -> dict[str, Any]:
        """Writes the file."""
        with atomic_path(self.path) as draft, draft.open("wb") as file:
            pickle.dump(data, file)
        return get_file_metadata(self.path)


@dataclasses.dataclass
class EnvVarDataLoader(DataLoader):
    """Loads environment variables as a dictionary."""

    names: tuple[str, ...]

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``dict``."""
        return [dict]

    @classmethod
    def name(cls) -> str:
        """Returns ``environment``."""
        return "environment"

    def load_data(self, type_: type[Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Returns the variables by name.

        Raises:
            KeyError: A variable is not set.
        """
        return {name: os.environ[name] for name in self.names}, {}


@dataclasses.dataclass
class LiteralValueDataLoader(DataLoader):
    """Gives a literal value."""

    value: Any

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``Any``."""
        return [Any]

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns True."""
        return True

    @classmethod
    def name(cls) -> str:
        """Returns ``literal``."""
        return "literal"

    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the value."""
        return self.value, {}


@dataclasses.dataclass
class InMemoryResult(DataSaver):
    """Hands the value back instead of saving it."""

    @classmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns ``Any``."""
        return [Any]

    @classmethod
    def name(cls) -> str:
        """Returns ``memory``."""
        return "memory"

    def save_data(self, data: Any) -> Any:
        """Returns the value itself."""
        return data


DATA_ADAPTERS: list[type[DataLoader] | type[DataSaver]] = [
    JSONDataLoader,
    JSONDataSaver,
    RawFileDataLoader,
    RawFileDataSaver,
    PickleLoader,
    PickleSaver,
    EnvVarDataLoader,
    LiteralValueDataLoader,
    InMemoryResult,
]

for _adapter in DATA_ADAPTERS:
    register_adapter(_adapter)

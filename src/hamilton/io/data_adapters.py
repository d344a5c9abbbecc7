"""The contract of loaders and savers: dataclasses whose fields are their arguments."""

from __future__ import annotations

import abc
import dataclasses
import typing
from collections.abc import Collection
from typing import Any

from hamilton.htypes import custom_subclass_check, is_union

__all__ = ["AdapterCommon", "DataLoader", "DataSaver"]


class AdapterCommon(abc.ABC):
    """What loaders and savers share."""

    @classmethod
    @abc.abstractmethod
    def applicable_types(cls) -> Collection[Any]:
        """Returns the types this adapter loads or saves."""

    @classmethod
    @abc.abstractmethod
    def name(cls) -> str:
        """Returns the key under which the adapter is found."""

    @classmethod
    @abc.abstractmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns whether this adapter is fit for a type."""

    @classmethod
    def _arguments(cls, required: bool) -> dict[str, Any]:
        declared: Any = cls
        if not dataclasses.is_dataclass(declared):
            raise TypeError(f"{cls.__name__} must be a dataclass: its fields are its arguments.")
        try:
            types = typing.get_type_hints(cls)
        except NameError:
            types = {}
        return {
            field.name: types.get(field.name, Any)
            for field in dataclasses.fields(declared)
            if field.init and _is_required(field) is required
        }

    @classmethod
    def get_required_arguments(cls) -> dict[str, Any]:
        """Returns the arguments without a default, with their types."""
        return cls._arguments(required=True)

    @classmethod
    def get_optional_arguments(cls) -> dict[str, Any]:
        """Returns the arguments with a default, with their types."""
        return cls._arguments(required=False)

    @classmethod
    def can_load(cls) -> bool:
        """Returns whether this adapter is a loader."""
        return issubclass(cls, DataLoader)

    @classmethod
    def can_save(cls) -> bool:
        """Returns whether this adapter is a saver."""
        return issubclass(cls, DataSaver)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


class DataLoader(AdapterCommon, abc.ABC):
    """Loads a value."""

    @abc.abstractmethod
    def load_data(self, type_: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the value and metadata about where it came from."""

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns whether one of the applicable types fits where `type_` is wanted."""
        return any(custom_subclass_check(t, type_) for t in cls.applicable_types())


class DataSaver(AdapterCommon, abc.ABC):
    """Saves a value."""

    @abc.abstractmethod
    def save_data(self, data: Any) -> dict[str, Any]:
        """Saves the value and returns metadata about where it went."""

    @classmethod
    def applies_to(cls, type_: Any) -> bool:
        """Returns whether values of `type_` are of one of the applicable types."""
        types = list(cls.applicable_types())
        if any(custom_subclass_check(type_, t) for t in types):
            return True
        return is_union(type_) and all(
            any(custom_subclass_check(member, t) for t in types)
            for member in typing.get_args(type_)
        )

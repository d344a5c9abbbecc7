"""The core of DerivaML: definitions, errors, configuration, logging and the `DerivaML` session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy_names

if TYPE_CHECKING:
    from .definitions import (
        RID,
        BuiltinTypes,
        ColumnDefinition,
        ForeignKeyDefinition,
        KeyDefinition,
        MLAsset,
        MLVocab,
        TableDefinition,
    )
    from .exceptions import DerivaMLException
    from .logging_config import configure_logging, get_logger, is_hydra_initialized
    from .sort import SortSpec, resolve_sort
    from .validation import DERIVA_ML_CONFIG, STRICT_VALIDATION_CONFIG, VALIDATION_CONFIG

__all__ = [
    "DERIVA_ML_CONFIG",
    "RID",
    "STRICT_VALIDATION_CONFIG",
    "VALIDATION_CONFIG",
    "BuiltinTypes",
    "ColumnDefinition",
    "DerivaMLException",
    "ForeignKeyDefinition",
    "KeyDefinition",
    "MLAsset",
    "MLVocab",
    "SortSpec",
    "TableDefinition",
    "configure_logging",
    "get_logger",
    "is_hydra_initialized",
    "resolve_sort",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".definitions": (
            "RID",
            "BuiltinTypes",
            "ColumnDefinition",
            "ForeignKeyDefinition",
            "KeyDefinition",
            "MLAsset",
            "MLVocab",
            "TableDefinition",
        ),
        ".exceptions": ("DerivaMLException",),
        ".logging_config": ("configure_logging", "get_logger", "is_hydra_initialized"),
        ".sort": ("SortSpec", "resolve_sort"),
        ".validation": ("DERIVA_ML_CONFIG", "STRICT_VALIDATION_CONFIG", "VALIDATION_CONFIG"),
    },
)

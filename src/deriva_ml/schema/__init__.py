"""The ML schema: what it consists of, making catalogs that have it, and who may use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml.core._lazy import lazy_names

if TYPE_CHECKING:
    from .access import AccessPolicy, apply_access_policy
    from .checking import SchemaReport, check_ml_schema
    from .create import (
        create_ml_catalog,
        create_ml_schema,
        create_or_retarget_ml_catalog,
        initialize_ml_schema,
        reset_ml_schema,
    )
    from .migration import add_directory_dataset_table

__all__ = [
    "AccessPolicy",
    "SchemaReport",
    "add_directory_dataset_table",
    "apply_access_policy",
    "check_ml_schema",
    "create_ml_catalog",
    "create_ml_schema",
    "create_or_retarget_ml_catalog",
    "initialize_ml_schema",
    "reset_ml_schema",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".access": (
            "AccessPolicy",
            "apply_access_policy",
        ),
        ".checking": (
            "SchemaReport",
            "check_ml_schema",
        ),
        ".create": (
            "create_ml_catalog",
            "create_ml_schema",
            "create_or_retarget_ml_catalog",
            "initialize_ml_schema",
            "reset_ml_schema",
        ),
        ".migration": ("add_directory_dataset_table",),
    },
)

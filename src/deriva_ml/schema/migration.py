"""Bringing ML schemas that older programs made to what the present one expects."""

from __future__ import annotations

from typing import Any

from deriva_catalog.interface import Catalog
from deriva_ml.core.definitions import ML_SCHEMA
from deriva_ml.core.exceptions import translated

from .definition import ml_schema_documents, ml_schema_of

__all__ = ["add_directory_dataset_table"]


@translated()
def add_directory_dataset_table(ml: Any, *, apply: bool = False) -> bool:
    """Add the table of directories that datasets of files were made from, where it is missing.

    Args:
        ml: A `DerivaML`, or a catalog.
        apply: Add it; else only say whether it is missing.

    Returns:
        Whether it was missing.

    Raises:
        DerivaMLSchemaError: The catalog has no ML schema.
    """
    catalog: Catalog = getattr(ml, "catalog", ml)
    schema = getattr(ml, "ml_schema", ML_SCHEMA)
    if "Directory_Dataset" in ml_schema_of(catalog, schema).tables:
        return False
    if apply:
        document = ml_schema_documents(schema, schema)[0]["tables"]["Directory_Dataset"]
        catalog.create_table(schema, document)
    return True

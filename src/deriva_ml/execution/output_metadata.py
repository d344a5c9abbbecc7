"""Values of the metadata columns of an output, as the journal keeps them: checked, and plain."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from datetime import date, time
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from deriva_catalog.model.elements import Table
from deriva_ml.core.exceptions import DerivaMLValidationError, some_of

from .run import Run

__all__ = ["checked_metadata"]


def checked_metadata(
    run: Run, table: Table, metadata: Mapping[str, Any] | BaseModel | None
) -> dict[str, Any]:
    """The values by column in JSON form.

    Times and dates become texts, numbers of NumPy those of Python, and paths texts.

    Args:
        run: The execution.
        table: The asset table.
        metadata: Values of metadata columns, or a record of the table.

    Raises:
        DerivaMLValidationError: The table has no such column, or a value has no JSON form.
    """
    if isinstance(metadata, BaseModel):
        metadata = metadata.model_dump(mode="json", exclude_unset=True)
    if metadata is not None and not isinstance(metadata, Mapping):
        raise DerivaMLValidationError(
            f"metadata is values by column, as in {{'Subject': '1-ABC'}}, not {metadata!r}."
        )
    if not metadata:
        return {}
    known = run.session.model.asset_metadata(table)
    for name in metadata:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It has {some_of(sorted(known))}."
            raise DerivaMLValidationError(
                f"Asset table {table.name!r} has no metadata column {name!r}. {hint}"
            )
    return {name: _plain(table, name, value) for name, value in metadata.items()}


def _plain(table: Table, column: str, value: Any) -> Any:
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, date | time):  # a datetime is a date, too; "not a time" differs from it
        return value.isoformat() if value == value else None
    if isinstance(value, PurePath):
        return str(value)
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise DerivaMLValidationError(
            f"Metadata column {column!r} of asset table {table.name!r} cannot take {value!r}: "
            f"{error}."
        ) from error
    return value

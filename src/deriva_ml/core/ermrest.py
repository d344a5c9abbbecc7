"""Uploads, terms and definitions of tables under the module path that other code imports from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, computed_field

from deriva_ml.execution.report import UploadCallback, UploadProgress

from ._lazy import lazy_names
from .constants import RID
from .enums import BuiltinTypes, UploadState
from .vocabulary import VocabularyTerm, VocabularyTermHandle

if TYPE_CHECKING:
    from .schema_definitions import (
        ColumnDefinition,
        ForeignKeyDefinition,
        KeyDefinition,
        TableDefinition,
    )

__all__ = [
    "RID",
    "BuiltinTypes",
    "ColumnDefinition",
    "FileUploadState",
    "ForeignKeyDefinition",
    "KeyDefinition",
    "TableDefinition",
    "UploadCallback",
    "UploadProgress",
    "UploadState",
    "VocabularyTerm",
    "VocabularyTermHandle",
]


class FileUploadState(BaseModel):
    """What became of the upload of one file.

    Attributes:
        state: How it ended.
        status: The same in words.
        result: The row of the file, with at least its RID; None when it was not uploaded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: UploadState
    status: str = ""
    result: dict[str, Any] | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def rid(self) -> str | None:
        """RID of the file."""
        return None if self.result is None else self.result.get("RID")


# Whoever uploads files does without the definitions of tables.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "..schema_definitions": (
            "ColumnDefinition",
            "ForeignKeyDefinition",
            "KeyDefinition",
            "TableDefinition",
        )
    },
)

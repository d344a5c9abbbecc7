"""The names that code about catalogs needs: constants, enumerations, table definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy_names
from .constants import (
    DRY_RUN_RID,
    INTENTIONAL_FK_CYCLES,
    ML_SCHEMA,
    PROVENANCE_TERMINAL_TABLES,
    RID,
    RID_PATTERN,
    SENTINEL_EXECUTION_DESCRIPTION,
    SENTINEL_FILE_MD5,
    SENTINEL_FILE_URL,
    SENTINEL_WORKFLOW_CHECKSUM,
    SENTINEL_WORKFLOW_URL,
    SYSTEM_SCHEMAS,
    DerivaAssetColumns,
    DerivaSystemColumns,
    is_rid,
)
from .enums import (
    BaseStrEnum,
    BuiltinTypes,
    CacheStatus,
    ConnectionMode,
    ExecAssetType,
    ExecMetadataType,
    ExecutionStatus,
    MLAsset,
    MLTable,
    MLVocab,
    Status,
    UploadState,
    VersionPart,
)

if TYPE_CHECKING:
    from .schema_definitions import (
        AssetTableDef,
        AssociationTableDef,
        ColumnDef,
        ColumnDefinition,
        ForeignKeyDef,
        ForeignKeyDefinition,
        KeyDef,
        KeyDefinition,
        SchemaDef,
        TableDef,
        TableDefinition,
        VocabularyTableDef,
    )

__all__ = [
    "DRY_RUN_RID",
    "INTENTIONAL_FK_CYCLES",
    "ML_SCHEMA",
    "PROVENANCE_TERMINAL_TABLES",
    "RID",
    "RID_PATTERN",
    "SENTINEL_EXECUTION_DESCRIPTION",
    "SENTINEL_FILE_MD5",
    "SENTINEL_FILE_URL",
    "SENTINEL_WORKFLOW_CHECKSUM",
    "SENTINEL_WORKFLOW_URL",
    "SYSTEM_SCHEMAS",
    "AssetTableDef",
    "AssociationTableDef",
    "BaseStrEnum",
    "BuiltinTypes",
    "CacheStatus",
    "ColumnDef",
    "ColumnDefinition",
    "ConnectionMode",
    "DerivaAssetColumns",
    "DerivaSystemColumns",
    "ExecAssetType",
    "ExecMetadataType",
    "ExecutionStatus",
    "ForeignKeyDef",
    "ForeignKeyDefinition",
    "KeyDef",
    "KeyDefinition",
    "MLAsset",
    "MLTable",
    "MLVocab",
    "SchemaDef",
    "Status",
    "TableDef",
    "TableDefinition",
    "UploadState",
    "VersionPart",
    "VocabularyTableDef",
    "is_rid",
]

# Whoever asks only for constants does without pydantic, which checks definitions.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "..schema_definitions": (
            "AssetTableDef",
            "AssociationTableDef",
            "ColumnDef",
            "ColumnDefinition",
            "ForeignKeyDef",
            "ForeignKeyDefinition",
            "KeyDef",
            "KeyDefinition",
            "SchemaDef",
            "TableDef",
            "TableDefinition",
            "VocabularyTableDef",
        )
    },
)

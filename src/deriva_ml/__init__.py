"""DerivaML: reproducible machine learning on a catalog of data, code and results.

::

    from deriva_ml import DerivaML, ExecutionConfiguration

    ml = DerivaML("localhost", "digits")
    config = ExecutionConfiguration(datasets=["1-ABC@1.2.0"], description="baseline")
    with ml.create_execution(config) as exe:
        bag = exe.download_dataset_bag(exe.datasets[0])
        ...
    exe.upload_execution_outputs()

Names are imported from their modules when they are first used, so that ``import deriva_ml``
costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core._lazy import lazy_names

if TYPE_CHECKING:
    from .asset.asset import Asset
    from .asset.file_path import AssetFilePath
    from .asset.spec import AssetSpec, AssetSpecConfig
    from .catalog.provenance import (
        CatalogCreationMethod,
        CatalogProvenance,
        CloneDetails,
        get_catalog_provenance,
        set_catalog_provenance,
    )
    from .core.base import DerivaML
    from .core.config import DerivaMLConfig
    from .core.constants import RID, DerivaAssetColumns, DerivaSystemColumns
    from .core.enums import (
        BuiltinTypes,
        ConnectionMode,
        ExecAssetType,
        ExecMetadataType,
        MLAsset,
        MLVocab,
        UploadState,
    )
    from .core.ermrest import FileUploadState
    from .core.exceptions import (
        DerivaMLDirtyWorkflowError,
        DerivaMLException,
        DerivaMLInvalidTerm,
        DerivaMLMaterializeLimitExceeded,
        DerivaMLTableTypeError,
    )
    from .core.filespec import FileSpec
    from .core.schema_definitions import (
        ColumnDefinition,
        ForeignKeyDefinition,
        KeyDefinition,
        TableDefinition,
    )
    from .core.storage import CachedAsset
    from .dataset.bag import DatasetBag
    from .dataset.bag_cache import CachedBag
    from .dataset.dataset import Dataset
    from .dataset.references import DatasetReference, FeatureReference
    from .dataset.spec import DatasetSpec, DatasetSpecConfig
    from .execution.configuration import ExecutionConfiguration
    from .execution.execution import Execution
    from .execution.report import UploadCallback, UploadProgress
    from .execution.workflow import Workflow
    from .feature import FeatureRecord

__version__ = "0.1.0"

__all__ = [
    "RID",
    "Asset",
    "AssetFilePath",
    "AssetSpec",
    "AssetSpecConfig",
    "BuiltinTypes",
    "CachedAsset",
    "CachedBag",
    "CatalogCreationMethod",
    "CatalogProvenance",
    "CloneDetails",
    "ColumnDefinition",
    "ConnectionMode",
    "Dataset",
    "DatasetBag",
    "DatasetReference",
    "DatasetSpec",
    "DatasetSpecConfig",
    "DerivaAssetColumns",
    "DerivaML",
    "DerivaMLConfig",
    "DerivaMLDirtyWorkflowError",
    "DerivaMLException",
    "DerivaMLInvalidTerm",
    "DerivaMLMaterializeLimitExceeded",
    "DerivaMLTableTypeError",
    "DerivaSystemColumns",
    "ExecAssetType",
    "ExecMetadataType",
    "Execution",
    "ExecutionConfiguration",
    "FeatureRecord",
    "FeatureReference",
    "FileSpec",
    "FileUploadState",
    "ForeignKeyDefinition",
    "KeyDefinition",
    "MLAsset",
    "MLVocab",
    "TableDefinition",
    "UploadCallback",
    "UploadProgress",
    "UploadState",
    "Workflow",
    "__version__",
    "get_catalog_provenance",
    "set_catalog_provenance",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".asset.asset": ("Asset",),
        ".asset.file_path": ("AssetFilePath",),
        ".asset.spec": ("AssetSpec", "AssetSpecConfig"),
        ".catalog.provenance": (
            "CatalogCreationMethod",
            "CatalogProvenance",
            "CloneDetails",
            "get_catalog_provenance",
            "set_catalog_provenance",
        ),
        ".core.base": ("DerivaML",),
        ".core.config": ("DerivaMLConfig",),
        ".core.constants": ("RID", "DerivaAssetColumns", "DerivaSystemColumns"),
        ".core.enums": (
            "BuiltinTypes",
            "ConnectionMode",
            "ExecAssetType",
            "ExecMetadataType",
            "MLAsset",
            "MLVocab",
            "UploadState",
        ),
        ".core.ermrest": ("FileUploadState",),
        ".core.exceptions": (
            "DerivaMLDirtyWorkflowError",
            "DerivaMLException",
            "DerivaMLInvalidTerm",
            "DerivaMLMaterializeLimitExceeded",
            "DerivaMLTableTypeError",
        ),
        ".core.filespec": ("FileSpec",),
        ".core.schema_definitions": (
            "ColumnDefinition",
            "ForeignKeyDefinition",
            "KeyDefinition",
            "TableDefinition",
        ),
        ".core.storage": ("CachedAsset",),
        ".dataset.bag": ("DatasetBag",),
        ".dataset.bag_cache": ("CachedBag",),
        ".dataset.dataset": ("Dataset",),
        ".dataset.references": ("DatasetReference", "FeatureReference"),
        ".dataset.spec": ("DatasetSpec", "DatasetSpecConfig"),
        ".execution.configuration": ("ExecutionConfiguration",),
        ".execution.execution": ("Execution",),
        ".execution.report": ("UploadCallback", "UploadProgress"),
        ".execution.workflow": ("Workflow",),
        ".feature": ("FeatureRecord",),
    },
)

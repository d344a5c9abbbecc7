"""Names of assets under the module path that other code imports them from."""

from __future__ import annotations

from .asset import Asset
from .file_path import AssetFilePath
from .manifest import AssetEntry, AssetManifest
from .record import AssetRecord, asset_record_class
from .spec import AssetRIDConfig, AssetSpec, AssetSpecConfig, LocalFile, LocalFileConfig

__all__ = [
    "Asset",
    "AssetEntry",
    "AssetFilePath",
    "AssetManifest",
    "AssetRIDConfig",
    "AssetRecord",
    "AssetSpec",
    "AssetSpecConfig",
    "LocalFile",
    "LocalFileConfig",
    "asset_record_class",
]

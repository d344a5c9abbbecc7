"""Assets of DerivaML: files that the catalog describes, and files that a run reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core._lazy import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".asset": ("Asset",),
        ".file_path": ("AssetFilePath",),
        ".manifest": ("AssetEntry", "AssetManifest"),
        ".record": ("AssetRecord", "asset_record_class"),
        ".spec": (
            "AssetRIDConfig",
            "AssetSpec",
            "AssetSpecConfig",
            "LocalFile",
            "LocalFileConfig",
        ),
    },
)

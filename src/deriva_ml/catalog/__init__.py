"""Where a catalog comes from, and moving catalogs: clone, make a workspace, bring files along.

::

    result = clone_via_bag(source_hostname="data.example.org", source_catalog_id=7,
                           dest_hostname="./mine", dest_catalog_id=None, root_rid="1-ABC")
    get_catalog_provenance(connect("./mine")).clone_details.source_hostname
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deriva_ml.core._lazy import lazy_names

if TYPE_CHECKING:
    from .clone import CloneViaBagResult, clone_via_bag, create_ml_workspace
    from .localize import LocalizeResult, localize_assets
    from .policy import AssetMode, ClonePolicy, OrphanStrategy
    from .provenance import (
        CATALOG_PROVENANCE_URL,
        CatalogCreationMethod,
        CatalogProvenance,
        CloneDetails,
        get_catalog_provenance,
        set_catalog_provenance,
    )

__all__ = [
    "CATALOG_PROVENANCE_URL",
    "AssetMode",
    "CatalogCreationMethod",
    "CatalogProvenance",
    "CloneDetails",
    "ClonePolicy",
    "CloneViaBagResult",
    "LocalizeResult",
    "OrphanStrategy",
    "clone_via_bag",
    "create_ml_workspace",
    "get_catalog_provenance",
    "localize_assets",
    "set_catalog_provenance",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".clone": ("CloneViaBagResult", "clone_via_bag", "create_ml_workspace"),
        ".localize": ("LocalizeResult", "localize_assets"),
        ".policy": ("AssetMode", "ClonePolicy", "OrphanStrategy"),
        ".provenance": (
            "CATALOG_PROVENANCE_URL",
            "CatalogCreationMethod",
            "CatalogProvenance",
            "CloneDetails",
            "get_catalog_provenance",
            "set_catalog_provenance",
        ),
    },
)

"""The catalog itself: flat methods of `DerivaML`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deriva_ml.catalog.provenance import CatalogProvenance

    from ..base import DerivaML


def catalog_provenance(self: DerivaML) -> CatalogProvenance | None:
    """Where the catalog comes from; None when it does not say."""
    from deriva_ml.catalog.provenance import get_catalog_provenance

    return get_catalog_provenance(self.catalog)

"""Asset tables, records of assets, pages: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..exceptions import translated

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table
    from deriva_ml.asset.manifest import AssetManifest
    from deriva_ml.asset.record import AssetRecord

    from ..base import DerivaML
    from ..definitions import RID, ColumnDefinition


@translated()
def asset_record_class(self: DerivaML, asset_table_name: str) -> type[AssetRecord]:
    """The class of the metadata of an asset table (see `deriva_ml.asset.record`)."""
    from deriva_ml.asset.record import asset_record_class as make

    return make(self.model, asset_table_name)


def create_asset_table(
    self: DerivaML,
    asset_name: str,
    additional_columns: Iterable[ColumnDefinition] = (),
    comment: str | None = None,
    schema: str | None = None,
    use_hatrac: bool = True,
    update_navbar: bool = True,
) -> Table:
    """Create an asset table without an asset type of its name (see `Tables.create_asset_table`)."""
    return self.tables.create_asset_table(
        asset_name, additional_columns, comment, schema, use_hatrac, update_navbar
    )


def add_page(self: DerivaML, title: str, content: str) -> RID:
    """Add a page to the catalog's own web pages (see `Tables.add_page`)."""
    return self.tables.add_page(title, content)


@translated()
def asset_manifest(self: DerivaML, execution_rid: RID) -> AssetManifest:
    """What an execution of this machine has registered (see `AssetManifest`)."""
    from deriva_ml.asset.manifest import AssetManifest

    return AssetManifest(self, execution_rid)

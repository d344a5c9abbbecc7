"""Records of assets: flat methods of `DerivaML`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exceptions import translated

if TYPE_CHECKING:
    from deriva_ml.asset.manifest import AssetManifest
    from deriva_ml.asset.record import AssetRecord

    from ..base import DerivaML
    from ..definitions import RID


@translated()
def asset_record_class(self: DerivaML, asset_table_name: str) -> type[AssetRecord]:
    """The class of the metadata of an asset table (see `deriva_ml.asset.record`)."""
    from deriva_ml.asset.record import asset_record_class as make

    return make(self.model, asset_table_name)


@translated()
def asset_manifest(self: DerivaML, execution_rid: RID) -> AssetManifest:
    """What an execution of this machine has registered (see `AssetManifest`)."""
    from deriva_ml.asset.manifest import AssetManifest

    return AssetManifest(self, execution_rid)

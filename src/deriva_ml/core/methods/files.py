"""Assets, and files of this machine: flat methods of `DerivaML`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deriva_catalog.model.elements import Table
    from deriva_ml.asset.asset import Asset
    from deriva_ml.execution.record import ExecutionRecord

    from ..base import DerivaML
    from ..definitions import RID
    from ..storage import CachedAsset


def list_assets(self: DerivaML, asset_table: str | Table) -> list[Asset]:
    """The assets of one table."""
    return self.assets.of_table(asset_table)


def find_assets(
    self: DerivaML, asset_table: str | Table | None = None, asset_type: str | None = None
) -> list[Asset]:
    """Assets of one table or of all, perhaps of one type (see `Assets.find`)."""
    return self.assets.find(asset_table, asset_type)


def lookup_asset(self: DerivaML, rid: RID) -> Asset:
    """An asset by its RID (see `Assets.lookup`)."""
    return self.assets.lookup(rid)


def list_asset_executions(
    self: DerivaML, asset_rid: RID, asset_role: str | None = None
) -> list[ExecutionRecord]:
    """The executions that read (``Input``) or made (``Output``) an asset."""
    return self.executions.records(self.assets.executions(asset_rid, asset_role))


def list_execution_assets(
    self: DerivaML, execution_rid: RID, asset_role: str | None = None
) -> list[Asset]:
    """The assets that an execution read (``Input``) or made (``Output``)."""
    return self.assets.of_execution(execution_rid, asset_role)


def list_execution_dirs(self: DerivaML) -> list[dict[str, Any]]:
    """Directories of executions (see `Storage.list_execution_dirs`)."""
    return self.storage.list_execution_dirs()


def clean_execution_dirs(
    self: DerivaML,
    older_than_days: int | None = None,
    exclude_rids: RID | Iterable[RID] | None = None,
) -> dict[str, int]:
    """Remove files that are uploaded (see `Storage.clean_execution_dirs`)."""
    return self.storage.clean_execution_dirs(older_than_days, exclude_rids)


def list_cached_assets(self: DerivaML) -> list[CachedAsset]:
    """Files of assets in the cache."""
    return self.storage.list_cached_assets()


def delete_cached_asset(self: DerivaML, rid: RID, md5: str | None = None) -> dict[str, int]:
    """Remove the file of an asset from the cache."""
    return self.storage.delete_cached_asset(rid, md5)


def clear_cache(self: DerivaML, older_than_days: int | None = None) -> dict[str, int]:
    """Remove everything from the cache, or what did not change for so many days."""
    return self.storage.clear_cache(older_than_days)


def get_cache_size(self: DerivaML) -> dict[str, Any]:
    """How much the cache holds."""
    return self.storage.get_cache_size()


def get_storage_summary(self: DerivaML) -> dict[str, Any]:
    """Where files are kept, and how many megabytes of which kind."""
    return self.storage.summary()

"""Bags of datasets, their sizes and the cache: flat methods of `DerivaML`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import translated

if TYPE_CHECKING:
    from deriva_ml.dataset.bag_cache import CachedBag
    from deriva_ml.dataset.cache import BagKey
    from deriva_ml.dataset.spec import DatasetSpec
    from deriva_ml.dataset.versions import DatasetVersion

    from ..base import DerivaML


@translated()
def estimate_bag_size(self: DerivaML, spec: DatasetSpec | str) -> dict[str, Any]:
    """How large the bag of a version would be (see `sizes.estimate_bag_size`)."""
    from deriva_ml.dataset.sizes import estimate_bag_size as estimate

    key, concurrency = _asked(self, spec)
    return estimate(self.session, key, concurrency=concurrency)


@translated()
def bag_info(self: DerivaML, spec: DatasetSpec | str) -> dict[str, Any]:
    """How large the bag of a version is, and how much of it is here (see `sizes.bag_info`)."""
    from deriva_ml.dataset.sizes import bag_info as info

    key, concurrency = _asked(self, spec)
    return info(self.session, key, concurrency=concurrency)


def cache_dataset(
    self: DerivaML, spec: DatasetSpec | str, materialize: bool = True
) -> dict[str, Any]:
    """Bring a version of a dataset here without an execution; returns its `bag_info`.

    Args:
        spec: Which version, and how; its own `materialize` counts, too.
        materialize: Bring the files, not only the rows.
    """
    from deriva_ml.dataset.download import spec_of

    wanted = spec_of(spec)
    both = wanted.materialize and materialize
    self.datasets.download(wanted.model_copy(update={"materialize": both}))
    return bag_info(self, wanted)


def list_cached_bags(self: DerivaML) -> list[CachedBag]:
    """The bags in the cache directory, of any catalog, the latest made first."""
    from deriva_ml.dataset.bag_cache import BagCache

    return BagCache(self.session.cache_dir).bags()


def delete_cached_bag(
    self: DerivaML, dataset_rid: str, version: DatasetVersion | str | None = None
) -> dict[str, int]:
    """Remove the bags of a dataset of this catalog from the cache, or only those of a version.

    Returns ``bags_removed`` and ``bytes_freed``.
    """
    from deriva_ml.dataset.bag_cache import BagCache

    return BagCache(self.session.cache_dir, self.session.identity).delete(dataset_rid, version)


def _asked(self: DerivaML, spec: DatasetSpec | str) -> tuple[BagKey, int]:
    from deriva_ml.dataset.download import key_of, spec_of

    wanted = spec_of(spec)
    key = key_of(self.session, wanted.rid, wanted.version, wanted.exclude_tables)
    return key, wanted.reachability_concurrency

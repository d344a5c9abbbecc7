"""Which bags are on this machine, how much of each, and how to get rid of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from deriva_catalog.bag import read_bag
from deriva_catalog.bag.index import bag_digest
from deriva_catalog.errors import CatalogError

from .cache import BagKey, bag_in, complete_in, discard, key_in
from .versions import DatasetVersion

__all__ = ["BagCache", "CacheStatus", "CachedBag"]


class CacheStatus(StrEnum):
    """How much of a bag is on this machine."""

    not_cached = "not_cached"
    cached_metadata_only = "cached_metadata_only"
    """Its rows, none of its files."""
    cached_holey = "cached_holey"
    """Its rows and some of its files."""
    cached_materialized = "cached_materialized"
    """All of it."""
    cached_incomplete = "cached_holey"


@dataclass(frozen=True, slots=True)
class CachedBag:
    """A bag on this machine.

    Attributes:
        dataset_rid: RID of the dataset.
        version: Its version.
        checksum: SHA-256 over the bag's manifests: equal bags have equal ones.
        status: How much of it is here.
        built_at: When it was made.
        size_bytes: Bytes of its files and of its index; files may be links that share their bytes.
        path: Its directory.
    """

    dataset_rid: str
    version: str
    checksum: str
    status: CacheStatus
    built_at: datetime
    size_bytes: int
    path: Path


class BagCache:
    """The bags below a cache directory. Nothing is asked of a catalog.

    Args:
        cache_dir: The directory; it need not exist.
        catalog: Only bags of the catalog with this identity; None means of all.
    """

    def __init__(self, cache_dir: Path, catalog: str | None = None) -> None:
        self._root = cache_dir / "bags"
        self._catalog = catalog

    def bags(self, dataset_rid: str | None = None) -> list[CachedBag]:
        """The bags that are here, the latest made first; those of one dataset if it is given."""
        found = [_described(place, key) for place, key in self._places(dataset_rid)]
        return sorted((b for b in found if b is not None), key=lambda b: b.built_at, reverse=True)

    def versions(self, dataset_rid: str) -> list[str]:
        """The versions of a dataset that are here, the oldest first."""
        known = {key.version for _, key in self._places(dataset_rid)}
        return [str(version) for version in sorted(known)]

    def status(self, key: BagKey) -> CacheStatus:
        """How much of a bag is here; of a damaged one nothing is, it will be made again."""
        return _state(self._root / key.name) or CacheStatus.not_cached

    def path(self, key: BagKey) -> Path | None:
        """The directory of a bag; None if it is not here, or damaged."""
        place = self._root / key.name
        return None if _state(place) is None else bag_in(place)

    def delete(
        self, dataset_rid: str, version: DatasetVersion | str | None = None
    ) -> dict[str, int]:
        """Remove the bags of a dataset, or only those of a version.

        Returns ``bags_removed`` and ``bytes_freed``; what is linked elsewhere frees nothing.
        """
        wanted = None if version is None else DatasetVersion.of(version)
        done = {"bags_removed": 0, "bytes_freed": 0}
        for place, key in list(self._places(dataset_rid)):
            if wanted in (None, key.version):
                done["bytes_freed"] += sum(s.st_size for s in _files(place) if s.st_nlink == 1)
                discard(place)
                done["bags_removed"] += 1
        return done

    def _places(self, dataset_rid: str | None) -> Iterator[tuple[Path, BagKey]]:
        if not self._root.is_dir():
            return
        for place in sorted(self._root.iterdir()):
            key = None if place.name.startswith(".") else key_in(place)
            if key is None or dataset_rid not in (None, key.dataset):
                continue
            if self._catalog is None or self._is_mine(place, key, self._catalog):
                yield place, key

    @staticmethod
    def _is_mine(place: Path, key: BagKey, catalog: str) -> bool:
        """Whether a bag is of a catalog; one of an older release tells that by its name alone."""
        if key.catalog:
            return key.catalog == catalog
        return place.name == replace(key, catalog=catalog).name


def status_of(place: Path) -> CacheStatus:
    """How much there is of the bag in a directory of the cache."""
    if complete_in(place):
        return CacheStatus.cached_materialized
    bag = bag_in(place)
    there = any((bag / entry.path).is_file() for entry in read_bag(bag).fetch)
    return CacheStatus.cached_holey if there else CacheStatus.cached_metadata_only


def _state(place: Path) -> CacheStatus | None:
    """How much there is of a bag; None if there is none, or none that could be used."""
    try:
        bag_digest(bag_in(place))
        return status_of(place)
    except (CatalogError, FileNotFoundError):
        return None


def _described(place: Path, key: BagKey) -> CachedBag | None:
    bag = bag_in(place)
    try:
        return CachedBag(
            dataset_rid=key.dataset,
            version=str(key.version),
            checksum=bag_digest(bag),
            status=status_of(place),
            built_at=datetime.fromtimestamp((bag / "bagit.txt").stat().st_mtime, UTC),
            size_bytes=sum(status.st_size for status in _files(place)),
            path=bag,
        )
    except (CatalogError, FileNotFoundError):
        return None  # it is being removed, or is damaged: the next download makes it again


def _files(place: Path) -> Iterator[os.stat_result]:
    for folder, _, names in os.walk(place):
        for name in names:
            yield Path(folder, name).lstat()

"""Bags on this machine, each at a place that follows from what it holds.

``<cache>/bags/<RID>@<version>-<hash>/Dataset_<RID>`` is a bag and, beside it, its index. The
hash stands for the catalog, the dataset, the version, the tables left out and the format, so
whether a version is here is answered by looking at one directory: nothing is asked of a catalog.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_catalog.bag import BagCatalog, index_bag, open_bag
from deriva_catalog.bag.seen import drop_damaged, first_seen, looked_over
from deriva_catalog.errors import CatalogError, Unavailable

from .versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_catalog.bag.export import Exported

__all__ = ["BagKey", "CachedBag", "DamagedBag", "cached_bag", "store_bag"]

FORMAT = 1
_SEEN = "seen.json"


@dataclass(frozen=True)
class BagKey:
    """What a bag holds.

    Attributes:
        catalog: Which catalog, by an identity that no other has.
        dataset: RID of the dataset.
        version: A released version of it.
        exclude_tables: Tables that are left out.
    """

    catalog: str
    dataset: str
    version: DatasetVersion
    exclude_tables: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Name of the directory of the bag and its index."""
        facts = [FORMAT, self.catalog, self.dataset, str(self.version), sorted(self.exclude_tables)]
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        return f"{self.dataset}@{self.version}-{digest[:16]}"


@dataclass(frozen=True)
class CachedBag:
    """A bag of the cache, open.

    `complete` says whether all of its files are there, `repairing` that damaged ones were removed
    just now and are to be fetched again, with care.
    """

    path: Path
    catalog: BagCatalog
    complete: bool
    repairing: bool = False

    @property
    def record(self) -> Path:
        """Where it is kept how the bag's files looked when they were last known to be right."""
        return self.path.with_name(_SEEN)


class DamagedBag(Exception):
    """A bag of the cache was damaged, and was removed."""


def cached_bag(cache_dir: Path, key: BagKey) -> CachedBag | None:
    """The bag, if it is here.

    Files that look as they did when the bag was made are not read; those that were touched since
    are hashed. If only files are damaged that can be fetched again, those are removed.

    Raises:
        DamagedBag: It is here but not what it was; it is not here any more.
    """
    place = cache_dir / "bags" / key.name
    bag = place / f"Dataset_{key.dataset}"
    if not place.is_dir():
        return None
    try:
        seen = looked_over(bag, place / _SEEN)
        dropped = [] if seen is not None else drop_damaged(bag, place / _SEEN)
        if dropped:
            seen = looked_over(bag, place / _SEEN)
        if seen is not None:
            return CachedBag(bag, open_bag(bag), seen.complete, repairing=bool(dropped))
    except CatalogError:
        pass  # not a bag any more: it is made again, like one with damaged files
    _discard(place)
    raise DamagedBag(str(bag))


def store_bag(
    cache_dir: Path, key: BagKey, write: Callable[[Path], Exported], *, complete: bool
) -> CachedBag:
    """Make a bag with `write`, and keep it unless another process was faster.

    It is written beside its place, indexed, and then renamed, so that it is here as a whole or
    not at all. `complete` says whether `write` brings the files too.

    Raises:
        Unavailable: The cache cannot be written.
    """
    bags = cache_dir / "bags"
    building = bags / f".building-{uuid.uuid4().hex}"
    bag = building / f"Dataset_{key.dataset}"
    try:
        building.mkdir(parents=True)
        written = write(bag)
        index_bag(bag, payload=written.payload)
        first_seen(bag, complete, building / _SEEN, written.paths)
        place = bags / key.name
        try:
            building.rename(place)
        except OSError:
            # There is one already, with the same rows; it may have other files.
            there = looked_over(place / bag.name, place / _SEEN)
            complete = there is not None and there.complete
    except OSError as error:
        if isinstance(error, CatalogError):
            raise
        raise Unavailable(
            f"The bag {bag.name!r} cannot be kept in {str(cache_dir)!r}: {error}.",
            hint="Check free space and permissions of the cache directory.",
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    kept = place / bag.name
    return CachedBag(kept, open_bag(kept), complete)


def _discard(place: Path) -> None:
    """Take a directory away at once, so that its name is free, then delete its files."""
    gone = place.with_name(f".discarded-{uuid.uuid4().hex}")
    with contextlib.suppress(FileNotFoundError):
        place.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)

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
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deriva_catalog.bag import BagCatalog, index_bag, open_bag
from deriva_catalog.bag.seen import Seen, drop_damaged, first_seen, looked_over
from deriva_catalog.errors import CatalogError, Unavailable

from .versions import DatasetVersion

if TYPE_CHECKING:
    from deriva_catalog.bag.tags import Digests

__all__ = [
    "BagKey",
    "DamagedBag",
    "KeptBag",
    "bag_in",
    "cached_bag",
    "complete_in",
    "discard",
    "key_in",
    "store_bag",
]

FORMAT = 1
_SEEN = "seen.json"
_KEY = "key.json"
_BUILDING = ".building-"
_DISCARDED = ".discarded-"
_ABANDONED_AFTER_S = 24 * 3600.0


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
        return f"{self.dataset}@{self.version}-{self.digest[:16]}"

    @property
    def digest(self) -> str:
        """A hash that stands for all of it, in hexadecimal."""
        facts = [FORMAT, self.catalog, self.dataset, str(self.version), sorted(self.exclude_tables)]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


@dataclass(frozen=True)
class KeptBag:
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


class Written(Protocol):
    """What is known of a bag that was just written."""

    @property
    def payload(self) -> Mapping[str, Digests]:
        """The digests of every payload file, by algorithm."""
        ...

    @property
    def paths(self) -> Sequence[str]:
        """Every file and folder that is there."""
        ...


class DamagedBag(Exception):
    """A bag of the cache was damaged, and was removed."""


def cached_bag(cache_dir: Path, key: BagKey) -> KeptBag | None:
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
            return KeptBag(bag, open_bag(bag), seen.complete, repairing=bool(dropped))
    except CatalogError:
        pass  # not a bag any more: it is made again, like one with damaged files
    discard(place)
    raise DamagedBag(str(bag))


def store_bag(cache_dir: Path, key: BagKey, write: Callable[[Path], Written]) -> KeptBag:
    """Make a bag with `write`, and keep it unless another process was faster.

    It is written beside its place, indexed, and then renamed, so that it is here as a whole or
    not at all.

    Raises:
        Unavailable: The cache cannot be written.
    """
    bags = cache_dir / "bags"
    building = bags / f"{_BUILDING}{uuid.uuid4().hex}"
    bag = building / f"Dataset_{key.dataset}"
    try:
        building.mkdir(parents=True)
        _sweep(bags)
        written = write(bag)
        complete = written.payload.keys() <= set(written.paths)
        index_bag(bag, payload=written.payload)
        first_seen(bag, complete, building / _SEEN, written.paths)
        (building / _KEY).write_text(json.dumps(_document(key)))
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
    return KeptBag(kept, open_bag(kept), complete)


def bag_in(place: Path) -> Path:
    """The bag in a directory of the cache."""
    return place / f"Dataset_{place.name.partition('@')[0]}"


def complete_in(place: Path) -> bool:
    """Whether all files of the bag in a directory of the cache are there."""
    seen = Seen.load(place / _SEEN)
    return seen is not None and seen.complete


def key_in(place: Path) -> BagKey | None:
    """What the bag in a directory of the cache holds; None if there is no bag.

    Directories that an older release made tell only the dataset and the version.
    """
    try:
        found = json.loads((place / _KEY).read_text())
        return BagKey(
            str(found["catalog"]),
            str(found["dataset"]),
            DatasetVersion.parse(found["version"]),
            frozenset(found["exclude_tables"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    dataset, _, rest = place.name.partition("@")
    try:
        return BagKey("", dataset, DatasetVersion.parse(rest.rpartition("-")[0]))
    except ValueError:
        return None


def _document(key: BagKey) -> dict[str, object]:
    return {
        "catalog": key.catalog,
        "dataset": key.dataset,
        "version": str(key.version),
        "exclude_tables": sorted(key.exclude_tables),
    }


def _sweep(bags: Path) -> None:
    """Remove what processes that died left behind, when it is a day old."""
    limit = time.time() - _ABANDONED_AFTER_S
    for left in bags.iterdir():
        if left.name.startswith((_BUILDING, _DISCARDED)):
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < limit:
                    shutil.rmtree(left, ignore_errors=True)


def discard(place: Path) -> None:
    """Take a directory away at once, so that its name is free, then delete its files."""
    gone = place.with_name(f"{_DISCARDED}{uuid.uuid4().hex}")
    with contextlib.suppress(FileNotFoundError):
        place.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)

"""Files that DerivaML keeps on this machine: directories of executions, and the cache."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from deriva_ml.execution.local import LocalRuns

from .arguments import days, words
from .content import content_cache
from .disk import Inode, removed, survey
from .exceptions import DerivaMLStateInconsistency

if TYPE_CHECKING:
    from deriva_catalog.objects.cache import CachedContent
    from deriva_ml.dataset.bag_cache import CachedBag

__all__ = [
    "CachedAsset",
    "CachedBag",
    "Kept",
    "Kind",
    "Places",
    "Storage",
    "find_places",
    "trim_caches",
]

Kind = Literal["bag", "asset", "content", "result", "execution"]

_MB = 1_000_000
_RESULTS = "results"
"""Where in the cache a workspace keeps answers to questions (`deriva_ml.local_db`)."""
_HOUSEKEEPING = frozenset({"incoming", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm"})
"""What the cache of contents writes for itself."""


@dataclass(frozen=True, slots=True)
class CachedAsset:
    """The file of an asset in the cache."""

    rid: str
    md5: str
    file_count: int
    size_bytes: int
    modified: datetime
    path: Path


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that takes room and can be removed by itself.

    Attributes:
        kind: A bag, the file of an asset, the contents that no bag or asset shares, the results
            that were kept of questions, or the files of an execution.
        rid: RID of the dataset, the asset or the execution; empty for contents and results.
        version: Version of a bag's dataset.
        size_bytes: Bytes of its files; others may share them.
        file_count: How many files it has.
        modified: When it was last changed.
        used: When it was last used, as far as that is known.
        path: Its directory.
    """

    kind: Kind
    rid: str
    version: str
    size_bytes: int
    file_count: int
    modified: datetime
    used: datetime
    path: Path


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a cache can do without; `remove` gives the bytes freed."""

    used: datetime
    remove: Callable[[], int]


class HasPlaces(Protocol):
    """What says where files are kept, such as a session."""

    @property
    def working_dir(self) -> Path:
        """Where executions keep their files."""
        ...

    @property
    def cache_dir(self) -> Path:
        """Where downloads are kept."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of a catalog are kept, without a connection to it."""

    working_dir: Path
    cache_dir: Path


class Storage:
    """What takes room on this machine, and how to get it back.

    Args:
        places: A session, or `Places`.
    """

    def __init__(self, places: HasPlaces) -> None:
        self._places = places
        self._runs = LocalRuns(places.working_dir)
        self._contents = content_cache(places.cache_dir)

    # --- executions ------------------------------------------------------------------

    def list_execution_dirs(self) -> list[dict[str, Any]]:
        """The directories of executions with files here, the latest changed first."""
        found = []
        for rid, directory in self._runs.directories():
            seen = survey([directory])
            found.append(
                {
                    "execution_rid": rid,
                    "path": str(directory),
                    "size_bytes": seen.size_bytes,
                    "size_mb": seen.size_bytes / _MB,
                    "modified": _local(seen.modified),
                    "file_count": seen.file_count,
                }
            )
        return sorted(found, key=lambda d: d["modified"], reverse=True)

    def clean_execution_dirs(
        self, older_than_days: int | None = None, exclude_rids: str | Iterable[str] | None = None
    ) -> dict[str, int]:
        """Remove the files of executions that have nothing left to upload.

        Directories whose outputs wait for the upload stay: they hold the only copy. So do those
        without a journal, which nobody can tell it of.

        Args:
            older_than_days: Only directories that did not change for so long.
            exclude_rids: Executions whose files stay.

        Returns ``dirs_removed``, ``bytes_freed`` and ``errors``: directories that could not go, or
        whose journal cannot be read.
        """
        days(older_than_days, "older_than_days")
        kept = set(words(exclude_rids, "exclude_rids"))
        done = {"dirs_removed": 0, "bytes_freed": 0, "errors": 0}
        for rid, directory in self._runs.directories():
            young = older_than_days is not None and not _older(directory, older_than_days)
            if rid in kept or young:
                continue
            try:
                if self.waits(rid):
                    continue
                done["bytes_freed"] += self._runs.end(rid)
                done["dirs_removed"] += 1
            except (DerivaMLStateInconsistency, OSError):
                done["errors"] += 1
        return done

    def waits(self, rid: str) -> bool:
        """Whether an execution runs, or has outputs that were never uploaded.

        Where its journal is gone, it may have: the answer is yes as long as it has files.

        Raises:
            DerivaMLStateInconsistency: Its journal cannot be read.
        """
        from deriva_ml.core.enums import ExecutionStatus
        from deriva_ml.execution.registry import pending_of

        if not self._runs.has(rid):
            return self._runs.has_files(rid)
        journal, directory = self._runs.open(rid)
        try:
            status = journal.facts().get("status")
            if status == ExecutionStatus.Aborted:
                return False
            waiting = pending_of(rid, journal, directory).has_pending
            return status != ExecutionStatus.Uploaded or waiting
        finally:
            journal.close()

    def delete_execution(self, rid: str, *, discard: bool = False) -> int:
        """Remove the files of an execution; returns the bytes freed.

        Args:
            rid: The execution.
            discard: Also outputs that were never uploaded, of which this is the only copy.

        Raises:
            DerivaMLStateInconsistency: It runs, or has such outputs, or no journal tells.
            DerivaMLUnavailableError: The files cannot be removed.
        """
        from deriva_ml.execution.claim import claimed

        if not discard and self.waits(rid):
            raise DerivaMLStateInconsistency(
                f"Execution {rid!r} is not uploaded, as far as is known here: its files may be the "
                "only copy. Upload its outputs first, or discard them."
            )
        with claimed(self._runs.directory(rid)) as ours:
            if not ours:
                raise DerivaMLStateInconsistency(
                    f"Execution {rid!r} is running. Wait for its end, or stop it."
                )
            return self._runs.end(rid)

    # --- the cache -------------------------------------------------------------------

    def list_cached_assets(self) -> list[CachedAsset]:
        """The files of assets in the cache, the latest changed first."""
        found = []
        for directory in self._cached("assets"):
            rid, _, md5 = directory.name.rpartition("_")
            if rid:
                seen = survey([directory])
                size, count, when = seen.size_bytes, seen.file_count, _local(seen.modified)
                found.append(CachedAsset(rid, md5, count, size, when, directory))
        return sorted(found, key=lambda a: a.modified, reverse=True)

    def delete_cached_asset(self, rid: str, md5: str | None = None) -> dict[str, int]:
        """Remove the file of an asset from the cache, or only the one of that MD5.

        Returns ``assets_removed`` and ``bytes_freed``; bytes that a bag or another asset shares,
        or the object store of this machine, stay and are not counted.
        """
        done = {"assets_removed": 0, "bytes_freed": 0}
        for asset in self.list_cached_assets():
            if asset.rid == rid and md5 in (None, asset.md5):
                done["bytes_freed"] += self.remove(asset.path)
                done["assets_removed"] += 1
        return done

    def clear_cache(self, older_than_days: int | None = None) -> dict[str, int]:
        """Remove everything from the cache, or what did not change for so many days.

        Returns ``files_removed``, ``dirs_removed``, ``bytes_freed`` and ``errors``.

        Raises:
            DerivaMLValidationError: The days are no number, or negative.
        """
        age = days(older_than_days, "older_than_days")
        # What was used in the future, before the clock was put right, is no reason to keep it.
        old = -math.inf if age is None else age.total_seconds()
        done = {"files_removed": 0, "dirs_removed": 0, "bytes_freed": 0, "errors": 0}
        for entry in (*self._cached("bags"), *self._cached("assets")):
            if older_than_days is not None and not _older(entry, older_than_days):
                continue
            try:
                gone = removed(entry)
            except OSError:
                done["errors"] += 1
                continue
            done["dirs_removed"] += 1
            done["files_removed"] += gone.file_count
            done["bytes_freed"] += gone.freed_bytes
        trimmed = self._contents.trim(0, older_than_s=old)
        done["files_removed"] += trimmed.removed
        done["bytes_freed"] += trimmed.bytes_freed
        for used, files in self._results():
            if time.time() - used >= old:
                done["bytes_freed"] += _unlinked(files)
                done["files_removed"] += len(files)
        return done

    def get_cache_size(self) -> dict[str, Any]:
        """``total_bytes``, ``total_mb``, ``file_count`` and ``dir_count`` of the cache.

        A file that is there under several names counts once.
        """
        seen = survey([self._places.cache_dir], leaving_out=_HOUSEKEEPING)
        return {
            "total_bytes": seen.size_bytes,
            "total_mb": seen.size_bytes / _MB,
            "file_count": seen.file_count,
            "dir_count": seen.dir_count,
        }

    def trim_cache(self, limit_bytes: int) -> dict[str, int]:
        """Remove what was used least recently until the cache takes no more than a limit.

        What is also linked elsewhere, such as in the object store of this machine, takes no room
        of the cache's. A bag goes as a whole.

        Returns ``items_removed`` (bags, files of assets, contents, results) and ``bytes_freed``.
        """
        return trim_caches([self], limit_bytes)

    def room_bytes(self) -> int:
        """The bytes that nothing but the cache holds."""
        return survey([self._places.cache_dir], leaving_out=_HOUSEKEEPING).freed_bytes

    def items_by_use(self) -> list[Item]:
        """What the cache can do without, the least recently used first.

        Contents that a bag or an asset shares go together with it.
        """
        shared = self._contents_by_inode()
        found = [
            Item(kept.used, partial(self.remove, kept.path, shared))
            for kept in self.kept()
            if kept.kind in ("bag", "asset")
        ]
        found += [Item(c.used, partial(self._remove_content, c)) for c in self._unshared()]
        found += [Item(_local(used), partial(_unlinked, f)) for used, f in self._results()]
        return sorted(found, key=lambda item: item.used)

    def _remove_content(self, content: CachedContent) -> int:
        return self._contents.remove(content.content.sha256).bytes_freed

    def remove(self, directory: Path, contents: Mapping[Inode, CachedContent] | None = None) -> int:
        """Remove a bag or the file of an asset, and contents that nothing else shares then.

        Args:
            directory: Its directory in the cache.
            contents: What the cache of contents has, if that is known already.

        Returns the bytes freed.
        """
        known = self._contents_by_inode() if contents is None else contents
        gone = removed(directory)
        freed = gone.freed_bytes
        for inode in gone.sizes.keys() & known.keys():
            content = known[inode]
            if content.path.is_file() and content.path.stat().st_nlink == 1:
                freed += self._contents.remove(content.content.sha256).bytes_freed
        return freed

    def remove_unshared(self) -> dict[str, int]:
        """Remove the contents that no bag and no asset shares.

        Returns ``items_removed`` and ``bytes_freed``.
        """
        done = {"items_removed": 0, "bytes_freed": 0}
        for content in self._unshared():
            done["bytes_freed"] += self._remove_content(content)
            done["items_removed"] += 1
        return done

    def _unshared(self) -> list[CachedContent]:
        """What has no other name than that in the cache of contents."""
        known = self._contents_by_inode().values()
        return [content for content in known if content.path.stat().st_nlink == 1]

    def _contents_by_inode(self) -> dict[Inode, CachedContent]:
        found = {}
        for content in self._contents.contents():
            with suppress(FileNotFoundError):
                status = content.path.stat()
                found[status.st_dev, status.st_ino] = content
        return found

    def _results(self) -> list[tuple[float, list[Path]]]:
        """When each result of a question was last used, and its files."""
        files = (f for f in (self._places.cache_dir / _RESULTS).glob("[!.]*") if f.is_file())
        kept: dict[str, list[Path]] = {}
        for file in files:
            kept.setdefault(file.stem, []).append(file)
        found = []
        for some in kept.values():
            with suppress(FileNotFoundError):  # it was dropped meanwhile
                found.append((max(max(_times(f)) for f in some), some))
        return found

    def _cached(self, kind: str) -> list[Path]:
        """The directories of one kind in the cache, without those that are being made."""
        root = self._places.cache_dir / kind
        if not root.is_dir():
            return []
        return sorted(d for d in root.iterdir() if d.is_dir() and not d.name.startswith("."))

    # --- all of it -------------------------------------------------------------------

    def kept(self) -> list[Kept]:
        """Everything that can be removed by itself, the largest first.

        Contents that no bag and no asset shares are one item together; so are results.
        """
        used = {c.content.md5: c.used for c in self._contents.contents()}
        found = [_kept_bag(d) for d in self._cached("bags")]
        found += [_kept_asset(d, used) for d in self._cached("assets")]
        found += [_kept("execution", rid, d) for rid, d in self._runs.directories()]
        alone = self._unshared()
        if alone:
            latest = max(c.used for c in alone)
            size, root = sum(c.content.length for c in alone), self._contents.root
            found.append(Kept("content", "", "", size, len(alone), latest, latest, root))
        if self._results():
            found.append(_kept("result", "", self._places.cache_dir / _RESULTS))
        return sorted(found, key=lambda k: k.size_bytes, reverse=True)

    def total_bytes(self, *, cache: bool = True, executions: bool = True) -> int:
        """The bytes of the cache and of the executions; what they share counts once."""
        runs = [directory for _, directory in self._runs.directories()] if executions else []
        places = [self._places.cache_dir, *runs] if cache else runs
        return survey(places, leaving_out=_HOUSEKEEPING).size_bytes

    def summary(self) -> dict[str, Any]:
        """Where files are kept, and how many megabytes of which kind."""
        cache, runs = self.get_cache_size(), self.list_execution_dirs()
        bags = self._cached("bags")
        assets = self.list_cached_assets()
        running = sum(d["size_bytes"] for d in runs)
        return {
            "working_dir": str(self._places.working_dir),
            "cache_dir": str(self._places.cache_dir),
            "cache_size_mb": cache["total_mb"],
            "cache_file_count": cache["file_count"],
            "execution_dir_count": len(runs),
            "execution_size_mb": running / _MB,
            "total_size_mb": (cache["total_bytes"] + running) / _MB,
            "bag_count": len(bags),
            "bag_size_mb": survey(bags).size_bytes / _MB,
            "asset_count": len(assets),
            "asset_size_mb": sum(a.size_bytes for a in assets) / _MB,
        }


def trim_caches(storages: Sequence[Storage], limit_bytes: int) -> dict[str, int]:
    """Remove what was used least recently from some caches until they are within a limit.

    See `Storage.trim_cache`; the limit is for all of them together.
    """
    room = sum(storage.room_bytes() for storage in storages)
    done = {"items_removed": 0, "bytes_freed": 0}
    if room <= limit_bytes:
        return done
    items = heapq.merge(*(s.items_by_use() for s in storages), key=lambda item: item.used)
    for item in items:
        if room - done["bytes_freed"] <= limit_bytes:
            break
        done["bytes_freed"] += item.remove()
        done["items_removed"] += 1
    return done


def find_places(base: Path) -> dict[str, Places]:
    """Where the files of catalogs are kept below a directory, by a short name for each.

    A connection to catalog ``C`` of host ``H`` keeps them at ``<base>/<H>/<C>``.
    """
    return {
        str(place.relative_to(base)): Places(place, place / "cache")
        for place in sorted((base, *base.glob("*"), *base.glob("*/*")))
        if (place / "cache").is_dir() or (place / "execution").is_dir()
    }


def _kept(kind: Kind, rid: str, directory: Path, version: str = "") -> Kept:
    seen = survey([directory])
    modified, used = _local(seen.modified), _local(max(seen.modified, seen.read))
    return Kept(kind, rid, version, seen.size_bytes, seen.file_count, modified, used, directory)


def _kept_bag(directory: Path) -> Kept:
    rid, _, rest = directory.name.partition("@")
    return _kept("bag", rid, directory, rest.rpartition("-")[0])


def _kept_asset(directory: Path, used: Mapping[str, datetime]) -> Kept:
    rid, _, md5 = directory.name.rpartition("_")
    kept = _kept("asset", rid, directory)
    return replace(kept, used=used.get(md5, kept.modified))


def _times(file: Path) -> tuple[float, float]:
    """When a file was changed and when it was read."""
    status = file.stat()
    return status.st_mtime, status.st_atime


def _unlinked(files: Iterable[Path]) -> int:
    """Remove files; returns the bytes freed."""
    freed = 0
    for file in files:
        with suppress(FileNotFoundError):
            size = file.stat().st_size
            file.unlink()
            freed += size
    return freed


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()


def _older(directory: Path, days: int) -> bool:
    return survey([directory]).modified <= (datetime.now() - timedelta(days=days)).timestamp()


def __getattr__(name: str) -> object:
    if name != "CachedBag":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deriva_ml.dataset.bag_cache import CachedBag  # which opens bags: not for every import

    return CachedBag

"""Files that DerivaML keeps on this machine: directories of executions, and the cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deriva_ml.execution.local import LocalRuns, size_of

from .session import Session

__all__ = ["CachedAsset", "Storage"]

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class CachedAsset:
    """The file of an asset in the cache."""

    rid: str
    md5: str
    file_count: int
    size_bytes: int
    modified: datetime
    path: Path


class Storage:
    """What takes room on this machine, and how to get it back."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._runs = LocalRuns(session.working_dir)

    # --- executions ------------------------------------------------------------------

    def list_execution_dirs(self) -> list[dict[str, Any]]:
        """The directories of executions with files here, the latest changed first."""
        found = []
        for rid, directory in self._runs.directories():
            size, count = size_of(directory)
            found.append(
                {
                    "execution_rid": rid,
                    "path": str(directory),
                    "size_bytes": size,
                    "size_mb": size / _MB,
                    "modified": _modified(directory),
                    "file_count": count,
                }
            )
        return sorted(found, key=lambda d: d["modified"], reverse=True)

    def clean_execution_dirs(
        self, older_than_days: int | None = None, exclude_rids: Iterable[str] | None = None
    ) -> dict[str, int]:
        """Remove the files of executions that have nothing left to upload.

        Directories whose outputs wait for the upload stay: they hold the only copy.

        Args:
            older_than_days: Only directories that did not change for so long.
            exclude_rids: Executions whose files stay.

        Returns ``dirs_removed``, ``bytes_freed`` and ``errors`` (directories that could not go).
        """
        kept = set(exclude_rids or ())
        done = {"dirs_removed": 0, "bytes_freed": 0, "errors": 0}
        for rid, directory in self._runs.directories():
            young = older_than_days is not None and not _older(directory, older_than_days)
            if rid in kept or young or self._waits(rid, directory):
                continue
            try:
                done["bytes_freed"] += self._runs.end(rid)
                done["dirs_removed"] += 1
            except OSError:
                done["errors"] += 1
        return done

    def _waits(self, rid: str, directory: Path) -> bool:
        from deriva_ml.core.enums import ExecutionStatus
        from deriva_ml.execution.journal import Journal
        from deriva_ml.execution.registry import pending_of

        journal = Journal.open(directory)
        try:
            ended = journal.facts().get("status") in (
                ExecutionStatus.Uploaded,
                ExecutionStatus.Aborted,
            )
            aborted = journal.facts().get("status") == ExecutionStatus.Aborted
            return not ended or (not aborted and pending_of(rid, journal, directory).has_pending)
        finally:
            journal.close()

    # --- the cache -------------------------------------------------------------------

    def list_cached_assets(self) -> list[CachedAsset]:
        """The files of assets in the cache, the latest changed first."""
        root = self._session.cache_dir / "assets"
        found = []
        for directory in (d for d in _directories(root) if "_" in d.name):
            rid, _, md5 = directory.name.rpartition("_")
            size, count = size_of(directory)
            found.append(CachedAsset(rid, md5, count, size, _modified(directory), directory))
        return sorted(found, key=lambda a: a.modified, reverse=True)

    def delete_cached_asset(self, rid: str, md5: str | None = None) -> dict[str, int]:
        """Remove the file of an asset from the cache, or only the one of that MD5."""
        done = {"assets_removed": 0, "bytes_freed": 0}
        for asset in self.list_cached_assets():
            if asset.rid == rid and md5 in (None, asset.md5):
                shutil.rmtree(asset.path)
                done["assets_removed"] += 1
                done["bytes_freed"] += asset.size_bytes
        return done

    def clear_cache(self, older_than_days: int | None = None) -> dict[str, int]:
        """Remove everything from the cache, or what did not change for so many days.

        Returns ``files_removed``, ``dirs_removed``, ``bytes_freed`` and ``errors``.
        """
        done = {"files_removed": 0, "dirs_removed": 0, "bytes_freed": 0, "errors": 0}
        for kind in _directories(self._session.cache_dir):
            for entry in _directories(kind):
                if older_than_days is not None and not _older(entry, older_than_days):
                    continue
                size, count = size_of(entry)
                try:
                    shutil.rmtree(entry)
                except OSError:
                    done["errors"] += 1
                    continue
                done["dirs_removed"] += 1
                done["files_removed"] += count
                done["bytes_freed"] += size
        return done

    def get_cache_size(self) -> dict[str, Any]:
        """``total_bytes``, ``total_mb``, ``file_count`` and ``dir_count`` of the cache."""
        size, count = size_of(self._session.cache_dir)
        directories = sum(1 for d in self._session.cache_dir.rglob("*") if d.is_dir())
        return {
            "total_bytes": size,
            "total_mb": size / _MB,
            "file_count": count,
            "dir_count": directories,
        }

    # --- all of it -------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """Where files are kept, and how many megabytes of which kind."""
        cache, runs = self.get_cache_size(), self.list_execution_dirs()
        bags = _directories(self._session.cache_dir / "bags")
        bag_bytes = sum(size_of(d)[0] for d in bags)
        assets = self.list_cached_assets()
        running = sum(d["size_bytes"] for d in runs)
        return {
            "working_dir": str(self._session.working_dir),
            "cache_dir": str(self._session.cache_dir),
            "cache_size_mb": cache["total_mb"],
            "cache_file_count": cache["file_count"],
            "execution_dir_count": len(runs),
            "execution_size_mb": running / _MB,
            "total_size_mb": (cache["total_bytes"] + running) / _MB,
            "bag_count": len(bags),
            "bag_size_mb": bag_bytes / _MB,
            "asset_count": len(assets),
            "asset_size_mb": sum(a.size_bytes for a in assets) / _MB,
        }


def _directories(root: Path) -> list[Path]:
    return sorted(d for d in root.iterdir() if d.is_dir()) if root.is_dir() else []


def _modified(directory: Path) -> datetime:
    latest = max((p.lstat().st_mtime for p in (directory, *directory.rglob("*"))), default=0.0)
    return datetime.fromtimestamp(latest).astimezone()


def _older(directory: Path, days: int) -> bool:
    return _modified(directory) <= datetime.now().astimezone() - timedelta(days=days)

"""Bringing the file of an asset to this machine: from the object store, or from where it is."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from deriva_catalog.bag import (
    FetchEntry,
    ManyFetcher,
    cached_fetcher,
    fetch_together,
    object_fetcher,
)
from deriva_catalog.objects.cache import ContentCache, Wanted
from deriva_catalog.objects.cache_files import put_into_place
from deriva_ml.core.content import content_cache
from deriva_ml.core.exceptions import DerivaMLDataError, DerivaMLUnavailableError, translated
from deriva_ml.core.logging_config import get_logger
from deriva_ml.core.progress import Advance, byte_progress
from deriva_ml.core.session import Session

__all__ = ["bring_together", "cached_asset", "fetch_asset", "local_file_url", "safe_name"]

_log = get_logger(__name__)
_PIECE = 1 << 20


def safe_name(row: Mapping[str, Any]) -> str:
    """The name that an asset's file gets here: its file name without directories, or its RID."""
    name = PurePosixPath(str(row.get("Filename") or "").replace("\\", "/")).name
    return name if name not in ("", ".", "..") else str(row["RID"])


def cached_asset(session: Session, row: Mapping[str, Any]) -> Path:
    """Where the cache keeps the file of an asset, whether it is there or not."""
    return session.cache_dir / "assets" / f"{row['RID']}_{row['MD5']}" / safe_name(row)


@translated()
def fetch_asset(
    session: Session, row: Mapping[str, Any], directory: Path, *, use_cache: bool = False
) -> Path:
    """Put the file of an asset into `directory` under its own name, and return its path.

    Files are hard links where that is possible and then cannot be written; the superuser, who
    could all the same, gets copies of what the store has. An existing file of that name which
    differs is replaced, with a warning.

    Args:
        session: The session on the catalog.
        row: The asset's row.
        directory: Made when missing.
        use_cache: Leave the file in the cache for the next time, at ``assets/<RID>_<MD5>``.
            What the cache has is taken from there in any case.

    Raises:
        DerivaMLNotFoundError: The object store does not have the file.
        DerivaMLDataError: The bytes are not those that the catalog describes.
        DerivaMLUnavailableError: The file is elsewhere and cannot be reached, or `directory`
            cannot be written.
    """
    target = directory / safe_name(row)
    if target.is_file():
        if target.stat().st_size == row["Length"] and _md5(target) == row["MD5"]:
            return target
        _log.warning("%s differs from asset %s and is replaced.", target, row["RID"])
    cache, wanted = content_cache(session.cache_dir), Wanted(md5=row["MD5"], length=row["Length"])
    if not use_cache:
        # What a bag or another asset has brought here is not fetched again.
        if cache.place(wanted, target) is None:
            _fetch(session, row, target)
        return target
    kept = cached_asset(session, row)
    if not _is_kept(cache, wanted, kept):
        cache.get(wanted, kept, partial(_fetched_again, session, row, kept))
    _put(kept, target)
    return target


@translated()
def bring_together(
    session: Session, wanted: Iterable[tuple[Mapping[str, Any], Path]], *, use_cache: bool = False
) -> None:
    """Bring small files of many assets by few requests, where a served catalog offers that.

    What does not come so, or is not what the catalog describes, is left to `fetch_asset`, which
    is to be called for each asset afterwards.

    Args:
        session: The session on the catalog.
        wanted: The row of each asset, and the directory for its file.
        use_cache: As for `fetch_asset`.

    Raises:
        DerivaMLUnavailableError: A file cannot be written.
    """
    fetcher = object_fetcher(session.catalog.objects, [""])
    if not isinstance(fetcher, ManyFetcher):
        return
    cache = content_cache(session.cache_dir)
    missing: dict[Path, FetchEntry] = {}
    for row, directory in wanted:
        target = cached_asset(session, row) if use_cache else directory / safe_name(row)
        known = Wanted(md5=row["MD5"], length=row["Length"])
        if target.exists() or cache.place(known, target) is not None:
            continue
        digests = {"md5": str(row["MD5"])}
        missing[target] = FetchEntry(str(row["URL"]), row["Length"], target.name, digests)
    many = cached_fetcher(cache, fetcher) if use_cache else fetcher
    for path in fetch_together(many, [(entry, path) for path, entry in missing.items()]):
        if _md5(path) != missing[path].digests["md5"]:
            path.unlink()


def _is_kept(cache: ContentCache, wanted: Wanted, kept: Path) -> bool:
    """Whether a file is the one that the cache has looked at."""
    found = cache.find(wanted)
    return found is not None and kept.is_file() and kept.samefile(found.path)


def _fetched_again(session: Session, row: Mapping[str, Any], kept: Path, path: Path) -> None:
    """Write the bytes of an asset; those that the cache has kept, if they are right, are enough."""
    if kept.is_file() and kept.stat().st_size == row["Length"] and _md5(kept) == row["MD5"]:
        _put(kept, path)
    else:
        _fetch(session, row, path)


def _fetch(session: Session, row: Mapping[str, Any], target: Path) -> None:
    url = str(row["URL"])
    with byte_progress(f"Download {safe_name(row)}", int(row["Length"] or 0)) as advance:
        if not url.startswith("/hatrac/"):
            _fetch_elsewhere(row, target, advance)
            return
        objects = session.catalog.objects
        found = objects.stat(url)
        if found.md5 != row["MD5"]:
            raise _differs(row, found.md5)
        objects.get(url, target, link=True, progress=advance)


def _fetch_elsewhere(row: Mapping[str, Any], target: Path, advance: Advance) -> None:
    source = _local_source(str(row["URL"]))
    if source is None:
        raise DerivaMLUnavailableError(
            f"The file of asset {row['RID']!r} is at {row['URL']!r}, which is neither in the "
            "catalog's object store nor a file of this machine; fetch it from there by hand."
        )
    digest = hashlib.md5(usedforsecurity=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as out, source.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                out.write(piece)
                advance(len(piece))
        if digest.hexdigest() != row["MD5"]:
            Path(name).unlink()
            raise _differs(row, digest.hexdigest())
        Path(name).replace(target)
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"The file {str(source)!r} of asset {row['RID']!r} cannot be copied to "
            f"{str(target)!r}: {error}."
        ) from error


def local_file_url(path: Path, date: str) -> str:
    """The URL under which the catalog knows a file that stays on this machine."""
    return f"tag:{socket.getfqdn()},{date}:{path.as_uri()}"


def _local_source(url: str) -> Path | None:
    """The file of this machine that a URL names, if it names one."""
    _, _, rest = url.rpartition("file://")
    if "file://" not in url or (url.startswith("tag:") and not url.startswith(_this_host())):
        return None
    path = Path(unquote(urlsplit(f"file://{rest}").path))
    return path if path.is_file() else None


def _this_host() -> tuple[str, str]:
    return (f"tag:{socket.getfqdn()},", f"tag://{socket.getfqdn()},")


def _put(source: Path, target: Path) -> None:
    try:
        put_into_place(source, target, link=True)
    except OSError as error:
        raise DerivaMLUnavailableError(
            f"{str(target)!r} cannot be written: {error}. Check free space and permissions."
        ) from error


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _differs(row: Mapping[str, Any], found: str) -> DerivaMLDataError:
    return DerivaMLDataError(
        f"The file of asset {row['RID']!r} has the MD5 {found}, the catalog says {row['MD5']}: "
        "one of them was changed after it was recorded."
    )

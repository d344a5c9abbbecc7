"""Where pushed data lies: a folder, a remote of rclone, or a bucket."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flexlock.errors import ShareError
from flexlock.sharing.stores.bucket import BucketStore
from flexlock.sharing.stores.folder import FolderStore
from flexlock.sharing.stores.interface import Progress, Store
from flexlock.sharing.stores.rclone import RcloneStore

__all__ = ["Progress", "Store", "open_store"]

_BUCKETS = ("s3", "gs", "az", "azure", "abfs")


def open_store(address: str | os.PathLike[str]) -> Store:
    """Return the store at an address. Nothing is read or written yet.

    Args:
        address: ``rclone:remote:path``, ``s3://bucket/prefix`` (also ``gs://`` and ``az://``),
            ``file:///folder``, or the path of a folder.

    Raises:
        ShareError: There is no store of this kind.
    """
    text = os.fspath(address)
    if text.startswith("rclone:"):
        remote = text.removeprefix("rclone:")
        if not remote:
            raise ShareError(
                "'rclone:' names no remote.", hint="Write rclone:NAME:PATH, as rclone itself does."
            )
        return RcloneStore(remote)
    if "://" not in text:
        return FolderStore(Path(text).expanduser().absolute())
    parts = urlsplit(text)
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme in _BUCKETS:
        return BucketStore(text)
    raise ShareError(
        f"There is no store of the kind {parts.scheme!r} ({text!r}).",
        hint="Use rclone:remote:path, s3://bucket/prefix, file:///folder or a folder.",
    )

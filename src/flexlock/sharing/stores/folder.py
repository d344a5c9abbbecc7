"""A store in a folder of this machine, or of a file system that it mounts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flexlock.errors import ShareError
from flexlock.files import sync_directory, write_atomically
from flexlock.sharing.stores.interface import Progress

__all__ = ["FolderStore"]

_CHUNK = 4 << 20


@dataclass(frozen=True, slots=True)
class FolderStore:
    """Keys are paths below `root`, which is made when the first one is written."""

    root: Path

    @property
    def url(self) -> str:
        """The ``file://`` address of the folder."""
        return self.root.absolute().as_uri()

    def sizes(self, keys: Collection[str]) -> dict[str, int]:
        """Return the sizes in bytes of those of the keys that are there."""
        found = {}
        for key in keys:
            with suppress(FileNotFoundError):
                found[key] = (self.root / key).stat().st_size
        return found

    def upload(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Copy local files below the root; each appears when it is complete and on the disk."""
        for key, source in files.items():
            target = self.root / key
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                copy_whole(source, target, progress, sync=True)
            except OSError as error:
                raise _failure("written", self.root, key, error) from error

    def download(self, files: Mapping[str, Path], progress: Progress) -> None:
        """Copy keys to local paths."""
        for key, target in files.items():
            try:
                copy_whole(self.root / key, target, progress, sync=False)
            except OSError as error:
                raise _failure("read", self.root, key, error) from error

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a key, or None when it is not there."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure("read", self.root, key, error) from error

    def write(self, key: str, data: bytes) -> None:
        """Store a few bytes under a key, replacing what was there."""
        target = self.root / key
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, data)
        except OSError as error:
            raise _failure("written", self.root, key, error) from error

    def local_path(self, key: str) -> Path | None:
        """Return where the bytes of a key lie."""
        return self.root / key


def copy_whole(source: Path, target: Path, progress: Progress, *, sync: bool) -> None:
    """Copy a file so that `target` appears only when it is complete."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with source.open("rb") as reading, temporary.open("xb") as writing:
            while chunk := reading.read(_CHUNK):
                writing.write(chunk)
                progress(len(chunk))
            if sync:
                writing.flush()
                os.fsync(writing.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_directory(target.parent)


def _failure(what: str, root: Path, key: str, error: OSError) -> ShareError:
    return ShareError(
        f"{key!r} could not be {what} in the store {str(root)!r}: {error.strerror or error}.",
        hint="What was moved before stays; repeat the command once that is put right.",
        key=key,
        store=str(root),
    )

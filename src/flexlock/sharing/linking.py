"""Putting a verified file into its place: by copy, reflink, hard link or symbolic link."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

from flexlock.errors import ShareError

__all__ = ["Link", "put"]

Link = Literal["auto", "copy", "symlink", "hardlink", "reflink"]
_FICLONE = 0x40049409  # linux/fs.h


def put(source: Path, target: Path, link: Link) -> None:
    """Let `target`, which does not exist, hold what `source` holds.

    ``auto`` shares the blocks where the file system can (a reflink, which a later change of one of
    the two does not show in the other), and copies elsewhere. A hard link and a symbolic link share
    everything: whoever writes to the one writes to the other, so hard links are made read-only.

    Raises:
        ShareError: The file system cannot do what was asked for.
    """
    try:
        if link == "symlink":
            target.symlink_to(source)
        elif link == "hardlink":
            os.link(source, target)
            target.chmod(0o444)
        elif link == "copy" or not _reflinked(source, target, must=link == "reflink"):
            shutil.copyfile(source, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        message = f"{str(source)!r} cannot be put at {str(target)!r} ({link}): {error.strerror}."
        raise ShareError(message, hint="Use --link copy, or make room.") from error


def _reflinked(source: Path, target: Path, *, must: bool) -> bool:
    try:
        import fcntl
    except ImportError:
        if must:
            raise ShareError("This system has no reflinks.", hint="Use --link copy.") from None
        return False
    with source.open("rb") as reading, target.open("xb") as writing:
        try:
            fcntl.ioctl(writing, _FICLONE, reading.fileno())
        except OSError:
            if must:
                raise
        else:
            return True
    target.unlink()
    return False

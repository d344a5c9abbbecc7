"""Where files go, and writing them so that a reader never sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from pathlib import Path

__all__ = ["atomic_path", "output_folder", "placed"]

output_folder: ContextVar[Path | None] = ContextVar("output_folder", default=None)
"""What relative paths of savers are relative to; None for the working directory."""


def placed(path: str | PathLike[str]) -> Path:
    """Returns a path, below `output_folder` if that is set and the path is relative."""
    folder = output_folder.get()
    return Path(path) if folder is None else folder / path


@contextmanager
def atomic_path(target: str | PathLike[str]) -> Iterator[Path]:
    """Yields a path beside `target` to write to; it takes the target's place when all went well.

    A relative target is below `output_folder`, if that is set. Parent folders are made. The
    suffix is kept, since writers choose formats by it.
    """
    place = placed(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{place.stem}-", suffix="".join(place.suffixes), dir=place.parent
    )
    os.close(handle)
    draft = Path(name)
    draft.chmod(0o666 & ~_umask())
    try:
        yield draft
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current

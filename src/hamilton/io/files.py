"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

__all__ = ["atomic_path"]


@contextmanager
def atomic_path(target: str | PathLike[str]) -> Iterator[Path]:
    """Yields a path beside `target` to write to; it takes the target's place when all went well.

    Parent folders are made. The suffix is kept, since writers choose formats by it.
    """
    place = Path(target)
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

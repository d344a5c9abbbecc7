"""A claim on an execution's directory: while one process runs it, no other takes it up.

The operating system holds the claim and drops it when the process ends, in whatever way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["claimed"]

FILE_NAME = "claim"


@contextmanager
def claimed(directory: Path) -> Iterator[bool]:
    """Claim a directory while the block runs; gives whether that was possible."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / FILE_NAME).open("a") as file:
        yield _locked(file)


def _locked(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError | PermissionError):
            return False
        # A file system without locks: better to run than never to run.
        return os.name != "nt"
    return True

"""A claim on an execution's directory: while one process runs it, no other takes it up.

The operating system holds the claim and drops it when the process ends, in whatever way.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from deriva_catalog.objects.cache_files import held
from deriva_ml.core.exceptions import DerivaMLExecutionError
from deriva_ml.core.logging_config import get_logger

__all__ = ["claimed", "claimed_soon", "taking_turns"]

FILE_NAME = "claim"

_log = get_logger(__name__)


@contextmanager
def claimed(directory: Path) -> Iterator[bool]:
    """Claim a directory while the block runs; gives whether that was possible."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / FILE_NAME).open("a") as file:
        yield _locked(file)


@contextmanager
def claimed_soon(directory: Path, wait_s: float = 15.0) -> Iterator[None]:
    """Claim a directory while the block runs; wait a moment for a process that is ending.

    The kernel of a command that was killed ends a little later than the command.

    Raises:
        DerivaMLExecutionError: Another process holds the claim.
    """
    end = time.monotonic() + wait_s
    while True:
        with claimed(directory) as mine:
            if mine:
                yield
                return
        if time.monotonic() > end:
            raise DerivaMLExecutionError(
                f"Execution {directory.name!r} is run by another process at the moment. Wait for "
                "its end, or end it, before you take the execution up."
            )
        time.sleep(0.1)


@contextmanager
def taking_turns(directory: Path, name: str) -> Iterator[None]:
    """Let no other process of this machine be in a block of the same name at the same time.

    It waits as long as that takes; a process that dies is out of its block. Where nothing can be
    written or locked the block runs nevertheless.

    Args:
        directory: Where the locks are; made when missing.
        name: What the block is about; a name for a file.
    """
    file = directory / name
    with ExitStack() as stack:
        with suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            if not stack.enter_context(held(file, wait=False)):
                _log.warning("Another process is about to begin the same run: waiting for it.")
                stack.enter_context(held(file))
        yield


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

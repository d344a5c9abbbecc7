"""Directories in which something is built beside the place where it will appear."""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CatalogError, Unavailable

_ABANDONED_AFTER_S = 24 * 3600.0
_MOST_OF_NAME = 60


@contextmanager
def staging(place: Path, purpose: str) -> Iterator[Path]:
    """Give an empty directory beside `place`; it is removed at the end.

    A process that is killed leaves it behind; the next use for the same place removes it when
    it is a day old.

    Args:
        place: What is built; on the same device, so that parts can be renamed into it.
        purpose: What is being done, for messages: ``writing the bag '...'``.

    Raises:
        Unavailable: The device failed, in making the directory or inside the statement.
    """
    stem = f".{place.name[:_MOST_OF_NAME]}."
    directory = place.with_name(f"{stem}{uuid.uuid4().hex}.part")
    with storage_errors(purpose):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(place.parent, stem)
            directory.mkdir()
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _remove_abandoned(parent: Path, stem: str) -> None:
    form = re.compile(re.escape(stem) + r"[0-9a-f]{32}\.part")
    limit = time.time() - _ABANDONED_AFTER_S
    for left in parent.iterdir():
        if form.fullmatch(left.name):
            try:
                old = left.stat().st_mtime < limit
            except FileNotFoundError:
                continue
            if old:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def storage_errors(purpose: str) -> Iterator[None]:
    """Turn errors of the operating system into `Unavailable`."""
    try:
        yield
    except CatalogError:
        raise
    except OSError as error:
        raise storage_failure(purpose, error) from error


def storage_failure(purpose: str, error: OSError) -> Unavailable:
    """What `storage_errors` raises."""
    return Unavailable(
        f"The storage failed while {purpose}: {error}.",
        hint="Check the space on the device and the rights on the directory.",
    )

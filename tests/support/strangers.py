"""Letting another user of the machine look at what a test made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["open_folder"]


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that everybody may read.

    It is not one of pytest's, which are closed to others again whenever a run of tests begins.
    """
    with tempfile.TemporaryDirectory(prefix="open-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder

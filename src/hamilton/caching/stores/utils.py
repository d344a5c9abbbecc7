"""Sizes of stored results."""

from __future__ import annotations

from pathlib import Path

__all__ = ["get_directory_size"]


def get_directory_size(directory: str | Path) -> float:
    """Returns the bytes of all files below a folder."""
    return float(sum(f.stat().st_size for f in Path(directory).rglob("*") if f.is_file()))

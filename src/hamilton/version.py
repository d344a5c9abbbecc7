"""The version of the package as a tuple."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION: tuple[int, int, int] = (1, 90, 0)

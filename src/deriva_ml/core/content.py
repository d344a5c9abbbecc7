"""The bytes of assets and of files in bags, kept once on this machine for all that use them."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .exceptions import DerivaMLConfigurationError

if TYPE_CHECKING:
    from deriva_catalog.objects.cache import ContentCache

__all__ = ["LIMIT_VARIABLE", "content_cache", "parse_size"]

LIMIT_VARIABLE = "DERIVA_ML_CACHE_LIMIT"
"""Names how much a cache of contents keeps, such as ``50GB``; without it, everything."""
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?", re.IGNORECASE)


def content_cache(cache_dir: Path) -> ContentCache:
    """The contents kept below a cache directory; all sessions of a process share one object.

    Raises:
        DerivaMLConfigurationError: ``DERIVA_ML_CACHE_LIMIT`` is no size.
    """
    given = os.environ.get(LIMIT_VARIABLE)
    try:
        limit = parse_size(given) if given else None
    except ValueError as error:
        raise DerivaMLConfigurationError(f"{LIMIT_VARIABLE}: {error}") from error
    return _shared(cache_dir.absolute() / "content", limit)


@lru_cache(maxsize=16)
def _shared(root: Path, limit_bytes: int | None) -> ContentCache:
    from deriva_catalog.objects.cache import ContentCache

    return ContentCache(root, limit_bytes=limit_bytes)


def parse_size(text: str) -> int:
    """The bytes of a size such as ``500MB``, ``1.5 GiB`` or ``2000``.

    Raises:
        ValueError: It is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size; write it like 500MB, 1.5GiB or 2000.")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _UNITS[unit.lower()])

"""What a host name means."""

from __future__ import annotations

__all__ = ["is_directory"]


def is_directory(hostname: str) -> bool:
    """Whether the host name is the directory of one catalog, as a path or ``file:`` URL."""
    return hostname.startswith(("file:", ".", "/", "~"))

"""Where things lie in a pulled folder.

The folder is the work tree of the main repository, so that relative paths in configurations go on
meaning the same. Other repositories, and what lay outside of all of them, get places below
``.flexlock/``, under their old absolute paths; git is told to ignore that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flexlock.sharing.manifest import HERE

__all__ = ["OUTSIDE", "PRIVATE", "Places"]

PRIVATE = ".flexlock"
OUTSIDE = f"{PRIVATE}/outside"
_OTHERS = f"{PRIVATE}/repos"


@dataclass(frozen=True, slots=True)
class Places:
    """The roots of the repositories by name, the main one first; without any, a plain folder."""

    roots: Mapping[str, Path]
    folder: Path

    def of_repository(self, name: str) -> str:
        """Return the place of a repository's work tree."""
        return HERE if name == next(iter(self.roots), None) else f"{_OTHERS}/{name}"

    def of(self, path: Path) -> str:
        """Return the place of an absolute path."""
        path = Path(os.path.normpath(path))
        for name, root in self.roots.items() or {HERE: self.folder}.items():
            if path.is_relative_to(root) and path != root:
                below = path.relative_to(root).as_posix()
                place = self.of_repository(name) if self.roots else HERE
                return below if place == HERE else f"{place}/{below}"
        return f"{OUTSIDE}/{path.as_posix().lstrip('/').replace(':', '')}"

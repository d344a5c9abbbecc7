"""Which files differ between two recorded versions of the code."""

from __future__ import annotations

import os
from pathlib import Path

from flexlock.code.git import Git

__all__ = ["changed_files"]


def changed_files(repository: Path, before: str, after: str) -> tuple[str, ...]:
    """Return the paths, relative to the root of a repository, that differ between two trees.

    Args:
        repository: A folder of the repository that holds both trees.
        before: A tree or commit.
        after: Another one.

    Raises:
        CodeError: git cannot be asked, or does not have one of the trees.
    """
    if before == after:
        return ()
    output = Git(repository).run("diff-tree", "-r", "-z", "--name-only", before, after)
    return tuple(os.fsdecode(path) for path in output.split(b"\0") if path)

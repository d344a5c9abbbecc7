"""Whether two trees are the same code: by their hashes, and by the files that count."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from flexlock.code.git import Git
from flexlock.data.patterns import chooser
from flexlock.errors import CodeError
from flexlock.lock.record import Scope

__all__ = ["changed_files", "code_identity", "counting", "tree_of"]

_WHOLE = Scope()


def changed_files(
    repository: Path, first: str, second: str, scope: Scope = _WHOLE
) -> tuple[str, ...]:
    """Return the paths that differ between two trees; nothing means the same code.

    Args:
        repository: A folder of a repository that has both trees.
        first: A tree or a commit.
        second: Another.
        scope: Patterns of the files that count.

    Raises:
        CodeError: git cannot tell, for example because a tree is not in this repository.
    """
    if first == second:
        return ()
    listing = Git(repository).run(
        "diff-tree", "-r", "--name-only", "--no-renames", "-z", first, second
    )
    counts = counting(scope)
    return tuple(path for path in os.fsdecode(listing).split("\0") if path and counts(path))


def counting(scope: Scope) -> Callable[[str], bool]:
    """Return the function that says of a path in a repository whether it counts."""
    included, excluded = chooser(scope.include), chooser(scope.exclude)

    def counts(path: str) -> bool:
        if excluded is not None and excluded(path):
            return False
        return included is None or included(path)

    return counts


def code_identity(repository: Path, tree: str, scope: Scope = _WHOLE) -> str:
    """Return a text that two trees share exactly when they are the same code within a scope.

    Raises:
        CodeError: git cannot tell, for example because the tree is not in this repository.

    Cost:
        Nothing for the whole tree, else one process for each tree that is asked for.
    """
    if scope == _WHOLE:
        return tree
    return _digest_within(os.path.realpath(repository), tree, scope)


@lru_cache(maxsize=256)
def _digest_within(repository: str, tree: str, scope: Scope) -> str:
    listing = Git(Path(repository)).run("ls-tree", "-r", "-z", "--full-tree", tree)
    counts = counting(scope)
    entries = [entry for entry in listing.split(b"\0") if entry]
    kept = [entry for entry in entries if counts(os.fsdecode(entry.split(b"\t", 1)[1]))]
    return hashlib.sha256(b"\0".join(kept)).hexdigest()


def tree_of(repository: Path, commit: str) -> str | None:
    """Return the tree of a commit (or of a tree), or None when the repository does not have it."""
    try:
        name = Git(repository).run("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}")
    except CodeError:
        return None
    return name.decode().strip()

"""Code drift: modules that were loaded from files which are not what was captured.

A run that waits in a queue, or runs for long, may import a file after someone has edited it. The
sheet then names a tree that is not the code that ran; this finds out and says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from flexlock.code.git import Git
from flexlock.lock.record import RepoState

__all__ = ["code_drift", "loaded_files"]

_SLACK_NS = 2_000_000_000


def code_drift(
    repos: Mapping[str, RepoState],
    *,
    since_ns: int | None = None,
    files: Iterable[Path] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return, for each repository, the loaded files that differ from its recorded tree.

    Files that git ignores, such as those of an environment inside the repository, do not count.

    Args:
        repos: The recorded repositories.
        since_ns: When they were captured; files that are older are not looked at. Without it,
            all are, as a worker does that starts later.
        files: The files to look at; by default those of all loaded modules.

    Raises:
        CodeError: git cannot be asked.

    Cost:
        No process when no file is newer, else two or three for each repository.
    """
    given = [str(file) for file in (loaded_files() if files is None else files)]
    drift: dict[str, tuple[str, ...]] = {}
    for name, state in repos.items():
        if state.tree is None:
            continue
        root = os.path.join(_real(state.path), "")  # noqa: PTH118
        inside = [real[len(root) :] for file in given if (real := _real(file)).startswith(root)]
        newer = sorted({path for path in inside if _is_newer(Path(root, path), since_ns)})
        if newer and (paths := _differing(Git(Path(root)), state.tree, newer)):
            drift[name] = tuple(paths)
    return drift


@cache
def _real(path: str) -> str:
    """Return a path without links; asked again and again for the same modules."""
    return os.path.realpath(path)


def _is_newer(file: Path, since_ns: int | None) -> bool:
    try:
        status = file.stat()
    except OSError:
        return False  # it went away; what was loaded from it cannot be compared
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    return since_ns is None or newest >= since_ns - _SLACK_NS


def loaded_files() -> list[Path]:
    """Return the source files of all modules that are loaded."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return [Path(file) for file in files if isinstance(file, str) and file.endswith(".py")]


def _differing(git: Git, tree: str, paths: list[str]) -> list[str]:
    recorded = _blobs(git, tree)
    known = [path for path in paths if path in recorded]
    listing = b"".join(os.fsencode(git.folder / path) + b"\n" for path in known)
    hashes = (
        git.run("hash-object", "--stdin-paths", stdin=listing).decode().split() if known else []
    )
    differing = [p for p, h in zip(known, hashes, strict=True) if recorded[p] != h]
    from flexlock.code.choosing import is_ours  # with all that hashes: workers rarely come here

    new = [path for path in paths if path not in recorded and not is_ours(path)]
    return sorted(differing + _not_ignored(git, new))


def _blobs(git: Git, tree: str) -> dict[str, str]:
    listing = git.run("ls-tree", "-r", "-z", "--full-tree", tree)
    entries = (line.split(b"\t", 1) for line in listing.split(b"\0") if line)
    return {os.fsdecode(path): meta.split(b" ")[2].decode() for meta, path in entries}


def _not_ignored(git: Git, paths: list[str]) -> list[str]:
    if not paths:
        return []
    listing = b"".join(os.fsencode(path) + b"\0" for path in paths)
    with git.start("check-ignore", "-z", "--stdin", "--no-index", stdin=listing) as process:
        _, output, _ = process.finish()  # status 1 means that none is ignored
    ignored = set(os.fsdecode(output).split("\0"))
    return [path for path in paths if path not in ignored]

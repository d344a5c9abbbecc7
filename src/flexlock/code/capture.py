"""The tree of what is on the disk, made without touching the user's index, branch or files.

A clean repository costs one `git status`. Otherwise the user's index is copied, the changed and
the new files are put into the copy, and the copy becomes a tree and a commit. A ref for each
distinct tree (``refs/flexlock/trees/<tree>``) keeps git from collecting it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from flexlock.code.choosing import Chosen, Limits, choose
from flexlock.code.git import Git
from flexlock.code.memo import Memo, commit_of_ref
from flexlock.code.status import Status, read_status
from flexlock.data.cache import open_cache
from flexlock.errors import CodeError
from flexlock.lock.record import RepoState, Scope

__all__ = ["REFS", "capture"]

REFS = "refs/flexlock/trees"
"""One ref for each distinct tree that was captured, named by it."""

_WHOLE = Scope()
_LIMITS = Limits()
_NESTED = "a repository within, but not a submodule"
# The same tree on the same commit gives the same commit, however many runs make it at once.
_DATE = "2000-01-01T00:00:00+0000"


def capture(
    folder: Path,
    *,
    scope: Scope = _WHOLE,
    results: Iterable[Path] = (),
    keep: Iterable[Path] = (),
    limits: Limits = _LIMITS,
    timeout_s: float | None = None,
    commit: bool = True,
) -> RepoState:
    """Return the version of the repository that `folder` lies in, edits included.

    Tracked files count as they are on the disk, and files that are neither tracked nor ignored
    with them. Submodules and repositories within are captured in the same way.

    Args:
        folder: Any folder of the work tree.
        scope: Patterns of the files that count; all by default.
        results: Directories of results, whose untracked files are not code.
        keep: Files that are code wherever they lie.
        limits: How much of what is not tracked is stored; the rest is listed as skipped.
        timeout_s: The time limit of each git process.
        commit: Whether a commit and a ref keep the tree. To only look at what is there, none is
            made; the state then has no `commit` unless there is one already.

    Raises:
        NotARepositoryError: The folder does not lie in a repository with files.
        CodeError: git is missing, takes too long, does not trust the folder, or fails.

    Cost:
        Three processes for a clean repository, and for one with the changes that it had before;
        at most four more for others.
    """
    git = Git(folder, timeout_s=timeout_s)
    status = read_status(git)
    results, keep = tuple(results), tuple(keep)
    chosen = choose(status, scope=scope, results=results, keep=keep, limits=limits)

    def inner(path: str) -> RepoState:
        folder = status.root / path
        try:
            return capture(
                folder, results=results, keep=keep, limits=limits, timeout_s=timeout_s,
                commit=commit,
            )  # fmt: skip
        except CodeError as error:
            return RepoState(str(folder), reason=str(error))

    submodules = {
        change.path: inner(change.path)
        for change in chosen.changes
        if change.submodule and (status.root / change.path / ".git").exists()
    }
    nested = {path: replace(inner(path), reason=_NESTED) for path in chosen.nested}
    state = RepoState(
        path=str(status.root),
        remote=status.remote,
        branch=status.branch,
        commit=status.commit,
        tree=status.tree,
        base=status.commit,
        is_dirty=bool(chosen.skipped) or any(s.is_dirty for s in submodules.values()),
        scope=scope,
        skipped=chosen.skipped,
        submodules=submodules | nested,
    )
    git = Git(status.root, timeout_s=timeout_s)
    if not chosen.changes and not chosen.untracked:
        return state if status.commit is not None else _first(git, state)
    with open_cache() or contextlib.nullcontext() as cache:
        memo = Memo(status, chosen, submodules, cache)
        known: tuple[str | None, str] | None = memo.commit(REFS)
        if known is None and not commit:
            known = _look(git, status, chosen, submodules)
        made, tree = known or memo.keep(*_commit(git, status, chosen, submodules))
    if tree == status.tree:  # edits that cancel each other out, or that filters take away
        return state
    return replace(state, commit=made, tree=tree, is_dirty=True)


def _first(git: Git, state: RepoState) -> RepoState:
    """Return the state of a repository without a commit and without files."""
    tree = git.run("mktree", stdin=b"").decode().strip()
    return replace(state, tree=tree)


def _commit(
    git: Git, status: Status, chosen: Chosen, submodules: Mapping[str, RepoState]
) -> tuple[str, str]:
    """Store the chosen files and return the commit and the tree."""
    known, tree = _look(git, status, chosen, submodules)
    return known or _new_commit(git, tree, status.commit), tree


def _look(
    git: Git, status: Status, chosen: Chosen, submodules: Mapping[str, RepoState]
) -> tuple[str | None, str]:
    """Store the chosen files and return their tree, and the commit of it that there is already."""
    with _own_index(status) as environment:
        _stage(git, chosen, submodules, environment)
        tree = git.run("write-tree", "--missing-ok", environment=environment).decode().strip()
    if tree == status.tree and status.commit is not None:
        return status.commit, tree
    return commit_of_ref(status.common_dir / REFS / tree), tree


def _new_commit(git: Git, tree: str, base: str | None) -> str:
    """Make a commit of a tree, keep it by a ref, and return it; an older one goes first."""
    parents = ("-p", base) if base is not None else ()
    dates = {"GIT_AUTHOR_DATE": _DATE, "GIT_COMMITTER_DATE": _DATE}
    message = f"What was on the disk, tree {tree[:12]}\n".encode()
    made = git.run("commit-tree", tree, *parents, stdin=message, environment=dates)
    commit = made.decode().strip()
    try:
        git.run("update-ref", f"{REFS}/{tree}", commit, "0" * len(commit))
    except CodeError:  # there is one already, of another base, or another run was faster
        return git.run("rev-parse", "--verify", f"{REFS}/{tree}^{{commit}}").decode().strip()
    return commit


@contextlib.contextmanager
def _own_index(status: Status) -> Iterator[dict[str, str]]:
    """Give a copy of the user's index, and the environment that makes git use it."""
    with tempfile.TemporaryDirectory(prefix="flexlock-index-") as folder:
        copy = Path(folder, "index")
        # With its times: git compares them with those of the files, to know which to look into.
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(status.git_dir / "index", copy)
        yield {"GIT_INDEX_FILE": str(copy)}


def _stage(
    git: Git,
    chosen: Chosen,
    submodules: Mapping[str, RepoState],
    environment: Mapping[str, str],
) -> None:
    """Put the chosen files into the index of the environment, by one process."""
    # A submodule that was only looked at may have no commit yet; its tree makes a difference too.
    cached = [
        argument
        for path, state in submodules.items()
        if (version := state.commit or state.tree) is not None
        for argument in ("--cacheinfo", f"160000,{version},{path}")
    ]
    # What was taken out of the index is out of the copy too; if it is still there and not ignored,
    # it is among the untracked files.
    paths = [c.path for c in chosen.changes if not c.untracked and c.path not in submodules]
    paths += chosen.untracked
    git.run(
        "update-index", "-z", "--add", "--remove", "--ignore-skip-worktree-entries", "--replace",
        *cached, "--stdin",
        stdin=b"".join(os.fsencode(path) + b"\0" for path in paths),
        environment=environment,
        options=_PLAIN_INDEX,
    )  # fmt: skip


# What the user set up to speed the real index up would only slow the copy down.
_PLAIN_INDEX = (
    "-c", "core.fsmonitor=false", "-c", "core.splitIndex=false", "-c", "core.safecrlf=false",
)  # fmt: skip

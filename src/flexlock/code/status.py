"""What git says of a repository: where it is, and what differs from the last commit.

Three processes side by side: one for the names and the tree of the last commit, one for the state
of the files (the only one whose time grows with the repository), one for the remotes.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flexlock.code.git import Git, failure

__all__ = ["Change", "Status", "read_status"]

_ROOT, _GIT_DIR, _COMMON_DIR, _TREE = range(4)


@dataclass(frozen=True, slots=True)
class Change:
    """A tracked path that is not as committed.

    `untracked` says that it was taken out of the index, `submodule` that it is one.
    """

    path: str
    untracked: bool = False
    submodule: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a repository.

    `commit` and `tree` are those of the last commit, None before the first. `untracked` are files
    that are neither tracked nor ignored; `nested` are repositories within that are no submodules.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    branch: str | None
    commit: str | None
    tree: str | None
    remote: str | None
    changes: tuple[Change, ...]
    untracked: tuple[str, ...]
    nested: tuple[str, ...]


def read_status(git: Git) -> Status:
    """Ask git for the state of the repository that its folder belongs to.

    Raises:
        NotARepositoryError: The folder belongs to none.
        CodeError: git is missing, takes too long, or fails.
    """
    with ExitStack() as stack:
        names = stack.enter_context(
            git.start(
                "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir",
                "HEAD^{tree}", "--",
            )
        )  # fmt: skip
        state = stack.enter_context(
            git.start(
                "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all",
                "--ignore-submodules=none", "--no-renames",
            )
        )  # fmt: skip
        remotes = stack.enter_context(
            git.start("config", "-z", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$")
        )
        _, printed, messages = names.finish()
        lines = os.fsdecode(printed).rstrip("\n").split("\n")
        if len(lines) <= _COMMON_DIR:
            raise failure("git rev-parse", git.folder, messages)
        found = _parse(state.output())
        _, configured, _ = remotes.finish()
    tree = lines[_TREE] if found.commit is not None else None
    return Status(
        root=Path(lines[_ROOT]),
        git_dir=Path(lines[_GIT_DIR]),
        common_dir=Path(git.folder, lines[_COMMON_DIR]),
        branch=found.branch,
        commit=found.commit,
        tree=tree,
        remote=_remote(os.fsdecode(configured), found.branch),
        changes=tuple(found.changes),
        untracked=tuple(path for path in found.untracked if not path.endswith("/")),
        nested=tuple(path.rstrip("/") for path in found.untracked if path.endswith("/")),
    )


@dataclass(slots=True)
class _Found:
    branch: str | None
    commit: str | None
    changes: list[Change]
    untracked: list[str]


def _parse(output: bytes) -> _Found:
    """Read the second format of ``git status``; paths are relative to the root."""
    found = _Found(None, None, [], [])
    for line in os.fsdecode(output).split("\0"):
        kind = line[:2]
        if kind == "# ":
            key, _, value = line[2:].partition(" ")
            if key == "branch.oid" and value != "(initial)":
                found.commit = value
            elif key == "branch.head" and value != "(detached)":
                found.branch = value
        elif kind == "1 ":
            fields = line.split(" ", 8)
            change = Change(fields[8], fields[1].startswith("D"), fields[2].startswith("S"))
            found.changes.append(change)
        elif kind == "u ":
            found.changes.append(Change(line.split(" ", 10)[10]))
        elif kind == "? ":
            found.untracked.append(line[2:])
    return found


def _remote(configured: str, branch: str | None) -> str | None:
    """Return the address of the branch's remote, else of ``origin``, else of the first."""
    values: dict[str, str] = {}
    for line in configured.split("\0"):
        key, _, value = line.partition("\n")
        values.setdefault(key, value)
    wanted = [values.get(f"branch.{branch}.remote", ""), "origin"]
    urls = {key[7:-4]: value for key, value in values.items() if key.startswith("remote.")}
    chosen = next((name for name in wanted if name in urls), next(iter(urls), None))
    return None if chosen is None else _without_password(urls[chosen])


def _without_password(url: str) -> str:
    """Return an address without secrets: of ``https://user:secret@host`` only the host stays."""
    if url.startswith("ssh://"):
        return re.sub(r"^(ssh://[^/@:]*):[^/@]*@", r"\1@", url)
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", url)

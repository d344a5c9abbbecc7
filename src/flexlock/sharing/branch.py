"""The clean branch: the code of some runs, and nothing else, as a chain of commits with a tag.

Commits and tag are made of the runs alone, with their times, so that pushing the same runs again
makes the same ones. Nothing in the user's repository changes but for the objects that are added.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flexlock.code.git import Git
from flexlock.errors import CodeError, ShareError
from flexlock.lock.record import RepoState
from flexlock.sharing.gathering import GatheredRun
from flexlock.sharing.manifest import Version

__all__ = ["Branch", "compile_branch", "newly_shown", "push_branch", "remote_url", "tag_object"]

_PUSH_TIMEOUT_S = 3600.0
_IDENTITY = "flexlock <flexlock@localhost>"
_ACCEPTED = "flexlock-shown"

States = Sequence[tuple[GatheredRun, RepoState]]


@dataclass(frozen=True, slots=True)
class Branch:
    """A chain of commits in a repository: its versions, oldest first."""

    root: Path
    versions: tuple[Version, ...]

    @property
    def tip(self) -> str:
        """The newest commit."""
        return self.versions[-1].commit


def compile_branch(root: Path, states: States) -> Branch:
    """Make a chain with one commit for each different tree, in the order of the runs.

    Raises:
        ShareError: A tree is not in the repository any longer.
        CodeError: Git failed.
    """
    git = Git(root)
    versions: list[Version] = []
    for tree, uses in _by_tree(states).items():
        parents = [word for version in versions[-1:] for word in ("-p", version.commit)]
        runs = [run.lock.id for run, _ in uses]
        try:
            commit = git.run(
                "commit-tree", tree, *parents, stdin=_message(uses).encode(),
                environment=_dated(uses[0][0]),
            )  # fmt: skip
        except CodeError as error:
            message = f"The code of the run in {str(uses[0][0].directory)!r} (tree {tree}) is not"
            message += f" in the repository {str(root)!r} any longer."
            raise ShareError(message, hint="Push from where the run was made.") from error
        versions.append(Version(tree, commit.decode().strip(), tuple(runs)))
    return Branch(root, tuple(versions))


def _by_tree(states: States) -> dict[str, list[tuple[GatheredRun, RepoState]]]:
    trees: dict[str, list[tuple[GatheredRun, RepoState]]] = {}
    for run, state in states:
        assert state.tree is not None  # `repositories` leaves out states without one
        trees.setdefault(state.tree, []).append((run, state))
    # A tree that is used again comes last, where the newest run has it.
    return dict(sorted(trees.items(), key=lambda item: item[1][-1][0].lock.timestamp))


def _message(uses: States) -> str:
    lines = [f"Code of {len(uses)} run{'s' if len(uses) > 1 else ''}", ""]
    for run, state in uses:
        lines.append(f"Run: {run.lock.id}")
        if state.base:
            lines.append(f"Based-on: {state.base}")
    return "\n".join(dict.fromkeys(lines)).replace("\n", "\n\n", 1) + "\n"


def _seconds(run: GatheredRun) -> int:
    try:
        return int(datetime.fromisoformat(run.lock.timestamp).timestamp())
    except ValueError:
        return 0


def _dated(run: GatheredRun) -> dict[str, str]:
    date = f"@{_seconds(run)} +0000"
    return {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}


def newly_shown(root: Path, states: States) -> list[str]:
    """Return files that only the runs' dirty trees have, and that no push has shown before.

    They were not in the last commit: such as keys and notes that nobody meant to publish.
    """
    git = Git(root)
    accepted = _accepted(git)
    found: dict[str, None] = {}
    for _, state in states:
        base = state.base or git.run("hash-object", "-t", "tree", os.devnull).decode().strip()
        listed = git.run(
            "diff-tree", "-r", "-z", "--no-renames", "--diff-filter=A", base, str(state.tree)
        )
        facts = listed.split(b"\0")
        for fact, path in zip(facts[::2], facts[1::2], strict=False):
            if fact.split()[3].decode() not in accepted:
                found[os.fsdecode(path)] = None
    return sorted(found)


def accept_shown(root: Path, states: States) -> None:
    """Remember the files of the trees as shown, for the next push."""
    git = Git(root)
    blobs = _accepted(git)
    for _, state in states:
        listed = git.run("ls-tree", "-r", str(state.tree)).splitlines()
        blobs |= {line.split(None, 3)[2].decode() for line in listed}
    _accepted_file(git).write_text("".join(f"{blob}\n" for blob in sorted(blobs)))


def _accepted(git: Git) -> set[str]:
    try:
        return set(_accepted_file(git).read_text().split())
    except OSError:
        return set()


def _accepted_file(git: Git) -> Path:
    shared = git.run("rev-parse", "--git-common-dir").decode().strip()
    return Path(git.folder, shared, _ACCEPTED)


def tag_object(branch: Branch, tag: str, text: bytes, run: GatheredRun) -> str:
    """Make the annotated tag whose message is `text`, and return its name in git."""
    header = f"object {branch.tip}\ntype commit\ntag {tag}\ntagger {_IDENTITY} "
    header += f"{_seconds(run)} +0000\n\n"
    made = Git(branch.root).run("mktag", stdin=header.encode() + text)
    return made.decode().strip()


def remote_url(root: Path, remote: str) -> str:
    """Return the address of a remote.

    Raises:
        ShareError: The repository does not have it.
    """
    try:
        return Git(root).run("remote", "get-url", remote).decode().strip()
    except CodeError as error:
        message = f"The repository {str(root)!r} has no remote {remote!r}."
        hint = "Add it with 'git remote add', name another with --git_remote, or push --only data."
        raise ShareError(message, hint=hint) from error


def pushed_tag(root: Path, remote: str, tag: str) -> str | None:
    """Return the object that a tag names on the remote, or None."""
    listed = _network(root, "ls-remote", remote, f"refs/tags/{tag}").decode().split()
    return listed[0] if listed else None


def push_branch(
    branch: Branch, remote: str, name: str, tag: str, made: str, submodules: Collection[RepoState]
) -> None:
    """Push branch and tag in one step: both are there, or neither.

    The recorded commits of submodules go to their own remotes first, so that the trees that name
    them can be checked out.
    """
    for module in submodules:
        where = branch.root / module.path
        if module.commit and module.tree:
            _network(where, "push", "--quiet", remote, f"+{module.commit}:refs/heads/{name}")
    _network(
        branch.root, "push", "--quiet", "--atomic", remote,
        f"+{branch.tip}:refs/heads/{name}", f"{made}:refs/tags/{tag}",
    )  # fmt: skip


def _network(root: Path, *arguments: str) -> bytes:
    try:
        return Git(root, timeout_s=_PUSH_TIMEOUT_S).run(*arguments)
    except CodeError as error:
        raise ShareError(error.message, hint=error.hint or "Check the remote.") from error

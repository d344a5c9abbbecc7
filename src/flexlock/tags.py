"""Tags of runs: a name, the code and all earlier code of a run, kept in the repository.

A tag is a commit under ``refs/flexlock/tags/``. Its parents are the commits of the run and of its
earlier runs, so that git keeps them; its message names the run's directory. `flexlock gc` never
touches a run that has a tag, nor one that such a run builds on.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from flexlock.code.git import Git
from flexlock.errors import CodeError, LockError
from flexlock.lock.document import read_lock
from flexlock.lock.record import RunLock

__all__ = ["RunTag", "delete_tag", "list_tags", "tag_run"]

_REFS = "refs/flexlock/tags"


@dataclass(frozen=True, slots=True)
class RunTag:
    """A tag: its name, the run's directory and id, and what it was given for."""

    name: str
    path: Path
    run: str
    message: str


def tag_run(name: str, path: Path, message: str = "") -> RunTag:
    """Give a run a name.

    Args:
        name: The name; it must be free, and one that git allows.
        path: The run directory.
        message: What the tag is for.

    Raises:
        LockError: There is no run, its code was not recorded, or the name is taken.
    """
    lock = read_lock(path)
    git = _repository_of(lock, path)
    _check_name(name)
    if git.run("for-each-ref", f"{_REFS}/{name}").strip():
        text = f"There is a tag {name!r} already."
        raise LockError(text, hint="Choose another name, or delete it first.", tag=name)
    tag = RunTag(name, path.absolute(), lock.id, message)
    body = json.dumps({"path": str(tag.path), "run": tag.run, "message": message})
    commits = [c for c in _commits(lock) if _is_there(git, c)]
    parents = [word for commit in commits for word in ("-p", commit)]
    tree = f"{commits[0]}^{{tree}}"
    made = git.run("commit-tree", tree, *parents, stdin=f"Tag {name}\n\n{body}\n".encode())
    git.run("update-ref", f"{_REFS}/{name}", made.decode().strip())
    return tag


def list_tags(folder: Path) -> list[RunTag]:
    """Return the tags of the repository that a folder lies in, by name; without one, none."""
    try:
        listed = Git(folder).run("for-each-ref", "--format=%(refname)%00%(contents:body)%00", _REFS)
    except CodeError:
        return []
    words = os.fsdecode(listed).split("\0")
    tags = []
    for reference, body in zip(words[::2], words[1::2], strict=False):
        facts = json.loads(body)
        name = reference.strip().removeprefix(f"{_REFS}/")
        tags.append(RunTag(name, Path(facts["path"]), facts["run"], facts["message"]))
    return tags


def delete_tag(name: str, folder: Path) -> None:
    """Take a name away; the run stays.

    Raises:
        LockError: There is no such tag.
    """
    if name not in {tag.name for tag in list_tags(folder)}:
        known = ", ".join(repr(tag.name) for tag in list_tags(folder)[:10]) or "none"
        raise LockError(f"There is no tag {name!r}.", hint=f"There are: {known}.", tag=name)
    Git(folder).run("update-ref", "-d", f"{_REFS}/{name}")


def _repository_of(lock: RunLock, path: Path) -> Git:
    for state in lock.repos.values():
        if state.commit is not None:
            return Git(Path(state.path))
    message = f"The run in {str(path)!r} has no recorded code, so there is nothing to tag."
    raise LockError(message, hint="Run it in a git repository.", path=str(path))


def _check_name(name: str) -> None:
    try:
        # Wherever that is: the repository of the run may be what is missing.
        Git(Path.cwd()).run("check-ref-format", f"{_REFS}/{name}")
    except CodeError as error:
        hint = "Use letters, digits, '-', '_' and '/'."
        raise LockError(f"{name!r} cannot be a tag.", hint=hint, tag=name) from error


def _commits(lock: RunLock) -> list[str]:
    found: dict[str, None] = {}
    sheets = [lock.repos] + [(prev.lock or {}).get("repos", {}) for prev in lock.prevs.values()]
    for repos in sheets:
        for state in repos.values():
            commit = state.get("commit") if isinstance(state, dict) else state.commit
            if commit:
                found[commit] = None
    return list(found)


def _is_there(git: Git, commit: str) -> bool:
    with git.start("cat-file", "-e", f"{commit}^{{commit}}") as process:
        return process.finish()[0] == 0

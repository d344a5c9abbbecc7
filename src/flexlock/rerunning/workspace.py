"""A fresh work tree with the code of a run, and its data at the same relative places."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flexlock.code.git import Git
from flexlock.data.tracking import rehash
from flexlock.errors import CodeError, DataError, LockError
from flexlock.lock.record import RepoState, RunLock

__all__ = ["Workspace", "open_workspace"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a run can be run again.

    Attributes:
        root: The work tree.
        folder: The working folder in it, which relative paths start from.
        script: The file of the function.
        warnings: What could not be made the same.
    """

    root: Path
    folder: Path
    script: Path
    warnings: tuple[str, ...]


@contextmanager
def open_workspace(lock: RunLock, sheet: Path, into: Path | None) -> Iterator[Workspace]:
    """Make a workspace for a run.

    Args:
        lock: Its sheet.
        sheet: Where that lies.
        into: The folder to make; a temporary one, removed at the end, when None.

    Raises:
        LockError: The sheet does not say which function of which repository was run.
        CodeError: The code is not in the repository any longer.
        DataError: Data is missing or not any longer what it was; all of it is named.
    """
    state = _repository(lock, sheet)
    changed = _changed_data(lock, sheet.parent)
    if changed:
        message = f"Data is not any longer what the run used: {'; '.join(changed[:10])}."
        raise DataError(message, hint="Restore it, or pull the run.", changed=changed)
    if into is not None and into.exists() and any(into.iterdir()):
        message = f"{str(into)!r} is not empty."
        raise LockError(message, hint="Name a folder that does not exist.", path=str(into))
    root = into or Path(tempfile.mkdtemp(prefix="flexlock-rerun-")) / Path(state.path).name
    git = Git(Path(state.path))
    try:
        git.run("worktree", "add", "--quiet", "--detach", str(root), str(state.commit))
        _make_exact(Git(root), state)
        folder = _folder(lock, state, root)
        _bring(lock, sheet.parent, folder)
        script = root / str(lock.caller.file)
        yield Workspace(root, folder, script, tuple(_moved_on(lock)))
    finally:
        if into is None:
            with suppress(CodeError):
                git.run("worktree", "remove", "--force", str(root))
            shutil.rmtree(root.parent, ignore_errors=True)


def _repository(lock: RunLock, sheet: Path) -> RepoState:
    name = lock.caller.repo
    state = lock.repos.get(name) if name is not None else None
    if state is None or state.commit is None or not lock.caller.file or not lock.caller.function:
        message = f"{str(sheet)!r} does not say which function of which repository was run."
        hint = "Only runs of a function in a git repository can be run again from their sheet."
        raise LockError(message, hint=hint, path=str(sheet))
    return state


def _make_exact(git: Git, state: RepoState) -> None:
    """Check that the work tree is the recorded tree; git may have been told otherwise."""
    found = git.run("rev-parse", "HEAD^{tree}").decode().strip()
    if found != state.tree:
        message = f"The commit {state.commit} is not the code of the run any longer."
        raise CodeError(message, hint="Pull the run from where it was pushed to.")


def _folder(lock: RunLock, state: RepoState, root: Path) -> Path:
    cwd = Path(lock.caller.cwd or state.path)
    below = cwd.relative_to(state.path) if cwd.is_relative_to(state.path) else Path()
    folder = root / below
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _changed_data(lock: RunLock, run: Path) -> list[str]:
    root = Path(lock.caller.cwd or run)
    changed = []
    for name, state in lock.data.items():
        if state.kind not in ("file", "dir") or state.hash is None:
            continue
        try:
            if rehash(state, root=root).hash != state.hash:
                changed.append(f"{name!r} ({state.path!r}) has other content now")
        except DataError as error:
            changed.append(f"{name!r}: {error.message.rstrip('.')}")
    return changed


def _bring(lock: RunLock, run: Path, folder: Path) -> None:
    """Link earlier runs and data into the work tree, at the places that the run knows."""
    home = Path(lock.caller.cwd or run)
    earlier = [prev.path for prev in lock.prevs.values() if prev.direct]
    data = [state.path for state in lock.data.values() if state.kind in ("file", "dir")]
    for path in (*earlier, *data):
        if Path(path).is_absolute():
            continue  # it is at the same place still
        place = Path(os.path.normpath(folder / path))
        if place.exists() or not place.is_relative_to(folder):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.normpath(home / path))


def _moved_on(lock: RunLock) -> Iterator[str]:
    """Say which other repositories are not at the recorded code; they are used as they are."""
    from flexlock.code.capture import capture

    for name, state in lock.repos.items():
        if name == lock.caller.repo or state.tree is None:
            continue
        try:
            now = capture(Path(state.path), scope=state.scope).tree
        except CodeError as error:
            yield f"The repository {name!r} cannot be compared: {error.message}"
            continue
        if now != state.tree:
            yield f"The repository {name!r} ({state.path}) has other code than the run had."

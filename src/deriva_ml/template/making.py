"""Put a new project into a directory, all of it or nothing.

It is written in a workspace first. A directory that does not exist is then renamed into being;
into one that exists the files are moved. A process that is killed before leaves a hidden workspace,
which the next one removes; one that is killed while it moves files is finished by the next one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..core.exceptions import DerivaMLDataError, some_of
from ..execution.claim import claimed
from ..execution.git import find_repository
from .files import project_files
from .repository import check_git, install_filter, make_repository

__all__ = ["Made", "make_project"]

_MARK = ".deriva-ml-init-"
_CONTENT = "project"
_READY = "ready"


@dataclass(frozen=True, slots=True)
class Made:
    """A project that was made.

    Attributes:
        directory: Where it is.
        name: What it is called.
        repository: The top of the repository that it lies in; None without one.
        committed: Whether its files are committed: in a repository that was there they are not.
    """

    directory: Path
    name: str
    repository: Path | None
    committed: bool


def make_project(directory: Path, *, git: bool = True) -> Made:
    """Make a project that runs at once, called like its directory.

    Args:
        directory: A directory that does not exist yet, or one in which no file of the project
            exists. In a git repository the project's files are added, but not committed.
        git: Whether the project becomes a git repository with a first commit, unless it lies in
            one.

    Raises:
        DerivaMLValidationError: The directory's name cannot be a project's.
        DerivaMLDataError: Files would be overwritten, or the place cannot be used.
        DerivaMLConfigurationError: git, an author or nbstripout is missing.
        DerivaMLException: git or nbstripout fails.
    """
    target = directory.absolute()
    target = target.resolve() if target.exists() else target.parent.resolve() / target.name
    files = project_files(target.name)
    place = _place(target)
    try:
        if _take_up(target):
            found = find_repository(target)
            root = found.root if found else None
            return Made(target, target.name, root, committed=root == target)
        _refuse_clashes(target, files)
        return _make(target, place, files, git)
    except OSError as error:
        raise DerivaMLDataError(
            f"The project cannot be written to {str(target)!r}: {error.strerror or error}."
        ) from error


def _make(target: Path, place: Path, files: Mapping[PurePosixPath, bytes], git: bool) -> Made:
    around = find_repository(place)
    own = git and around is None
    if git:
        check_git(place, commits=own)
    with _workspace(place, target.name) as workspace:
        content = workspace / _CONTENT
        _write(content, files)
        if own:
            make_repository(content)
        elif git:
            install_filter(place, content / ".gitattributes")
        _publish(workspace, target, files)
    root = target if own else around.root if around is not None else None
    return Made(target, target.name, root, committed=own)


def _place(target: Path) -> Path:
    """The directory that the workspace is in: the target if it exists, else the one it goes to."""
    place = target if target.exists() else target.parent
    if place.is_dir():
        return place
    what = "is no directory" if place.exists() else "does not exist"
    raise DerivaMLDataError(
        f"The project cannot be made in {str(place)!r}, which {what}. Name a new directory, or an "
        "empty one."
    )


def _refuse_clashes(target: Path, paths: Iterable[PurePosixPath]) -> None:
    """Refuse to overwrite files, or to replace them by directories."""
    clashes = set()
    for path in paths:
        for above in [*reversed(path.parents[:-1]), path]:
            there = target / above
            if there.is_symlink() or (there.exists() and (above == path or not there.is_dir())):
                clashes.add(str(above))
    if clashes:
        raise DerivaMLDataError(
            f"{str(target)!r} has files that the project would overwrite: "
            f"{some_of(sorted(clashes))}. Nothing was changed. Choose another directory, or move "
            "them away."
        )


# --- the workspace -----------------------------------------------------------------------


@contextmanager
def _workspace(place: Path, name: str) -> Iterator[Path]:
    """A hidden directory that is this process's own, and gone afterwards."""
    workspace = Path(tempfile.mkdtemp(prefix=_prefix(name), dir=place))
    try:
        with claimed(workspace) as mine:
            if not mine:
                raise DerivaMLDataError(f"Another process is making the project {name!r}.")
            yield workspace
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _prefix(name: str) -> str:
    """What workspaces of a project begin with: no name of a project has a full stop."""
    return f"{_MARK}{name}."


def _take_up(target: Path) -> bool:
    """Finish or remove what killed processes left; returns whether the project is whole now.

    Raises:
        DerivaMLDataError: Another process is making this project.
    """
    finished = False
    for place in (target.parent, target):
        for workspace in place.glob(f"{_prefix(target.name)}*"):
            with claimed(workspace) as mine:
                if not mine:
                    raise DerivaMLDataError(f"Another process is making {str(target)!r}.")
                if place == target and (workspace / _READY).exists():
                    _move_in(workspace / _CONTENT, target)
                    finished = True
                # Under the claim: afterwards it could be another's.
                shutil.rmtree(workspace, ignore_errors=True)
    return finished


def _write(directory: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    for path, content in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _publish(workspace: Path, target: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    """Put what is in the workspace where it belongs.

    Raises:
        DerivaMLDataError: Others have put something there meanwhile.
    """
    content = workspace / _CONTENT
    if workspace.parent != target:
        if target.exists():
            raise DerivaMLDataError(
                f"{str(target)!r} was made by somebody else meanwhile. Nothing was changed. "
                "Look at it, and choose another directory, or say this again to add to it."
            )
        content.rename(target)
        return
    repository = [PurePosixPath(".git")] if (content / ".git").exists() else []
    _refuse_clashes(target, [*files, *repository])
    (workspace / _READY).touch()
    _move_in(content, target)


def _move_in(content: Path, target: Path) -> None:
    """Move files into a directory that others are in, too; the repository comes last."""
    repository = content / ".git"
    for file in sorted(content.rglob("*")):
        if file.is_file() and repository not in file.parents:
            there = target / file.relative_to(content)
            there.parent.mkdir(parents=True, exist_ok=True)
            file.rename(there)
    if repository.exists():
        repository.rename(target / ".git")

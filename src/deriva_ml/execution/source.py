"""Which code is running: the file, where it can be read, and a hash of what really ran.

Rules, the first that applies:

1. In the container of the MCP server: the image, or its commit.
2. `DERIVA_ML_WORKFLOW_URL` is set (a notebook run by the command): that URL and checksum.
3. A file that git tracks: the web page of the file in the last commit that touched it, and
   git's hash of the file as it is now. A remote without web pages gives a ``file:`` URL with
   the commit behind ``#``.
4. Any other file: its ``file:`` URL and its hash.
5. Code typed at a prompt: ``REPL`` and a hash that no other session has.

Uncommitted changes do not stop a run: the version then ends in ``.dirty.`` and a mark of the
tree's content, the checksum is that of the file as it ran, and a warning names the changes. With
``DERIVA_ML_STRICT_GIT=true`` (or ``strict_git=True``) they are an error, unless they are allowed
by ``allow_dirty``, ``DERIVA_ML_ALLOW_DIRTY=true`` or a dry run.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
import sys
import sysconfig
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ..core.exceptions import DerivaMLDirtyWorkflowError, DerivaMLWorkflowError, some_of
from ..core.logging_config import get_logger
from .git import Repository, blob_hash, dirty_mark, dirty_paths, find_repository

__all__ = [
    "UNVERSIONED",
    "CodeSource",
    "calling_file",
    "calling_source",
    "describe_version",
    "identify_file",
    "is_strict",
    "source_file_of",
]

UNVERSIONED = "unversioned"
"""The version of code that is in no repository."""

_log = get_logger(__name__)

# Packages that call user code, or that user code calls on its way to us.
_RUNNERS = frozenset(
    {
        "deriva_catalog",
        "deriva_ml",
        "deriva_ml_mcp",
        "deriva_web",
        "flexlock",
        "hamilton",
        "hydra",
        "hydra_plugins",
        "hydra_zen",
        "IPython",
        "ipykernel",
        "joblib",
        "omegaconf",
        "papermill",
        "pydantic",
    }
)


@dataclass(frozen=True, slots=True)
class CodeSource:
    """The identity of code.

    Attributes:
        url: Where the code can be read.
        checksum: Hash of the file as it ran.
        version: Version of the repository; `UNVERSIONED` outside one.
        git_root: Top directory of the repository.
        commit: The commit that is checked out.
        is_notebook: Whether the file is a notebook; its hash then leaves out the outputs.
        dirty_paths: Uncommitted paths of the repository.
        note: What a reader of the record should know, as sentences; empty when all is well.
    """

    url: str
    checksum: str
    version: str | None = None
    git_root: Path | None = None
    commit: str | None = None
    is_notebook: bool = False
    dirty_paths: tuple[str, ...] = ()
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values, for the record of a run."""
        root = None if self.git_root is None else str(self.git_root)
        return {**asdict(self), "git_root": root, "dirty_paths": list(self.dirty_paths)}


def _on(environ: Mapping[str, str], name: str) -> bool:
    """Whether the environment variable `name` says yes."""
    return environ.get(name, "").strip().lower() in ("true", "1", "yes", "on")


def is_strict(strict_git: bool | None = None, allow_dirty: bool = False) -> bool:
    """Whether uncommitted changes are an error: asked for, and not allowed after all."""
    if allow_dirty or _on(os.environ, "DERIVA_ML_ALLOW_DIRTY"):
        return False
    if _on(os.environ, "DERIVA_ML_DRY_RUN"):
        return False
    return _on(os.environ, "DERIVA_ML_STRICT_GIT") if strict_git is None else strict_git


def calling_source(*, allow_dirty: bool = False, strict_git: bool | None = None) -> CodeSource:
    """Return the identity of the script, notebook or session that is calling this library.

    Raises:
        DerivaMLDirtyWorkflowError: There are uncommitted changes and strictness is on.
    """
    given = _from_container(os.environ) or _from_notebook_runner(os.environ)
    if given is not None:
        return given
    path = calling_file()
    if path is None:
        return _typed()
    return identify_file(path, allow_dirty=allow_dirty, strict_git=strict_git)


def identify_file(
    path: Path | str, *, allow_dirty: bool = False, strict_git: bool | None = None
) -> CodeSource:
    """Return the identity of a file of code.

    Raises:
        DerivaMLDirtyWorkflowError: There are uncommitted changes and strictness is on.
        DerivaMLWorkflowError: There is no such file; or strictness is on, and git cannot tell.
    """
    file = Path(path).resolve()
    if not file.is_file():
        msg = f"{str(path)!r} is not a file, so the code of the workflow cannot be identified."
        raise DerivaMLWorkflowError(msg)
    notebook = file.suffix == ".ipynb"
    repository = find_repository(file)
    if repository is None:
        note = "The code is in no git repository: the checksum is that of the file, no history."
        _log.warning("%s: %s", file, note)
        checksum = _stripped_hash(file) if notebook else blob_hash(file.read_bytes())
        return CodeSource(file.as_uri(), checksum, UNVERSIONED, is_notebook=notebook, note=note)
    changed = _changes(repository, file, allow_dirty, strict_git)
    commit = repository.commit_of(file)
    url, note = _address(repository, file, commit)
    notes = [note] if note else []
    if changed:
        notes.append(f"Uncommitted changes in {some_of(changed)}.")
    return CodeSource(
        url=url,
        checksum=_stripped_hash(file) if notebook else repository.hash_object(file),
        version=_version(repository, changed),
        git_root=repository.root,
        commit=repository.head,
        is_notebook=notebook,
        dirty_paths=changed,
        note=" ".join(notes),
    )


def _changes(
    repository: Repository, file: Path, allow_dirty: bool, strict_git: bool | None
) -> tuple[str, ...]:
    """Return the uncommitted paths; refuse or warn about them."""
    changed = dirty_paths(repository, os.environ)
    if changed is None:
        text = (
            f"Whether all of the repository {str(repository.root)!r} is committed cannot be told, "
            "because 'git status' fails there; run it to see why."
        )
        if is_strict(strict_git, allow_dirty):
            raise DerivaMLWorkflowError(text)
        _warn(text)
        return ()
    if changed and is_strict(strict_git, allow_dirty):
        raise DerivaMLDirtyWorkflowError(str(file), changed)
    if changed and not allow_dirty:
        _warn_of_changes(repository.root, changed)
    return changed


@functools.cache
def _warn(text: str) -> None:
    """Warn once in a process, since each step of it would say the same."""
    _log.warning("%s", text)


@functools.cache
def _warn_of_changes(root: Path, changed: tuple[str, ...]) -> None:
    """Warn of uncommitted changes: once in a process, since each step of it would say the same."""
    _log.warning(
        "The repository %s has uncommitted changes in %s. Runs are recorded with a mark of this "
        "state; commit for a record that others can follow.",
        root,
        some_of(changed),
    )


def _address(repository: Repository, file: Path, commit: str | None) -> tuple[str, str]:
    """Return the URL of `file`, and a note where it is not a web page."""
    if commit is None:
        return file.as_uri(), "The file is not committed."
    page = repository.blob_url(file, commit)
    if page is not None:
        return page, ""
    return f"{file.as_uri()}#{commit}", "The repository has no remote that others can open."


def _version(repository: Repository, changed: tuple[str, ...]) -> str:
    """Return the version of the repository, marked when there are uncommitted changes."""
    version = repository.describe()
    if not changed:
        return version
    return f"{version}{'.' if '+' in version else '+'}dirty.{dirty_mark(repository, changed)}"


def describe_version(root: Path) -> str:
    """Return the version of the repository that `root` lies in, or `UNVERSIONED`."""
    repository = find_repository(root)
    if repository is None:
        return UNVERSIONED
    return _version(repository, dirty_paths(repository, os.environ) or ())


def _stripped_hash(path: Path) -> str:
    """Return git's hash of a notebook without outputs, counts and traces of a run."""
    content = path.read_bytes()
    try:
        notebook = json.loads(content)
        for cell in notebook["cells"]:
            for trace in ("execution", "papermill", "collapsed", "scrolled"):
                cell.get("metadata", {}).pop(trace, None)
            if cell.get("cell_type") == "code":
                cell["outputs"], cell["execution_count"] = [], None
        for trace in ("widgets", "papermill"):
            notebook.get("metadata", {}).pop(trace, None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return blob_hash(content)
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)
    return blob_hash(f"{text}\n".encode())


def _from_container(environ: Mapping[str, str]) -> CodeSource | None:
    """Return the identity of the MCP server's container, when this runs in it."""
    if not _on(environ, "DERIVA_MCP_IN_DOCKER"):
        return None
    version = environ.get("DERIVA_MCP_VERSION") or None
    image = environ.get("DERIVA_MCP_IMAGE_NAME") or "deriva-ml-mcp"
    digest, commit = environ.get("DERIVA_MCP_IMAGE_DIGEST"), environ.get("DERIVA_MCP_GIT_COMMIT")
    if digest:
        return CodeSource(f"{image}@{digest}", digest, version)
    if commit:
        return CodeSource(f"{image}/commit/{commit}", commit, version, commit=commit)
    return None


def _from_notebook_runner(environ: Mapping[str, str]) -> CodeSource | None:
    """Return the identity that the notebook command found before it started the kernel."""
    url = environ.get("DERIVA_ML_WORKFLOW_URL")
    if not url:
        return None
    notebook = environ.get("DERIVA_ML_NOTEBOOK_PATH")
    repository = find_repository(Path(notebook)) if notebook else None
    return CodeSource(
        url,
        environ.get("DERIVA_ML_WORKFLOW_CHECKSUM", ""),
        git_root=repository.root if repository else None,
        is_notebook=True,
    )


def _typed() -> CodeSource:
    """Return an identity for code typed at a prompt, which no other session shares."""
    note = "The code was typed at a prompt and is not kept."
    return CodeSource("REPL", _session_hash(), UNVERSIONED, note=note)


@functools.cache
def _session_hash() -> str:
    """Return forty digits of this process's own."""
    return hashlib.sha1(uuid.uuid4().bytes, usedforsecurity=False).hexdigest()


def calling_file() -> Path | None:
    """Return the script or notebook that is calling; None for code typed at a prompt.

    It is the innermost caller outside this library, the standard library, installed packages
    and the programs that run scripts; else the script that Python was started with.
    """
    notebook = _notebook_file()
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if _is_users(frame):
            file = Path(frame.f_code.co_filename)
            if file.is_file():
                return file.resolve()
            if frame.f_globals.get("__name__") == "__main__":
                return notebook  # a cell, or a line typed at a prompt
        frame = frame.f_back
    started = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(started).resolve() if started and Path(started).is_file() else notebook


def _is_users(frame: FrameType) -> bool:
    """Whether the code of `frame` was written by the user, as far as its place tells."""
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    if package in _RUNNERS:
        return False
    file = frame.f_code.co_filename
    if file.startswith("<frozen"):
        return False
    return not file.startswith(_installed())


@functools.cache
def _installed() -> tuple[str, ...]:
    """Return the directories of the standard library and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = {sysconfig.get_paths()[n] for n in names}
    return tuple(os.path.join(p, "") for p in sorted(paths))  # noqa: PTH118 - for startswith


def _notebook_file() -> Path | None:
    """Return the notebook that this kernel runs, where its surroundings say which."""
    candidates = [os.environ.get("DERIVA_ML_NOTEBOOK_PATH"), os.environ.get("JPY_SESSION_NAME")]
    candidates.append(getattr(sys.modules.get("__main__"), "__vsc_ipynb_file__", None))
    for candidate in candidates:
        if candidate and candidate.endswith(".ipynb") and Path(candidate).is_file():
            return Path(candidate).resolve()
    return None


def source_file_of(function: Callable[..., Any]) -> Path | None:
    """Return the file that defines `function`, looking through partials and decorators.

    None for something that has no file of its own, such as a built-in.
    """
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = inspect.unwrap(inner)
    if not (inspect.isroutine(inner) or inspect.isclass(inner)):
        inner = type(inner)
    try:
        found = inspect.getsourcefile(inner)
    except TypeError:
        return None
    return Path(found).resolve() if found and Path(found).is_file() else None

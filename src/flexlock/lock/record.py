"""Records of a run sheet, as frozen dataclasses.

They hold plain values only (strings, numbers, tuples, mappings of these), so that they can be
written as YAML, compared and sent to another process. `document` reads and writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "FORMAT",
    "REUSED",
    "REUSED_FROM",
    "Caller",
    "DataState",
    "EnvState",
    "OutputState",
    "PrevState",
    "RepoState",
    "RunLock",
    "Scope",
    "Skipped",
    "Status",
]

FORMAT = 1
"""The version of the run sheet that this package writes (`run_lock:` in the file)."""

REUSED = "reused"
"""Top-level key of a sheet: the id of the finished run that stands for this one."""

REUSED_FROM = "reused_from"
"""Top-level key of a sheet: the directory of that run, where the outputs are."""

Status = Literal[
    "recorded", "running", "complete", "failed", "interrupted", "lost", "corrupt", "unknown"
]
"""Where a run is. The first five are written; the last three are only ever derived.

``recorded``: a sheet without a run around it. ``lost``: the sheet says running, its owner is
gone. ``corrupt``: the sheet cannot be read. ``unknown``: there is no sheet, or it does not say.
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked for the sheet.

    `file` is relative to the repository named `repo` when there is one, else absolute. `argv` is
    the command line, with secret values masked. `cwd` is the working directory; relative paths of
    the sheet start from it.
    """

    module: str | None = None
    function: str | None = None
    file: str | None = None
    repo: str | None = None
    argv: tuple[str, ...] = ()
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which files of a repository count: pathspecs below its root; empty means all of them."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file of the work tree that is not stored with the code.

    `path` is relative to the root of the repository, `why` a sentence, `hash` the content's
    ``algorithm:hex`` when it could be read.
    """

    path: str
    bytes: int
    why: str
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class RepoState:
    """The version of one repository.

    `tree` names what was on the disk; two runs had the same code exactly when their trees are
    equal. `commit` is a commit of that tree: `base` (the commit that is checked out) when nothing
    was changed, else one that lies outside of all branches. `reason` says why the other fields are
    None. `submodules` maps paths below the root to their states.
    """

    path: str
    remote: str | None = None
    branch: str | None = None
    commit: str | None = None
    tree: str | None = None
    base: str | None = None
    is_dirty: bool | None = None
    scope: Scope = Scope()
    skipped: tuple[Skipped, ...] = ()
    submodules: Mapping[str, RepoState] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DataState:
    """The content of one data path.

    `hash` is hexadecimal, made by `algorithm` over the bytes of a file or the manifest of a
    directory. `bytes` and `files` count the content. `method` says how much was read: ``full``,
    ``sample``, ``stat``, or ``given`` for a hash that the caller supplied. `include` and `exclude`
    are the patterns that chose the files of a directory.
    """

    path: str
    kind: Literal["file", "dir", "url", "dataset"] = "file"
    algorithm: str | None = None
    hash: str | None = None
    bytes: int | None = None
    files: int | None = None
    method: str = "full"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_links: bool = False


@dataclass(frozen=True, slots=True)
class EnvState:
    """Where the code ran.

    `packages_hash` names the list of installed distributions, which is kept once per distinct
    list (`flexlock.environment.read_packages`). `lockfiles` maps ``repository/file`` to SHA-256.
    """

    python: str | None = None
    implementation: str | None = None
    platform: str | None = None
    machine: str | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    gpus: tuple[str, ...] = ()
    packages: int | None = None
    packages_hash: str | None = None
    lockfiles: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None


@dataclass(frozen=True, slots=True)
class OutputState:
    """A file or directory that the run declared as its result.

    `hash` is None until the run has ended well. `validator` is the address of the function that
    looks at it then.
    """

    path: str
    kind: Literal["file", "dir"] = "file"
    algorithm: str | None = None
    hash: str | None = None
    bytes: int | None = None
    files: int | None = None
    validator: str | None = None


@dataclass(frozen=True, slots=True)
class PrevState:
    """An earlier run that this one builds on.

    `lock_hash` is ``algorithm:hex`` over the bytes of its run sheet. `consumed` maps names of this
    run's data to names of that run's outputs with the same hash: the proof that it was used, where
    lying in the same directory is only a hint. `direct` says that this run itself uses it; the
    earlier runs of earlier runs are listed beside those, and `parents` are their names. `lock` is
    that run's sheet without its own earlier runs; None when only the link is kept, with `reason`.
    """

    path: str
    id: str | None = None
    lock_hash: str | None = None
    status: str | None = None
    consumed: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    reason: str | None = None
    lock: Mapping[str, Any] | None = None
    direct: bool = True


@dataclass(frozen=True, slots=True)
class RunLock:
    """A whole run sheet.

    `config` is resolved, `config_raw` has its interpolations and is None when that is the same.
    `parent` is the id of the sweep that the run belongs to. `extra` holds top-level keys that this
    version does not know; they are kept when the sheet is written again.
    """

    id: str
    timestamp: str
    status: Status = "recorded"
    caller: Caller = Caller()
    config: Mapping[str, Any] = field(default_factory=dict)
    config_raw: Mapping[str, Any] | None = None
    repos: Mapping[str, RepoState] = field(default_factory=dict)
    data: Mapping[str, DataState] = field(default_factory=dict)
    env: EnvState | None = None
    prevs: Mapping[str, PrevState] = field(default_factory=dict)
    outputs: Mapping[str, OutputState] = field(default_factory=dict)
    result: Any = None
    parent: str | None = None
    note: str | None = None
    warnings: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

"""What makes two runs the same: a flat list of facts of a sheet, and one hash of them all.

===================  ============================================================================
the function         ``file:function``
the configuration    without where and when it ran, and without what is declared to be tracked
the code             the tree of each repository; where a scope was declared, the files in it;
                     also repositories within, and large files that are not stored
the data             the hash of each, with how it was made
earlier runs         by what was used of them (`flexlock.comparing.used_of`): tracked data that
                     lies in their directories speaks for them, else the outputs and the result
                     that they recorded, else their ids
the environment      the lock files of the repositories (``uv.lock`` ...), not what is installed
===================  ============================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flexlock.code.comparing import code_identity
from flexlock.comparing import function_of, own_config, used_of
from flexlock.errors import CodeError
from flexlock.lock.record import DataState, RepoState, RunLock
from flexlock.tasks.identity import canonical_json

__all__ = ["Identity", "fingerprint", "identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What counts of a run.

    `facts` are values under names such as ``data:input``. `unknown` are sentences about what could
    not be told; a run with any of them is never the same as another.
    """

    facts: Mapping[str, Any]
    unknown: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the facts; None when something is unknown."""
        if self.unknown:
            return None
        return hashlib.sha256(canonical_json(dict(self.facts)).encode()).hexdigest()


def fingerprint(lock: RunLock) -> str | None:
    """Return the hash of all that counts of a run; None when something that counts is unknown."""
    return identity(lock).fingerprint


def identity(lock: RunLock) -> Identity:
    """Return what counts of a run, see the top of the module.

    Cost:
        One git process for each repository with a scope; none for whole trees.
    """
    facts: dict[str, Any] = {"config": own_config(lock)}
    unknown: list[str] = []
    function = function_of(lock)
    if function is None:
        unknown.append("The sheet does not say which function ran.")
    facts["function"] = function
    if not lock.repos:
        unknown.append("No code is recorded.")
    for name, state in lock.repos.items():
        for key, value in _code(name, state):
            facts[f"code:{key}"] = value
            if value is None:
                unknown.append(f"The version of the code {key!r} is not known.")
    for name, data in lock.data.items():
        facts[f"data:{name}"] = _hash_of(data)
        if data.hash is None:
            unknown.append(f"The data {name!r} ({data.path!r}) has no hash.")
    facts["prevs"] = sorted(used_of(lock).values())
    facts |= {f"env:{n}": digest for n, digest in (lock.env.lockfiles if lock.env else {}).items()}
    return Identity(facts, tuple(unknown))


def _code(name: str, state: RepoState) -> Iterator[tuple[str, Any]]:
    """Yield what counts of a repository under names; None is what is not known."""
    try:
        version = state.tree and code_identity(Path(state.path), state.tree, state.scope)
    except CodeError:
        version = None
    scope = [list(state.scope.include), list(state.scope.exclude)]
    yield name, [version, *scope] if version else None
    for left_out in state.skipped:
        yield f"{name}/{left_out.path}", left_out.hash
    for path, inner in state.submodules.items():
        if inner.reason is not None:  # a repository within that is no submodule: in no tree of ours
            yield from _code(f"{name}/{path}", inner)


def _hash_of(state: DataState) -> str:
    return f"{state.method}:{state.algorithm}:{state.hash}"

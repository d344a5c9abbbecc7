"""Run sheets of older kinds, read as if they were of ours.

Three kinds exist without a version number. The first has the caller, a commit for each repository
and earlier runs under their absolute paths. The second has trees, a time, and earlier runs as
``lineage``. The third adds facts to the second. What ours has no field for is kept in `extra`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flexlock.lock.record import Caller, DataState, EnvState, PrevState, RepoState, RunLock, Scope

__all__ = ["from_older"]

_KEYS = ("config", "repos", "data", "prevs", "lineage", "caller")
_TAKEN = (*_KEYS, "timestamp", "parent", "note", "result", "data_identity", "source_scope", "env")
_SHORT_HASH = 16  # hexadecimal digits of the 64-bit hashes of old


def from_older(document: Mapping[str, Any], text: bytes, file: Path) -> RunLock | None:
    """Return an older sheet as a `RunLock`, or None when the mapping is none.

    The id is made of the bytes: the same sheet has the same id wherever it is read. A sheet without
    a time gets that of the file.
    """
    if not any(isinstance(document.get(key), Mapping) for key in _KEYS):
        return None
    identities = _mapping(document.get("data_identity"))
    scopes = _mapping(document.get("source_scope"))
    newer = "timestamp" in document
    data = {
        str(name): _data(str(name), value, _mapping(identities.get(name)), newer)
        for name, value in _mapping(document.get("data")).items()
    }
    earlier = {**_mapping(document.get("prevs")), **_mapping(document.get("lineage"))}
    return RunLock(
        id=_identity(text),
        timestamp=_time(document.get("timestamp"), file),
        caller=_caller(_mapping(document.get("caller"))),
        config=_mapping(document.get("config")),
        repos={
            str(name): _repo(str(name), value, _mapping(scopes.get(name)))
            for name, value in _mapping(document.get("repos")).items()
        },
        data=data,
        env=_environment(document.get("env")),
        prevs={str(name): _prev(str(name), _mapping(value)) for name, value in earlier.items()},
        result=document.get("result"),
        parent=_text(document.get("parent")),
        note=_text(document.get("note")),
        extra={key: value for key, value in document.items() if key not in _TAKEN},
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _identity(text: bytes) -> str:
    return base64.b32encode(hashlib.sha256(text).digest()).decode()[:26]


def _time(written: Any, file: Path) -> str:
    if written is not None:
        return str(written)
    try:
        seconds = file.stat().st_mtime
    except OSError:
        seconds = 0.0
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _environment(found: Any) -> EnvState | None:
    """The third kind knows of the environment what hashes the lock files have."""
    if not isinstance(found, Mapping):
        return None
    return EnvState(lockfiles={str(name): str(value) for name, value in found.items()})


def _caller(found: Mapping[str, Any]) -> Caller:
    return Caller(
        module=_text(found.get("module")),
        function=_text(found.get("function")),
        file=_text(found.get("filepath")),
        repo=_text(found.get("repo")),
    )


def _repo(name: str, value: Any, scope: Mapping[str, Any]) -> RepoState:
    if not isinstance(value, Mapping):  # the first kind: the commit alone
        return RepoState(path=name, commit=_text(value), base=_text(value))
    patterns = {**value, **scope}
    dirty = value.get("is_dirty")
    return RepoState(
        path=str(value.get("path", name)),
        commit=_text(value.get("commit")),
        tree=_text(value.get("tree")),
        is_dirty=dirty if isinstance(dirty, bool) else None,
        scope=Scope(_patterns(patterns.get("include")), _patterns(patterns.get("exclude"))),
    )


def _patterns(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def _data(name: str, value: Any, identity: Mapping[str, Any], newer: bool) -> DataState:
    algorithm = _text(identity.get("algorithm"))
    digest = str(value)
    if algorithm is None and len(digest) == _SHORT_HASH:
        algorithm = "xxh64" if newer else "xxh3-64"
    return DataState(path=str(identity.get("path", name)), algorithm=algorithm, hash=digest)


def _prev(name: str, value: Mapping[str, Any]) -> PrevState:
    inner = _mapping(value.get("info")) or value
    place = value.get("path") or (name if "/" in name else None)
    place = place or _mapping(inner.get("config")).get("save_dir")
    return PrevState(
        path=str(place or name),
        reason=None if place else "the sheet does not say where it lies",
        lock={key: item for key, item in inner.items() if key not in ("prevs", "lineage", "path")},
    )

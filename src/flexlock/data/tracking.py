"""The `data=` argument of a run sheet: from what the user gives to hashes under names.

Accepted are a path, a list of paths, or a mapping of names to paths or to settings::

    {"input": "data/input.csv",
     "scans": {"path": "data/scans", "hash": "sample", "include": ["*.dcm"]},
     "labels": {"path": "https://example.org/labels.csv"},
     "train": {"dataset": "1-ABC", "version": "1.2.0"}}
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from flexlock.data.cache import HashCache, open_cache
from flexlock.data.estimates import ESTIMATES, estimate
from flexlock.data.hashing import DEFAULT_ALGORITHM, check_algorithm
from flexlock.data.progress import ProgressLine
from flexlock.data.remote import is_url, look_up
from flexlock.data.scanning import EVERYTHING, Choice
from flexlock.data.tree import Hashed, hash_path
from flexlock.errors import ConfigError, DataError, MissingDataError
from flexlock.lock.record import DataState

__all__ = ["Tracked", "hash_data", "normalise", "rehash", "track"]

_KEYS = ("path", "hash", "algorithm", "include", "exclude", "follow_links", "dataset", "version")
_METHODS = ("full", *ESTIMATES)
_SUFFIXES = re.compile(r"(\.[A-Za-z]\w*)+$")
_GIVEN = re.compile(r"([a-z0-9-]+):([0-9A-Za-z+/=_-]+)")


@dataclass(frozen=True, slots=True)
class Tracked:
    """One thing to track. `method` is ``full``, ``stat``, ``sample`` or ``given`` (with `hash`)."""

    path: str
    method: str = "full"
    algorithm: str = DEFAULT_ALGORITHM
    choice: Choice = EVERYTHING
    hash: str | None = None
    kind: str | None = None


def hash_data(
    path: str | os.PathLike[str],
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    algorithm: str = DEFAULT_ALGORITHM,
    follow_links: bool = False,
    use_cache: bool = True,
) -> str:
    """Return the content hash of a file or a directory, in hexadecimal.

    Args:
        path: What to hash.
        include: Patterns of the files of a directory that count; all when empty.
        exclude: Patterns of those that do not.
        algorithm: ``blake3``, ``sha256`` or ``xxh3-128``.
        follow_links: Whether links inside a directory stand for what they point to.
        use_cache: Whether what is unchanged since it was last hashed need not be read.

    Raises:
        DataError: It is missing, unreadable, changing or no file; the subclass says which.
    """
    choice = Choice(tuple(include), tuple(exclude), follow_links)
    with (open_cache() if use_cache else None) or nullcontext() as cache:
        return hash_path(Path(path), algorithm=algorithm, choice=choice, cache=cache).hash


def normalise(data: object, argument: str = "data") -> dict[str, Tracked]:
    """Return what the `data=` argument, or another like it, means, under names.

    Paths of a list are named by their last part, without the suffix of a file; where that is not
    unique, by the path.

    Raises:
        ConfigError: The argument, or a setting in it, is not understood.
    """
    if data is None:
        return {}
    if isinstance(data, str | os.PathLike):
        data = [data]
    if isinstance(data, Mapping):
        return {str(name): _one(str(name), value) for name, value in data.items()}
    if not isinstance(data, Iterable):
        message = f"{argument}={data!r} is neither a path, nor a list, nor a mapping of paths."
        hint = f"Give {argument}=['folder/file.csv'] or {argument}={{'name': path}}."
        raise ConfigError(message, hint=hint)
    things = [_one(str(position), value) for position, value in enumerate(data)]
    return _named(list(dict.fromkeys(things)))


def track(
    data: object, *, root: Path | None = None, allow_missing: bool = False, what: str = "data"
) -> tuple[dict[str, DataState], tuple[str, ...]]:
    """Hash everything that `data` names.

    Args:
        data: The `data=` argument, see the top of the module.
        root: The folder that relative paths start from; by default the working directory.
        allow_missing: Whether a path without anything at it is a warning, not an error.
        what: What errors call it.

    Returns:
        The states under their names, and warnings for the sheet.

    Raises:
        ConfigError: `data` is not understood.
        DataError: Something cannot be hashed; the message names its key.
    """
    states: dict[str, DataState] = {}
    warnings: list[str] = []
    things = normalise(data)
    if not things:
        return {}, ()
    with open_cache() or nullcontext() as cache:
        for name, thing in things.items():
            try:
                hashed = _hash(thing, root or Path(), cache)
            except MissingDataError as error:
                if not allow_missing:
                    raise _with_name(error, name, what) from error
                warnings.append(f"data {name!r}: {error.message}")
                states[name] = _state(thing, None)
                continue
            except DataError as error:
                raise _with_name(error, name, what) from error
            states[name] = _state(thing, hashed)
            if hashed is not None:
                warnings += [f"data {name!r}: {note}" for note in hashed.notes]
    return states, tuple(warnings)


def rehash(state: DataState, *, root: Path | None = None) -> DataState:
    """Hash the path of an earlier state again, in the same way.

    Raises:
        DataError: It cannot be hashed any longer; the subclass says why.
    """
    thing = Tracked(
        state.path,
        state.method,
        state.algorithm or DEFAULT_ALGORITHM,
        Choice(state.include, state.exclude, state.follow_links),
        state.hash if state.method == "given" else None,
        state.kind if state.kind in ("url", "dataset") else None,
    )
    with open_cache() or nullcontext() as cache:
        return _state(thing, _hash(thing, root or Path(), cache))


def _hash(thing: Tracked, root: Path, cache: HashCache | None) -> Hashed | None:
    """Return the hash of one thing; None when there is nothing to hash."""
    if thing.method == "given":
        return None
    if thing.kind == "url":
        remote = look_up(thing.path)
        return Hashed("url", "etag", remote.tag, remote.bytes or 0, 1)
    path = root / thing.path
    if thing.method in ESTIMATES:
        return estimate(path, thing.method, thing.algorithm, thing.choice)
    total = path.stat().st_size if path.is_file() else None
    with ProgressLine(f"hashing {thing.path}", total) as line:
        return hash_path(
            path,
            algorithm=thing.algorithm,
            choice=thing.choice,
            cache=cache,
            progress=line.progress,
        )


def _state(thing: Tracked, hashed: Hashed | None) -> DataState:
    kind = thing.kind or (hashed.kind if hashed is not None else "file")
    known = hashed is not None or thing.hash is not None
    return DataState(
        path=thing.path,
        kind=kind,  # type: ignore[arg-type]
        algorithm=(hashed.algorithm if hashed else thing.algorithm) if known else None,
        hash=hashed.hash if hashed is not None else thing.hash,
        bytes=hashed.bytes if hashed is not None else None,
        files=hashed.files if hashed is not None else None,
        method=thing.method,
        include=thing.choice.include,
        exclude=thing.choice.exclude,
        follow_links=thing.choice.follow_links,
    )


def _one(name: str, value: object) -> Tracked:
    if isinstance(value, Tracked):
        return value
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        text = path if isinstance(path, str) else os.fsdecode(path)
        if not text:
            message = f"data {name!r} is an empty path."
            raise ConfigError(message, hint="Give the path of a file or a directory.", key=name)
        return Tracked(text, kind="url" if is_url(text) else None)
    if isinstance(value, Mapping):
        return _from_settings(name, value)
    message = f"data {name!r} is {value!r}, which is no path."
    raise ConfigError(message, hint="Give a path or {'path': ..., 'hash': 'full'}.", key=name)


def _from_settings(name: str, settings: Mapping[Any, Any]) -> Tracked:
    unknown = [str(key) for key in settings if key not in _KEYS]
    if unknown or ("path" in settings) == ("dataset" in settings):
        what = f"has the unknown keys {unknown}" if unknown else "needs either a path or a dataset"
        message = f"data {name!r} {what}."
        raise ConfigError(message, hint=f"The keys are {', '.join(_KEYS)}.", key=name)
    algorithm = check_algorithm(str(settings.get("algorithm", DEFAULT_ALGORITHM)))
    method, given = _method(name, settings.get("hash", "full"))
    if given is not None:
        algorithm, given = given.split(":", 1)
    if "dataset" in settings:
        version = settings.get("version")
        path = f"{settings['dataset']}@{version}" if version is not None else settings["dataset"]
        return Tracked(str(path), "given", algorithm, hash=given, kind="dataset")
    path = os.fspath(settings["path"])
    choice = Choice(
        _patterns(name, settings.get("include", ())),
        _patterns(name, settings.get("exclude", ())),
        bool(settings.get("follow_links", False)),
    )
    return Tracked(path, method, algorithm, choice, given, "url" if is_url(path) else None)


def _method(name: str, value: object) -> tuple[str, str | None]:
    if value in _METHODS:
        return str(value), None
    if isinstance(value, str) and _GIVEN.fullmatch(value):
        return "given", value
    message = f"data {name!r} has hash={value!r}."
    hint = f"Use {', '.join(_METHODS)}, or a known hash as 'algorithm:hex'."
    raise ConfigError(message, hint=hint, key=name)


def _patterns(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    items = tuple(value) if isinstance(value, Iterable) else (None,)
    if all(isinstance(item, str) for item in items):
        return items
    message = f"data {name!r} has the patterns {value!r}."
    raise ConfigError(message, hint="Give a list such as ['*.csv', 'raw/**'].", key=name)


def _named(things: list[Tracked]) -> dict[str, Tracked]:
    short = [_short_name(thing.path) for thing in things]
    return {
        name if name and short.count(name) == 1 else thing.path: thing
        for name, thing in zip(short, things, strict=True)
    }


def _short_name(path: str) -> str:
    last = path.rsplit("/", 1)[-1] if is_url(path) else PurePath(os.path.normpath(path)).name
    return _SUFFIXES.sub("", last) or last


def _with_name(error: DataError, name: str, what: str) -> DataError:
    message = f"{what} {name!r}: {error.message}"
    return type(error)(message, hint=error.hint, key=name, **error.facts)

"""Run sheets on the disk: YAML that people read, the same bytes for the same content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from flexlock.errors import CorruptLockError, LockNotFoundError, NewerLockError
from flexlock.files import write_atomically
from flexlock.lock.generations import from_older
from flexlock.lock.record import FORMAT, PrevState, RunLock
from flexlock.lock.yamlfile import dump, load, to_data

__all__ = [
    "SectionTexts",
    "from_document",
    "read_lock",
    "read_text",
    "sheet_path",
    "to_document",
    "write_lock",
]

SHEET = "run.lock"
LARGEST = 1 << 20
"""Sheets longer than this (bytes) keep of earlier runs only the links."""

_ORDER = (
    "id", "timestamp", "status", "caller", "config", "config_raw", "repos", "data", "env", "prevs",
    "outputs", "result", "parent", "note", "warnings",
)  # fmt: skip
_WORDS: dict[Any, str] = {
    **{word: word for word in ("recorded", "running", "complete", "failed", "interrupted")},
    **{None: "null", True: "true", False: "false"},
}
"""How values that need no more than a word are written; for these YAML's machinery is left out."""
_TOP_KEY = re.compile(r"^(?=[^ \n])(?!- |-$|: |:$)", re.MULTILINE)
"""Where a top-level key begins; ``:`` alone follows a key that is too long for its line."""
_ALWAYS = frozenset(
    (
        *("id", "timestamp", "status", "caller", "config", "repos", "data", "prevs"),
        *("module", "function", "file", "repo", "path", "remote", "branch", "commit", "tree"),
        *("base", "is_dirty", "kind", "algorithm", "hash", "bytes", "files", "lock_hash"),
    )
)
"""Fields that are written also when nothing is known; the others only when they say something."""
_OPTIONAL = frozenset(_ORDER) - _ALWAYS


def sheet_path(path: Path) -> Path:
    """Return the sheet that `path` means: itself, or ``run.lock`` in it when it is a folder."""
    return path / SHEET if path.is_dir() else path


def read_lock(path: Path) -> RunLock:
    """Return the run sheet at `path`, a file or a run directory; older kinds are read too.

    Raises:
        LockNotFoundError: There is none.
        CorruptLockError: The file is something else, or a part of a sheet.
        NewerLockError: A newer version wrote it.
    """
    file = sheet_path(Path(path))
    return from_document(read_text(file), file)


def read_text(file: Path) -> bytes:
    """Return the bytes of a sheet.

    Raises:
        LockNotFoundError: There is none.
        CorruptLockError: The file cannot be read.
    """
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"There is no run sheet at {str(file)!r}."
        hint = "Give a run directory, or the run.lock in it."
        raise LockNotFoundError(message, hint=hint, path=str(file)) from error
    except OSError as error:
        message = f"The run sheet {str(file)!r} cannot be read: {error.strerror or error}."
        raise CorruptLockError(message, path=str(file)) from error


def from_document(text: bytes, file: Path) -> RunLock:
    """Return the sheet whose YAML is `text`; `file` is named in errors. See `read_lock`."""
    import yaml

    try:
        document = load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise _corrupt(file, f"it is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(document, Mapping):
        raise _corrupt(file, "it holds no mapping")
    version = document.get("run_lock")
    if version is None:
        older = from_older(document, text, file)
        if older is None:
            raise _corrupt(file, "it has neither 'run_lock' nor the keys of an older sheet")
        return older
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _corrupt(file, f"'run_lock' is {version!r} instead of a version number")
    if version > FORMAT:
        message = f"{str(file)!r} has format {version}; this version of flexlock reads {FORMAT}."
        raise NewerLockError(message, hint="Update flexlock.", path=str(file), format=version)
    known = {key: value for key, value in document.items() if key in _ORDER}
    extra = {k: v for k, v in document.items() if k not in _ORDER and k != "run_lock"}
    try:
        lock: RunLock = _record(RunLock, known)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise _corrupt(file, f"{error}") from error
    return replace(lock, extra=extra, format=version)


SectionTexts = dict[str, tuple[Any, str, tuple[str, ...]]]
"""The last text of each top-level key: of which object, the YAML, and what it could not say."""


def write_lock(
    path: Path, lock: RunLock, *, sync: bool = True, texts: SectionTexts | None = None
) -> None:
    """Write a run sheet in one step.

    Values that YAML cannot say are written as texts with the tag ``!repr`` and listed under
    ``warnings``. A sheet that would be longer than `LARGEST` keeps of earlier runs only the links.

    Args:
        path: The file, or the folder in which ``run.lock`` is written.
        lock: What to write.
        sync: Whether to wait until it is on the disk.
        texts: Keeps the text of each key from one call to the next, for who writes many sheets
            that share parts. A part that is the same object must not have changed.

    Raises:
        OSError: It cannot be written; what was there is still there.
    """
    texts = {} if texts is None else texts
    text = _as_text(lock, texts)
    if len(text.encode()) > LARGEST and any(prev.lock for prev in lock.prevs.values()):
        text = _as_text(_with_links_only(lock), texts)
    write_atomically(sheet_path(path), text, sync=sync)


def _as_text(lock: RunLock, texts: SectionTexts) -> str:
    """Return the YAML of `to_document`, put together from the texts of its top-level keys."""
    values = {"run_lock": lock.format, **{name: getattr(lock, name) for name in _ORDER}}
    values |= {key: value for key, value in lock.extra.items() if key not in values}
    told = {
        key: value
        for key, value in values.items()
        if key not in _OPTIONAL or value not in _nothing(RunLock, key)
    }
    new: dict[str, Any] = {}
    places: dict[str, tuple[str, ...]] = {}
    for key, value in told.items():
        known = texts.get(key)
        if known is not None and known[0] is value:
            continue
        word = _word(value)
        if word is not None and key in _ORDER:
            texts[key] = (value, f"{key}: {word}\n", ())
            continue
        found: list[str] = []
        new[key] = to_data(_mapping(value), found.append, key)
        places[key] = tuple(found)
    if new:
        for key, text in _split(dump(new), list(new)).items():
            texts[key] = (told[key], text, places[key])
    parts = {key: texts[key][1] for key in told}
    untold = [place for key in told for place in texts[key][2]]
    if untold:
        notes = list(dict.fromkeys([*lock.warnings, *map(_untold, untold)]))
        parts["warnings"] = dump({"warnings": notes})
    return "".join(parts[key] for key in values if key in parts)


def _word(value: Any) -> str | None:
    if type(value) is int:
        return str(value)
    return _WORDS.get(value) if isinstance(value, str | bool | None) else None


def _split(text: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the text of each top-level key of a mapping that `dump` wrote.

    At the beginning of a line there is a key, or the dash of a list that belongs to the last key.
    """
    starts = [match.start() for match in _TOP_KEY.finditer(text)]
    assert len(starts) == len(keys)
    return {
        key: text[start:end]
        for key, start, end in zip(keys, starts, [*starts[1:], len(text)], strict=True)
    }


def _untold(place: str) -> str:
    return f"{place} cannot be written in YAML; its text stands there."


def to_document(lock: RunLock) -> dict[str, Any]:
    """Return a sheet as the mapping that is written, in the order in which it is written."""
    document: dict[str, Any] = {"run_lock": lock.format}
    document |= {name: value for name in _ORDER if (value := _told(lock, name)) is not _SILENT}
    known = ("run_lock", *_ORDER)
    document |= {key: value for key, value in lock.extra.items() if key not in known}
    untold: list[str] = []
    data: dict[str, Any] = to_data(document, untold.append)
    if untold:
        said = map(_untold, untold)
        data["warnings"] = list(dict.fromkeys([*data.get("warnings", ()), *said]))
    return data


def _with_links_only(lock: RunLock) -> RunLock:
    links: dict[str, PrevState] = {n: replace(p, lock=None) for n, p in lock.prevs.items()}
    warning = "The sheet was too long with its earlier runs' sheets; only their links are kept."
    return replace(lock, prevs=links, warnings=(*lock.warnings, warning))


# --- records to mappings --------------------------------------------------------------------

_SILENT = object()


def _told(record: Any, name: str) -> Any:
    return _SILENT if _is_silent(record, name) else _mapping(getattr(record, name))


def _is_silent(record: Any, name: str) -> bool:
    """Whether a field is left out because it says nothing."""
    kind: Any = type(record)
    return name not in _ALWAYS and getattr(record, name) in _nothing(kind, name)


@cache
def _nothing(kind: type, name: str) -> tuple[Any, ...]:
    field: Field[Any] = next(f for f in fields(kind) if f.name == name)
    default = field.default if field.default is not MISSING else None
    return (None, (), {}, default)


def _mapping(value: Any) -> Any:
    """Return records, also those in mappings and tuples, as mappings."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        return {n: told for n in names if (told := _told(value, n)) is not _SILENT}
    if isinstance(value, Mapping):
        return {key: _mapping(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_mapping(item) for item in value]
    return value


# --- mappings to records --------------------------------------------------------------------


def _record(kind: type[Any], document: Any, where: str = "") -> Any:
    """Return a record of `kind` made of a mapping; unknown keys of inner records are left out."""
    if not isinstance(document, Mapping):
        raise TypeError(f"{where or 'the sheet'} is {document!r:.60} instead of a mapping")
    hints = get_type_hints(kind)
    given = {}
    for field in fields(kind):
        place = f"{where}.{field.name}" if where else field.name
        if field.name in document:
            given[field.name] = _value(hints[field.name], document[field.name], place)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(f"{place} is missing")
    return kind(**given)


def _value(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        if value is None:
            return None
        hint = options[0]
    if is_dataclass(hint):
        return _record(hint, value, where)  # type: ignore[arg-type]
    origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TypeError(f"{where} is {value!r:.60} instead of a list")
        inner = get_args(hint)[0]
        return tuple(_value(inner, item, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise TypeError(f"{where} is {value!r:.60} instead of a mapping")
        inner = get_args(hint)[1]
        return {key: _value(inner, item, f"{where}.{key}") for key, item in value.items()}
    if hint in (str, int, bool) and not isinstance(value, hint):
        raise TypeError(f"{where} is {value!r:.60} instead of {hint.__name__}")
    return value


def _corrupt(file: Path, why: str) -> CorruptLockError:
    return CorruptLockError(
        f"{str(file)!r} is not a run sheet: {why}.",
        hint="Restore it from a copy, or run again; other runs are not affected.",
        path=str(file),
    )

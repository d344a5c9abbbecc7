"""The `repos=` argument of a run sheet: from what the user gives to states under names."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flexlock.code.capture import capture
from flexlock.errors import CodeError, ConfigError
from flexlock.lock.record import RepoState, Scope

__all__ = ["Asked", "capture_all", "normalise"]

_KEYS = ("path", "module", "include", "exclude")
_FIRST = "main"
_WHOLE = Scope()


@dataclass(frozen=True, slots=True)
class Asked:
    """A repository that was asked for: a folder within it, and which of its files count."""

    folder: Path
    scope: Scope = _WHOLE
    name: str | None = None


def normalise(repos: object) -> tuple[Asked, ...]:
    """Return what the `repos=` argument means.

    Accepted are a path, a list of paths, or a mapping of names to paths or to settings
    (``{"path": ".", "include": [...], "exclude": [...]}``, or ``module`` in place of ``path``).

    Raises:
        ConfigError: The argument, or a setting in it, is not understood.
    """
    if repos is None:
        return ()
    if isinstance(repos, str | os.PathLike):
        return (_one(None, repos),)
    if isinstance(repos, Mapping):
        return tuple(_one(str(name), value) for name, value in repos.items())
    if not isinstance(repos, Iterable):
        message = f"repos={repos!r} is neither a path, nor a list, nor a mapping of paths."
        raise ConfigError(message, hint="Give repos=['.'] or repos={'main': '.'}.")
    return tuple(dict.fromkeys(_one(None, value) for value in repos))


def capture_all(
    asked: Iterable[Asked],
    *,
    root: Path,
    results: Iterable[Path] = (),
    keep: Iterable[Path] = (),
    strict: bool = False,
    known: Mapping[str, RepoState] | None = None,
    commit: bool = True,
) -> tuple[dict[str, RepoState], tuple[str, ...]]:
    """Capture every repository that was asked for.

    Args:
        asked: The repositories. The first without a name is called ``main``, others as their
            root folder is.
        root: The folder that relative paths start from.
        results: Directories of results, see `flexlock.code.capture.capture`.
        keep: Files that are code wherever they lie.
        strict: Whether a folder without a version is an error; else its state says why.
        known: Repositories that this run has captured before; they are not captured again.
        commit: Whether commits keep the trees, see `flexlock.code.capture.capture`.

    Returns:
        The states under their names, and warnings for the sheet.

    Raises:
        CodeError: With `strict`, the version of a folder cannot be told.
    """
    states: dict[str, RepoState] = {}
    warnings: list[str] = []
    results, keep = tuple(results), tuple(keep)
    for one in asked:
        folder = root / one.folder
        folder = folder if folder.is_dir() or not folder.exists() else folder.parent
        before = _before(one, folder, known or {})
        if before is not None:
            states[one.name or before[0]] = before[1]
            continue
        try:
            state = capture(folder, scope=one.scope, results=results, keep=keep, commit=commit)
        except CodeError as error:
            if strict:
                raise
            state = RepoState(str(folder), scope=one.scope, reason=str(error))
        if one.name is None and any(state == replace(s, path=state.path) for s in states.values()):
            continue  # two folders of one repository
        states[one.name or _free_name(state, states)] = state
        warnings += _warnings(state)
    return states, tuple(warnings)


def _before(
    one: Asked, folder: Path, known: Mapping[str, RepoState]
) -> tuple[str, RepoState] | None:
    """Return the known repository that a folder lies in, with its name."""
    real = Path(os.path.realpath(folder))
    root = next((p for p in (real, *real.parents) if (p / ".git").exists()), None)
    if root is None:
        return None
    for name, state in known.items():
        is_usable = state.tree is not None and state.scope == one.scope
        if is_usable and os.path.realpath(state.path) == str(root):
            return name, state
    return None


def _free_name(state: RepoState, taken: Mapping[str, RepoState]) -> str:
    if _FIRST not in taken:
        return _FIRST
    name = Path(state.path).name
    return name if name not in taken else state.path


def _warnings(state: RepoState) -> list[str]:
    found = []
    if state.tree is None:
        found.append(f"The code in {state.path!r} has no version: {state.reason}")
    if state.skipped:
        shown = ", ".join(s.path for s in state.skipped[:5])
        more = f" and {len(state.skipped) - 5} more" if len(state.skipped) > 5 else ""
        found.append(f"Not stored with the code of {state.path!r}: {shown}{more}.")
    for inner in state.submodules.values():
        found += _warnings(inner)
    return found


def _one(name: str | None, value: object) -> Asked:
    if isinstance(value, str | os.PathLike) and os.fspath(value):
        return Asked(Path(os.fsdecode(value)), name=name)
    if not isinstance(value, Mapping):
        message = f"repos has {value!r}, which is no path."
        raise ConfigError(message, hint="Give a folder of a git repository, such as '.'.")
    unknown = [str(key) for key in value if key not in _KEYS]
    if unknown or ("path" in value) == ("module" in value):
        what = f"the unknown keys {unknown}" if unknown else "not one of path and module"
        raise ConfigError(f"repos has {what}.", hint=f"The keys are {', '.join(_KEYS)}.")
    scope = Scope(_patterns(value.get("include")), _patterns(value.get("exclude")))
    folder = Path(value["path"]) if "path" in value else _folder_of(str(value["module"]))
    return Asked(folder, scope, name)


def _patterns(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    return tuple(str(pattern) for pattern in value)


def _folder_of(module: str) -> Path:
    """Return the folder of a module that can be imported, without running its code."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        raise _no_module(module) from error
    places = [spec.origin] if spec is not None and spec.origin else []
    if spec is not None and not places:
        places = list(spec.submodule_search_locations or ())
    if not places or places[0] is None:
        raise _no_module(module)
    place = Path(places[0])
    return place.parent if place.suffix else place


def _no_module(module: str) -> ConfigError:
    message = f"repos names the module {module!r}, which has no file."
    return ConfigError(message, hint="Check the name, or give the path of the folder.")

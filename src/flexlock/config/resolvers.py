"""The resolvers of this package: ``${runlock_data:...}`` and its fellows.

They are registered whenever a config is built or resolved, never on import, and replace others of
the same name: Hydra brings a ``now`` of its own. Each remembers what it did in the config that it
is evaluated in, so that a config read twice gives one time, one number and one set of tracked
paths.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flexlock.errors import ConfigError, LockNotFoundError

__all__ = ["DEFERRED", "PINNED", "memory_of", "register_resolvers"]

DEFERRED = frozenset({"latest", "run_lock"})
"""Resolvers that are evaluated when a task starts, because earlier tasks may change them."""

PINNED = frozenset({"now", "vinc", "run"})
"""Resolvers whose value is fixed when a sweep is submitted: each task sees the same one."""

_TIMESTAMP_FORMAT = "%Y-%m-%dT%H-%M-%S"
_PRUNED = frozenset({"node_modules", "__pycache__"})


def register_resolvers() -> None:
    """Make the resolvers known to OmegaConf; safe to call any number of times."""
    from omegaconf import OmegaConf

    for name, function in _RESOLVERS.items():
        OmegaConf.register_new_resolver(name, function, replace=True)


def memory_of(root: Any) -> dict[str, Any]:
    """Return what the resolvers remember of a config, by the config's root; it may be changed.

    ``instant`` is the time of the run in seconds, ``vinc`` maps arguments to numbered paths,
    ``data`` and ``prevs`` list tracked paths in the order of their evaluation.
    """
    from omegaconf import OmegaConf

    memory: dict[str, Any] = OmegaConf.get_cache(root)["flexlock"]
    return memory


def _remember(root: Any, kind: str, path: str) -> None:
    paths = memory_of(root).setdefault(kind, [])
    if path not in paths:
        paths.append(path)


def _runlock_data(path: Any, *, _root_: Any) -> str:
    """Return a path, which becomes tracked data of the run."""
    _remember(_root_, "data", str(path))
    return str(path)


def _runlock_prev(path: Any, *, _root_: Any) -> str:
    """Return a path; the run at or above it becomes an earlier run of this one."""
    _remember(_root_, "prevs", str(path))
    return str(path)


def _now(pattern: str = "", *, _root_: Any) -> str:
    """Return the time of the run in local time, once for the whole config."""
    chosen = pattern or os.environ.get("FLEXLOCK_TIMESTAMP_FORMAT") or _TIMESTAMP_FORMAT
    instant = memory_of(_root_).setdefault("instant", time.time())
    return time.strftime(str(chosen), time.localtime(instant))


def _vinc(base: Any, pattern: Any = "_%04d", *, _root_: Any) -> str:
    """Return the next path ``BASE_0000``, ``BASE_0001`` ... that does not exist.

    Nothing is created here: the run claims the directory when it begins.
    """
    numbered = memory_of(_root_).setdefault("vinc", {})
    key = f"{base}|{pattern}"
    if key not in numbered:
        numbered[key] = _next_free(str(base), str(pattern))
    return str(numbered[key])


def _next_free(base: str, pattern: str) -> str:
    if pattern.startswith(("%", "{")):
        pattern = f"_{pattern}"
    number = 0
    while True:
        try:
            suffix = pattern.format(number) if "{" in pattern else pattern % number
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise ConfigError(
                f"${{vinc:...}} cannot number a path with {pattern!r}: {error}.",
                hint="Write the number's place as %04d.",
            ) from error
        if not os.path.lexists(f"{base}{suffix}"):
            return f"{base}{suffix}"
        number += 1


def _latest(pattern: Any, *default: Any) -> Any:
    """Return the newest path (by its time of change) that matches a glob pattern."""
    import glob

    found = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 - may be absolute
    if found:
        return max(found, key=lambda path: (Path(path).stat().st_mtime_ns, path))
    if default:
        return default[0]
    raise ConfigError(
        f"${{latest:{pattern}}} matches nothing in {str(Path.cwd())!r}.",
        hint="Give a default as its second argument, or run the stage before this one.",
    )


def _run_lock(directory: Any, key: Any, *default: Any, _root_: Any) -> Any:
    """Return a value of an earlier run's sheet, such as ``result.accuracy``."""
    from flexlock.lock.document import read_lock

    _remember(_root_, "prevs", str(directory))
    try:
        sheet = read_lock(Path(str(directory)))
    except LockNotFoundError:
        if default:
            return default[0]
        raise
    found, value = _pick(sheet, str(key))
    if not found:
        found, value = _pick(sheet.config, str(key))
    if found:
        return value
    if default:
        return default[0]
    raise ConfigError(
        f"The run sheet of {str(directory)!r} has no {key!r}.",
        hint="Write the keys as in the sheet, for example config.param or result.score.",
        key=str(key),
    )


def _pick(value: Any, key: str) -> tuple[bool, Any]:
    """Return whether a dotted key leads anywhere, and where."""
    for part in key.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, (list, tuple)) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif not isinstance(value, Mapping) and not part.startswith("_") and hasattr(value, part):
            value = getattr(value, part)
        else:
            return False, None
    return True, value


def _run(name: Any, select: Any = None, pin: Any = None, mode: Any = None, *, _root_: Any) -> Any:
    """Return the directory of the newest complete run of a name, or a value of its sheet.

    The name is that of the function (``main``, ``process:main``), of the script, or of the run
    directory. `pin` is the beginning of a run id. With the mode ``strict`` the newest run must
    itself be complete.
    """
    if mode not in (None, "", "strict"):
        raise ConfigError(
            f"${{run:...}} does not know the mode {mode!r}.", hint="The only one is 'strict'."
        )
    directory = _newest_run(str(name), str(pin or ""), is_strict=mode == "strict")
    _remember(_root_, "prevs", str(directory))
    return _run_lock(directory, select, _root_=_root_) if select else str(directory)


def _newest_run(name: str, pin: str, *, is_strict: bool) -> Path:
    from flexlock.lock.document import read_lock
    from flexlock.run import run_status

    runs = []
    for directory in _run_directories(Path()):
        try:
            sheet = read_lock(directory)
        except (ConfigError, LockNotFoundError, ValueError, OSError):
            continue  # a damaged sheet is somebody else's run; `flexlock ls` reports it
        if sheet.id.startswith(pin) and name in _names(sheet.caller, directory):
            runs.append((sheet.timestamp, sheet.id, directory))
    for _, _, directory in sorted(runs, reverse=True):
        if run_status(directory).name == "complete":
            return directory
        if is_strict:
            break
    raise ConfigError(
        f"There is no complete run of {name!r} below {str(Path.cwd())!r}.",
        hint="Run it first, or leave out 'strict' when the newest run failed.",
    )


def _names(caller: Any, directory: Path) -> set[str]:
    stem = Path(caller.file).stem if caller.file else caller.module
    return {f"{stem}:{caller.function}", str(caller.function), str(stem), directory.name}


def _run_directories(root: Path) -> list[Path]:
    found = []
    for folder, names, files in os.walk(root):
        names[:] = [n for n in names if not n.startswith(".") and n not in _PRUNED]
        if "run.lock" in files:
            found.append(Path(folder))
    return found


_RESOLVERS: dict[str, Callable[..., Any]] = {
    "runlock_data": _runlock_data,
    "runlock_prev": _runlock_prev,
    "now": _now,
    "vinc": _vinc,
    "latest": _latest,
    "run_lock": _run_lock,
    "run": _run,
}

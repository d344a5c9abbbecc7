"""Configs from function signatures: `py2cfg` makes one, `instantiate` calls what it names."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexlock.config.conversion import MISSING_TEXT
from flexlock.errors import ConfigError, TargetImportError
from flexlock.target import SCRIPT_PREFIX

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["instantiate", "py2cfg", "target_name"]

_REQUIRED: Any = object()
_STEERING = frozenset(
    {"_target_", "_args_", "_partial_", "_snapshot_", "_preset_", "_outputs_", "_recursive_"}
)


def py2cfg(obj: Any, *args: Any, **overrides: Any) -> DictConfig:
    """Return a config that names a function or class and holds its arguments.

    ``_target_`` is the import path, the other keys are the parameters with their defaults; a
    default that is a class or function of its own becomes a nested config. Positional arguments are
    kept as ``_args_``; a `functools.partial` gives ``_partial_: true`` and its bound arguments.
    A class as a default becomes a config that makes an instance, a function one that hands it over.

    Args:
        obj: A function, a class or a partial of one.
        *args: Positional arguments of the later call.
        **overrides: Values that replace the defaults.

    Raises:
        ConfigError: It cannot be called, or does not take such arguments.

    Example:
        >>> import string
        >>> py2cfg(string.capwords, sep="-")
        {'_target_': 'string.capwords', 's': '???', 'sep': '-'}
    """
    from flexlock.config.building import to_config

    return to_config(_call_tree(obj, args, overrides))


def instantiate(config: Any, *args: Any, **kwargs: Any) -> Any:
    """Call what a config names, with its values as arguments, innermost configs first.

    Mappings without ``_target_`` become dictionaries; ``_partial_: true`` gives a partial instead
    of a call. ``_snapshot_``, ``_preset_`` and ``_outputs_`` are left out.

    Args:
        config: A config, or any value that contains some.
        *args: Positional arguments, put behind ``_args_``.
        **kwargs: Arguments that replace the config's.

    Raises:
        ConfigError: The target cannot be imported (also an `ImportError`) or called.
        UnresolvedInterpolationError: An interpolation has no value.
    """
    from flexlock.config.building import to_config
    from flexlock.config.kinds import is_omegaconf
    from flexlock.config.resolving import resolve

    if isinstance(config, Mapping) and not is_omegaconf(config):
        config = to_config(config)
    if is_omegaconf(config):
        from omegaconf import DictConfig, OmegaConf

        settled = resolve(config) if isinstance(config, DictConfig) else config
        config = OmegaConf.to_container(settled, resolve=True)
    return _build(config, args, kwargs)


def target_name(function: Any) -> str:
    """Return the import path of a function or class, also of one in the running script.

    Raises:
        ConfigError: It is a lambda or was defined inside a function, so it has no import path.
    """
    inner = getattr(function, "func", function)
    name: str = getattr(inner, "__qualname__", type(inner).__qualname__)
    if "<" in name:
        raise ConfigError(
            f"{name!r} has no import path.", hint="Define it at the top level of a module."
        )
    module = inner.__module__
    is_script = module == "__main__" or module.startswith(SCRIPT_PREFIX)
    return f"{_script_module(inner) if is_script else module}.{name}"


def _script_module(obj: Any) -> str:
    """Return the dotted name of a script, seen from the working directory."""
    from flexlock.target import main_module_name

    try:
        file = inspect.getsourcefile(inspect.unwrap(obj))  # not the decorator's
    except TypeError:
        file = None
    if file is None or file.startswith("<"):
        return "__main__"
    started = main_module_name(file) if obj.__module__ == "__main__" else None
    if started is not None:
        return started
    path = Path(file).resolve()
    here = Path.cwd().resolve()
    relative = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
    return ".".join(relative.with_suffix("").parts)


def _call_tree(obj: Any, args: tuple[Any, ...], overrides: Mapping[str, Any]) -> dict[str, Any]:
    if not callable(obj):
        raise ConfigError(f"{obj!r} cannot be called.", hint="Give a function or a class.")
    tree: dict[str, Any] = {"_target_": target_name(obj)}
    bound = list(obj.args) if isinstance(obj, functools.partial) else []
    if isinstance(obj, functools.partial):
        tree["_partial_"] = True
    positional = [*bound, *args]
    if positional:
        tree["_args_"] = [_value_tree(value) for value in positional]
    names, takes_any = _parameters(obj, len(args))
    unknown = [name for name in overrides if name not in names and not takes_any]
    if unknown:
        from flexlock.spelling import nearest

        raise ConfigError(
            f"{tree['_target_']!r} has no parameter {unknown[0]!r}.{nearest(unknown[0], names)}"
        )
    for name, default in {**names, **overrides}.items():
        if default is not _REQUIRED:
            tree[name] = _value_tree(default)
        elif "_partial_" not in tree:
            tree[name] = MISSING_TEXT
    return tree


def _parameters(obj: Any, positional: int) -> tuple[dict[str, Any], bool]:
    """Return the parameters that can be named, with defaults, and whether others are taken."""
    try:
        signature = inspect.signature(obj)
    except (TypeError, ValueError):
        return {}, True  # built in, without a signature that can be read
    names: dict[str, Any] = {}
    takes_any = False
    for number, parameter in enumerate(signature.parameters.values()):
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            is_given = number < positional and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            if not is_given:
                has_none = parameter.default is parameter.empty
                names[parameter.name] = _REQUIRED if has_none else parameter.default
    return names, takes_any


def _value_tree(value: Any) -> Any:
    """Return a default as a config: a class to be called, a function to be handed over."""
    is_code = inspect.isfunction(value) or isinstance(value, (type, functools.partial))
    if not is_code or getattr(value, "__module__", "builtins") == "builtins":
        return value
    return _call_tree(functools.partial(value) if inspect.isfunction(value) else value, (), {})


def _build(node: Any, args: tuple[Any, ...] = (), extra: Mapping[str, Any] | None = None) -> Any:
    if isinstance(node, list):
        return [_build(item) for item in node]
    if not isinstance(node, dict):
        return node
    values = {key: _build(value) for key, value in node.items() if key not in _STEERING}
    values |= extra or {}
    if "_target_" not in node:
        return values
    function = _import_target(node["_target_"])
    positional = [*(_build(item) for item in node.get("_args_") or ()), *args]
    if node.get("_partial_"):
        return functools.partial(function, *positional, **values)
    return function(*positional, **values)


def _import_target(target: Any) -> Any:
    """Return what an import path names; the module is its longest part that can be imported."""
    if callable(target):
        return target
    parts = str(target).split(".")
    for length in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:length])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{name}.".startswith(f"{error.name}."):
                continue
            raise _no_target(target, error) from error
        except ImportError as error:
            raise _no_target(target, error) from error
        return _callable_in(found, parts[length:], target)
    raise _no_target(target, "there is no such module")


def _callable_in(found: Any, names: list[str], target: Any) -> Any:
    for name in names:
        if not hasattr(found, name):
            raise _no_target(target, f"there is no {name!r} in it")
        found = getattr(found, name)
    if not callable(found):
        raise _no_target(target, "it cannot be called")
    return found


def _no_target(target: Any, reason: object) -> TargetImportError:
    return TargetImportError(
        f"Cannot import the target {target!r}: {reason}.",
        hint="Write it as package.module.name.",
        target=str(target),
    )

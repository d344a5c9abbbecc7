"""Reading config files: YAML, JSON, TOML, Python, and the run sheet of an earlier run."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flexlock.config.conversion import default_values
from flexlock.config.interpolation import escape
from flexlock.config.reading import read
from flexlock.errors import ConfigError, TargetImportError
from flexlock.spelling import nearest

__all__ = ["load_file", "load_python_defaults"]

_PYTHON_NAMES = ("defaults", "Config", "config")
_MASKED = "***"


def load_file(path: str | Path) -> dict[str, Any]:
    """Return the content of a config file.

    Values of YAML files without quotes stay `PlainText`, so that a declared type can decide.

    Args:
        path: ``.yaml``, ``.yml``, ``.json``, ``.toml``; ``file.py`` or ``file.py:NAME``; an import
            path ``package.module:NAME``; a ``run.lock`` or a run directory, whose config is taken.

    Raises:
        ConfigError: There is no such file, or it does not hold a mapping.
    """
    text = str(path)
    file = Path(path)
    if file.is_dir() and (file / "run.lock").is_file():
        file = file / "run.lock"
    if not file.is_file():
        if ".py:" in text or (":" in text and not file.parent.name):
            return default_values(read(load_python_defaults(text)))
        raise _no_such_file(file)
    if file.suffix == ".py":
        return default_values(read(load_python_defaults(text)))
    content = _read_text(file)
    if not isinstance(content, Mapping):
        if content is None:
            return {}
        raise ConfigError(
            f"{text!r} holds a {type(content).__name__}, not names with values.",
            hint="Write `name: value` lines.",
            path=text,
        )
    if file.name.startswith("run.lock") or "run_lock" in content:
        return _config_of_sheet(content, file)
    return {str(key): value for key, value in content.items()}


def load_python_defaults(address: str) -> Any:
    """Return an object of a module: a config of any kind.

    Args:
        address: ``package.module:NAME``, ``package.module.NAME``, ``file.py:NAME``, or ``file.py``
            for its ``defaults``, ``Config`` or ``config``.

    Raises:
        TargetImportError: There is no such module or name.
    """
    from flexlock.target import import_file, import_name

    place, _, name = address.rpartition(":") if ":" in address else (address, "", "")
    if place.endswith(".py"):
        module = import_file(Path(place))
    elif ":" in address:
        module = import_name(place)
    else:
        place, _, name = address.rpartition(".")
        if not place:
            raise TargetImportError(f"{address!r} names no module.", hint="Write module:NAME.")
        module = import_name(place)
    names = (name,) if name else _PYTHON_NAMES
    for candidate in names:
        if hasattr(module, candidate):
            return getattr(module, candidate)
    public = [n for n in vars(module) if not n.startswith("_")]
    raise TargetImportError(
        f"{place!r} has no {' or '.join(repr(n) for n in names)}.{nearest(names[0], public)}",
        hint="Name the config as file.py:NAME.",
        address=address,
    )


def _read_text(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Cannot read {str(file)!r}: {error}.", hint="It must be a text file in UTF-8."
        ) from error
    if file.suffix == ".json":
        try:
            return json.loads(text)
        except ValueError as error:
            raise ConfigError(f"Cannot read {str(file)!r} as JSON: {error}.") from error
    if file.suffix == ".toml":
        import tomllib

        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"Cannot read {str(file)!r} as TOML: {error}.") from error
    from flexlock.config.yaml_text import load_yaml

    return load_yaml(text, where=str(file), keep_text=True)


def _config_of_sheet(sheet: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Return the resolved config of a run sheet; what looks like an interpolation is text there."""
    from flexlock.config.scalars import settle

    config = settle(sheet.get("config"))
    if not isinstance(config, dict):
        raise ConfigError(f"The run sheet {str(file)!r} has no config.", path=str(file))
    masked: list[str] = []
    literal = _literal(config, "", masked)
    if masked:
        warnings.warn(
            f"{str(file)!r} keeps no secrets: {', '.join(masked)} come from the defaults. "
            "Give them with -o.",
            stacklevel=4,
        )
    return {str(key): value for key, value in literal.items()}


def _literal(value: Any, key: str, masked: list[str]) -> Any:
    if isinstance(value, Mapping):
        items = {k: _literal(v, f"{key}.{k}".strip("."), masked) for k, v in value.items()}
        return {k: v for k, v in items.items() if not (isinstance(v, str) and v == _MASKED)}
    if isinstance(value, list):
        return [_literal(item, f"{key}.{n}", masked) for n, item in enumerate(value)]
    if isinstance(value, str) and _MASKED in value:
        masked.append(repr(key))
        return _MASKED
    return escape(value) if isinstance(value, str) else value


def _no_such_file(file: Path) -> ConfigError:
    try:
        neighbours = [p.name for p in file.parent.iterdir() if p.is_file()]
    except OSError:
        neighbours = []
    return ConfigError(
        f"There is no config file {str(file)!r}.{nearest(file.name, neighbours)}",
        hint="" if neighbours else f"Looked in {str(Path.cwd())!r}.",
        path=str(file),
    )

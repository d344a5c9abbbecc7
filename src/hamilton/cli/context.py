"""Modules and settings of a command, read from files."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from hamilton import ad_hoc_utils, driver

__all__ = ["Context", "build_driver", "module_at_revision", "module_of_file", "read_context"]

_KEYS = {
    "HAMILTON_CONFIG": "config",
    "HAMILTON_FINAL_VARS": "final_vars",
    "HAMILTON_INPUTS": "inputs",
    "HAMILTON_OVERRIDES": "overrides",
}


@dataclass(frozen=True)
class Context:
    """What a context file says; every part may be left out."""

    config: dict[str, Any] = field(default_factory=dict)
    final_vars: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Returns the context under the names that its file uses."""
        return {key: getattr(self, name) for key, name in _KEYS.items()}


def read_context(path: Path | None) -> Context:
    """Returns the context in a ``.json`` or ``.py`` file; an empty one for None.

    Raises:
        ValueError: The file has another suffix, or a part has the wrong type.
    """
    if path is None:
        return Context()
    if path.suffix == ".json":
        found = json.loads(path.read_text())
    elif path.suffix == ".py":
        found = vars(module_of_file(path))
    else:
        raise ValueError(f"The context {str(path)!r} must be a .json or .py file.")
    parts = {name: found[key] for key, name in _KEYS.items() if found.get(key) is not None}
    for name, value in parts.items():
        wanted = list if name == "final_vars" else dict
        if not isinstance(value, wanted):
            raise ValueError(
                f"HAMILTON_{name.upper()} in {str(path)!r} is a {type(value).__name__}; it must "
                f"be a {wanted.__name__}."
            )
    return Context(**parts)


def module_of_file(path: Path) -> ModuleType:
    """Imports a Python file under its stem, with its folder on the import path.

    Raises:
        ImportError: The file is no Python module.
    """
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{str(path)!r} cannot be imported as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def module_at_revision(path: Path, revision: str) -> ModuleType | None:
    """Returns a Python file as it is at a git revision; None when it is not there.

    Raises:
        ValueError: The file is not in a git repository, or the revision is unknown.
    """
    folder = path.resolve().parent
    _git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    name = _git(folder, "ls-tree", "--name-only", revision, "--", path.name).strip()
    if not name:
        return None
    source = _git(folder, "show", f"{revision}:./{path.name}")
    # Under its own name, so that types and tags compare equal.
    return ad_hoc_utils.module_from_source(source, path.stem)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"git {arguments[0]} failed in {str(folder)!r}: {done.stderr.strip()}")
    return done.stdout


def build_driver(modules: Sequence[ModuleType], context: Context) -> driver.Driver:
    """Returns the driver of modules, with dynamic execution allowed."""
    builder = driver.Builder().enable_dynamic_execution().with_modules(*modules)
    return builder.with_config(context.config).build()

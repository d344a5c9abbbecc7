"""Import the modules of a project's configuration package, so that they fill the store."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from types import ModuleType

__all__ = ["load_configs"]

_LAST = "experiments"


def load_configs(package_name: str = "configs") -> list[str]:
    """Import every module of the package and return their names, sorted.

    Sub-packages come first, then modules in alphabetical order; ``experiments`` comes last,
    because experiments build on the other groups. An error in a module is raised as it is.

    Returns:
        Names relative to the package, such as ``datasets`` or ``vision.models``. Empty when
        there is no such package.
    """
    try:
        found = importlib.util.find_spec(package_name)
    except ModuleNotFoundError:  # the parent of a dotted name is missing
        found = None
    if found is None:
        return []
    package = importlib.import_module(package_name)
    names = _load(package)
    prefix = len(package_name) + 1
    return sorted(name[prefix:] for name in names)


def _load(package: ModuleType) -> list[str]:
    """Import what `package` holds and return full names of the modules."""
    inside = list(pkgutil.iter_modules(getattr(package, "__path__", [])))
    inside.sort(key=lambda m: (m.name == _LAST, not m.ispkg, m.name))
    names: list[str] = []
    for module in inside:
        full = f"{package.__name__}.{module.name}"
        imported = importlib.import_module(full)
        names.append(full)
        if module.ispkg:
            names += _load(imported)
    return names

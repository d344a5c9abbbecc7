"""Names of a package that are imported from their modules when they are first asked for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["lazy_names"]

instead: Callable[[str, str], Any] | None = None
"""What gives stand-ins for names of modules while only a listing is made; see `deferring`."""


def lazy_names(
    package: str, modules: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of `package`, whose names live in `modules`.

    Args:
        package: The package's ``__name__``.
        modules: Relative module name to the names that it gives.
    """
    home = {name: module for module, names in modules.items() for name in names}

    def getattr_(name: str) -> Any:
        if name not in home:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        if instead is not None:
            stand_in = instead(importlib.util.resolve_name(home[name], package), name)
            if stand_in is not None:
                return stand_in
        value = getattr(importlib.import_module(home[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return getattr_, dir_

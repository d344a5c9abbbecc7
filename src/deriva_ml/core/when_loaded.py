"""Doing something with a library as soon as it is loaded, without loading it.

What prepares a library that only some programs use would else make every program load it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["when_loaded"]


def when_loaded(name: str, then: Callable[[], None]) -> None:
    """Call `then` once: now where the module `name` is loaded, else as soon as it is.

    Args:
        name: A module at the top, such as ``hydra_zen``.
        then: Takes the module from where it is; an error of it is an error of that import, and
            the next import tries it again. Other threads wait for the module until it is done, so
            it must not depend on what they may be importing just then.
    """
    if name in sys.modules:
        then()
    else:
        sys.meta_path.insert(0, _Watch(name, then))


class _Watch(MetaPathFinder):
    """Finds one module as the other finders do, and has something done when it is loaded."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name, self._then = name, then

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is; None for every other, which others find."""
        if name != self._name or self not in sys.meta_path:
            return None
        after = sys.meta_path[sys.meta_path.index(self) + 1 :]  # those before were asked already
        able = (finder for finder in after if hasattr(finder, "find_spec"))  # old ones are not
        found = (finder.find_spec(name, path, target) for finder in able)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Then(spec.loader, self._loaded)
        return spec

    def _loaded(self) -> None:
        self._then()
        if self in sys.meta_path:
            sys.meta_path.remove(self)


class _Then(Loader):
    """Loads a module with its own loader, and then says so."""

    def __init__(self, loader: Loader, loaded: Callable[[], None]) -> None:
        self._loader, self._loaded = loader, loaded

    def __getattr__(self, name: str) -> Any:
        """Whatever else the own loader can do, such as reading the source or data."""
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._loaded()

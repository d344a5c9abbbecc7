"""Importing a project's configuration without the libraries that its models compute with.

Whoever only lists what can be chosen needs the signatures of the model functions, not NumPy or
PyTorch, and not the classes that stand in their annotations. Inside `deferred_imports`, the
libraries of `LIBRARIES` are imported when something of them is first used, and so is what `OURS`
names, when it is imported from the packages that offer it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, Union

from . import _lazy

__all__ = ["LIBRARIES", "OURS", "Deferred", "deferred_imports"]

_NAMES = """
PIL catboost cv2 dask datasets flax jax keras lightgbm lightning matplotlib networkx numpy pandas
plotly polars pyarrow pytorch_lightning ray scipy seaborn sklearn skimage statsmodels tensorflow
torch torchaudio torchvision transformers xgboost
"""
LIBRARIES = frozenset(_NAMES.split())
"""Libraries that take long to import and are seldom needed to say what can be chosen."""

_OURS = """
Asset AssetFilePath ColumnDefinition Dataset DatasetBag DerivaML Execution ForeignKeyDefinition
KeyDefinition TableDefinition create_ml_catalog create_ml_schema
"""
OURS = frozenset(_OURS.split())
"""Our classes and functions that stand in models and their annotations, and seldom are used to
say what can be chosen."""

_OF_GENERICS = ("__origin__", "__args__", "__parameters__", "__metadata__", "__supertype__")

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


class Deferred:
    """A class, a function or a module that is imported when something is done with it.

    It may stand in annotations, be called, inherited from and asked for its attributes.
    """

    def __init__(self, module: str, name: str) -> None:
        self._where = (module, name)

    def _real(self) -> Any:
        name = self._where[1]
        module = importlib.import_module(self._where[0])
        if isinstance(module, _Waiting):
            module.load()
        if not hasattr(module, name):
            return importlib.import_module(f"{module.__name__}.{name}")
        return getattr(module, name)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_GENERICS:  # asked of every annotation; ours are plain classes
            raise AttributeError(name)
        return getattr(self._real(), name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Import it, and call it."""
        return self._real()(*arguments, **keywords)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (self._real(),)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._real())

    def __subclasscheck__(self, kind: type) -> bool:
        return issubclass(kind, self._real())

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007 - `self` is no type yet

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007

    def __repr__(self) -> str:
        return f"<{'.'.join(self._where)}, not imported yet>"


class _Waiting(ModuleType):
    """A library that is loaded when one of its attributes is asked for.

    Its modules may be imported from it, and wait like itself.
    """

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        assert spec is not None
        if not name.startswith("_"):
            inside = PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations)
            if inside is not None:
                return Deferred(spec.name, name)
        self.load()
        return getattr(self, name)

    def load(self) -> None:
        """Load it for real."""
        loader = self.__spec__.loader if self.__spec__ is not None else None
        assert isinstance(loader, _Later)
        loader.load(self)


class _Later(Loader):
    """Gives modules that wait, and loads them for real when they are used."""

    def __init__(self, loader: Loader, finder: _Finder) -> None:
        self._loader = loader
        self._finder = finder

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _Waiting

    def load(self, module: ModuleType) -> None:
        """Load a module that waited; what it imports itself meanwhile is not deferred."""
        spec = module.__spec__
        assert spec is not None
        module.__class__ = ModuleType
        module.__loader__ = spec.loader = self._loader
        try:
            with self._finder.resting():
                self._loader.exec_module(module)
        except BaseException:
            sys.modules.pop(spec.name, None)
            raise


class _Known(Loader):
    """Gives a module that was loaded while it was looked for."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Finder(MetaPathFinder):
    """Finds the libraries of `LIBRARIES` as Python does, but has them loaded when first used."""

    def __init__(self) -> None:
        self.over = False
        self._rests = 0

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Leave all imports as they are for a while."""
        self._rests += 1
        try:
            yield
        finally:
            self._rests -= 1

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a library is; None for everything else, which others find."""
        if self._rests:
            return None
        if name not in LIBRARIES:
            parent = sys.modules.get(name.rpartition(".")[0])
            if not isinstance(parent, _Waiting):
                return None
            parent.load()  # which imports most of its modules
            return ModuleSpec(name, _Known(sys.modules[name])) if name in sys.modules else None
        if self.over:
            return None
        spec = PathFinder.find_spec(name, path, target)
        # What is not Python text makes modules of its own kind, and is imported as ever.
        if spec is None or not isinstance(spec.loader, SourceFileLoader) or not spec.parent:
            return None
        spec.loader = _Later(spec.loader, self)
        return spec


@contextmanager
def deferred_imports() -> Iterator[None]:
    """Defer libraries and classes until they are used, for imports within the block.

    For a process that ends when the listing is printed: what was deferred stays so after the block.
    """
    finder, before = _Finder(), _lazy.instead
    # pydantic would read the metadata of everything that is installed to look for its plugins.
    plugins = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = plugins or "__all__"
    sys.meta_path.insert(0, finder)
    _lazy.instead = _deferred
    try:
        yield
    finally:
        _lazy.instead = before
        finder.over = True  # it stays, to load what waits when one of its modules is imported
        os.environ.pop(_PLUGINS)
        if plugins is not None:
            os.environ[_PLUGINS] = plugins


def _deferred(module: str, name: str) -> Any:
    """Return a stand-in for one of `OURS`; None for what is imported at once."""
    return Deferred(module, name) if name in OURS and module not in sys.modules else None

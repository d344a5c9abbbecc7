"""Importing a project's configuration without the libraries that its models compute with.

Whoever only lists what can be chosen needs the signatures of the model functions, not NumPy, and
not the classes that stand in their annotations. Inside `deferred_imports`, the libraries of
`LIBRARIES` are loaded when something of them is first asked for, and what `OURS` names is a
stand-in that is good for annotations and nothing else.

A listing must never differ from what a run would see. So a stand-in does not imitate: whoever does
anything else with one gets `StandInUsed`, and `Deferral.is_sound` tells, also where that was
caught, that the import has to be done again as it is.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, Union

from . import _lazy

__all__ = ["LIBRARIES", "OURS", "Deferral", "StandInUsed", "deferred_imports"]

_NAMES = """
PIL.Image catboost cv2 dask datasets flax jax keras lightgbm lightning matplotlib matplotlib.pyplot
networkx numpy pandas plotly polars pyarrow pytorch_lightning ray scipy seaborn sklearn skimage
statsmodels tensorflow torch torchaudio torchvision xgboost
"""
LIBRARIES = frozenset(_NAMES.split())
"""Modules that take long to import and are seldom needed to say what can be chosen."""

_OURS = """
Asset AssetFilePath ColumnDefinition Dataset DatasetBag DerivaML Execution ForeignKeyDefinition
KeyDefinition TableDefinition create_ml_catalog create_ml_schema
"""
OURS = frozenset(_OURS.split())
"""Our classes and functions that stand in models and their annotations, and seldom are used to
say what can be chosen."""

_GENERIC = """
__origin__ __args__ __parameters__ __metadata__ __supertype__ __typing_subst__
"""
_NOT_OF_CLASSES = frozenset(_GENERIC.split())
"""What typing asks of every annotation, and plain classes do not have."""

_READERS = frozenset({"typing", "typing_extensions", "hydra_zen", "omegaconf"})
"""What reads annotations, and takes a stand-in as it takes a class that Hydra does not know."""

_BETWEEN = frozenset({"abc", "dataclasses", "inspect"})
"""What asks for somebody else."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


class StandInUsed(BaseException):
    """A stand-in was used for more than an annotation; no error, so no project handles it."""


class Deferral:
    """What was deferred within one block, and whether that was noticed.

    Attributes:
        libraries: The names of the modules that were to be loaded when used.
        failed: Whether loading one of them failed later than where it was imported.
        used: Whether a stand-in was used for more than an annotation.
    """

    def __init__(self) -> None:
        self.libraries: set[str] = set()
        self.failed = False
        self.used = False
        self._stand_ins: dict[tuple[str, str], StandIn] = {}

    @property
    def is_needed(self) -> bool:
        """Whether anything was deferred at all."""
        return bool(self.libraries or self._stand_ins)

    @property
    def is_sound(self) -> bool:
        """Whether the import had the results that it has without deferral.

        Where a class was imported behind the back of its stand-in, the two may have been compared.
        """
        both = any(module in sys.modules for module, _ in self._stand_ins)
        return not (self.used or self.failed or both)

    def stand_in(self, module: str, name: str) -> Any:
        """Return the stand-in for one of `OURS`; None for what is imported at once."""
        if name not in OURS or module in sys.modules:
            return None
        return self._stand_ins.setdefault((module, name), StandIn(self, module, name))


class StandIn:
    """Stands for a class or function of ours in annotations."""

    __slots__ = ("_deferral", "_where")

    def __init__(self, deferral: Deferral, module: str, name: str) -> None:
        self._deferral, self._where = deferral, f"{module}.{name}"

    def __getattribute__(self, name: str) -> Any:
        if name in _NOT_OF_CLASSES:
            raise AttributeError(name)
        if name == "__class__" and _asked_by() in _READERS:
            return StandIn
        return _used(self)

    def __call__(self, *_arguments: Any, **_keywords: Any) -> Any:
        """Make the deferral unsound; typing wants annotations to have this."""
        _used(self)

    def __repr__(self) -> str:
        _used(self)

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007 - `self` is no type

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007


def _used(stand_in: StandIn) -> NoReturn:
    deferral: Deferral = object.__getattribute__(stand_in, "_deferral")
    deferral.used = True
    raise StandInUsed(object.__getattribute__(stand_in, "_where"))


def _asked_by() -> str:
    """The package whose code asks for an attribute of a stand-in."""
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") in _BETWEEN and frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")).partition(".")[0]


class _Waiting(ModuleType):
    """A module that is loaded when anything of it is asked for."""

    def __getattribute__(self, name: str) -> Any:
        if name != "__spec__":  # which every further import of it looks at
            _load(self)
        if type(self) is _Waiting:  # it is just being loaded
            return super().__getattribute__(name)
        return getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _load(self)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _load(self)
        object.__delattr__(self, name)


def _load(module: _Waiting) -> None:
    spec = module.__spec__
    assert spec is not None
    if isinstance(spec.loader, _Later):
        spec.loader.load(module, spec)


class _Later(Loader):
    """Gives a module that waits, and loads it for real when it is used."""

    def __init__(self, loader: Loader, finder: _Finder) -> None:
        self._loader = loader
        self._finder = finder
        self._lock = threading.RLock()
        self._begun = False

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _Waiting

    def load(self, module: _Waiting, spec: ModuleSpec) -> None:
        """Load a module that waited; other threads wait for it, the module itself does not."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
            object.__setattr__(module, "__loader__", self._loader)
            try:
                with self._finder.resting():
                    self._loader.exec_module(module)
                if sys.modules.get(spec.name) is not module:
                    raise ImportError(f"{spec.name} has put another module in its place.")
            except BaseException:
                self._finder.deferral.failed = True
                sys.modules.pop(spec.name, None)
                raise
            spec.loader = self._loader
            if type(module) is _Waiting:
                object.__setattr__(module, "__class__", ModuleType)


class _Finder(MetaPathFinder):
    """Finds the modules of `LIBRARIES` as Python does, but has them loaded when first used."""

    def __init__(self, deferral: Deferral) -> None:
        self.deferral = deferral
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
        if self._rests or name not in LIBRARIES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        # What is not Python text makes modules of its own kind. And a project may have a package
        # of its own with such a name, `datasets` for one, which stores what is to be listed.
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        if _INSTALLED.isdisjoint(Path(spec.origin or "").parts):
            return None
        self.deferral.libraries.add(name)
        spec.loader = _Later(spec.loader, self)
        return spec


@contextmanager
def deferred_imports() -> Iterator[Deferral]:
    """Defer libraries and classes of ours for imports within the block; yields what was deferred.

    For a process that ends when the listing is printed: what was deferred stays so after the block.
    """
    deferral, before = Deferral(), _lazy.instead
    finder = _Finder(deferral)
    # pydantic would read the metadata of everything that is installed to look for its plugins.
    plugins = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = plugins or "__all__"
    sys.meta_path.insert(0, finder)
    _lazy.instead = deferral.stand_in
    try:
        yield deferral
    finally:
        _lazy.instead = before
        sys.meta_path.remove(finder)
        os.environ.pop(_PLUGINS)
        if plugins is not None:
            os.environ[_PLUGINS] = plugins

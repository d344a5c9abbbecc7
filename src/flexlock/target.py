"""Where a function lives, so that another process can find it again.

A decorated function cannot be sent to a worker by itself. `Target` is its address: a few strings.
A script that was started as ``__main__`` is imported again by its path, under a name of its own, so
that its ``if __name__ == "__main__":`` block stays quiet.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from flexlock.errors import ConfigError, TargetImportError
from flexlock.spelling import nearest

__all__ = [
    "CALL_ATTRIBUTE",
    "SCRIPT_PREFIX",
    "Target",
    "import_file",
    "import_name",
    "main_module_name",
]

CALL_ATTRIBUTE = "__flexlock_call__"
"""Attribute of a decorated function: the callable that takes one resolved config."""

SCRIPT_PREFIX = "_flexlock_script_"
"""Beginning of the names of modules that were imported by their paths."""


@dataclass(frozen=True, slots=True)
class Target:
    """The address of a function.

    Attributes:
        module: Dotted name to import, or ``__main__`` for a script.
        file: Absolute path of the source file; None for code that was typed in.
        qualname: Dotted name of the function inside its module.
    """

    module: str
    file: str | None
    qualname: str

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Target:
        """Return the address of a function, decorated or not."""
        name = getattr(function, "__module__", None) or "__main__"
        module = sys.modules.get(name)
        file = _source_file(function, module)
        if module is not None and (name == "__main__" or name.startswith(SCRIPT_PREFIX)):
            name = main_module_name(file) or "__main__" if name == "__main__" else "__main__"
        return cls(name, file, _bound_name(function, module))

    @property
    def is_importable(self) -> bool:
        """Whether another process can load the function from this address alone."""
        return "<" not in self.qualname and (self.module != "__main__" or self.file is not None)

    @property
    def address(self) -> str:
        """The address as people write it: ``file.py:main`` or ``package.module:main``."""
        place = self.file if self.module == "__main__" and self.file else self.module
        return f"{place}:{self.qualname}"

    def load(self) -> Callable[..., Any]:
        """Return the function, without the decorators of this package.

        The result of `clicfg` is loaded as a callable of one resolved config, any other function
        as it is. A script that runs as ``__main__`` in this very process is not imported again.

        Raises:
            TargetImportError: The module cannot be imported, or has no such function.
        """
        found: Any = self._import()
        for part in self.qualname.split("."):
            found = getattr(found, part, None)
        if not callable(found):
            raise TargetImportError(
                f"Cannot load {self.address!r}: there is no function {self.qualname!r} in it.",
                hint="Define it at the top level of the module.",
                target=self.address,
            )
        loaded: Callable[..., Any] = getattr(found, CALL_ATTRIBUTE, found)
        return loaded

    def _import(self) -> ModuleType:
        if self.module == "__main__":
            return self._import_script()
        root = None if self.file is None else _import_root(self.module, Path(self.file))
        module = import_name(self.module, root)
        found = getattr(module, "__file__", None)
        if self.file is not None and (found is None or not _same_file(found, self.file)):
            raise TargetImportError(
                f"Cannot load {self.address!r}: the module was imported from {found!r}, "
                f"not from {self.file!r}.",
                hint="Another module of that name comes first on sys.path.",
                target=self.address,
            )
        return module

    def _import_script(self) -> ModuleType:
        running = sys.modules.get("__main__")
        running_file = getattr(running, "__file__", None)
        if running is not None and hasattr(running, self.qualname.split(".")[0]):
            if self.file is None:
                return running
            if running_file is not None and _same_file(running_file, self.file):
                return running
        if self.file is None:
            raise TargetImportError(
                f"Cannot load {self.qualname!r}: it was typed in, not read from a file.",
                hint="Save the function in a module and import it.",
                target=self.qualname,
            )
        return import_file(Path(self.file))


def main_module_name(file: str | None) -> str | None:
    """Return the dotted name under which ``python -m`` started a file, or None.

    Programs that run scripts, such as profilers, are started that way too; they do not count.
    """
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or file is None or not spec.origin or spec.name == "__main__":
        return None
    return str(spec.name) if _same_file(spec.origin, file) else None


def load_function(address: str) -> Callable[..., Any]:
    """Return the function at an address that a person writes.

    Args:
        address: ``file.py:function``, ``file.py`` for its ``main``, ``module:function``, or
            ``module.function``. Modules are also looked for in the working directory.

    Raises:
        TargetImportError: There is no such file, module or function.
        ConfigError: The address names no function.
    """
    place, colon, name = address.partition(":")
    if place.endswith(".py"):
        module = import_file(Path(place))
        name = name or "main"
    elif colon or "." in place:
        if not colon:
            place, _, name = address.rpartition(".")
        module = import_name(place, Path.cwd())
    else:
        raise ConfigError(
            f"{address!r} names no function.",
            hint="Write file.py, file.py:function, or module:function.",
        )
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if callable(found):
        function: Callable[..., Any] = found
        return function
    known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
    raise TargetImportError(
        f"There is no function {name!r} in {place!r}.{nearest(name, known)}",
        hint="Name one as file.py:function.",
        target=address,
    )


def import_name(name: str, root: Path | None = None) -> ModuleType:
    """Import a module by its dotted name; `root` joins ``sys.path`` when that is needed.

    Raises:
        TargetImportError: There is no such module, or it fails while it is imported.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        is_absent = error.name is not None and f"{name}.".startswith(f"{error.name}.")
        if not is_absent or root is None or str(root) in sys.path:
            raise _import_failed(name, error) from error
    except ImportError as error:
        raise _import_failed(name, error) from error
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    return import_name(name)


def import_file(path: Path) -> ModuleType:
    """Import a script by its path, once, under a private name; its folder joins ``sys.path``.

    Raises:
        TargetImportError: There is no such file.
    """
    file = Path(os.path.realpath(path))
    name = SCRIPT_PREFIX + hashlib.sha256(os.fsencode(file)).hexdigest()[:12]
    if name in sys.modules:
        return sys.modules[name]
    if not file.is_file():
        raise TargetImportError(
            f"Cannot import {str(path)!r}: there is no such file.",
            hint="Give the path of a Python file.",
            path=str(path),
        )
    spec = importlib.util.spec_from_file_location(name, file, loader=_from_source(name, file))
    if spec is None or spec.loader is None:
        raise TargetImportError(
            f"Cannot import {str(path)!r}: it is not a Python file.",
            hint="Its name must end in .py.",
            path=str(path),
        )
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Compiles the file that is there, as Python does with the script that it is started with.

    Compiled files count as current by the second and the length: a script edited right after a run
    would run as it was, under a run sheet that names the edit.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _from_source(name: str, file: Path) -> _SourceLoader | None:
    return _SourceLoader(name, str(file)) if file.suffix == ".py" else None


def _source_file(function: Callable[..., Any], module: ModuleType | None) -> str | None:
    code = getattr(_innermost(function), "__code__", None)
    own: str | None = getattr(code, "co_filename", None)
    for candidate in (getattr(module, "__file__", None), own):
        if not candidate or candidate.startswith("<") or not Path(candidate).is_file():
            continue
        if own is None or _same_file(own, candidate):
            return str(Path(candidate).absolute())
    return None


def _bound_name(function: Callable[..., Any], module: ModuleType | None) -> str:
    """Return the name under which `function`, or a wrapper around it, is found in its module."""
    qualname: str = getattr(function, "__qualname__", None) or type(function).__qualname__
    if module is None:
        return qualname
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if function in _chain(found):
        return qualname
    for name, value in list(vars(module).items()):
        if value is function:
            return name
    return qualname


def _chain(function: Any) -> list[Any]:
    """Return the function and all that it wraps, outermost first."""
    chain: list[Any] = []
    while function is not None and not any(function is seen for seen in chain):
        chain.append(function)
        function = getattr(function, "__wrapped__", None)
    return chain


def _innermost(function: Any) -> Any:
    return _chain(function)[-1]


def _import_root(module: str, file: Path) -> Path:
    """Return the folder that must be on ``sys.path`` so that `module` is `file`."""
    depth = module.count(".") + (file.name == "__init__.py")
    return file.parents[min(depth, len(file.parents) - 1)]


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _import_failed(name: str, error: ImportError) -> TargetImportError:
    return TargetImportError(
        f"Cannot import {name!r}: {error}.",
        hint="Install it, or start from a folder where it can be imported.",
        module=name,
    )

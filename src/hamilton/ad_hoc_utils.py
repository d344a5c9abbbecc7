"""Modules made on the spot from functions or source text."""

from __future__ import annotations

import atexit
import copy
import importlib.util
import linecache
import logging
import os
import sys
import tempfile
import types
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["create_module", "create_temporary_module", "module_from_source"]

logger = logging.getLogger(__name__)

_RESERVED = frozenset(dir(ModuleType("reserved")))


def _unique_name() -> str:
    return f"temporary_module_{str(uuid.uuid4()).replace('-', '_')}"


def _copied(fn: Callable[..., Any], module_name: str) -> Callable[..., Any]:
    """Returns a copy of a function that belongs to another module; the original is untouched."""
    if not isinstance(fn, types.FunctionType):
        raise ValueError(f"{fn!r} is not a function; only functions can be put into a module.")
    new = types.FunctionType(
        fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__
    )
    new.__dict__.update(fn.__dict__)
    new.__annotations__ = dict(fn.__annotations__)
    new.__kwdefaults__ = copy.copy(fn.__kwdefaults__)
    new.__doc__ = fn.__doc__
    new.__qualname__ = fn.__qualname__
    new.__module__ = module_name
    return new


def create_temporary_module(
    *functions: Callable[..., Any], module_name: str | None = None
) -> ModuleType:
    """Returns a new module, registered in ``sys.modules``, holding copies of the functions.

    Raises:
        ValueError: The module exists, or a function name is repeated, reserved or private.
    """
    name = module_name or _unique_name()
    if name in sys.modules:
        raise ValueError(f"Module {name!r} exists already; choose another module_name.")
    module = ModuleType(name)
    seen: set[str] = set()
    for fn in functions:
        fn_name = fn.__name__
        if fn_name.startswith("_"):
            raise ValueError(
                f"Function {fn_name!r} begins with an underscore, so it would never become a node."
            )
        if fn_name in seen:
            raise ValueError(f"Two functions are called {fn_name!r}; a module holds one of a name.")
        if fn_name in _RESERVED:
            raise ValueError(f"{fn_name!r} is a reserved name in modules; rename the function.")
        seen.add(fn_name)
        setattr(module, fn_name, _copied(fn, name))
    sys.modules[name] = module
    return module


def module_from_source(source: str, module_name: str | None = None) -> ModuleType:
    """Returns a module made of source text, whose source `inspect` can find.

    The module is registered in ``sys.modules``, replacing one of the same name.
    """
    name = module_name or _unique_name()
    filename = f"<dataflow module {name}>"
    module = ModuleType(name)
    module.__file__ = filename
    module.__dataflow_source__ = source  # type: ignore[attr-defined]
    code = compile(source, filename, "exec", dont_inherit=True)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    previous = sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        if previous is None:
            del sys.modules[name]
        else:
            sys.modules[name] = previous
        raise
    return module


def create_module(source: str, module_name: str | None = None, verbosity: int = 0) -> ModuleType:
    """Writes source text to a temporary file and imports it as a real module.

    The file is removed when the interpreter exits.

    Args:
        source: The text of the module.
        module_name: Its name; a unique one by default.
        verbosity: 1 or more logs where the file is.
    """
    name = module_name or _unique_name()
    handle, path = tempfile.mkstemp(suffix=".py", prefix=f"{name}_")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(source)
    atexit.register(Path(path).unlink, missing_ok=True)
    if verbosity > 0:
        logger.info("Module %r is written to %s.", name, path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported as module {name!r}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

"""How modules travel inside a pickled driver: by name, or by value when made in memory."""

from __future__ import annotations

import importlib
import logging
import sys
import types
from collections.abc import Iterable
from types import ModuleType
from typing import Any

__all__ = ["module_state", "restored_modules"]

logger = logging.getLogger(__name__)

ModuleState = tuple[str, str | bytes | None]


def module_state(module: ModuleType) -> ModuleState:
    """Returns the name of a module, with its source or functions when it has no file.

    Raises:
        ValueError: The module was made in memory of functions and cloudpickle is not installed.
    """
    if getattr(module, "__spec__", None) is not None:
        return module.__name__, None
    source = getattr(module, "__dataflow_source__", None)
    if source is not None:
        return module.__name__, str(source)
    try:
        import cloudpickle
    except ImportError as error:
        raise ValueError(
            f"Module {module.__name__!r} was made in memory, so it cannot be pickled by name; "
            "install cloudpickle to pickle its functions."
        ) from error
    functions = {
        name: member
        for name, member in vars(module).items()
        if isinstance(member, types.FunctionType)
    }
    cloudpickle.register_pickle_by_value(module)
    try:
        payload: bytes = cloudpickle.dumps(functions)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    return module.__name__, payload


def restored_modules(states: Iterable[ModuleState]) -> list[ModuleType]:
    """Returns the modules of a pickled driver; one that is missing is logged and left out."""
    modules = []
    for name, content in states:
        try:
            modules.append(_restored(name, content))
        except ModuleNotFoundError:
            logger.error("Module %r is not importable here; its functions are missing.", name)
    return modules


def _restored(name: str, content: str | bytes | None) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    if content is None:
        return importlib.import_module(name)
    if isinstance(content, str):
        from hamilton.ad_hoc_utils import module_from_source

        return module_from_source(content, name)
    import cloudpickle

    functions: dict[str, Any] = cloudpickle.loads(content)
    module = ModuleType(name)
    for attribute, function in functions.items():
        setattr(module, attribute, function)
    sys.modules[name] = module
    return module

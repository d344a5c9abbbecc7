"""Work as bytes for other processes, functions of modules made in memory included."""

from __future__ import annotations

import importlib.machinery
import pickle
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from hamilton._loop import annotate_failure
from hamilton.node import Node

__all__ = ["ShippedCall", "missing_library", "run_shipped", "shipped"]


def shipped(work: Callable[..., Any], node: Node) -> bytes:
    """Returns what runs a node as bytes for `run_shipped`.

    Functions whose modules a worker could not import travel whole.

    Raises:
        TypeError: Something it holds cannot be pickled.
    """
    import cloudpickle

    names = {f.__module__ for f in node.originating_functions or ()}
    modules = [sys.modules[n] for n in names if n in sys.modules and _unreachable(sys.modules[n])]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        data: bytes = cloudpickle.dumps((work, node))
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    return data


def _unreachable(module: ModuleType) -> bool:
    """Returns whether a fresh process with the same path could not import a module by name."""
    if module.__name__ == "__main__":
        return False  # always travels whole
    if getattr(module, "__spec__", None) is None:
        return True
    top = module.__name__.partition(".")[0]
    spec = importlib.machinery.PathFinder.find_spec(top)
    if spec is None:
        return True
    known = getattr(sys.modules.get(top), "__file__", None)
    return known is not None and spec.origin is not None and spec.origin != known


class ShippedCall:
    """Runs what `shipped` packed; it is unpickled once in each process, at the first call.

    A failure carries the note that says in which node.
    """

    __slots__ = ("_data", "_unpacked")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._unpacked: tuple[Callable[..., Any], Node] | None = None

    def __call__(self, **kwargs: Any) -> Any:
        """Returns what the packed function returns."""
        if self._unpacked is None:
            self._unpacked = pickle.loads(self._data)
        work, node = self._unpacked
        try:
            return work(**kwargs)
        except Exception as error:
            annotate_failure(error, node, kwargs)
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        return ShippedCall, (self._data,)


def run_shipped(data: bytes, /, **kwargs: Any) -> Any:
    """Runs what `shipped` packed, once; a failure carries the note that says in which node."""
    return ShippedCall(data)(**kwargs)


def missing_library(library: str, extra: str) -> ImportError:
    """Returns the error for a library that is not installed, with the line that installs it.

    Args:
        library: The library.
        extra: What to install, as it is typed: usually ``'derivaml[<extra>]'``, quoted.
    """
    return ImportError(
        f"{library} is not installed, which this plugin needs; run `pip install {extra}`.",
        name=library,
    )

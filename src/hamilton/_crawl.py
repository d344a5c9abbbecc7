"""Which members of a module become nodes."""

from __future__ import annotations

import types
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["dataflow_functions"]


def dataflow_functions(module: ModuleType) -> list[Callable[..., Any]]:
    """Returns the functions of a module that take part in the dataflow, by attribute name.

    A function takes part when it is a plain or asynchronous ``def`` that was written in this
    module or in a submodule of it and whose own name does not begin with an underscore. Lambdas
    are left out.
    """
    home = module.__name__
    below = home + "."
    members = vars(module)
    found: list[Callable[..., Any]] = []
    for attribute in sorted(members):
        member = members[attribute]
        if type(member) is not types.FunctionType:
            continue
        name, origin = member.__name__, member.__module__
        if name[0] == "_" or name == "<lambda>":
            continue
        if origin == home or (origin is not None and origin.startswith(below)):
            found.append(member)
    return found

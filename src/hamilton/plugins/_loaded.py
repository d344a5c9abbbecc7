"""Classes of libraries, as far as the libraries are imported already."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["loaded_class", "loaded_types"]


def loaded_class(path: str) -> Any:
    """Returns the class at ``package.module.Name`` if that module is imported, else None."""
    module, _, name = path.rpartition(".")
    return getattr(sys.modules.get(module), name, None)


def loaded_types(*paths: str) -> list[Any]:
    """Returns those of the named classes whose modules are imported.

    A value, or an annotation, of a class that is not imported cannot have reached the caller.
    """
    return [found for found in map(loaded_class, paths) if isinstance(found, type)]
